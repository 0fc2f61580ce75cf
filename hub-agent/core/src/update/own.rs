//! The hub's own software: it is updated like a component's, by a campaign of which the hub is the only member.

use protocol::{
    id::{Digest, Label, ModelId},
    message::UpdateFault,
    update::{Image, Verified},
};
use serde::Serialize;

/// What the hub runs; the shell says so at each start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnSoftware {
    /// Its line of releases.
    pub model: ModelId,
    /// Its hardware revision.
    pub hardware: u32,
    /// The counter of what runs; 0 for software that came as a package.
    pub counter: u32,
    /// What people call it.
    pub name: Label,
    /// SHA-256 of the executable.
    pub image: Digest,
    /// Which slot it runs from; none for software that came as a package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<&'static str>,
    /// Whether it has yet to prove itself.
    pub trial: bool,
}

/// What the shell tells of the hub's own software.
#[derive(Clone, Debug)]
pub enum OwnNews {
    /// It was started.
    Runs {
        /// What.
        software: Box<OwnSoftware>,
        /// The release that was tried and whose former took its place again, and why.
        rolled_back: Option<(Digest, UpdateFault)>,
        /// What the start found wrong, in words; may be empty.
        trouble: String,
    },
    /// This image is whole in the other slot.
    Stored(Digest),
    /// This image cannot be used.
    Failed(Digest, UpdateFault),
    /// What runs proved itself, and starts from now on.
    Confirmed,
}

/// What the hub wants of the shell for its own software.
#[derive(Clone, Debug)]
pub enum OwnOrder {
    /// Write it into the slot that does not run.
    Store(Box<Verified<Image>>),
    /// Start this image once, and end for that.
    Switch(Digest),
}
