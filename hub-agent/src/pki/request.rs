//! Signing requests (PKCS#10, RFC 2986): parsed and their proof of possession checked, once.

use super::certificate::{device_serial, id_in, sha256};
use protocol::id::{ComponentId, Digest, Label};
use protocol::refusal::Refusal;
use rcgen::SubjectPublicKeyInfo;
use x509_parser::{
    certification_request::X509CertificationRequest,
    der_parser::{Oid, oid},
    prelude::FromDer,
    x509::SubjectPublicKeyInfo as ParsedKey,
};

/// Largest request taken.
pub const MAX_REQUEST: usize = 8 * 1024;

const EC_PUBLIC_KEY: Oid<'_> = oid!(1.2.840.10045.2.1);
const P256: Oid<'_> = oid!(1.2.840.10045.3.1.7);
const P384: Oid<'_> = oid!(1.3.132.0.34);
const ED25519: Oid<'_> = oid!(1.3.101.112);

/// A request whose signature was checked with the key it holds.
pub struct SigningRequest {
    /// The key to be certified.
    pub key: SubjectPublicKeyInfo,
    /// SHA-256 of its DER.
    pub key_digest: Digest,
    /// The id it claims.
    pub claimed: Option<ComponentId>,
    /// The device serial number it claims.
    pub serial: Option<Label>,
}

impl SigningRequest {
    /// Reads a request and checks its signature.
    ///
    /// # Errors
    /// `BadRequest` when it is none or its signature is wrong, `WeakKey` when the key is of another
    /// kind than the hub takes.
    pub fn parse(der: &[u8]) -> Result<Self, Refusal> {
        if der.len() > MAX_REQUEST {
            return Err(Refusal::TooLarge);
        }
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_| Refusal::BadRequest)?;
        if !rest.is_empty() {
            return Err(Refusal::BadRequest);
        }
        let info = &request.certification_request_info;
        if !is_strong(&info.subject_pki) {
            return Err(Refusal::WeakKey);
        }
        request.verify_signature().map_err(|_| Refusal::BadRequest)?;
        let raw = info.subject_pki.raw;
        let claimed =
            request.requested_extensions().and_then(|mut extensions| extensions.find_map(id_in));
        Ok(Self {
            key: SubjectPublicKeyInfo::from_der(raw).map_err(|_| Refusal::WeakKey)?,
            key_digest: sha256(raw),
            claimed,
            serial: device_serial(&info.subject),
        })
    }
}

fn is_strong(key: &ParsedKey<'_>) -> bool {
    let algorithm = &key.algorithm;
    let curve = || algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    algorithm.algorithm == ED25519
        || algorithm.algorithm == EC_PUBLIC_KEY
            && curve().is_some_and(|curve| curve == P256 || curve == P384)
}
