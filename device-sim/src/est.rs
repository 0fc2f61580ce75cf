//! The component's side of enrolment (RFC 7030).

use crate::{
    flash::Credentials,
    identity::{self, Identity, KeyRequest},
    wire,
};
use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, body::Bytes, header};
use hyper_util::rt::TokioIo;
use protocol::id::Digest;
use rustls::{ClientConfig, pki_types::CertificateDer};
use std::sync::Arc;

/// Largest answer taken.
const MAX_ANSWER: usize = 64 * 1024;

/// Where a hub enrols.
#[derive(Clone, Debug)]
pub struct Service {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// SHA-256 of the hub's CA certificate, as its owner read it.
    pub fingerprint: Digest,
}

/// What authorises an enrolment.
#[derive(Clone)]
pub enum Proof {
    /// A maker's certificate.
    Idevid(Identity),
    /// A pairing code.
    Code(String),
}

/// The hub's answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A certificate.
    Issued(Box<Credentials>),
    /// Ask again after so many seconds.
    Later(u64),
    /// No: status, word, seconds to wait.
    Refused {
        /// HTTP status.
        status: u16,
        /// The hub's word for it.
        word: String,
        /// Seconds to wait before another try.
        wait: Option<u64>,
    },
}

impl Service {
    /// Fetches the hub's CA: whoever answers, only the certificate with the right fingerprint counts.
    ///
    /// # Errors
    /// When there is no such answer.
    pub async fn trust(&self) -> anyhow::Result<CertificateDer<'static>> {
        let reply = self.ask(wire::unverified(), Method::GET, "cacerts", None, None).await?;
        let fits =
            |certificate: &CertificateDer<'_>| identity::sha256(certificate) == self.fingerprint;
        let all = identity::certificates(&BASE64_STANDARD.decode(reply.body)?)?;
        all.into_iter()
            .find(fits)
            .context("the hub's CA has another fingerprint: this is not the hub you paired with")
    }

    /// Asks for a first certificate.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn enrol(
        &self,
        ca: &CertificateDer<'static>,
        proof: &Proof,
        wanted: &KeyRequest,
    ) -> anyhow::Result<Answer> {
        let (identity, authorization) = match proof {
            Proof::Idevid(identity) => (Some(identity), None),
            Proof::Code(code) => {
                (None, Some(format!("Basic {}", BASE64_STANDARD.encode(format!("pair:{code}")))))
            }
        };
        let tls = wire::client_config(ca, identity)?;
        let reply = self
            .ask(tls, Method::POST, "simpleenroll", Some(&wanted.request), authorization)
            .await?;
        answer(reply, wanted, ca)
    }

    /// Asks for a new certificate with the present one.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn reenrol(&self, with: &Credentials, wanted: &KeyRequest) -> anyhow::Result<Answer> {
        let ca = CertificateDer::from(with.ca.clone());
        let tls = wire::client_config(&ca, Some(&wire::identity(with)))?;
        let reply =
            self.ask(tls, Method::POST, "simplereenroll", Some(&wanted.request), None).await?;
        answer(reply, wanted, &ca)
    }

    async fn ask(
        &self,
        tls: Arc<ClientConfig>,
        method: Method,
        path: &str,
        request: Option<&[u8]>,
        authorization: Option<String>,
    ) -> anyhow::Result<Reply> {
        let stream = wire::connect(tls, &self.host, self.port).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Its end shows in the answer.
        let driver = tokio::spawn(connection);
        let mut build = Request::builder().method(method).uri(format!("/.well-known/est/{path}"));
        build = build.header(header::HOST, format!("{}:{}", self.host, self.port));
        if request.is_some() {
            build = build.header(header::CONTENT_TYPE, "application/pkcs10");
        }
        if let Some(value) = authorization {
            build = build.header(header::AUTHORIZATION, value);
        }
        let body = request.map(|der| BASE64_STANDARD.encode(der)).unwrap_or_default();
        let reply = sender.send_request(build.body(Full::<Bytes>::from(body))?).await?;
        let wait =
            reply.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let status = reply.status();
        let body = Limited::new(reply.into_body(), MAX_ANSWER).collect().await;
        driver.abort();
        let body = body.map_err(|e| anyhow::anyhow!("{e}"))?.to_bytes();
        Ok(Reply { status, wait, body })
    }
}

struct Reply {
    status: StatusCode,
    wait: Option<u64>,
    body: Bytes,
}

fn answer(reply: Reply, wanted: &KeyRequest, ca: &CertificateDer<'_>) -> anyhow::Result<Answer> {
    match reply.status {
        StatusCode::OK => {
            let all = identity::certificates(&BASE64_STANDARD.decode(&reply.body)?)?;
            let first = all.first().context("an answer without a certificate")?;
            let credentials = identity::credentials(first, wanted.key.clone(), ca.to_vec())?;
            Ok(Answer::Issued(Box::new(credentials)))
        }
        StatusCode::ACCEPTED => Ok(Answer::Later(reply.wait.unwrap_or(5))),
        status => {
            let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
            let word = body["refusal"].as_str().unwrap_or("unknown").to_owned();
            Ok(Answer::Refused { status: status.as_u16(), word, wait: reply.wait })
        }
    }
}
