//! The product's state log: what happened, so that nobody can quietly edit it.
//!
//! Records are sealed under a data key of whom they are about, appended to segment files, and hashed into a Merkle tree
//! (RFC 6962). Each commit is one write and one sync, and carries a signed checkpoint (C2SP). A witness cosigns
//! checkpoints, so a log that was rolled back as a whole is found as well. Anybody with a copy of the folder and the
//! log's public key can verify it without any data key.
//!
//! | file | holds | lost or changed |
//! |---|---|---|
//! | `NNN.log` | segments: the truth | found by `verify`, named, never served |
//! | `NNN.idx`, `tiles/` | made from the segments | made anew |
//! | `keys` | wrapped data keys | restore it: nothing sealed is readable without |
//! | `heads` | heads that a witness cosigned | found by `verify` |
//! | `pass` | an act that is not finished | every act is looked at |
//! | `reserve`, `lock` | nothing | harmless |
//!
//! The crate reads no clock and knows no component: times, ids and payloads are the caller's.

mod act;
mod damage;
mod disk;
mod entry;
mod error;
mod frame;
mod hash;
mod heads;
mod index;
mod keys;
mod log;
mod note;
mod proof;
mod seal;
mod segment;
#[cfg(test)]
mod tests;
mod tiles;
mod vault;
mod verify;
pub mod witness;

pub use act::{Act, Range};
pub use damage::Damage;
pub use entry::{
    Content, Entry, MAX_BATCH, MAX_PART, MAX_PENDING, Part, Personal, Record, Subject,
};
pub use error::{Error, KeyFault, Refusal};
pub use hash::{Frontier, Hash, leaf_hash, node_hash};
pub use heads::MAX_HEADS;
pub use keys::MAX_SLOTS;
pub use log::{
    Copied, Deletion, EraseReceipt, Erasure, From, Head, Inclusion, Left, Log, MAX_PAGE, Opening,
    Page, PassReceipt, Portion, Query, Retention, Settings, Torn, What,
};
pub use note::{Checkpoint, Cosigned, MAX_NAME, MAX_NOTE, NoteError, Signer, Verifier};
pub use proof::{MAX_PROOF, ProofError, check_consistency, check_inclusion};
pub use segment::MAX_SEGMENT;
pub use vault::{FileVault, MAX_WRAPPING_KEYS, Vault, WrappingKey};
pub use verify::{MAX_FINDINGS, Outside, Report, Verdict, verify};
