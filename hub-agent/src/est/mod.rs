//! The enrolment service: EST (RFC 7030) over HTTPS.

mod pkcs7;
pub(crate) mod routes;
mod server;

pub use pkcs7::certs_only;
pub use server::{EstLimits, serve};

use crate::pki::{certificate::Facts, request::SigningRequest};
use protocol::refusal::Refusal;
use rustls::pki_types::CertificateDer;
use std::{net::IpAddr, time::Duration};

/// Decides about requests; an answer may take as long as it takes to make it durable.
pub trait EstBackend: 'static {
    /// The certificates a component should trust.
    fn cacerts(&self) -> Vec<CertificateDer<'static>>;
    /// A first enrolment.
    fn enrol(&self, call: EnrolCall) -> impl Future<Output = EstAnswer>;
    /// A renewal with a certificate of the hub's CA.
    fn reenrol(&self, call: ReenrolCall) -> impl Future<Output = EstAnswer>;
    /// The revocation list, DER.
    fn revocation_list(&self) -> Option<Vec<u8>>;
    /// A request that reached no decision: not authenticated, or no valid signing request.
    fn refused(&self, from: IpAddr, why: Refusal);
}

/// A first enrolment.
pub struct EnrolCall {
    /// The request.
    pub request: SigningRequest,
    /// What authorises it.
    pub proof: EstProof,
    /// From where.
    pub from: IpAddr,
}

/// What authorises a first enrolment.
pub enum EstProof {
    /// The TLS client certificate, which the verifier let through.
    Certificate {
        /// Its facts.
        facts: Facts,
        /// The chain as shown, end entity first.
        chain: Vec<CertificateDer<'static>>,
    },
    /// A pairing code.
    Code(String),
}

/// A renewal.
pub struct ReenrolCall {
    /// The request.
    pub request: SigningRequest,
    /// The certificate it is authorised by.
    pub with: Facts,
    /// From where.
    pub from: IpAddr,
}

/// The decision.
pub enum EstAnswer {
    /// Here it is.
    Issued(CertificateDer<'static>),
    /// Ask again later.
    Wait(Duration),
    /// No.
    Refused {
        /// Why.
        why: Refusal,
        /// When another try makes sense.
        retry_after: Option<Duration>,
    },
}
