//! People who can write to the folder, and who do not have the hub's signing key; some have an older copy.

use crate::world::{
    Key, Memory, World, copy, cosign, entry, files, fill, log_key, segments, verify_with,
    witness_key,
};
use state_log::{Cosigned, Damage, Error, From, Head, Query, Verdict, Verifier, witness};
use std::fs;

fn damages(world: &World) -> Vec<Damage> {
    world.verify().findings.into_iter().map(|(_, damage)| damage).collect()
}

/// Where record `index` lies in a segment file.
fn frame(bytes: &[u8], index: u64) -> std::ops::Range<usize> {
    let start =
        bytes.windows(16).position(|w| w[0] == 0 && w[3] == 0 && w[8..16] == index.to_le_bytes());
    let start = start.unwrap();
    let length = u32::from_le_bytes(bytes[start + 4..start + 8].try_into().unwrap());
    start..start + length as usize
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn an_edited_record_is_named() {
    let world = World::new();
    world.filled(1_000, 50);
    let path = segments(&world.dir())[1].clone();
    let mut bytes = fs::read(&path).unwrap();
    let base: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let edited = base + 60;
    let at = frame(&bytes, edited).end - 1;
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(damages(&world), [Damage::Edited { first: edited, last: edited }]);
    let (mut log, _) = world.opened();
    assert!(matches!(log.get(edited), Err(Error::Damaged(_))));
    let page =
        log.query(&Query { from: From::Below(edited + 1), limit: 5, ..Query::default() }).unwrap();
    assert_eq!((page.damaged.as_slice(), page.records[0].index), (&[edited][..], edited - 1));
}

/// An open record has no seal: only the tree protects it, and the tiles beside may be edited with it.
///
/// Criterion: T1.DP.2 (negative)
#[test]
fn an_edited_open_record_is_not_served_even_when_its_tile_is_edited_too() {
    let world = World::new();
    world.filled(1_000, 50);
    let path = segments(&world.dir())[0].clone();
    let mut bytes = fs::read(&path).unwrap();
    let place = frame(&bytes, 4);
    bytes[place.end - 1] ^= 1;
    let leaf = state_log::leaf_hash(&bytes[place.start + 1..place.end]);
    fs::write(&path, bytes).unwrap();
    let tile = world.dir().join("tiles/0");
    let mut tiles = fs::read(&tile).unwrap();
    tiles[4 * 32..5 * 32].copy_from_slice(&leaf);
    fs::write(&tile, tiles).unwrap();
    let mut log = world.open();
    assert!(log.get(4).is_err());
    let page = log.query(&Query { from: From::On(4), limit: 1, ..Query::default() }).unwrap();
    assert_eq!((page.damaged.as_slice(), page.records[0].index), (&[4][..], 5));
    drop(log);
    let found = damages(&world);
    assert!(
        found.iter().any(|d| matches!(d, Damage::Edited { first, .. } if *first <= 4)),
        "{found:?}"
    );
}

/// Indexes that another hub wrote, whole in themselves, that would hide records.
#[test]
fn an_index_that_hides_records_is_not_used() {
    let (world, other) = (World::new(), World::new());
    world.filled(1_000, 50);
    let mut log = other.open();
    for index in 0..1_000 {
        let nobodys = state_log::Entry { subject: None, ..entry(index) };
        log.append(&[nobodys]).unwrap();
        if index % 50 == 49 {
            log.commit().unwrap();
        }
    }
    log.close().unwrap();
    let name = |path: &std::path::Path| path.file_name().unwrap().to_owned();
    let mut planted = 0;
    for theirs in
        files(&other.dir()).iter().filter(|file| file.extension().is_some_and(|e| e == "idx"))
    {
        let mine = world.dir().join(name(theirs));
        if mine.exists() {
            fs::copy(theirs, mine).unwrap();
            planted += 1;
        }
    }
    assert!(planted > 0 && world.verify().verdict() == Verdict::Rebuildable);
    let (mut log, _) = world.opened();
    assert_eq!(log.notices().len(), planted);
    let query = Query { subject: Some(crate::world::subject(3)), limit: 1000, ..Query::default() };
    let wanted = (0..1_000).filter(|index| entry(*index).subject == query.subject).count();
    assert_eq!(log.query(&query).unwrap().records.len(), wanted);
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn reordered_records_are_named() {
    let world = World::new();
    world.filled(1_000, 50);
    let path = segments(&world.dir())[0].clone();
    let bytes = fs::read(&path).unwrap();
    let (one, two) = (frame(&bytes, 10), frame(&bytes, 11));
    let swapped =
        [&bytes[..one.start], &bytes[two.clone()], &bytes[one], &bytes[two.end..]].concat();
    fs::write(&path, swapped).unwrap();
    assert_eq!(damages(&world), [Damage::Reordered { expected: 10, found: 11 }]);
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_deleted_record_is_named() {
    let world = World::new();
    world.filled(1_000, 50);
    let path = segments(&world.dir())[0].clone();
    let bytes = fs::read(&path).unwrap();
    let one = frame(&bytes, 10);
    fs::write(&path, [&bytes[..one.start], &bytes[one.end..]].concat()).unwrap();
    let found = damages(&world);
    assert_eq!(found, [Damage::Missing { first: 10, next: 11 }]);
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_missing_or_shortened_segment_is_named_and_not_opened() {
    for cut in [None, Some(100), Some(5_000)] {
        let world = World::new();
        world.filled(1_000, 50);
        let (path, next) = (segments(&world.dir())[1].clone(), segments(&world.dir())[2].clone());
        let base = |path: &std::path::Path| {
            path.file_stem().unwrap().to_str().unwrap().parse::<u64>().unwrap()
        };
        match cut {
            None => fs::remove_file(&path).unwrap(),
            Some(bytes) => {
                let length = fs::metadata(&path).unwrap().len();
                fs::File::options()
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .set_len(length - bytes)
                    .unwrap();
            }
        }
        let found = damages(&world);
        let named = found.iter().any(|damage| match damage {
            Damage::Missing { next: to, .. } => *to == base(&next),
            Damage::Edited { last, .. } => *last == base(&next) - 1,
            _ => false,
        });
        assert!(named, "{cut:?}: {found:?}");
        assert!(matches!(world.try_open().err(), Some(Error::Damaged(_))), "{cut:?}");
    }
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_cut_end_is_seen_as_not_closed_and_against_the_witness() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 500, 10);
    let seen = cosign(&mut log, None);
    log.close().unwrap();
    let path = segments(&world.dir()).pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    let marks: Vec<_> =
        bytes.windows(8).enumerate().filter(|(_, w)| *w == b"\xc0mmit\x0d\x0a\x1a").collect();
    // To the end of a whole batch, as somebody careful would cut.
    let (end, _) = marks[0];
    fs::write(&path, &bytes[..end - 8 + 136]).unwrap();
    let report = world.verify();
    assert!(!report.closed);
    let rolled_back = |damage: &Damage| matches!(damage, Damage::RolledBack { witnessed: 500, .. });
    assert!(report.findings.iter().any(|(_, damage)| rolled_back(damage)), "{:?}", report.findings);
    assert!(matches!(world.try_open().err(), Some(Error::Damaged(damage)) if rolled_back(&damage)));
    fs::remove_file(world.dir().join("heads")).unwrap();
    let report = verify_with(&world.dir(), &[seen.note()]);
    assert!(report.findings.iter().any(|(_, damage)| rolled_back(damage)), "a head from elsewhere");
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_folder_that_was_rolled_back_as_a_whole_is_found_against_the_witness() {
    let world = World::new();
    world.filled(300, 30);
    let old = world.folder.path().join("old");
    copy(&world.dir(), &old);
    let mut log = world.open();
    fill(&mut log, 300, 30);
    let seen = cosign(&mut log, None);
    let head = Head { size: log.size(), root: log.checkpoint().root };
    drop(log);
    assert_eq!(verify_with(&old, &[]).verdict(), Verdict::Intact, "nothing in it tells");
    let report = verify_with(&old, &[seen.note()]);
    assert_eq!(
        report.findings,
        [(String::new(), Damage::RolledBack { size: 300, witnessed: 600 })]
    );
    let vault = Box::new(world.vault.clone());
    let opened = state_log::Log::open(
        &old,
        world.settings.clone(),
        Box::new(Key::new(1)),
        vault,
        Some(head),
    );
    assert!(matches!(opened.err(), Some(Error::Damaged(Damage::RolledBack { .. }))));
}

/// Two histories, both signed by the hub: only a witness can tell.
///
/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_fork_is_found_by_verify_by_the_log_and_by_the_witness() {
    let world = World::new();
    world.filled(300, 30);
    let other = world.folder.path().join("other");
    copy(&world.dir(), &other);
    let mut log = world.open();
    fill(&mut log, 300, 30);
    let seen = cosign(&mut log, None);
    drop(log);
    let (mut forked, _) = world.open_in(&other).unwrap();
    for index in 0..300 {
        forked.append(&[entry(7 * index)]).unwrap();
    }
    forked.commit().unwrap();
    assert!(matches!(
        forked.add_cosignature(&seen.note(), &witness_key()),
        Err(Error::Damaged(Damage::Forked { size: 600 }))
    ));
    fill(&mut forked, 10, 10);
    let proof = forked.prove_consistency(600).unwrap();
    let (note, key) = (forked.checkpoint().note(), Key::new(2));
    let sign = |last: &Cosigned| {
        witness::cosign(
            Some(&last.checkpoint),
            &note,
            &proof,
            &log_key(),
            (&witness_key(), &key),
            9,
        )
    };
    assert!(matches!(sign(&seen), Err(Error::Proof(_))));
    drop(forked);
    let report = verify_with(&other, &[seen.note()]);
    assert_eq!(report.findings, [(String::new(), Damage::Forked { size: 600 })]);
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_segment_of_another_log_or_time_does_not_fit() {
    let (world, other) = (World::new(), World::new());
    world.filled(1_000, 50);
    other.filled(1_000, 50);
    let (mine, theirs) = (segments(&world.dir()), segments(&other.dir()));
    let shared = (1..mine.len() - 1).find(|at| mine[*at].file_name() == theirs[*at].file_name());
    let at = shared.expect("sizes are equal, so segments begin at the same numbers");
    fs::copy(&theirs[at], &mine[at]).unwrap();
    let found = damages(&world);
    assert!(found.iter().any(|damage| matches!(damage, Damage::Replaced { .. })), "{found:?}");
    assert_eq!(world.verify().verdict(), Verdict::Damaged);
    assert!(matches!(world.try_open().err(), Some(Error::Damaged(_))));
}

/// Somebody without the key writes a whole new log over it.
///
/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_log_signed_by_another_key_is_not_believed() {
    let world = World::new();
    let vault = Box::new(Memory::default());
    let made = state_log::Log::open(
        &world.dir(),
        world.settings.clone(),
        Box::new(Key::new(66)),
        vault,
        None,
    );
    let mut log = made.unwrap().0;
    fill(&mut log, 100, 10);
    log.close().unwrap();
    assert!(damages(&world).contains(&Damage::Unsigned { size: 100 }));
    assert!(matches!(world.try_open().err(), Some(Error::Damaged(Damage::Unsigned { .. }))));
}

#[test]
fn a_gap_without_an_act_is_named() {
    use state_log::{Deletion, What};
    let world = World::new();
    world.filled(500, 50);
    let before = world.folder.path().join("before");
    copy(&world.dir(), &before);
    let mut log = world.open();
    log.delete(&Deletion { what: What::Class(2), times: (0, u64::MAX) }, 9).unwrap();
    drop(log);
    // The rewritten first segment in the log that knows of no act: all its hashes fit.
    let (gone, kept) = (&segments(&world.dir())[0], &segments(&before)[0]);
    fs::copy(gone, kept).unwrap();
    for index in files(&before).iter().filter(|file| file.extension().is_some_and(|e| e == "idx")) {
        fs::remove_file(index).unwrap();
    }
    let report = verify_with(&before, &[]);
    let uncovered = |damage: &Damage| matches!(damage, Damage::Uncovered { .. });
    assert!(report.findings.iter().all(|(_, damage)| uncovered(damage)));
    assert_eq!(report.verdict(), Verdict::Damaged);
}

/// Notes that are not what they claim: another key, name, size, or spelling.
#[test]
fn forged_notes_are_refused() {
    use state_log::{Checkpoint, NoteError};
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 10, 10);
    let note = cosign(&mut log, None).note();
    let parse = |note: &str, key: &Verifier| Checkpoint::parse(note, key).map(|_| ()).unwrap_err();
    let other = Verifier::log("hub.example/4712", *log_key().key()).unwrap();
    assert_eq!(parse(&note, &other), NoteError::OtherOrigin);
    let stranger = Verifier::log("hub.example/4711", [3; 32]).unwrap();
    assert_eq!(parse(&note, &stranger), NoteError::Unsigned);
    assert_eq!(parse(&note.replace("\n10\n", "\n11\n"), &log_key()), NoteError::BadSignature);
    assert_eq!(parse(&note.replace("\n10\n", "\n010\n"), &log_key()), NoteError::Malformed);
    assert_eq!(parse("", &log_key()), NoteError::Malformed);
    let none = Verifier::witness("witness.example", [3; 32]).unwrap();
    assert_eq!(Cosigned::parse(&note, &log_key(), &none).unwrap_err(), NoteError::Unsigned);
    assert!(Verifier::log("two words", [3; 32]).is_err());
}
