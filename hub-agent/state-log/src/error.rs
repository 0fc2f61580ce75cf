//! What can go wrong, who is at fault, and what to do next.

use crate::{damage::Damage, proof::ProofError};
use std::{io, path::PathBuf};

/// An operation failed. Nothing of it shows in the log unless the text says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk is full. The log is as it was at its last checkpoint.
    #[error(
        "the disk is full: nothing since the last checkpoint was kept. Free space, or let retention drop old records, and append again"
    )]
    DiskFull,
    /// The operating system refused something; the log is as it was.
    #[error(
        "{path}: {source}. The disk or its rights are at fault; the log is as it was at its last checkpoint"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A sync failed, or a failed write could not be undone: what the disk holds is unknown.
    #[error(
        "what the disk holds is unknown after a failed write or sync: open the log again before using it"
    )]
    Reopen,
    /// Another process, or another part of this one, writes this log.
    #[error("{0} is being written by another process: stop that one first")]
    Locked(PathBuf),
    /// Committed records are missing or changed.
    #[error(
        "the log is damaged: {0}. Keep a copy, run verify on it, and start a new log in another folder"
    )]
    Damaged(Damage),
    /// The key file or the vault cannot be used.
    #[error("the log's keys cannot be read: {0}")]
    Keys(KeyFault),
    /// The caller gave something the log does not take.
    #[error("the caller is at fault: {0}")]
    Refused(#[from] Refusal),
    /// The signer did not sign.
    #[error("the signer failed: {0}. Nothing since the last checkpoint was kept")]
    Signer(String),
    /// The record was taken out.
    #[error(
        "record {0} was taken out by retention or because somebody asked for it: the acts of the log say when"
    )]
    Gone(u64),
    /// Hashes that a proof needs were dropped with their records.
    #[error(
        "the hashes below record {0} went with their records: ask for a proof of a record that is kept, or between sizes that a witness cosigned"
    )]
    HashesDropped(u64),
    /// A checkpoint or cosignature is not what it claims to be.
    #[error("{0}")]
    Note(#[from] crate::note::NoteError),
    /// A proof does not convince.
    #[error("{0}")]
    Proof(#[from] ProofError),
}

/// Why the keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The vault holds none of the keys that open the file.
    #[error(
        "no key of the vault opens the key file. Give the vault back the key it had, or restore both from the same moment"
    )]
    WrongKey,
    /// There are records, and no key file.
    #[error(
        "the key file is missing. Restore it, or erase everything to go on without the old records"
    )]
    Missing,
    /// The vault is empty although there is a key file.
    #[error("the vault is empty although there is a key file. Restore the vault's key")]
    EmptyVault,
    /// The vault failed.
    #[error("the vault cannot be read or written: {0}")]
    Vault(String),
}

/// Why the log does not take something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A body, or personal data, is too long.
    #[error("a record's parts may have {MAX_PART} bytes, this one has {0}: split it", MAX_PART = crate::entry::MAX_PART)]
    TooLong(usize),
    /// Too much waits for a commit.
    #[error("too much waits for a commit: commit first, then append")]
    CommitFirst,
    /// Something waits for a commit that must be done first.
    #[error("records wait for a commit: commit them before this")]
    Uncommitted,
    /// There are too many subjects.
    #[error("the log has keys for as many subjects as it can hold: erase some that are gone")]
    TooManySubjects,
    /// Records of a protected class are never deleted.
    #[error(
        "records of class {0} are protected: nobody deletes them; they go when their own age is reached"
    )]
    Protected(u8),
    /// There is nothing to erase.
    #[error("the log has no key of this subject: nothing of it is readable")]
    UnknownSubject,
    /// The tree is not that large.
    #[error("the log has {size} records, {asked} was asked for")]
    NotThere {
        /// What was asked for.
        asked: u64,
        /// Records there are.
        size: u64,
    },
    /// Settings that make no sense.
    #[error("setting {0} is out of range")]
    Setting(&'static str),
}

impl Error {
    /// From what the system said about a file.
    pub(crate) fn io(path: &std::path::Path, source: io::Error) -> Self {
        if is_full(&source) {
            return Self::DiskFull;
        }
        Self::Io { path: path.to_owned(), source }
    }
}

/// Whether the system says that there is no space left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
