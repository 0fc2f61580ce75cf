//! What can go wrong with a repository. Each says who is at fault, or what to do next.

use protocol::{
    id::{ModelId, Slug},
    update::{CrossCheck, Distrust},
};
use std::{io, path::PathBuf};

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum Mistake {
    /// The folder has no repository yet.
    #[error("{0} holds no repository: make one with `cloud-stub ceremony VENDOR --folder {0}`")]
    NoRepository(String),
    /// The folder has one already.
    #[error("{0} holds a repository already: `cloud-stub ceremony` adds further vendors to it")]
    AlreadyThere(String),
    /// Somebody else is changing it.
    #[error("the repository is being changed by somebody else: try again when that is done")]
    Busy,
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file of the repository is not what it should be.
    #[error("{} is damaged: {why}; restore it from the mirror or a backup", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Too few keys to sign.
    #[error(
        "{wanted} of the {role} keys must sign and {found} can (those in force are {known}): put the missing files \
         back into the folder `keys`, and leave out fewer with --without"
    )]
    Keys {
        /// Whose keys.
        role: String,
        /// How many must sign.
        wanted: usize,
        /// How many there are.
        found: usize,
        /// Names of those in force whose files are here.
        known: String,
    },
    /// A key was named that is not here.
    #[error("there is no key {name} to leave out; the folder `keys` holds {known}")]
    NoKey {
        /// The name.
        name: String,
        /// Names that would be right.
        known: String,
    },
    /// The signing failed.
    #[error("the signing failed; nothing was published")]
    Signing,
    /// A vendor that is not there.
    #[error(
        "there is no vendor {vendor} here ({known} are): `cloud-stub ceremony {vendor}` makes its keys"
    )]
    NoVendor {
        /// Its name.
        vendor: String,
        /// Names that would be right.
        known: String,
    },
    /// A vendor that is there.
    #[error("the vendor {0} is here already: `cloud-stub rotate vendor {0}` gives it new keys")]
    KnownVendor(Slug),
    /// A name that means something else in the repository.
    #[error("{0} is the name of a role of the repository itself: choose another for the vendor")]
    ReservedVendor(Slug),
    /// A counter that does not go on.
    #[error(
        "counter {asked} of {model} was used or passed: the highest so far is {highest}, so leave --counter away to \
         get the next, or give one above"
    )]
    Counter {
        /// The line of releases.
        model: ModelId,
        /// The counter asked for.
        asked: u32,
        /// The highest there was.
        highest: u32,
    },
    /// The image is none.
    #[error("the image {}: {why}", path.display())]
    Image {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
    },
    /// What was asked for breaks a rule of releases.
    #[error("no hub would take this release: {0}; nothing was published")]
    Rule(String),
    /// A need that nothing meets.
    #[error(
        "it needs {model}={counter}, but no such release is here: release that first, or need less"
    )]
    Needs {
        /// The line of releases.
        model: ModelId,
        /// The least counter.
        counter: u32,
    },
    /// The definition is none.
    #[error("the definition {}: {why}", path.display())]
    Definition {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A release that is not there.
    #[error("{model} has no release {counter} here; it has {known}")]
    NoRelease {
        /// The line of releases.
        model: ModelId,
        /// The counter asked for.
        counter: u32,
        /// Counters there are.
        known: String,
    },
    /// What was signed would not be believed.
    #[error("the check before publishing failed: {0}; nothing was published")]
    Distrust(#[from] Distrust),
    /// Metadata and manifest would not be believed together.
    #[error("the check before publishing failed: {0}; nothing was published")]
    CrossCheck(#[from] CrossCheck),
    /// Metadata that was signed would not be believed.
    #[error(
        "the check before publishing failed: {found} of {wanted} signatures hold for {role}; nothing was published"
    )]
    Threshold {
        /// Whose metadata.
        role: String,
        /// How many signatures hold.
        found: usize,
        /// How many must.
        wanted: usize,
    },
    /// The faults cannot be read.
    #[error("the file `faults` is no list of faults: {0}")]
    Faults(String),
}

impl Mistake {
    /// What the system says about a path.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { path, error }
    }

    /// A damaged file.
    pub(super) fn damaged(path: impl Into<PathBuf>, why: impl ToString) -> Self {
        Self::Damaged { path: path.into(), why: why.to_string() }
    }
}

/// Names in one line, for people.
pub(super) fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<_> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
