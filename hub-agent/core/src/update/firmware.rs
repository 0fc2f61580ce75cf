//! What a component runs, as it signed it.

use crate::{
    crypto::{SignerError, signed_by},
    input::ComponentCertificate,
};
use protocol::{
    cbor,
    id::{Digest, Label, ModelId},
    message::{UpdateFault, UpdateReport},
    signed::Signed,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

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
    /// Whose signature it has is not known, or it does not fit.
    #[error("{0}")]
    Signer(#[from] SignerError),
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
    in_force: impl Iterator<Item = &'a ComponentCertificate>,
) -> Result<UpdateReport, ReportError> {
    let payload = signed_by(signed, in_force)?;
    cbor::decode(payload, payload.len()).map_err(|_| ReportError::Shape)
}
