//! A web server: plain requests over one connection that is kept, HTTP/1.1, no redirects.

use super::{Ask, BadSource, Body, Opened, Pace, SourceError, is_plain};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    client::conn::http1,
    header::{CONTENT_LENGTH, CONTENT_RANGE, HOST, HeaderMap, RANGE, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

/// What hyper may buffer of one connection, the head of an answer included.
const BUFFER: usize = 64 * 1024;

/// A connection with no request under way.
type Idle = Arc<Mutex<Option<Sender>>>;
type Sender = http1::SendRequest<Empty<Bytes>>;

/// A web server.
pub struct Http {
    host: String,
    port: u16,
    authority: String,
    /// Ends with a slash.
    base: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pace: Pace,
    idle: Idle,
}

impl Http {
    pub(super) fn new(
        address: &str,
        tls: Option<Arc<ClientConfig>>,
        pace: Pace,
    ) -> Result<Self, BadSource> {
        let form = || BadSource::Form(address.to_owned());
        let (secure, rest) = scheme(address)?;
        let uri: Uri = address.parse().map_err(|_| form())?;
        let (authority, host) = uri.authority().zip(uri.host()).ok_or_else(form)?;
        if uri.query().is_some() || rest.contains(['#', '@', ' ']) || host.is_empty() {
            return Err(form());
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = match (secure, tls) {
            (false, _) => None,
            (true, None) => return Err(BadSource::NoTls(address.to_owned())),
            (true, Some(config)) => {
                Some((config, ServerName::try_from(host.clone()).map_err(|_| form())?))
            }
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.to_string(),
            base: format!("{}/", uri.path().trim_end_matches('/')),
            host,
            tls,
            pace,
            idle: Idle::default(),
        })
    }

    pub(super) async fn open(&self, ask: &Ask<'_>) -> Result<Option<Opened>, SourceError> {
        if !is_plain(ask.path) {
            return Err(SourceError::Forbidden(format!("{:?} leads elsewhere", ask.path)));
        }
        let (mut sender, mut response) = self.answer(ask, ask.from).await?;
        if ask.from > 0 && response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            drop((sender, response));
            (sender, response) = self.answer(ask, 0).await?;
        }
        let Some(from) = self.judge(ask, &response)? else {
            self.keep_if_short(sender, response).await;
            return Ok(None);
        };
        let reading = Reading {
            body: response.into_body(),
            sender: Some(sender),
            idle: Arc::clone(&self.idle),
        };
        Ok(Some(Opened::new(ask, &self.pace, from, Body::Http(reading))))
    }

    /// Where the file begins; nothing when there is no such file.
    fn judge(
        &self,
        ask: &Ask<'_>,
        response: &Response<Incoming>,
    ) -> Result<Option<u64>, SourceError> {
        let says =
            |what: String| SourceError::Unreachable(format!("{self}{}: {what}", ask.encoded));
        let status = response.status();
        let from = match status {
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if begins(response.headers()) == Some(ask.from) => ask.from,
            StatusCode::PARTIAL_CONTENT => {
                return Err(says("the server sends another part than was asked for".to_owned()));
            }
            _ if status.is_redirection() => {
                return Err(says(format!(
                    "the server answers {status}; redirects are not followed"
                )));
            }
            _ => return Err(says(format!("the server answers {status}"))),
        };
        let length = response.headers().get(CONTENT_LENGTH).and_then(|l| l.to_str().ok());
        let length: u64 = length.and_then(|l| l.parse().ok()).unwrap_or(0);
        if length > ask.most.saturating_sub(from) {
            return Err(SourceError::TooLarge(format!("{} is longer than allowed", ask.path)));
        }
        Ok(Some(from))
    }

    /// Sends a request, over the kept connection when it still works.
    async fn answer(
        &self,
        ask: &Ask<'_>,
        from: u64,
    ) -> Result<(Sender, Response<Incoming>), SourceError> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = kept
            && let Ok(answered) = self.send(sender, ask, from).await
        {
            return Ok(answered);
        }
        let sender = self.connect().await?;
        self.send(sender, ask, from).await
    }

    async fn send(
        &self,
        mut sender: Sender,
        ask: &Ask<'_>,
        from: u64,
    ) -> Result<(Sender, Response<Incoming>), SourceError> {
        let failed =
            |e: &dyn fmt::Display| SourceError::Unreachable(format!("{self}{}: {e}", ask.encoded));
        let mut request = Request::get(format!("{}{}", self.base, ask.encoded))
            .header(HOST, &self.authority)
            .header(USER_AGENT, concat!("hub-agent/", env!("CARGO_PKG_VERSION")));
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let request = request.body(Empty::new()).map_err(|e| failed(&e))?;
        let answered = timeout(self.pace.answer, async {
            sender.ready().await?;
            sender.send_request(request).await
        });
        match answered.await {
            Ok(Ok(response)) => Ok((sender, response)),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(failed(&"no answer in time")),
        }
    }

    async fn connect(&self) -> Result<Sender, SourceError> {
        let connected = timeout(self.pace.connect, async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            match &self.tls {
                None => handshake(stream).await,
                Some((config, name)) => {
                    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
                    handshake(connector.connect(name.clone(), stream).await?).await
                }
            }
        });
        match connected.await {
            Ok(Ok(sender)) => Ok(sender),
            Ok(Err(error)) => Err(SourceError::Unreachable(format!("{self}: {error}"))),
            Err(_) => Err(SourceError::Unreachable(format!("{self}: no connection in time"))),
        }
    }

    /// Keeps the connection when little of a body that nobody wants is left.
    async fn keep_if_short(&self, sender: Sender, response: Response<Incoming>) {
        let body = http_body_util::Limited::new(response.into_body(), BUFFER);
        let read = timeout(self.pace.answer, body.collect()).await;
        if matches!(read, Ok(Ok(_))) {
            give_back(&self.idle, sender);
        }
    }
}

fn scheme(address: &str) -> Result<(bool, &str), BadSource> {
    if let Some(rest) = address.strip_prefix("http://") {
        return Ok((false, rest));
    }
    let rest = address.strip_prefix("https://");
    rest.map(|rest| (true, rest)).ok_or_else(|| BadSource::Scheme(address.to_owned()))
}

/// The first byte of a `Content-Range`.
fn begins(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

async fn handshake<S>(stream: S) -> std::io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    let made = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(std::io::Error::other)?;
    tokio::spawn(async move {
        // It ends with its sender, or with an error that the request under way reports.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a mirror ended");
        }
    });
    Ok(sender)
}

fn give_back(idle: &Idle, sender: Sender) {
    if !sender.is_closed() {
        *idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    }
}

/// A file while it is read; at its end the connection is free for the next.
pub(super) struct Reading {
    body: Incoming,
    sender: Option<Sender>,
    idle: Idle,
}

impl Reading {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self.body.frame().await {
            // Trailers are no data.
            Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
            Some(Err(error)) => Err(format!("the connection broke ({error})")),
            None => {
                if let Some(sender) = self.sender.take() {
                    give_back(&self.idle, sender);
                }
                Ok(None)
            }
        }
    }
}

impl fmt::Display for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.base)
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({self})")
    }
}
