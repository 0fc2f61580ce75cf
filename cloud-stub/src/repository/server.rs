//! Serves the repository over HTTPS with mutual TLS: `/metadata/FILE` and `/targets/PATH`, by GET and HEAD, whole or
//! one range. Nothing but static files, so any object store could take its place.

use super::{
    Mistake, Repository,
    body::{Answer, End, Plan, Source},
    faults::{self, Instead, Trouble},
};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderMap, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::{
    fs::File, io, ops::Range, os::unix::fs::MetadataExt, path::Path, sync::Arc, time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;

/// Bounds of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; more are closed at once.
    pub connections: usize,
    /// Longest handshake, and longest wait for a request's header.
    pub header: Duration,
    /// Longest life of a connection.
    pub connection: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            header: Duration::from_secs(30),
            connection: Duration::from_secs(60 * 60),
        }
    }
}

/// Pause after a failed accept, so that a lack of descriptors is not met with a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the repository in this folder until it is dropped. There need not be one yet.
pub async fn serve(listener: TcpListener, tls: Arc<ServerConfig>, folder: &Path, limits: Limits) {
    let repository = Arc::new(Repository { folder: folder.to_owned(), without: Vec::new() });
    let (acceptor, places) = (TlsAcceptor::from(tls), Arc::new(Semaphore::new(limits.connections)));
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (acceptor, repository) = (acceptor.clone(), repository.clone());
        tokio::spawn(async move {
            // A connection that outlives its time is dropped; its client may come back.
            let serving = connection(socket, acceptor, repository, limits);
            let _ = tokio::time::timeout(limits.connection, serving).await;
            drop(place);
        });
    }
}

async fn connection(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    repository: Arc<Repository>,
    limits: Limits,
) {
    let _ = socket.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(limits.header, acceptor.accept(socket)).await else {
        return;
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let repository = repository.clone();
        async move { answer(&repository, &request) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(64 * 1024);
    // What ends a connection early concerns only its client.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// An error closes the connection without an answer.
fn answer(repository: &Repository, request: &Request<Incoming>) -> io::Result<Response<Answer>> {
    let path = request.uri().path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(answer);
    }
    let Some(wanted) = Wanted::parse(path) else {
        return Ok(refusal(StatusCode::BAD_REQUEST, "only /metadata/FILE and /targets/PATH"));
    };
    match faults::of(&repository.folder, path) {
        Ok(troubles) if troubles.contains(&Trouble::Down) => {
            Err(io::ErrorKind::ConnectionAborted.into())
        }
        Ok(troubles) => Ok(serve_one(repository, &wanted, &troubles, request)),
        Err(mistake) => Ok(unserved(&mistake)),
    }
}

fn serve_one(
    repository: &Repository,
    wanted: &Wanted<'_>,
    troubles: &[Trouble],
    request: &Request<Incoming>,
) -> Response<Answer> {
    if troubles.contains(&Trouble::Missing) {
        return refusal(StatusCode::NOT_FOUND, "no such file");
    }
    match open(repository, wanted, troubles) {
        Ok(Some(found)) => found.answer(request, troubles),
        Ok(None) => refusal(StatusCode::NOT_FOUND, "no such file"),
        Err(mistake) => unserved(&mistake),
    }
}

fn unserved(mistake: &Mistake) -> Response<Answer> {
    tracing::warn!(%mistake, "a request could not be served");
    refusal(StatusCode::INTERNAL_SERVER_ERROR, &mistake.to_string())
}

fn refusal(status: StatusCode, why: &str) -> Response<Answer> {
    let mut answer = Response::new(Answer::text(format!("{why}\n")));
    *answer.status_mut() = status;
    answer
}

/// What a path asks for. Only plain names are let through, so none leads out of the folder.
enum Wanted<'a> {
    Metadata(&'a str),
    Target(&'a str),
}

impl<'a> Wanted<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let name =
            |name: &str| !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain);
        if let Some(file) = path.strip_prefix("/metadata/") {
            return name(file).then_some(Self::Metadata(file));
        }
        let target = path.strip_prefix("/targets/")?;
        target.split('/').all(name).then_some(Self::Target(target))
    }
}

/// Something that can be served.
struct Found {
    source: Source,
    length: u64,
    tag: Option<String>,
}

fn open(
    repository: &Repository,
    wanted: &Wanted<'_>,
    troubles: &[Trouble],
) -> Result<Option<Found>, Mistake> {
    let (path, folder) = match wanted {
        Wanted::Target(path) => (repository.targets().join(path), repository.targets()),
        Wanted::Metadata(name) => match faults::metadata(repository, troubles, name)? {
            Instead::File(path) => (path, repository.folder.join("repository")),
            Instead::Bytes(bytes) => {
                let length = bytes.len() as u64;
                return Ok(Some(Found { source: Source::Bytes(bytes.into()), length, tag: None }));
            }
        },
    };
    let inside =
        |path: &Path| Some(path.canonicalize().ok()?.starts_with(folder.canonicalize().ok()?));
    if inside(&path) != Some(true) {
        return Ok(None);
    }
    let file = File::open(&path).map_err(Mistake::io(&path))?;
    let about = file.metadata().map_err(Mistake::io(&path))?;
    let tag = format!("\"{:x}-{:x}-{:x}\"", about.ino(), about.len(), about.mtime_nsec());
    let found = Found { source: Source::File(Arc::new(file)), length: about.len(), tag: Some(tag) };
    Ok(about.is_file().then_some(found))
}

