//! What a device believes of what is relayed to it: only what its hub vouches for, to it, now, once.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use protocol::{
    cbor,
    id::ComponentId,
    message::{
        Assertion,
        assertion::{FORM, KEY_USAGE},
    },
    signed::Signed,
    time::Timestamp,
};
use rustls::pki_types::{CertificateDer, UnixTime};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

/// The hub's clock may be this much ahead of the device's, in milliseconds.
const AHEAD: u64 = 30_000;

/// Why a device does not believe a relayed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Disbelief {
    /// Bytes that are no signed assertion.
    #[error("broken")]
    Broken,
    /// The signer's certificate is not one of its hub's for this purpose.
    #[error("untrusted")]
    Untrusted,
    /// The signature does not fit.
    #[error("forged")]
    Forged,
    /// Vouched for by another hub.
    #[error("other-hub")]
    OtherHub,
    /// For another receiver.
    #[error("other-receiver")]
    OtherReceiver,
    /// It counts no more, or not yet, or was made before the device started.
    #[error("late")]
    Late,
    /// It came before, or one after it did.
    #[error("replayed")]
    Replayed,
}

/// What a device remembers to tell a replay.
#[derive(Clone, Debug, Default)]
pub struct Believer {
    /// The number of the newest assertion believed.
    last: u64,
    /// The signer's certificate that was last found good.
    signer: Vec<u8>,
    /// When that certificate ends, in milliseconds.
    until: u64,
}

/// Who the device is and what time it has.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its hub's CA, DER.
    pub ca: &'a [u8],
    /// Its own id.
    pub own: ComponentId,
    /// When it started.
    pub started: Timestamp,
    /// Now.
    pub now: Timestamp,
}

impl Believer {
    /// Believes a message or does not.
    ///
    /// # Errors
    /// Why not.
    pub fn believe(&mut self, bytes: &[u8], place: &Place<'_>) -> Result<Assertion, Disbelief> {
        let signed = Signed::parse(FORM, bytes).map_err(|_| Disbelief::Broken)?;
        let [signer] = signed.chain() else { return Err(Disbelief::Broken) };
        let der = CertificateDer::from(signer.as_slice());
        let certificate = EndEntityCert::try_from(&der).map_err(|_| Disbelief::Untrusted)?;
        if self.signer != *signer || place.now.0 >= self.until {
            vouched_for(&certificate, place)?;
            self.until = end_of(signer).ok_or(Disbelief::Untrusted)?;
            self.signer.clone_from(signer);
        }
        let key = certificate.subject_public_key_info();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_ref());
        signed
            .verify(|signature, covered| key.verify(covered, signature))
            .map_err(|_| Disbelief::Forged)?;
        let payload = signed.payload();
        let assertion: Assertion =
            cbor::decode(payload, payload.len()).map_err(|_| Disbelief::Broken)?;
        self.judge(&assertion, place)?;
        self.last = assertion.number;
        Ok(assertion)
    }

    fn judge(&self, assertion: &Assertion, place: &Place<'_>) -> Result<(), Disbelief> {
        if Some(assertion.hub) != hub_of(place.ca) {
            return Err(Disbelief::OtherHub);
        }
        if assertion.receiver != place.own {
            return Err(Disbelief::OtherReceiver);
        }
        let (issued, now) = (assertion.issued.0, place.now.0);
        let early = issued > now.saturating_add(AHEAD);
        if early || now > assertion.expires.0 || issued < place.started.0.saturating_sub(AHEAD) {
            return Err(Disbelief::Late);
        }
        if assertion.number <= self.last {
            return Err(Disbelief::Replayed);
        }
        Ok(())
    }
}

/// Whether the hub's CA made the certificate for vouching.
fn vouched_for(certificate: &EndEntityCert<'_>, place: &Place<'_>) -> Result<(), Disbelief> {
    let ca = CertificateDer::from(place.ca);
    let anchor = anchor_from_trusted_cert(&ca).map_err(|_| Disbelief::Untrusted)?;
    let time = UnixTime::since_unix_epoch(Duration::from_millis(place.now.0));
    let usage = KeyUsage::required(KEY_USAGE);
    certificate
        .verify_for_usage(ALL_VERIFICATION_ALGS, &[anchor], &[], time, usage, None, None)
        .map(|_| ())
        .map_err(|_| Disbelief::Untrusted)
}

/// When a certificate ends, in milliseconds since 1970.
fn end_of(certificate: &[u8]) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()?.checked_mul(1000)
}

/// The id of the hub with this CA.
fn hub_of(ca: &[u8]) -> Option<ComponentId> {
    let (_, certificate) = X509Certificate::from_der(ca).ok()?;
    let key = certificate.tbs_certificate.subject_pki.raw;
    Some(ComponentId::from_key_digest(&crate::identity::sha256(key)))
}
