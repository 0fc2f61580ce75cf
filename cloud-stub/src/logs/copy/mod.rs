//! A copy of one hub's log: what it says, and the tree over it. What the cloud says it has is durable; whatever was cut
//! off in the middle is found and forgotten when the copy is opened.
//!
//! | file | holds |
//! |---|---|
//! | `log.pub` | the log's origin, and the key that signed first; another key is refused |
//! | `rows` | a row for each record, see [`super::rows`] |
//! | `bodies` | what records say, one after the other; zeros where something was erased |
//! | `head` | the newest checkpoint that was witnessed |
//!
//! In memory are the ranges that are there, the frontier of the tree over the first of them, and what was erased.

mod erase;
mod open;
mod take;
mod tree;

pub use take::Taken;

use super::rows::Rows;
use protocol::{message::UplinkRefusal, ranges::Ranges};
use state_log::{Checkpoint, Cosigned, Frontier, Verifier};
use std::{collections::BTreeSet, fs::File, io, path::PathBuf};

/// Keys that were erased, and ranges that were deleted, that are remembered; a log with more is refused.
const MOST_ERASED: usize = 65_536;

/// A copy of a log.
pub struct Copy {
    dir: PathBuf,
    log: Verifier,
    rows: Rows,
    bodies: File,
    /// Where the next body goes.
    end: u64,
    held: Ranges,
    /// Over the records up to which nothing is missing.
    tree: Frontier,
    /// The newest checkpoint that waits for the records below it.
    pending: Option<Checkpoint>,
    head: Option<Cosigned>,
    erased: Erased,
    /// What was witnessed is not what is here.
    damaged: bool,
}

/// What acts of the log erased: nothing of it is stored again.
#[derive(Default)]
struct Erased {
    slots: BTreeSet<u32>,
    ranges: Ranges,
    /// All records below.
    below: u64,
}

/// Why something was not taken.
#[derive(Debug)]
pub enum Fault {
    /// Whoever sent it is at fault, or must wait.
    Refused(UplinkRefusal, String),
    /// The disk failed.
    Disk(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn refused<T>(why: UplinkRefusal, text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Refused(why, text.into()))
}

impl Copy {
    /// What is there.
    #[must_use]
    pub fn held(&self) -> &Ranges {
        &self.held
    }

    /// The newest checkpoint that was witnessed.
    #[must_use]
    pub fn head(&self) -> Option<&Cosigned> {
        self.head.as_ref()
    }

    /// Whether what is here is not what was witnessed.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// The log and its key.
    #[must_use]
    pub fn log(&self) -> &Verifier {
        &self.log
    }

    fn witnessed(&self) -> u64 {
        self.head.as_ref().map_or(0, |head| head.checkpoint.size)
    }
}
