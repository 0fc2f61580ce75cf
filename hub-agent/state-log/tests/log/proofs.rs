//! Proofs, beside the definition of RFC 6962 and another implementation of it.

use crate::world::{World, fill};
use proptest::prelude::*;
use state_log::{Hash, ProofError, check_consistency, check_inclusion, leaf_hash, node_hash};
use tlog_tiles::tlog;

/// The definition: the left part is the largest power of two below the size.
fn tree(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => tlog::EMPTY_HASH.0,
        [leaf] => *leaf,
        more => {
            let middle = 1 << (more.len() - 1).ilog2();
            node_hash(&tree(&more[..middle]), &tree(&more[middle..]))
        }
    }
}

/// Proofs of a log with so many records of which some are in tiles on disk.
fn with_log(size: u64, test: impl FnOnce(&mut state_log::Log, &[Hash])) {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, size, 300);
    let leaves: Vec<_> =
        (0..size).map(|index| leaf_hash(&log.prove(index).unwrap().stored[1..])).collect();
    test(&mut log, &leaves);
}

#[test]
fn every_proof_of_small_trees_holds_here_and_elsewhere() {
    with_log(70, |log, leaves| {
        for size in 0..=70 {
            let root = log.root(size).unwrap();
            assert_eq!(root, tree(&leaves[..size as usize]));
            for old in 0..=size {
                let proof = log.prove_between(old, size).unwrap();
                let old_root = log.root(old).unwrap();
                check_consistency(old, &old_root, size, &root, &proof).unwrap();
                if old > 0 {
                    let theirs = proof.iter().map(|hash| tlog::Hash(*hash)).collect();
                    let (new, old_root) = (tlog::Hash(root), tlog::Hash(old_root));
                    tlog::check_tree(&theirs, size, new, old, old_root).unwrap();
                }
            }
        }
        for (index, leaf) in leaves.iter().enumerate() {
            let proof = log.prove(index as u64).unwrap();
            let root = tlog::Hash(proof.checkpoint.root);
            let theirs = proof.hashes.iter().map(|hash| tlog::Hash(*hash)).collect();
            tlog::check_record(&theirs, 70, root, index as u64, tlog::Hash(*leaf)).unwrap();
        }
    });
}

#[test]
fn proofs_hold_over_many_tiles_and_segments() {
    with_log(3_000, |log, leaves| {
        for (old, size) in [(1, 3_000), (255, 256), (256, 2_999), (257, 1_000), (2_048, 2_049)] {
            let (old_root, root) = (log.root(old).unwrap(), log.root(size).unwrap());
            assert_eq!(root, tree(&leaves[..size as usize]));
            let proof = log.prove_between(old, size).unwrap();
            check_consistency(old, &old_root, size, &root, &proof).unwrap();
        }
    });
}

/// Nodes of a tree in memory, for proofs of any size.
fn inclusion(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let middle = 1 << (leaves.len() - 1).ilog2();
    let (left, right) = leaves.split_at(middle);
    let (mut proof, beside) = if index < middle {
        (inclusion(left, index), tree(right))
    } else {
        (inclusion(right, index - middle), tree(left))
    };
    proof.push(beside);
    proof
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_le_bytes())).collect()
}

proptest! {
    /// Criterion: T1.CSA.3 (negative)
    #[test]
    fn no_tampered_inclusion_proof_holds(
        size in 1_usize..600, index: usize, at: usize, bit in 0_usize..256, what in 0..6
    ) {
        let leaves = leaves(size);
        let (index, root) = (index % size, tree(&leaves));
        let mut proof = inclusion(&leaves, index);
        let check = |leaf: &Hash, index: usize, size: usize, root: &Hash, proof: &[Hash]| {
            check_inclusion(leaf, index as u64, size as u64, root, proof)
        };
        prop_assert_eq!(check(&leaves[index], index, size, &root, &proof), Ok(()));
        let flip = |hash: &mut Hash| hash[bit / 8] ^= 1 << (bit % 8);
        let (mut leaf, mut other) = (leaves[index], root);
        let outcome = match what {
            0 => { flip(&mut leaf); check(&leaf, index, size, &root, &proof) }
            1 => { flip(&mut other); check(&leaf, index, size, &other, &proof) }
            2 if !proof.is_empty() => {
                let at = at % proof.len();
                flip(&mut proof[at]);
                check(&leaf, index, size, &root, &proof)
            }
            3 => { proof.push(root); check(&leaf, index, size, &root, &proof) }
            4 if !proof.is_empty() => { proof.pop(); check(&leaf, index, size, &root, &proof) }
            _ if size > 1 => check(&leaf, (index + 1 + at % (size - 1)) % size, size, &root, &proof),
            _ => Err(ProofError::WrongRoot),
        };
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn checks_never_panic(
        old: u64, size: u64, index: u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..130)
    ) {
        let root = [7; 32];
        let _ = check_inclusion(&root, index, size, &root, &proof);
        let _ = check_consistency(old, &root, size, &root, &proof);
    }
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn no_tampered_consistency_proof_holds() {
    with_log(200, |log, _| {
        for (old, size) in [(1, 2), (3, 7), (64, 200), (65, 200), (127, 128), (150, 199)] {
            let (old_root, root) = (log.root(old).unwrap(), log.root(size).unwrap());
            let proof = log.prove_between(old, size).unwrap();
            for at in 0..proof.len() {
                let mut wrong = proof.clone();
                wrong[at][31] ^= 1;
                assert!(check_consistency(old, &old_root, size, &root, &wrong).is_err());
                wrong.remove(at);
                assert!(check_consistency(old, &old_root, size, &root, &wrong).is_err());
            }
            let longer = [&proof[..], &[root]].concat();
            assert!(check_consistency(old, &old_root, size, &root, &longer).is_err());
            assert!(check_consistency(old, &root, size, &root, &proof).is_err());
            assert!(check_consistency(size, &root, old, &old_root, &proof).is_err());
        }
    });
}
