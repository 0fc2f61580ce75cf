//! The store: keyed state that survives anything, and the only user of sled.
//!
//! One sled tree holds every table under prefixed keys, so that one batch is atomic across tables.
//! A commit is batch, flush, fdatasync: sled's own flush is not durable. Values are sealed. A thread
//! does all of it; the loop submits batches and is told how they ended.

mod committer;
mod disk;
mod seal;

pub use committer::{ASKS, Committer, Completion, Job, SHIPPED};
pub use disk::{Batch, Disk, DiskSettings, Durability, Stored, whole_key};
pub use seal::Seal;

/// What can go wrong with the store, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("the store in {0} is in use by another process; stop that one first")]
    InUse(String),
    /// The files are damaged.
    #[error("the store in {path} is damaged ({why}); restore a backup of the whole data directory")]
    Damaged {
        /// Where.
        path: String,
        /// What sled or the check says.
        why: String,
    },
    /// The store was written by another version.
    #[error(
        "the store in {path} has format {found}, this version reads {known}; use the version that wrote it"
    )]
    Format {
        /// Where.
        path: String,
        /// Format found.
        found: String,
        /// Format known.
        known: &'static str,
    },
    /// There is too little space left to be sure that a commit fits.
    #[error("only {free} bytes are free where the store is, {wanted} are needed; free disk space")]
    Full {
        /// Bytes free.
        free: u64,
        /// Bytes that must be free.
        wanted: u64,
    },
    /// The state log was edited, cut or set back.
    #[error("the state log is damaged: {0}")]
    LogDamaged(String),
    /// The state log holds nothing of whom it was asked about.
    #[error("the state log holds nothing of that")]
    NothingHeld,
    /// The state log failed.
    #[error("the state log: {0}")]
    Log(String),
    /// The disk failed.
    #[error("the store cannot be written ({0}); look at the disk")]
    Io(String),
}
