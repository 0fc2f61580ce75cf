//! The log itself: one writer, on a thread of its own.
//!
//! | module | holds |
//! |---|---|
//! | `recover` | opening: what survived, what is damaged, what must be finished |
//! | `append` | batches, new segments |
//! | `commit` | making batches durable |
//! | `query` | reading back, checked |
//! | `portion` | for copies: hashes, and what can be read |
//! | `prove` | checkpoints, proofs, cosigned heads |
//! | `pass` | acts, and finishing what they say |
//! | `retain` | what is due, deletion |
//! | `rewrite` | a segment without some of its records |
//! | `erase` | destroying keys |

mod append;
mod commit;
mod erase;
mod pass;
mod portion;
mod prove;
mod query;
mod recover;
mod retain;
mod rewrite;

pub use erase::{EraseReceipt, Erasure};
pub use portion::{Copied, Left, Portion};
pub use prove::Inclusion;
pub use query::{From, MAX_PAGE, Page, Query};
pub use recover::{Opening, Torn};
pub use retain::{Deletion, PassReceipt, Retention, What};

use crate::{
    error::{Error, Refusal},
    hash::{Frontier, Hash},
    heads::Heads,
    index::Index,
    keys::Keyring,
    note::{Checkpoint, Signer, Verifier},
    seal::Nonces,
    segment::{self, MAX_SEGMENT},
    tiles::Tiles,
    vault::Vault,
};
use append::Pending;
use commit::{Flight, Syncer};
use query::Cache;
use std::{
    fs::File,
    path::{Path, PathBuf},
};

/// The file that one writer holds locked.
pub(crate) const LOCK: &str = "lock";
/// Space that is given back before a pass, so that deleting works on a full disk.
pub(crate) const RESERVE: &str = "reserve";
/// Names the first act of a pass that is not finished.
pub(crate) const PASS: &str = "pass";

/// How a log is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The log's name in its checkpoints, such as `hub.example/4711`.
    pub origin: String,
    /// A new segment begins when one has reached this; at most [`MAX_SEGMENT`].
    pub segment_bytes: u64,
    /// Memory for indexes of segments; those used longest ago go first. The newest segment's is beside.
    pub index_memory: usize,
    /// Bytes set aside so that retention and erasure work on a full disk.
    pub reserve_bytes: u64,
    /// Classes that nobody may delete from and that stay when space runs out.
    pub protected: Vec<u8>,
}

impl Settings {
    /// With 16 MiB segments, 32 MiB for indexes, 1 MiB of reserve and no protected class.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            segment_bytes: 16 << 20,
            index_memory: 32 << 20,
            reserve_bytes: 1 << 20,
            protected: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), Refusal> {
        if !(4096..=MAX_SEGMENT).contains(&self.segment_bytes) {
            return Err(Refusal::Setting("segment_bytes"));
        }
        Ok(())
    }
}

/// A checkpoint without its signature: what a caller remembers elsewhere to notice a rolled-back log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Records.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

/// An open log.
pub struct Log {
    dir: PathBuf,
    settings: Settings,
    signer: Box<dyn Signer + Send>,
    vault: Box<dyn Vault + Send>,
    log: Verifier,
    keys: Keyring,
    nonces: Nonces,
    heads: Heads,
    tiles: Tiles,
    sealed: Vec<Sealed>,
    active: Active,
    /// The tree at the last checkpoint.
    tree: Frontier,
    head: Checkpoint,
    pending: Pending,
    flight: Option<Flight>,
    syncer: Option<Syncer>,
    cache: Cache,
    /// What the disk holds is unknown.
    broken: bool,
    /// The tiles were made anew since the log was opened.
    rebuilt: bool,
    notices: Vec<String>,
    _lock: File,
}

/// A segment that gets no more records.
#[derive(Clone, Copy, Debug)]
struct Sealed {
    base: u64,
    bytes: u64,
}

/// The newest segment.
struct Active {
    base: u64,
    path: PathBuf,
    file: File,
    length: u64,
    index: Index,
}

impl Log {
    /// Opens the log in a folder, or begins one there. `at_least` is a head the caller remembers from before.
    ///
    /// # Errors
    /// When it is damaged, locked by another writer, or its keys cannot be read.
    pub fn open(
        dir: &Path,
        settings: Settings,
        signer: Box<dyn Signer + Send>,
        vault: Box<dyn Vault + Send>,
        at_least: Option<Head>,
    ) -> Result<(Self, Opening), Error> {
        recover::open(dir, settings, signer, vault, at_least)
    }

    /// Records that a checkpoint covers.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The newest checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.head
    }

    /// The log's name and public key.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.log
    }

    /// Bytes of all segments and of their indexes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let sealed = self.sealed.iter().map(|one| one.bytes + self.index_bytes(one.base));
        sealed.sum::<u64>() + self.active.length
    }

    /// What was made anew since this was asked last, for the operator's eyes.
    pub fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    fn index_bytes(&self, base: u64) -> u64 {
        let path = segment::index_path(&self.dir, base);
        std::fs::metadata(path).map_or(0, |about| about.len())
    }

    /// The first number after a segment's records.
    fn end_of(&self, position: usize) -> u64 {
        self.sealed.get(position + 1).map_or(self.active.base, |next| next.base)
    }

    fn usable(&self) -> Result<(), Error> {
        if self.broken { Err(Error::Reopen) } else { Ok(()) }
    }
}
