//! Portions for a copy elsewhere: every hash, and what can be read.

use crate::world::{MARKER, World, cosign, entry, fill, subject};
use state_log::{Act, Copied, Erasure, Frontier, Left, Log, Retention};
use std::collections::BTreeMap;

/// The whole log in portions of so many records, and the tree over them.
fn copied(log: &mut Log, most: usize) -> (Vec<(u64, Copied)>, Frontier) {
    let (mut all, mut tree) = (Vec::new(), Frontier::new());
    let mut next = 0;
    while next < log.size() {
        let portion = log.portion(next, most, 16 * 1024).unwrap();
        assert_eq!(portion.first, next, "nothing is left out and nothing comes twice");
        assert!(portion.copies.len() <= most && portion.end > next);
        for copy in portion.copies {
            let level = if copy.what == Left::Tile { 8 } else { 0 };
            tree.push(level, copy.hash, |_, _| ());
            all.push((next, copy));
            next += 1 << level;
        }
        assert_eq!(portion.end, next);
    }
    (all, tree)
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn portions_hold_every_record_once_and_lead_to_the_checkpoint() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 1_500, 40);
    for most in [1, 7, 256] {
        let (all, tree) = copied(&mut log, most);
        assert_eq!((tree.size(), tree.root()), (1_500, log.checkpoint().root));
        for (index, copy) in all {
            let Left::Readable { body, slot } = copy.what else { panic!("{index} is readable") };
            assert_eq!(body, entry(index).body);
            assert_eq!(slot == 0, entry(index).open);
        }
    }
}

/// Criterion: T1.DP.3 (positive)
#[test]
fn what_was_erased_goes_as_a_hash_and_the_act_names_the_key_that_sealed_it() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 300, 32);
    let slots: BTreeMap<u64, u32> = copied(&mut log, 256)
        .0
        .into_iter()
        .filter_map(|(index, copy)| match copy.what {
            Left::Readable { slot, .. } => Some((index, slot)),
            Left::Act(_) | Left::Hash | Left::Tile => None,
        })
        .collect();
    log.erase(Erasure::Subject(subject(1)), 5).unwrap();
    let (all, tree) = copied(&mut log, 256);
    assert_eq!(tree.root(), log.checkpoint().root);
    let Some((_, Copied { what: Left::Act(Act::Erased(gone)), .. })) = all.last() else {
        panic!("the act is the newest record")
    };
    for (index, copy) in &all[..300] {
        let erased = entry(*index).subject == Some(subject(1));
        assert_eq!(erased, gone.contains(&slots[index]), "{index}");
        assert_eq!(erased, copy.what == Left::Hash, "{index}");
    }
    assert_eq!(Act::decode(&Act::Erased(gone.clone()).encode()), Some(Act::Erased(gone.clone())));
}

/// Criterion: T1.DP.4 (positive)
#[test]
fn what_retention_took_out_goes_as_hashes_and_whole_tiles() {
    let mut world = World::new();
    world.settings.segment_bytes = 256 * 1024;
    let mut log = world.open();
    fill(&mut log, 400, 32);
    cosign(&mut log, None);
    fill(&mut log, 3_600, 32);
    let ages = BTreeMap::from([(0, 1), (1, 1), (2, 1), (9, 1)]);
    log.retain(&Retention { ages, bytes: None }, entry(3_000).at).unwrap();
    let (all, tree) = copied(&mut log, 256);
    assert_eq!((tree.size(), tree.root()), (log.size(), log.checkpoint().root));
    let tiles: Vec<_> = all.iter().filter(|(_, copy)| copy.what == Left::Tile).collect();
    assert!(tiles.len() > 5, "{}", tiles.len());
    // The tile in which a witness's head ends keeps its leaves.
    assert!(all.iter().any(|(index, copy)| *index == 399 && copy.what == Left::Hash));
    let (first, _) = tiles[3];
    let within = log.portion(first + 100, 256, 16 * 1024).unwrap();
    assert_eq!(within.first, *first, "there is only the whole tile");
    assert!(all.iter().all(|(_, copy)| match &copy.what {
        Left::Readable { body, .. } => body.starts_with(MARKER) || body.starts_with(b"open"),
        Left::Act(_) | Left::Hash | Left::Tile => true,
    }));
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_record_that_was_changed_on_disk_is_not_handed_out() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 100, 10);
    let root = log.checkpoint().root;
    let file = crate::world::segments(&world.dir()).swap_remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(6).position(|window| window == b"open 4").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (all, tree) = copied(&mut log, 256);
    assert_eq!(tree.root(), root, "its hash is that of the tree");
    let bare: Vec<_> = all.iter().filter(|(_, copy)| copy.what == Left::Hash).collect();
    assert_eq!(bare.len(), 1);
    assert_eq!(bare[0].0, 4);
}
