//! The state log in the daemon: in the same commit as what it tells of, and never behind it.

use hub_agent::{
    journal::{Journal, JournalSettings, head_of},
    store::StoreError,
};
use hub_core::record::{Keep, Record, RecordKind};
use protocol::{id::ComponentId, id::Digest, time::Timestamp};
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

pub(crate) fn settings(folder: &Path) -> JournalSettings {
    JournalSettings {
        folder: folder.join("log"),
        secrets: folder.to_owned(),
        origin: "hub-agent/test".into(),
        keep: BTreeMap::from([(Keep::Usage, Duration::from_secs(60))]),
        bytes: 1 << 30,
        at_least: None,
    }
}

fn write(log: &mut Journal, records: &[Record]) -> (u64, usize) {
    let written = log.write(records);
    assert!(written.error.is_none(), "{written:?}");
    (written.first, written.count)
}

fn since(log: &mut Journal, from: u64, most: u64) -> Vec<(u64, Record)> {
    let mut all = Vec::new();
    log.recall(from, most, |number, record| all.push((number, record.clone()))).unwrap();
    all
}

pub(crate) fn record(at: u64, kind: RecordKind) -> Record {
    let id = ComponentId::from_key_digest(&Digest([9; 32]));
    Record::new(Timestamp(at), kind).about(id).saying("it happened")
}

/// Criterion: T1.CSA.1 (positive)
#[test]
fn records_have_numbers_in_their_order_and_are_read_back_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    let records: Vec<_> = (0..50).map(|at| record(1_000 + at, RecordKind::AuthFailure)).collect();
    assert_eq!(write(&mut log, &records[..20]), (0, 20));
    assert_eq!(write(&mut log, &records[20..]), (20, 30));
    drop(log);
    let (mut log, opening) = Journal::open(settings(folder.path())).unwrap();
    assert!(opening.torn.is_none());
    let back = since(&mut log, 0, 1_000);
    let numbered: Vec<_> = (0..).zip(records.clone()).collect();
    assert_eq!(back, numbered);
    let newer = since(&mut log, 1_040, 1_000);
    assert_eq!(newer, numbered[40..]);
    assert_eq!(since(&mut log, 0, 5), numbered[45..], "the newest, where there are too many");
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_log_that_was_set_back_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    write(&mut log, &[record(1, RecordKind::AuthFailure)]);
    drop(log);
    let old: Vec<_> = fs::read_dir(folder.path().join("log"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.path(), fs::read(entry.path()).unwrap()))
        .collect();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    write(&mut log, &[record(2, RecordKind::Tamper)]);
    let (key, value) = log.remembered().unwrap();
    drop(log);
    let split = key.iter().position(|byte| *byte == 0).unwrap();
    let table = String::from_utf8(key[..split].to_vec()).unwrap();
    let at_least = head_of(&[(table, key[split + 1..].to_vec(), value.unwrap())]);
    assert_eq!(at_least.unwrap().size, 2);
    for (path, bytes) in old {
        fs::write(path, bytes).unwrap();
    }
    let set_back = Journal::open(JournalSettings { at_least, ..settings(folder.path()) });
    assert!(matches!(set_back, Err(StoreError::LogDamaged(_))), "whoever set it back hid a record");
}

/// Criterion: T1.DP.4 (positive)
#[test]
fn what_is_due_goes_and_incidents_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    let kinds = [RecordKind::Health, RecordKind::Incident, RecordKind::NetCounters];
    write(&mut log, &kinds.map(|kind| record(1_000, kind)));
    assert_eq!(log.retain(50_000).unwrap().0, 0, "not yet");
    assert_eq!(log.retain(70_000).unwrap().0, 2);
    let left: Vec<_> = since(&mut log, 0, 100).into_iter().map(|(_, one)| one.kind).collect();
    assert_eq!(left, [RecordKind::Incident]);
}

/// A power cut of a large product tells more at once than the log takes in one commit.
///
/// Criterion: T1.CSA.1 (positive)
#[test]
fn more_than_one_commit_takes_is_written_in_several_and_none_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    let records: Vec<_> = (0..40_000).map(|at| record(at, RecordKind::ComponentLost)).collect();
    assert_eq!(write(&mut log, &records), (0, 40_000));
    assert_eq!(write(&mut log, &records[..1]), (40_000, 1));
    assert_eq!(since(&mut log, 0, 100_000).len(), 40_001);
}
