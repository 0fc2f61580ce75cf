//! What is signed about updates, and the checks that hub and component both make (Uptane's partial
//! verification): a component believes a [`Manifest`] only when enough of its vendor's manifest keys signed
//! it, and new keys only when enough of the old root keys did.
//!
//! The keys are others than those of the TUF repository, so whoever takes over one cannot forge the other.
//! Nothing here reads a clock or calls a crypto library: see [`Crypto`].
//!
//! | module | holds |
//! |---|---|
//! | `cose` | COSE_Sign: several signatures over one payload |
//! | `anchor` | which keys a vendor's components trust, and how they change |
//! | `image` | whether repository and vendor say the same of a release |
//! | `manifest` | what one release is, and whether it fits a component |

mod anchor;
mod cose;
mod image;
mod manifest;

pub use anchor::{Anchor, Anchors};
pub use cose::{MAX_SIGNED, MAX_SIGNERS, Signer, seal};
pub use image::{CrossCheck, Image, MAX_ANCHORS, Release, TargetFacts};
pub use manifest::{Installed, MAX_CHUNKS, MAX_IMAGE, Manifest};

use crate::{
    id::{Digest, PublicKey},
    message::UpdateFault,
    signed::Form,
};
use std::ops::Deref;

/// The form of signed reports: what a component says that it runs.
pub const REPORT: Form = Form {
    what: "report",
    context: b"pc-report/1",
    content_type: "application/cbor",
    max_bytes: 1024,
};

/// What the checks need of a crypto library.
pub trait Crypto {
    /// SHA-256.
    fn sha256(&self, bytes: &[u8]) -> Digest;

    /// Whether this is the key's Ed25519 signature of the message (RFC 8032).
    fn ed25519(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool;
}

/// Something whose signatures were checked and held. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The thing itself, from which the proof is gone.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Why something signed is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// The bytes are none of what was expected.
    #[error("no {what}: {why}")]
    Malformed {
        /// What was expected.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// Too few of the keys signed it.
    #[error("{found} of the trusted keys signed the {what}, {wanted} must")]
    Signature {
        /// What was signed.
        what: &'static str,
        /// How many good signatures of different keys there are.
        found: usize,
        /// How many there must be.
        wanted: usize,
    },
    /// An anchor that does not follow the one in force.
    #[error(
        "anchor {found} does not follow anchor {current}: the next must be its successor and of the same vendor"
    )]
    Chain {
        /// Number of the anchor in force.
        current: u32,
        /// Number of the one that was offered.
        found: u32,
    },
    /// A manifest of somebody else's model.
    #[error("the vendor {vendor} signs no releases of {model}")]
    Vendor {
        /// Whose keys they are.
        vendor: String,
        /// The model named.
        model: String,
    },
}

impl Distrust {
    /// The same as a component reports it.
    #[must_use]
    pub fn fault(&self) -> UpdateFault {
        match self {
            Self::Malformed { .. } => UpdateFault::Malformed,
            Self::Signature { .. } => UpdateFault::Signature,
            Self::Chain { .. } => UpdateFault::AnchorChain,
            Self::Vendor { .. } => UpdateFault::WrongModel,
        }
    }
}