impl Found {
    fn answer(mut self, request: &Request<Incoming>, troubles: &[Trouble]) -> Response<Answer> {
        let flip = troubles.contains(&Trouble::BitFlip).then_some(self.length / 2);
        if troubles.contains(&Trouble::Truncated) {
            self.length /= 2;
        }
        let known = text(request.headers(), header::IF_NONE_MATCH);
        if known.is_some() && known == self.tag.as_deref() {
            return self.head(StatusCode::NOT_MODIFIED, Answer::text(String::new()));
        }
        let (status, range) = match self.asked(request.headers()) {
            Asked::Whole => (StatusCode::OK, 0..self.length),
            Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
            Asked::Outside => return self.outside(),
        };
        let end = match () {
            () if troubles.contains(&Trouble::Endless) => End::Endless,
            () if troubles.contains(&Trouble::Torn) => End::Torn,
            () => End::Whole,
        };
        let (source, rate) = (self.source.clone(), rate(troubles));
        let plan = Plan { source, range: range.clone(), flip, rate, end };
        let head_only = request.method() == Method::HEAD;
        let body = if head_only { Answer::text(String::new()) } else { Answer::start(plan) };
        let mut answer = self.head(status, body);
        if end != End::Endless {
            put(&mut answer, header::CONTENT_LENGTH, &(range.end - range.start).to_string());
        }
        if status == StatusCode::PARTIAL_CONTENT {
            let last = range.end.saturating_sub(1);
            let part = format!("bytes {}-{last}/{}", range.start, self.length);
            put(&mut answer, header::CONTENT_RANGE, &part);
        }
        answer
    }

    /// A range counts only while the file is the one the client knows.
    fn asked(&self, headers: &HeaderMap) -> Asked {
        let known = text(headers, header::IF_RANGE);
        let range = text(headers, header::RANGE);
        let range = range.filter(|_| known.is_none() || known == self.tag.as_deref());
        range.map_or(Asked::Whole, |range| one_range(range, self.length))
    }

    fn outside(&self) -> Response<Answer> {
        let text = Answer::text("the range is outside of the file\n".to_owned());
        let mut answer = self.head(StatusCode::RANGE_NOT_SATISFIABLE, text);
        put(&mut answer, header::CONTENT_RANGE, &format!("bytes */{}", self.length));
        answer
    }

    fn head(&self, status: StatusCode, body: Answer) -> Response<Answer> {
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        put(&mut answer, header::ACCEPT_RANGES, "bytes");
        if let Some(tag) = &self.tag {
            put(&mut answer, header::ETAG, tag);
        }
        answer
    }
}

fn rate(troubles: &[Trouble]) -> Option<u64> {
    troubles.iter().find_map(|trouble| match trouble {
        Trouble::Slow { rate } => Some(*rate),
        Trouble::Stale { .. }
        | Trouble::Torn
        | Trouble::Endless
        | Trouble::Mixed
        | Trouble::WrongKey
        | Trouble::BitFlip
        | Trouble::Truncated
        | Trouble::Missing
        | Trouble::Down
        | Trouble::FastForward { .. } => None,
    })
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn put(answer: &mut Response<Answer>, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

/// What a Range header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Outside,
}

/// RFC 9110 section 14.2: one that is not understood, or asks for several parts, is answered with the whole.
fn one_range(text: &str, length: u64) -> Asked {
    let Some((from, to)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Asked::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (number(from), number(to)) {
        (Some(from), Some(to)) if from <= to => from..to.saturating_add(1).min(length),
        (Some(from), None) if to.is_empty() => from..length,
        (None, Some(last)) if from.is_empty() => length.saturating_sub(last)..length,
        _ => return Asked::Whole,
    };
    if range.start < range.end { Asked::Part(range) } else { Asked::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (text, asked) in [
            ("bytes=0-9", Asked::Part(0..10)),
            ("bytes=90-", Asked::Part(90..100)),
            ("bytes=-10", Asked::Part(90..100)),
            ("bytes=-200", Asked::Part(0..100)),
            ("bytes=50-999999999999999999999", Asked::Part(50..100)),
            ("bytes=100-", Asked::Outside),
            ("bytes=-0", Asked::Outside),
            ("bytes=9-0", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("lines=0-1", Asked::Whole),
        ] {
            assert_eq!(one_range(text, 100), asked, "{text}");
        }
    }

    #[test]
    fn only_plain_names_are_paths() {
        for path in ["/metadata/1.root.json", "/targets/c/acme.lamp/1/ab.image"] {
            assert!(Wanted::parse(path).is_some(), "{path}");
        }
        for path in [
            "/",
            "/metadata/",
            "/metadata/../keys/root-1.pk8",
            "/metadata/a/b",
            "/metadata/.new.x",
            "/targets/../../keys/root-1.pk8",
            "/targets/c/%2e%2e/x",
            "/targets//etc/passwd",
            "/targets/a\\b",
            "/keys/root-1.pk8",
        ] {
            assert!(Wanted::parse(path).is_none(), "{path}");
        }
    }
}
