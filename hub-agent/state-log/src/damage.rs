//! What opening or verifying a log can find wrong with it.

use std::fmt;

/// Something that a signed checkpoint covers is not there as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// Records of this range were edited; one number when it could be told which.
    Edited {
        /// The first that may be changed.
        first: u64,
        /// The last that may be changed.
        last: u64,
    },
    /// One record stands where another belongs.
    Reordered {
        /// The number that belongs there.
        expected: u64,
        /// The number that stands there.
        found: u64,
    },
    /// Records are missing: cut off, or a whole segment.
    Missing {
        /// The first missing.
        first: u64,
        /// The first that is there again.
        next: u64,
    },
    /// A segment does not continue the one before.
    Replaced {
        /// Where it begins.
        base: u64,
    },
    /// The beginning of a segment file is not what was written.
    Header {
        /// Where it begins.
        base: u64,
    },
    /// A commit mark inside a segment was changed; its records are whole.
    Mark {
        /// Records before it.
        size: u64,
    },
    /// A checkpoint is not signed by the log's key.
    Unsigned {
        /// Its size.
        size: u64,
    },
    /// The log and a checkpoint that somebody else holds disagree about the same records.
    Forked {
        /// The size of that checkpoint.
        size: u64,
    },
    /// Somebody else holds a checkpoint that is newer than the log's head: it was rolled back or cut.
    RolledBack {
        /// Records in the log.
        size: u64,
        /// Records in that checkpoint.
        witnessed: u64,
    },
    /// Records were taken out and no act of the log says so.
    Uncovered {
        /// The first.
        first: u64,
        /// The first that is there again.
        next: u64,
    },
    /// A file that stands for something unfinished: opening the log finishes it.
    Unfinished {
        /// Its name.
        file: String,
    },
    /// Records that an act says were deleted are still there; opening the log finishes it.
    Undeleted {
        /// The first of them.
        first: u64,
    },
    /// Bytes after the last checkpoint, which nothing covers: a crash before a commit, or a cut.
    Tail {
        /// How many.
        bytes: u64,
    },
    /// A file that is made from the others is wrong; opening the log makes it anew.
    Rebuildable {
        /// Its name.
        file: String,
    },
    /// The file of cosigned heads is damaged: its lines do not verify.
    Heads,
    /// The key file does not carry its checksum: keep it and restore a copy; the records themselves verify.
    Keys,
    /// A file that does not belong here.
    Stranger {
        /// Its name.
        file: String,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { first, last } if first == last => write!(f, "record {first} was edited"),
            Self::Edited { first, last } => {
                write!(f, "at least one of the records {first} to {last} was edited")
            }
            Self::Reordered { expected, found } => {
                write!(f, "record {found} stands where record {expected} belongs")
            }
            Self::Missing { first, next } => {
                write!(f, "records {first} to {} are missing", next - 1)
            }
            Self::Replaced { base } => {
                write!(
                    f,
                    "the segment that begins at record {base} does not continue the one before"
                )
            }
            Self::Header { base } => write!(f, "the head of segment {base} was changed"),
            Self::Mark { size } => write!(f, "the commit mark after record {size} was changed"),
            Self::Unsigned { size } => {
                write!(f, "the checkpoint of {size} records is not signed by the log's key")
            }
            Self::Forked { size } => {
                write!(
                    f,
                    "another history of the first {size} records was witnessed: the log was forked"
                )
            }
            Self::RolledBack { size, witnessed } => write!(
                f,
                "{witnessed} records were witnessed, {size} are here: the log was rolled back or cut"
            ),
            Self::Uncovered { first, next } => write!(
                f,
                "records {first} to {} were taken out, and no act of the log says so",
                next - 1
            ),
            Self::Unfinished { file } => {
                write!(f, "{file} says that something was interrupted; opening the log finishes it")
            }
            Self::Undeleted { first } => write!(
                f,
                "record {first} is still there although an act says it was deleted; opening the log deletes it"
            ),
            Self::Tail { bytes } => write!(
                f,
                "{bytes} bytes after the last checkpoint are covered by nothing: a crash before a commit, or a cut"
            ),
            Self::Rebuildable { file } => {
                write!(
                    f,
                    "{file} is wrong; it is made from the segments, and opening the log makes it anew"
                )
            }
            Self::Heads => write!(f, "the file of cosigned heads does not verify"),
            Self::Keys => write!(f, "the key file was changed: restore a copy"),
            Self::Stranger { file } => write!(f, "{file} does not belong to the log"),
        }
    }
}
