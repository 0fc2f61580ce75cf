//! One HTTP request: what it asks, whether it is well formed, and its answer.

use super::{EnrolCall, EstAnswer, EstBackend, EstProof, ReenrolCall, pkcs7::certs_only};
use crate::pki::{certificate::facts, request::SigningRequest};
use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderMap, HeaderValue},
};
use protocol::refusal::Refusal;
use rustls::pki_types::CertificateDer;
use std::{net::IpAddr, time::Duration};

const BASE: &str = "/.well-known/est/";
const CERTS_ONLY: &str = "application/pkcs7-mime; smime-type=certs-only";

pub(super) type Reply = Response<Full<Bytes>>;

/// The connection a request came over.
pub(super) struct Peer {
    pub(super) from: IpAddr,
    /// The TLS client certificate with its chain, already verified.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

pub(super) async fn answer<B: EstBackend>(
    backend: &B,
    peer: &Peer,
    max_body: usize,
    request: Request<Incoming>,
) -> Reply {
    let path = request.uri().path().to_owned();
    let wanted = match path.strip_prefix(BASE) {
        Some("cacerts") => Method::GET,
        Some("simpleenroll" | "simplereenroll") => Method::POST,
        _ if path == "/hub.crl" => Method::GET,
        _ => return plain(StatusCode::NOT_FOUND),
    };
    if request.method() != wanted {
        let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED);
        let allow = HeaderValue::from_static(if wanted == Method::GET { "GET" } else { "POST" });
        reply.headers_mut().insert(header::ALLOW, allow);
        return reply;
    }
    match path.strip_prefix(BASE) {
        Some("cacerts") => certificates(&backend.cacerts()),
        Some("simpleenroll") => enrol(backend, peer, max_body, request).await,
        Some("simplereenroll") => reenrol(backend, peer, max_body, request).await,
        _ => revocation_list(backend),
    }
}

async fn enrol<B: EstBackend>(
    backend: &B,
    peer: &Peer,
    max_body: usize,
    request: Request<Incoming>,
) -> Reply {
    let proof = match (peer.chain.first().and_then(|c| facts(c)), pairing_code(request.headers())) {
        (_, Some(Ok(code))) => EstProof::Code(code),
        (Some(facts), None) => EstProof::Certificate { facts, chain: peer.chain.clone() },
        (None, None) | (_, Some(Err(()))) => return unauthorised(backend, peer),
    };
    let answer = match signing_request(max_body, request).await {
        Ok(request) => backend.enrol(EnrolCall { request, proof, from: peer.from }).await,
        Err(reply) => return refused_early(backend, peer, reply),
    };
    decided(answer)
}

async fn reenrol<B: EstBackend>(
    backend: &B,
    peer: &Peer,
    max_body: usize,
    request: Request<Incoming>,
) -> Reply {
    let Some(with) = peer.chain.first().and_then(|c| facts(c)) else {
        return unauthorised(backend, peer);
    };
    let answer = match signing_request(max_body, request).await {
        Ok(request) => backend.reenrol(ReenrolCall { request, with, from: peer.from }).await,
        Err(reply) => return refused_early(backend, peer, reply),
    };
    decided(answer)
}

fn unauthorised<B: EstBackend>(backend: &B, peer: &Peer) -> Reply {
    backend.refused(peer.from, Refusal::BadCredentials);
    let mut reply = refusal(StatusCode::UNAUTHORIZED, Refusal::BadCredentials, None);
    let basic = HeaderValue::from_static("Basic realm=\"hub\"");
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
    reply
}

fn refused_early<B: EstBackend>(
    backend: &B,
    peer: &Peer,
    (status, why): (StatusCode, Refusal),
) -> Reply {
    backend.refused(peer.from, why);
    refusal(status, why, None)
}

