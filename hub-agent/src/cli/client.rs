//! Asks the running daemon.

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// The daemon gave no answer, or refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error(
        "no daemon answers at {0}; start one with: hub-agent run (or give --data-dir or --socket)"
    )]
    NotRunning(PathBuf),
    #[error("{refusal}: {advice}")]
    Refused { refusal: String, advice: String },
    #[error("the daemon's answer is broken: {0}")]
    Broken(String),
}

/// The daemon behind a socket.
pub(super) struct Hub {
    socket: PathBuf,
    /// Stands for a login.
    token: Option<String>,
}

impl Hub {
    pub(super) fn new(socket: &Path) -> Self {
        let token = std::env::var("HUB_TOKEN").ok().filter(|token| !token.is_empty());
        Self { socket: socket.to_owned(), token }
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(Method::GET, path, Bytes::new())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.json(Method::POST, path, body.to_string().into())
    }

    /// Sends bytes as they are.
    pub(super) fn upload(&self, path: &str, body: Vec<u8>) -> Result<Value, ClientError> {
        self.json(Method::POST, path, body.into())
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, ClientError> {
        self.json(Method::DELETE, path, Bytes::new())
    }

    pub(super) fn text(&self, path: &str) -> Result<String, ClientError> {
        self.ask(Method::GET, path, Bytes::new())
    }

    fn json(&self, method: Method, path: &str, body: Bytes) -> Result<Value, ClientError> {
        let text = self.ask(method, path, body)?;
        serde_json::from_str(&text).map_err(|e| ClientError::Broken(e.to_string()))
    }

    fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<String, ClientError> {
        let starts_a_login = method == Method::POST && path == "/v1/login";
        let broken = |e: &dyn std::fmt::Display| ClientError::Broken(e.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| broken(&e))?;
        runtime.block_on(async {
            let stream = UnixStream::connect(&self.socket).await;
            let stream = stream.map_err(|_| ClientError::NotRunning(self.socket.clone()))?;
            let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
            let (mut sender, connection) = handshake.map_err(|e| broken(&e))?;
            // Its end shows in the request.
            let driver = tokio::spawn(connection);
            let mut request = Request::builder().method(method).uri(path).header("host", "hub");
            // Who logs in shows a password instead.
            if let Some(token) = self.token.as_ref().filter(|_| !starts_a_login) {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            let request = request.body(Full::new(body)).map_err(|e| broken(&e))?;
            let reply = sender.send_request(request).await.map_err(|e| broken(&e))?;
            let status = reply.status();
            let bytes = reply.into_body().collect().await.map_err(|e| broken(&e))?.to_bytes();
            driver.abort();
            let text = String::from_utf8(bytes.to_vec()).map_err(|e| broken(&e))?;
            if status.is_success() { Ok(text) } else { Err(refused(&text)) }
        })
    }
}

fn refused(body: &str) -> ClientError {
    let answer: Value = serde_json::from_str(body).unwrap_or_default();
    let field = |name: &str| answer[name].as_str().unwrap_or("unknown").to_owned();
    ClientError::Refused { refusal: field("refusal"), advice: field("advice") }
}
