//! What a component runs, as it signed it.

use crate::input::ComponentCertificate;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use protocol::{
    cbor,
    id::{Digest, Label, ModelId},
    message::{UpdateFault, UpdateReport},
    signed::Signed,
    time::Timestamp,
};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use webpki::EndEntityCert;

/// What a component runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Firmware {
    /// Its line of releases.
    pub model: ModelId,
    /// The counter of what runs.
    pub counter: u32,
    /// What people call it.
    pub name: Label,
    /// SHA-256 of the image that runs.
    pub image: Digest,
    /// Number of the anchor in force.
    pub anchor: u32,
    /// When the hub got the report.
    pub at: Timestamp,
    /// Why it is not to be believed, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<UpdateFault>,
    /// Faults that it refused and that only an attack explains: bit n is the fault n.
    #[serde(default)]
    pub attacks: u32,
}

/// Why a report is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Its certificate is not in force for the component.
    #[error("its certificate is not one in force")]
    Certificate,
    /// Its signature does not fit.
    #[error("its signature does not fit")]
    Signature,
    /// The payload is no report.
    #[error("its payload is no report")]
    Shape,
}

/// Reads a report that one of these certificates' keys signed.
///
/// # Errors
/// Why it is none.
pub fn read<'a>(
    signed: &Signed,
    mut in_force: impl Iterator<Item = &'a ComponentCertificate>,
) -> Result<UpdateReport, ReportError> {
    let shown = signed.chain().first().ok_or(ReportError::Certificate)?;
    let der = CertificateDer::from(shown.as_slice());
    let certificate = EndEntityCert::try_from(&der).map_err(|_| ReportError::Certificate)?;
    let key = certificate.subject_public_key_info();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_ref());
    if !in_force.any(|known| known.key.0 == digest.as_ref()) {
        return Err(ReportError::Certificate);
    }
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_ref());
    signed
        .verify(|signature, covered| key.verify(covered, signature))
        .map_err(|_| ReportError::Signature)?;
    cbor::decode(signed.payload(), signed.payload().len()).map_err(|_| ReportError::Shape)
}
