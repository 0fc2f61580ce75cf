//! What the caller keeps for the verifier, and how it says that something is durable.

use bytes::Bytes;
use std::{collections::BTreeMap, future::Future};

/// Everything a vault holds, as it was committed.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Verified metadata as received, by file name (`root.json`, `timestamp.json`, …).
    pub metadata: BTreeMap<String, Bytes>,
    /// The floors; nothing when there is no such record.
    pub floors: Option<Vec<u8>>,
    /// The count of commits by a [`Witness`](crate::Witness) outside the vault; 0 when there is none.
    pub seen: u64,
}

/// What becomes durable together, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Metadata to write by file name, or to remove.
    pub metadata: BTreeMap<String, Option<Bytes>>,
    /// The floors that belong to it.
    pub floors: Vec<u8>,
    /// The count of commits, this one included; for the [`Witness`](crate::Witness), after the commit.
    pub commits: u64,
}

/// The vault could not make something durable.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct VaultFailed(pub String);

/// Where verified metadata and floors live.
///
/// The hub's is its store, whose values are sealed. A vault that others can write to still keeps out
/// anything that is not signed, but not somebody who puts back both old metadata and old floors. A log such as
/// sled's that loses its end goes back silently; a [`Witness`](crate::Witness) beside it finds that.
pub trait Vault: Send {
    /// Makes all changes durable in one step, before it returns.
    ///
    /// # Errors
    /// When it could not; then none of them may be found later.
    fn commit(&mut self, changes: &Changes)
    -> impl Future<Output = Result<(), VaultFailed>> + Send;
}
