//! Retention and deletion: what goes, what stays, and that everything left can be proved.

use crate::world::{World, cosign, entry, files, fill, segments, subject};
use state_log::{Act, Content, Deletion, Error, From, Query, Refusal, Retention, Verdict, What};
use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt};

fn ages(ages: &[(u8, u64)]) -> Retention {
    Retention { ages: BTreeMap::from_iter(ages.iter().copied()), bytes: None }
}

/// Bytes on the disk, holes not counted.
fn on_disk(world: &World) -> u64 {
    files(&world.dir()).iter().map(|file| fs::metadata(file).unwrap().blocks() * 512).sum()
}

/// Criterion: T1.DP.4 (positive)
#[test]
fn what_is_due_goes_and_all_that_is_left_stays_provable() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 2_000, 32);
    let cosigned = cosign(&mut log, None);
    fill(&mut log, 2_000, 32);
    let now = entry(4_000).at;
    let receipt = log.retain(&ages(&[(0, 1_000_000), (1, 1_000_000)]), now).unwrap();
    let gone = |index: u64| entry(index).class < 2 && now - entry(index).at > 1_000_000;
    assert_eq!(receipt.records, (0..4_000).filter(|index| gone(*index)).count() as u64);
    for index in 0..4_000 {
        match log.prove(index) {
            Ok(proof) => {
                assert!(!gone(index));
                proof.check().unwrap();
            }
            Err(Error::Gone(_)) => assert!(gone(index), "{index}"),
            Err(other) => panic!("{index}: {other}"),
        }
    }
    let proof = log.prove_consistency(2_000).unwrap();
    let (old, new) = (&cosigned.checkpoint, log.checkpoint());
    state_log::check_consistency(old.size, &old.root, new.size, &new.root, &proof).unwrap();
    let Content::Act(Act::Retained(ranges)) = log.get(receipt.act.unwrap()).unwrap().content else {
        panic!("the act is an open record")
    };
    assert_eq!(ranges.iter().map(|(first, end)| end - first).sum::<u64>(), receipt.records);
    log.close().unwrap();
    let report = world.verify();
    assert_eq!(report.verdict(), Verdict::Intact, "{:?}", report.findings);
    assert_eq!((report.dropped, report.records), (receipt.records, 4_001 - receipt.records));
    assert_eq!(report.heads, (1, 0));
    let (mut log, opening) = world.opened();
    assert_eq!(opening, Default::default());
    assert_eq!(
        log.retain(&ages(&[(0, 1_000_000)]), now).unwrap().act,
        None,
        "nothing is due twice"
    );
}

#[test]
fn disk_space_really_comes_back() {
    let mut world = World::new();
    world.settings.segment_bytes = 512 * 1024;
    world.filled(20_000, 500);
    let before = on_disk(&world);
    let mut log = world.open();
    let rules = ages(&[(0, 0), (1, 0), (2, 0), (9, 0)]);
    let receipt = log.retain(&rules, entry(20_000).at).unwrap();
    assert_eq!(receipt.records, 20_000);
    log.close().unwrap();
    let after = on_disk(&world);
    println!("{before} bytes on disk, {after} after all went; {} in files", receipt.freed);
    assert!(after * 8 < before, "{before} -> {after}");
    assert_eq!(world.verify().verdict(), Verdict::Intact, "{:?}", world.verify().findings);
}

/// Criterion: T1.CSA.1 (negative)
#[test]
fn when_space_runs_out_the_oldest_go_and_incidents_stay() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 3_000, 50);
    let bound = log.bytes() / 2;
    let rules = Retention { ages: BTreeMap::new(), bytes: Some(bound) };
    let receipt = log.retain(&rules, 5).unwrap();
    assert!(log.bytes() <= bound + bound / 10, "{} of {bound}", log.bytes());
    let incidents: Vec<_> = (0..3_000).filter(|index| entry(*index).class == 9).collect();
    for index in &incidents {
        assert_eq!(log.get(*index).unwrap().class, 9);
    }
    let youngest = log.get(2_999).unwrap();
    assert_eq!(youngest.index, 2_999);
    println!("{} records went, {} incidents stayed", receipt.records, incidents.len());
}

/// Criterion: T1.DP.4 (positive)
#[test]
fn a_subjects_records_of_a_time_are_deleted_and_the_log_says_so() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 1_000, 50);
    let times = (entry(100).at, entry(600).at);
    let meant =
        |index: &u64| entry(*index).subject == Some(subject(3)) && (100..600).contains(index);
    let kept = (0..1_000).filter(|index| meant(index) && entry(*index).class == 9).count() as u64;
    let receipt = log.delete(&Deletion { what: What::Subject(subject(3)), times }, 77).unwrap();
    assert_eq!(receipt.records, (0..1_000).filter(meant).count() as u64 - kept);
    assert_eq!(receipt.protected, kept);
    let query = Query { subject: Some(subject(3)), times: Some(times), ..Query::default() };
    assert_eq!(log.query(&query).unwrap().records.len() as u64, kept);
    let act = log.get(receipt.act.unwrap()).unwrap();
    assert!(matches!(act.content, Content::Act(Act::Deleted(_))));
    assert_eq!(act.at, 77);
    log.close().unwrap();
    assert_eq!(world.verify().verdict(), Verdict::Intact);
}

/// Criterion: T1.DP.4 (negative)
#[test]
fn incidents_are_never_deleted() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 200, 50);
    let deletion = Deletion { what: What::Class(9), times: (0, u64::MAX) };
    assert!(matches!(log.delete(&deletion, 9), Err(Error::Refused(Refusal::Protected(9)))));
    assert_eq!(log.get(7).unwrap().class, 9);
    assert_eq!(log.size(), 200, "and no act");
}

#[test]
fn a_damaged_segment_is_not_rewritten() {
    let world = World::new();
    world.filled(1_000, 50);
    let path = segments(&world.dir())[0].clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[9_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let mut log = world.open();
    assert!(matches!(log.retain(&ages(&[(0, 0)]), u64::MAX), Err(Error::Damaged(_))));
    assert_eq!(fs::read(&path).unwrap(), bytes, "it is evidence");
}

#[test]
fn many_passes_over_the_same_segments_keep_the_log_whole() {
    let world = World::new();
    let mut log = world.open();
    fill(&mut log, 3_000, 20);
    for class in [0, 1, 2] {
        for step in 1..4 {
            let deletion = Deletion {
                what: What::Class(class),
                times: (entry(step * 300).at, entry(step * 900).at),
            };
            log.delete(&deletion, step).unwrap();
            let left = Query { from: From::On(0), limit: 10_000, ..Query::default() };
            for record in log.query(&left).unwrap().records.iter().step_by(97) {
                log.prove(record.index).unwrap().check().unwrap();
            }
        }
    }
    drop(log);
    let (log, _) = world.opened();
    log.close().unwrap();
    assert_eq!(world.verify().verdict(), Verdict::Intact, "{:?}", world.verify().findings);
}
