//! Manifests: what one release of one model is.

use super::Distrust;
use crate::{
    cbor::{self, int_map},
    id::{Digest, Label, ModelId},
    message::{List, UpdateFault, V1},
};

/// Largest image in bytes.
pub const MAX_IMAGE: u32 = 1 << 26;

/// Most chunks of an image.
pub const MAX_CHUNKS: u32 = 4096;

int_map! {
    /// One release. Negative keys are the vendor's own and mean nothing here.
    pub struct Manifest ignoring vendor keys {
        /// Version of the format.
        1 => version: V1,
        /// The line of releases it is of.
        2 => model: ModelId,
        /// Hardware revisions that may run it.
        3 => hardware: List<u32, 8>,
        /// Counts the releases of this model; what runs never goes back to a smaller one.
        4 => counter: u32,
        /// From its confirmation on nothing below this counter boots any more.
        5 => floor: u32,
        /// What people call it.
        6 => name: Label,
        /// Size of the image in bytes.
        7 => size: u32,
        /// SHA-256 of the image.
        8 => image: Digest,
        /// Size of a chunk in bytes; the last one may be smaller.
        9 => chunk: u32,
        /// SHA-256 of the chunk list: the SHA-256 of each chunk, one after the other.
        10 => chunks: Digest,
        /// After this it must not be installed any more, in seconds since 1970.
        11 => expires [?]: u64,
        /// Least counters that other models of the product must have before; the hub sees to it.
        12 => needs: List<(ModelId, u32), 8>,
        /// Seconds that the new software has to prove that it works.
        13 => health: u16,
        /// What the image is; 0 for the bytes as they are written to the slot.
        14 => format: u8,
    }
}

/// What a manifest is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Installed<'a> {
    /// The component's line of releases.
    pub model: &'a ModelId,
    /// Its hardware revision.
    pub hardware: u32,
    /// The counter of what runs.
    pub counter: u32,
    /// SHA-256 of the image that runs.
    pub image: Digest,
    /// How large an image may be, in bytes.
    pub slot: u32,
    /// The time in seconds since 1970, if it can be trusted.
    pub now: Option<u64>,
}

impl Manifest {
    /// The type that manifests have in their header.
    pub const TYP: &'static str = "pc-manifest";

    pub(super) fn parse(payload: &[u8]) -> Result<Self, Distrust> {
        let wrong = |why: String| Distrust::Malformed { what: "manifest", why };
        let manifest: Self =
            cbor::decode(payload, super::MAX_SIGNED).map_err(|e| wrong(e.to_string()))?;
        manifest.check().map_err(|why| wrong(why.to_owned()))?;
        Ok(manifest)
    }

    /// The rules of each field.
    ///
    /// # Errors
    /// Which is broken.
    pub fn check(&self) -> Result<(), &'static str> {
        match () {
            () if self.hardware.items().is_empty() => Err("it names no hardware revision"),
            () if self.floor > self.counter => Err("its floor is above its counter"),
            () if self.name.as_str().len() > 32 => Err("its name is longer than 32 bytes"),
            () if !(1..=MAX_IMAGE).contains(&self.size) => {
                Err("its image has not 1 to 67108864 bytes")
            }
            () if !self.chunk.is_power_of_two() || !(4096..=262_144).contains(&self.chunk) => {
                Err("its chunks are no power of two of 4096 to 262144 bytes")
            }
            () if self.chunk_count() > MAX_CHUNKS => Err("it has more than 4096 chunks"),
            () if !(10..=600).contains(&self.health) => {
                Err("its health check takes not 10 to 600 seconds")
            }
            () if self.format != 0 => Err("its format is not known"),
            () => Ok(()),
        }
    }

    /// How many chunks the image has.
    #[must_use]
    pub fn chunk_count(&self) -> u32 {
        self.size.div_ceil(self.chunk.max(1))
    }

    /// Size of the chunk list in bytes.
    #[must_use]
    pub fn list_size(&self) -> u32 {
        self.chunk_count().saturating_mul(32)
    }

    /// Where a chunk lies in the image, and how long it is; nothing beyond the last.
    #[must_use]
    pub fn chunk_at(&self, index: u32) -> Option<(u32, u32)> {
        let from = index.checked_mul(self.chunk).filter(|from| *from < self.size)?;
        Some((from, self.chunk.min(self.size - from)))
    }

    /// Whether it may be installed where this is.
    ///
    /// # Errors
    /// Why not.
    pub fn fits(&self, installed: &Installed<'_>) -> Result<(), UpdateFault> {
        let Installed { model, hardware, counter, image, slot, now } = installed;
        // The same counter is taken only to write the very same image again.
        let newer = self.counter > *counter || (self.counter == *counter && self.image == *image);
        match () {
            () if self.model != **model || !self.hardware.items().contains(hardware) => {
                Err(UpdateFault::WrongModel)
            }
            () if !newer => Err(UpdateFault::Rollback),
            () if now.zip(self.expires).is_some_and(|(now, end)| now > end) => {
                Err(UpdateFault::Expired)
            }
            () if self.size > *slot => Err(UpdateFault::TooLarge),
            () => Ok(()),
        }
    }
}