/// The code of HTTP Basic authentication with the user `pair`; an error when it is something else.
fn pairing_code(headers: &HeaderMap) -> Option<Result<String, ()>> {
    let value = headers.get(header::AUTHORIZATION)?;
    let decoded = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Basic "))
        .and_then(|text| BASE64_STANDARD.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    Some(decoded.and_then(|text| text.strip_prefix("pair:").map(str::to_owned)).ok_or(()))
}

/// The body as a checked signing request: base64 of DER, line ends allowed (RFC 8951 section 3.1).
async fn signing_request(
    max_body: usize,
    request: Request<Incoming>,
) -> Result<SigningRequest, (StatusCode, Refusal)> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if kind
        .and_then(|kind| kind.split(';').next())
        .is_none_or(|kind| kind.trim() != "application/pkcs10")
    {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, Refusal::BadRequest));
    }
    let body = Limited::new(request.into_body(), max_body).collect().await;
    let body = body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, Refusal::TooLarge))?.to_bytes();
    let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let der =
        BASE64_STANDARD.decode(text).map_err(|_| (StatusCode::BAD_REQUEST, Refusal::BadRequest))?;
    SigningRequest::parse(&der).map_err(|why| (StatusCode::BAD_REQUEST, why))
}

fn decided(answer: EstAnswer) -> Reply {
    match answer {
        EstAnswer::Issued(certificate) => certificates(&[certificate]),
        EstAnswer::Wait(time) => {
            let mut reply = plain(StatusCode::ACCEPTED);
            retry_after(&mut reply, time);
            reply
        }
        EstAnswer::Refused { why, retry_after } => refusal(status(why), why, retry_after),
    }
}

pub(crate) fn status(why: Refusal) -> StatusCode {
    match why {
        Refusal::SlowDown | Refusal::WrongCode | Refusal::SpentCode => {
            StatusCode::TOO_MANY_REQUESTS
        }
        Refusal::StoreUnavailable | Refusal::Full => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::Malformed | Refusal::BadRequest | Refusal::WeakKey | Refusal::TooLarge => {
            StatusCode::BAD_REQUEST
        }
        Refusal::BadCredentials => StatusCode::UNAUTHORIZED,
        Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::ForeignTopic
        | Refusal::UnknownTopic
        | Refusal::WrongDirection
        | Refusal::WildcardSubscription
        | Refusal::RetainNotAllowed
        | Refusal::QosNotAllowed
        | Refusal::Unknown
        | Refusal::IdentityMismatch
        | Refusal::Revoked
        | Refusal::Retired
        | Refusal::Quarantined
        | Refusal::NotApproved
        | Refusal::Superseded
        | Refusal::Expired
        | Refusal::UntrustedIssuer
        | Refusal::Replayed
        | Refusal::Cloned
        | Refusal::PairingClosed
        | Refusal::IdInUse
        | Refusal::WrongState
        | Refusal::ForeignWill
        | Refusal::NoCertificate
        | Refusal::UnknownKind
        | Refusal::NotDeclared
        | Refusal::Unreachable
        | Refusal::LoginTooOld
        | Refusal::RolledBack
        | Refusal::NotPermitted
        | Refusal::WrongContent
        | Refusal::OutOfOrder
        | Refusal::BadDefinition => StatusCode::FORBIDDEN,
    }
}

fn certificates(all: &[CertificateDer<'_>]) -> Reply {
    let Ok(der) = certs_only(all) else { return plain(StatusCode::INTERNAL_SERVER_ERROR) };
    let mut reply = Response::new(Full::from(BASE64_STANDARD.encode(der)));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CERTS_ONLY));
    headers.insert("content-transfer-encoding", HeaderValue::from_static("base64"));
    reply
}

fn revocation_list<B: EstBackend>(backend: &B) -> Reply {
    let Some(list) = backend.revocation_list() else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let mut reply = Response::new(Full::from(list));
    reply
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/pkix-crl"));
    reply
}

fn refusal(status: StatusCode, why: Refusal, wait: Option<Duration>) -> Reply {
    let body = serde_json::json!({ "refusal": why.slug(), "advice": why.advice() }).to_string();
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(wait) = wait {
        retry_after(&mut reply, wait);
    }
    reply
}

fn retry_after(reply: &mut Reply, time: Duration) {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
}

fn plain(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}
