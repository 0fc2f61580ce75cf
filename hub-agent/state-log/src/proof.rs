//! Proofs about a tree (RFC 6962): that it holds a record, and that a later one grew from it.
//!
//! Making a proof takes the nodes of the tree; checking one takes nothing but roots, so a witness or a person with
//! a copy of one record can do it.

use crate::{
    error::Error,
    hash::{Hash, node_hash, sha256},
};

/// A proof has at most this many hashes: two for each level.
pub const MAX_PROOF: usize = 128;

/// Where the nodes of a tree come from.
pub(crate) trait Nodes {
    /// The root of the perfect tree number `number` among those of 2^level leaves.
    fn node(&mut self, level: u8, number: u64) -> Result<Hash, Error>;
}

/// Why a proof does not convince.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The numbers do not belong together.
    #[error("the proof is about an index or a size that the tree does not have; ask for a new one")]
    OutOfRange,
    /// There are more or fewer hashes than the tree's shape asks for.
    #[error("the proof has the wrong number of hashes; who made it is at fault")]
    WrongLength,
    /// The hashes lead to another root.
    #[error(
        "the proof leads to another root: the record or the log was changed, or the proof is of another log"
    )]
    WrongRoot,
}

/// The hashes beside the way from record `index` up to the root of the first `size` records, the lowest first.
pub(crate) fn inclusion(nodes: &mut impl Nodes, index: u64, size: u64) -> Result<Vec<Hash>, Error> {
    let (mut low, mut high) = (0, size);
    let mut proof = Vec::new();
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            proof.push(range(nodes, middle, high)?);
            high = middle;
        } else {
            proof.push(range(nodes, low, middle)?);
            low = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The hashes that show the first `size` records to begin with the first `old` ones.
pub(crate) fn consistency(nodes: &mut impl Nodes, old: u64, size: u64) -> Result<Vec<Hash>, Error> {
    let (mut low, mut high) = (0, size);
    let mut proof = Vec::new();
    if old == 0 || old == size {
        return Ok(proof);
    }
    while old != high {
        let middle = low + split(high - low);
        if old <= middle {
            proof.push(range(nodes, middle, high)?);
            high = middle;
        } else {
            proof.push(range(nodes, low, middle)?);
            low = middle;
        }
    }
    if low != 0 {
        proof.push(range(nodes, low, high)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root of the first `size` records.
pub(crate) fn root(nodes: &mut impl Nodes, size: u64) -> Result<Hash, Error> {
    if size == 0 { Ok(sha256(&[])) } else { range(nodes, 0, size) }
}

/// The hash of the records from `low` up to, not including, `high`.
fn range(nodes: &mut impl Nodes, low: u64, high: u64) -> Result<Hash, Error> {
    let count = high - low;
    if count.is_power_of_two() {
        return nodes.node(count.trailing_zeros() as u8, low / count);
    }
    let middle = low + split(count);
    let (left, right) = (range(nodes, low, middle)?, range(nodes, middle, high)?);
    Ok(node_hash(&left, &right))
}

/// The largest power of two below `count`, which is above one.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// Whether `proof` shows that a tree of `size` records with this root holds `leaf` at `index`.
///
/// # Errors
/// Says why it does not.
pub fn check_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(beside, &hash);
            // A node without a right neighbour rises until it is a right child itself.
            let rise = at.trailing_zeros();
            (at, last) = (at >> rise, last >> rise);
        } else {
            hash = node_hash(&hash, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    match last {
        0 if hash == *root => Ok(()),
        0 => Err(ProofError::WrongRoot),
        _ => Err(ProofError::WrongLength),
    }
}

/// Whether `proof` shows that the tree of `size` records with root `root` begins with the tree of `old` records
/// with root `old_root`.
///
/// # Errors
/// Says why it does not.
pub fn check_consistency(
    old: u64,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > size {
        return Err(ProofError::OutOfRange);
    }
    if old == 0 || old == size {
        let same = if old == 0 { *old_root == sha256(&[]) } else { old_root == root };
        return match (proof.is_empty(), same) {
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::WrongRoot),
            (false, _) => Err(ProofError::WrongLength),
        };
    }
    let rise = old.trailing_zeros();
    let (mut at, mut last) = ((old - 1) >> rise, (size - 1) >> rise);
    let mut hashes = proof.iter();
    // The old tree may be perfect: then its root is where the way up begins, and the proof leaves it out.
    let first = if at == 0 { old_root } else { hashes.next().ok_or(ProofError::WrongLength)? };
    let (mut before, mut now) = (*first, *first);
    for beside in hashes {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if at & 1 == 1 || at == last {
            (before, now) = (node_hash(beside, &before), node_hash(beside, &now));
            let rise = at.trailing_zeros();
            (at, last) = (at >> rise, last >> rise);
        } else {
            now = node_hash(&now, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    match (last, before == *old_root && now == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::WrongRoot),
        (_, _) => Err(ProofError::WrongLength),
    }
}
