//! Updates between hub and component: what is offered, blocks of it, how far it got, and what runs.

use super::{
    field::{UpdateFault, UpdateObject, UpdateOrder, UpdateStep, V1},
    octets::{Blob, Sequence},
};
use crate::{
    cbor::int_map,
    id::{ComponentId, Digest, JobId, Label, ModelId, Nonce},
    time::Timestamp,
    update::MAX_SIGNED,
};
use serde::{Deserialize, Deserializer, Serialize, de};

/// Largest block of an image in bytes.
pub const MAX_BLOCK: usize = 65_536;

/// Smallest block that is asked for in bytes.
pub const MIN_BLOCK: u32 = 256;

int_map! {
    /// An update is there for the component.
    pub struct UpdateOffer {
        /// Wire version.
        1 => version: V1,
        /// The number of this update.
        2 => job: JobId,
        /// Anchors that the component may lack, oldest first.
        3 => anchors: Sequence<Blob<MAX_SIGNED>, 4>,
        /// The signed manifest.
        4 => manifest: Blob<MAX_SIGNED>,
        /// Largest block that the hub sends.
        5 => block: BlockSize,
        /// How many blocks may be asked for at once.
        6 => window: Window,
        /// Whether it may be installed as soon as it is there; else the hub says when.
        7 => automatic: bool,
        /// Seconds after which the hub gives up.
        8 => deadline: u32,
    }
}

int_map! {
    /// The component wants blocks.
    pub struct BlockRequest {
        /// Of which update.
        1 => job: JobId,
        /// Of what.
        2 => object: UpdateObject,
        /// From which byte on.
        3 => offset: u32,
        /// Bytes in each block.
        4 => length: BlockSize,
        /// How many blocks, one after the other.
        5 => count: Window,
    }
}

int_map! {
    /// One block, or why there is none.
    pub struct Block checked by Block::check {
        /// Of which update.
        1 => job: JobId,
        /// Of what.
        2 => object: UpdateObject,
        /// From which byte on.
        3 => offset: u32,
        /// The bytes; at the end fewer than were asked for.
        4 => data [?]: Blob<MAX_BLOCK>,
        /// Why there are none.
        5 => fault [?]: UpdateFault,
    }
}

int_map! {
    /// How far an update got.
    pub struct UpdateStatus {
        /// Which update.
        1 => job: JobId,
        /// How far it got.
        2 => step: UpdateStep,
        /// What went wrong.
        3 => fault [?]: UpdateFault,
        /// Bytes of the image that are there and verified.
        4 => got: u32,
        /// The counter of what runs.
        5 => counter: u32,
        /// The slot that runs.
        6 => slot: u8,
        /// What went wrong, in words.
        7 => why [?]: Label,
        /// Counts the component's statuses over its whole life.
        8 => seq: u64,
    }
}

int_map! {
    /// What a component shall do about an update.
    pub struct UpdateControl checked by UpdateControl::check {
        /// Which update; zeros when it shall report.
        1 => job: JobId,
        /// What.
        2 => order: UpdateOrder,
        /// What the report must hold.
        3 => nonce [?]: Nonce,
    }
}

int_map! {
    /// What a component runs; travels signed, see [`crate::update::REPORT`].
    pub struct UpdateReport {
        /// Wire version.
        1 => version: V1,
        /// Who says it.
        2 => component: ComponentId,
        /// Its line of releases.
        3 => model: ModelId,
        /// The counter of what runs.
        4 => counter: u32,
        /// What people call it.
        5 => name: Label,
        /// SHA-256 of the image that runs, computed from the image.
        6 => image: Digest,
        /// Number of the anchor in force.
        7 => anchor: u32,
        /// When, by the component's clock.
        8 => time: Timestamp,
        /// The nonce it was asked with.
        9 => nonce: Nonce,
        /// What went wrong last.
        10 => fault [?]: UpdateFault,
        /// The update that this was about.
        11 => job [?]: JobId,
        /// Faults that it refused and that only an attack explains: bit n is the fault n.
        12 => attacks: u32,
    }
}

impl Block {
    fn check(&self) -> Result<(), &'static str> {
        match self.data.is_some() == self.fault.is_none() {
            true => Ok(()),
            false => Err("contradiction: a block has either bytes or a fault"),
        }
    }
}

impl UpdateControl {
    fn check(&self) -> Result<(), &'static str> {
        let report = self.order == UpdateOrder::Report;
        match () {
            () if report != self.nonce.is_some() => {
                Err("contradiction: the order to report has a nonce, and no other has")
            }
            () if report && self.job != JobId([0; 16]) => {
                Err("contradiction: the order to report is of no job, so its job is zeros")
            }
            () => Ok(()),
        }
    }
}

macro_rules! ranged {
    ($(#[$doc:meta])* $name:ident($type:ty), $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name($type);

        impl $name {
            /// Checks the range.
            #[must_use]
            pub fn new(value: $type) -> Option<Self> {
                let valid: fn($type) -> bool = $valid;
                valid(value).then_some(Self(value))
            }

            /// The number.
            #[must_use]
            pub fn get(self) -> $type {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let value = <$type>::deserialize(d)?;
                Self::new(value).ok_or_else(|| de::Error::custom($rule))
            }
        }
    };
}

ranged!(
    /// Bytes in a block: a power of two from 256 to 65,536.
    BlockSize(u32), "out of range: a block has a power of two of 256 to 65536 bytes",
    |size| size.is_power_of_two() && (MIN_BLOCK..=MAX_BLOCK as u32).contains(&size)
);
ranged!(
    /// How many blocks are asked for at once: 1 to 16.
    Window(u8), "out of range: a window has 1 to 16 blocks", |count| (1..=16).contains(&count)
);
