//! The state log in the daemon: in the same commit as what it tells of, and never behind it.

use hub_agent::{
    journal::{Gone, Journal, JournalSettings, Question, head_of, subject_of},
    store::StoreError,
};
use hub_core::record::{Keep, Record, RecordKind, Source};
use protocol::{id::ComponentId, id::Digest, time::Timestamp};
use state_log::{Deletion, Erasure, What};
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
    log.recall(most, |number, record| all.push((number, record.clone()))).unwrap();
    all.retain(|(_, record)| record.at.0 >= from);
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
    let at_least = remembered(&log);
    drop(log);
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

/// The row of the store as the next start would find it.
fn remembered(log: &Journal) -> Option<state_log::Head> {
    let (key, value) = log.remembered()?;
    let split = key.iter().position(|byte| *byte == 0)?;
    let table = String::from_utf8(key[..split].to_vec()).ok()?;
    head_of(&[(table, key[split + 1..].to_vec(), value?)])
}

/// Criterion: T1.DP.2 (negative)
#[test]
fn a_store_that_lost_its_end_is_found_by_the_log_and_one_lost_commit_is_not_blamed_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    write(&mut log, &[record(1, RecordKind::AuthFailure)]);
    let at_least = remembered(&log);
    let ahead = |at_least| {
        let (mut log, _) =
            Journal::open(JournalSettings { at_least, ..settings(folder.path()) }).unwrap();
        log.ahead_of_store().unwrap()
    };
    let large: Vec<_> = (0..10_000).map(|at| record(at, RecordKind::ComponentLost)).collect();
    write(&mut log, &large);
    drop(log);
    assert_eq!(
        ahead(at_least),
        None,
        "the power went between the two, in a commit of three portions"
    );
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    write(&mut log, &[record(2, RecordKind::Tamper)]);
    drop(log);
    assert_eq!(ahead(at_least), Some(10_001));
}

fn ask(log: &mut Journal, what: Gone) -> serde_json::Value {
    log.answer(Question::Dispose(what, 5)).unwrap()
}

/// Criterion: T1.DP.3 (positive)
/// Criterion: T1.DP.4 (positive)
#[test]
fn what_records_say_of_a_person_goes_alone_and_what_happened_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    let by = |name: &str| record(1, RecordKind::CommandIssued).by(name).on("lights off");
    let all =
        [by("ada (owner)"), by("bob (guest)"), by("the cloud"), record(1, RecordKind::Tamper)];
    write(&mut log, &all);
    let read =
        |log: &mut Journal| since(log, 0, 10).into_iter().map(|(_, one)| one).collect::<Vec<_>>();
    assert_eq!(read(&mut log), all);
    let erase = |log: &mut Journal, name| ask(log, Gone::Keys(Erasure::Personal(subject_of(name))));
    assert_eq!(erase(&mut log, "ada")["keys"], 1);
    assert_eq!(erase(&mut log, "ada")["keys"], 0, "what is wanted is so already");
    let ada = Record { actor: None, subject: None, text: None, ..all[0].clone() };
    assert_eq!(read(&mut log), [ada, all[1].clone(), all[2].clone(), all[3].clone()]);
    let files = fs::read_dir(folder.path().join("log")).unwrap().flatten();
    for file in files.filter(|file| file.path().is_file()) {
        let bytes = fs::read(file.path()).unwrap();
        assert!(!bytes.windows(3).any(|word| word == b"ada" || word == b"bob"), "all is sealed");
    }
}

/// Criterion: T1.DP.4 (negative)
#[test]
fn names_that_strangers_invent_take_no_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    let guess = |n: u64| record(n, RecordKind::AuthFailure).by(&format!("guest{n}"));
    let told = |n: u64| Record {
        source: Source::Component,
        ..record(n, RecordKind::AuthSuccess).by(&format!("p{n} (x)"))
    };
    let all: Vec<_> = (0..200).flat_map(|n| [guess(n), told(n)]).collect();
    write(&mut log, &all);
    let receipt = ask(&mut log, Gone::Keys(Erasure::All));
    assert!(receipt["keys"].as_u64().unwrap() <= 2, "the hub's and the component's: {receipt:#}");
}

/// Criterion: T1.DP.3 (positive)
#[test]
fn records_of_a_component_within_a_time_are_taken_out_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    let times = [10, 20, 30, 40].map(|at| record(at, RecordKind::Health));
    let hubs = Record::new(Timestamp(25), RecordKind::SettingsRead);
    write(&mut log, &[&times[..], std::slice::from_ref(&hubs)].concat());
    let whose = What::Subject(*times[0].component.unwrap().as_bytes());
    let receipt = ask(&mut log, Gone::Records(Deletion { what: whose, times: (20, 40) }));
    assert_eq!(receipt["records"], 2, "{receipt:#}");
    let left: Vec<_> = since(&mut log, 0, 10).into_iter().map(|(_, one)| one).collect();
    assert_eq!(left, [times[0].clone(), times[3].clone(), hubs]);
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_log_whose_keys_are_lost_is_evidence_and_not_a_reason_to_stay_down() {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = Journal::open(settings(folder.path())).unwrap();
    write(&mut log, &[record(1, RecordKind::AuthFailure)]);
    drop(log);
    let wrap = folder.path().join("log.wrap");
    let good = fs::read(&wrap).unwrap();
    let is_evidence = |what: &str| {
        let opened = Journal::open(settings(folder.path()));
        assert!(matches!(opened, Err(StoreError::LogDamaged(_))), "{what}: {:?}", opened.err());
    };
    fs::remove_file(&wrap).unwrap();
    is_evidence("no wrapping key");
    fs::write(&wrap, vec![7; good.len()]).unwrap();
    is_evidence("a damaged wrapping key");
    fs::write(&wrap, good).unwrap();
    assert!(Journal::open(settings(folder.path())).is_ok(), "the right one, given back");
}
