//! The cross-check: two chains of trust must say the same of one release before a byte of it is relayed. The
//! repository's metadata (TUF) names its files; the vendor's own keys sign its manifest.

use super::{Anchors, Crypto, Distrust, Manifest, Verified};
use crate::id::{Digest, ModelId};

/// Most anchors of a vendor that are walked through.
pub const MAX_ANCHORS: usize = 64;

/// What the repository's verified metadata says of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetFacts {
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// The files of one release, as the repository has them.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    /// The model in the files' path.
    pub model: &'a ModelId,
    /// The counter in the files' path.
    pub counter: u32,
    /// Model and counter in the metadata of the image.
    pub described: (&'a ModelId, u32),
    /// The image.
    pub image: TargetFacts,
    /// The chunk list.
    pub chunks: (TargetFacts, &'a [u8]),
    /// The signed manifest.
    pub manifest: (TargetFacts, &'a [u8]),
    /// The vendor's anchors, oldest first.
    pub anchors: &'a [Vec<u8>],
}

/// One release that everything vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    manifest: Verified<Manifest>,
    signed: Vec<u8>,
    anchors: Vec<Vec<u8>>,
}

/// Why a release is not relayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrossCheck {
    /// The vendor's keys do not vouch for it.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// The vendor has no anchor, none with the number 1, or more than are walked through.
    #[error(
        "the repository does not have the vendor's anchors from the first on, or more than {MAX_ANCHORS}"
    )]
    Anchors,
    /// A file is not what the metadata says of it.
    #[error("the {0} is not what the repository's metadata says of it")]
    File(&'static str),
    /// The chains of trust contradict each other.
    #[error("metadata and manifest name another {0}")]
    Contradiction(&'static str),
}

impl Release<'_> {
    /// Compares everything with everything.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, crypto: &impl Crypto) -> Result<Verified<Image>, CrossCheck> {
        let is = |(facts, bytes): (TargetFacts, &[u8])| {
            facts.length == bytes.len() as u64 && facts.sha256 == crypto.sha256(bytes)
        };
        if !is(self.chunks) {
            return Err(CrossCheck::File("chunk list"));
        }
        if !is(self.manifest) {
            return Err(CrossCheck::File("manifest"));
        }
        let anchors = self.walk(crypto)?;
        let manifest = anchors.manifest(self.manifest.1, crypto)?;
        self.compare(&manifest)?;
        let (signed, anchors) = (self.manifest.1.to_vec(), self.anchors.to_vec());
        Ok(Verified(Image { manifest, signed, anchors }))
    }

    fn walk(&self, crypto: &impl Crypto) -> Result<Anchors, CrossCheck> {
        let (first, later) = match self.anchors.split_first() {
            Some((first, later)) if later.len() < MAX_ANCHORS => (first, later),
            Some(_) | None => return Err(CrossCheck::Anchors),
        };
        let mut anchors = Anchors::pin(first, crypto)?;
        // Components count from 1, and are given those after theirs.
        if anchors.anchor().number != 1 {
            return Err(CrossCheck::Anchors);
        }
        for next in later {
            anchors = anchors.advance(next, crypto)?;
        }
        Ok(anchors)
    }

    fn compare(&self, manifest: &Manifest) -> Result<(), CrossCheck> {
        let (model, counter) = self.described;
        let list = self.chunks.0;
        match () {
            () if manifest.model != *self.model || manifest.model != *model => {
                Err(CrossCheck::Contradiction("model"))
            }
            () if manifest.counter != self.counter || manifest.counter != counter => {
                Err(CrossCheck::Contradiction("counter"))
            }
            () if manifest.image != self.image.sha256
                || u64::from(manifest.size) != self.image.length =>
            {
                Err(CrossCheck::Contradiction("image"))
            }
            () if manifest.chunks != list.sha256
                || u64::from(manifest.list_size()) != list.length =>
            {
                Err(CrossCheck::Contradiction("chunk list"))
            }
            () => Ok(()),
        }
    }
}

impl Image {
    /// What it is.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The signed manifest, as it came.
    #[must_use]
    pub fn signed_manifest(&self) -> &[u8] {
        &self.signed
    }

    /// The anchors that a component lacks whose newest is `number`; anchors are counted from 1.
    #[must_use]
    pub fn anchors_after(&self, number: u32) -> &[Vec<u8>] {
        let known = usize::try_from(number).unwrap_or(usize::MAX);
        self.anchors.get(known..).unwrap_or_default()
    }
}
