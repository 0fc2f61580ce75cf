//! One notice to the receiver, over a connection of its own: HTTP/1.1, no redirects.

use super::address::Address;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, StatusCode,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

/// Longest time for one notice, from the first packet to the answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// What hyper may buffer of one connection.
const BUFFER: usize = 16 * 1024;

/// A notice as it is sent.
pub(super) struct Notice<'a> {
    pub(super) id: &'a str,
    pub(super) seconds: u64,
    pub(super) signature: &'a str,
    pub(super) body: String,
}

/// What the receiver made of a notice.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It has it.
    Taken,
    /// It may take it later.
    Later(String),
    /// It says that it will never take this one.
    Never(String),
    /// It wants no notices any more.
    Unwanted,
}

/// Sends one notice and waits for the answer.
pub(super) async fn post(
    to: &Address,
    tls: Option<&Arc<ClientConfig>>,
    notice: Notice<'_>,
) -> Outcome {
    match timeout(PATIENCE, exchange(to, tls, notice)).await {
        Ok(Ok(status)) => judge(status),
        Ok(Err(error)) => Outcome::Later(error.to_string()),
        Err(_) => Outcome::Later("no answer in time".to_owned()),
    }
}

fn judge(status: StatusCode) -> Outcome {
    let says = || format!("the receiver answers {status}");
    match status {
        StatusCode::GONE => Outcome::Unwanted,
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => Outcome::Never(says()),
        _ if status.is_success() => Outcome::Taken,
        _ => Outcome::Later(says()),
    }
}

async fn exchange(
    to: &Address,
    tls: Option<&Arc<ClientConfig>>,
    notice: Notice<'_>,
) -> std::io::Result<StatusCode> {
    let stream = TcpStream::connect((to.host.as_str(), to.port)).await?;
    match tls.filter(|_| to.is_secure) {
        None if to.is_secure => Err(std::io::Error::other("no roots to verify the receiver with")),
        None => over(stream, to, notice).await,
        Some(config) => {
            let name = ServerName::try_from(to.host.clone()).map_err(std::io::Error::other)?;
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
            over(connector.connect(name, stream).await?, to, notice).await
        }
    }
}

async fn over<S>(stream: S, to: &Address, notice: Notice<'_>) -> std::io::Result<StatusCode>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let other = std::io::Error::other::<hyper::Error>;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(other)?;
    let request = Request::post(&to.path)
        .header(HOST, &to.authority)
        .header(USER_AGENT, concat!("hub-agent/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header("webhook-id", notice.id)
        .header("webhook-timestamp", notice.seconds)
        .header("webhook-signature", notice.signature)
        .body(Full::new(Bytes::from(notice.body)))
        .map_err(std::io::Error::other)?;
    // The connection ends with this exchange; what it says after the answer's head is not read. A receiver may answer and
    // hang up at once: then the connection's end is seen with the answer there already.
    let answer = sender.send_request(request);
    tokio::pin!(answer, connection);
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    };
    Ok(answer.map_err(other)?.status())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T3.CSA.2 (negative)
    #[test]
    fn only_an_answer_that_says_so_is_taken_for_a_delivery() {
        assert_eq!(judge(StatusCode::OK), Outcome::Taken);
        assert_eq!(judge(StatusCode::NO_CONTENT), Outcome::Taken);
        assert_eq!(judge(StatusCode::GONE), Outcome::Unwanted);
        assert!(matches!(judge(StatusCode::BAD_REQUEST), Outcome::Never(_)));
        for later in [302, 401, 404, 408, 429, 500, 503] {
            let status = StatusCode::from_u16(later).unwrap();
            assert!(matches!(judge(status), Outcome::Later(_)), "{later}");
        }
    }
}
