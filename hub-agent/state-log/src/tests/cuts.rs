//! A cut at each write, sync, rename and removal of appending, retention, deletion and erasure; then the log is opened
//! again, itself cut now and then, and must have finished.

use crate::{
    Content, Deletion, Entry, Erasure, Error, FileVault, Log, Outside, Retention, Settings, Signer,
    Verdict, Verifier, What, disk::cut, verify,
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use std::{collections::BTreeMap, path::Path};

const RECORDS: u64 = 260;

struct Key(Ed25519KeyPair);

impl Key {
    fn new() -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap())
    }
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        Ok(self.0.sign(message).as_ref().try_into().unwrap())
    }

    fn public_key(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap()
    }
}

fn open(folder: &Path) -> Result<Log, Error> {
    let settings = Settings { segment_bytes: 8192, reserve_bytes: 4096, ..Settings::new("cuts") };
    let vault = FileVault::new(folder.join("wrapping"));
    Log::open(&folder.join("log"), settings, Box::new(Key::new()), Box::new(vault), None)
        .map(|opened| opened.0)
}

fn entry(index: u64) -> Entry {
    Entry {
        at: index,
        subject: Some([(index % 3) as u8; 16]),
        kind: 1,
        severity: 1,
        class: (index % 2) as u8,
        body: vec![index as u8; 60],
        personal: None,
        open: false,
    }
}

fn fill(log: &mut Log, records: u64) -> Result<(), Error> {
    for _ in 0..records / 20 {
        let first = log.size();
        log.append(&(first..first + 20).map(entry).collect::<Vec<_>>())?;
        log.commit()?;
    }
    Ok(())
}

/// Runs `act` on a filled log once for each step it takes, cut at that step; then opens the log, cut as well in a
/// first try, and shows it to `check`.
fn cut_everywhere(
    name: &str,
    act: impl Fn(&mut Log) -> Result<(), Error>,
    check: impl Fn(&mut Log, u64),
) {
    let mut steps = 0;
    loop {
        let folder = tempfile::tempdir().unwrap();
        cut::after(None);
        let mut log = open(folder.path()).unwrap();
        fill(&mut log, RECORDS).unwrap();
        cut::after(Some(steps));
        let done = act(&mut log);
        let taken = cut::done();
        drop(log);
        cut::after(Some(steps % 23));
        drop(open(folder.path()));
        cut::after(None);
        let mut log =
            open(folder.path()).unwrap_or_else(|e| panic!("{name}, cut after {steps} steps: {e}"));
        check(&mut log, steps);
        let expected = log.close().unwrap();
        let key = Verifier::log("cuts", Key::new().public_key()).unwrap();
        let outside = Outside { log: &key, witness: None, heads: &[], every_signature: true };
        let report = verify(&folder.path().join("log"), &outside, &mut |_| ()).unwrap();
        assert_eq!(
            report.verdict(),
            Verdict::Intact,
            "{name}, {steps} steps: {:?}",
            report.findings
        );
        assert_eq!(report.head, Some(expected));
        if taken <= steps {
            done.unwrap_or_else(|e| panic!("{name} was not cut, and failed: {e}"));
            return println!("{name}: cut at each of {steps} steps");
        }
        steps += 1;
    }
}

/// Records that can be read, and records that cannot although they are there.
fn readable(log: &mut Log) -> (Vec<u64>, Vec<u64>) {
    let (mut good, mut erased) = (Vec::new(), Vec::new());
    for index in 0..RECORDS {
        match log.get(index) {
            Ok(record) if record.content == Content::Erased => erased.push(index),
            Ok(record) => {
                log.prove(index).unwrap().check().unwrap();
                good.push(record.index);
            }
            Err(Error::Gone(_)) => {}
            Err(other) => panic!("{index}: {other}"),
        }
    }
    (good, erased)
}

fn acts(log: &mut Log) -> u64 {
    (RECORDS..log.size())
        .filter(|index| matches!(log.get(*index).unwrap().content, Content::Act(_)))
        .count() as u64
}

#[test]
fn an_interrupted_append_keeps_what_was_committed() {
    let append = |log: &mut Log| fill(log, 120);
    cut_everywhere("append", append, |log, steps| {
        let size = log.size();
        assert!(size >= RECORDS && (size - RECORDS).is_multiple_of(20), "{steps} steps: {size}");
        for index in 0..size {
            let wanted = entry(index);
            let Content::Readable { body, .. } = log.get(index).unwrap().content else {
                panic!("readable")
            };
            assert_eq!(body, wanted.body);
        }
    });
}

#[test]
fn an_interrupted_retention_is_finished_once_its_act_is_committed() {
    let rules = Retention { ages: BTreeMap::from([(1, 100)]), bytes: None };
    cut_everywhere(
        "retention",
        |log| log.retain(&rules, RECORDS).map(|_| ()),
        |log, steps| {
            let due = |index: &u64| index % 2 == 1 && RECORDS - index > 100;
            let (good, _) = readable(log);
            let said = acts(log) > 0;
            let expected: Vec<_> = (0..RECORDS).filter(|index| !(said && due(index))).collect();
            assert_eq!(good, expected, "{steps} steps");
        },
    );
}

/// Criterion: T1.DP.4 (positive)
#[test]
fn an_interrupted_deletion_is_finished_once_its_act_is_committed() {
    let deletion = Deletion { what: What::Subject([1; 16]), times: (0, 200) };
    cut_everywhere(
        "deletion",
        |log| log.delete(&deletion, RECORDS).map(|_| ()),
        |log, steps| {
            let (good, _) = readable(log);
            let said = acts(log) > 0;
            let meant = |index: u64| index % 3 == 1 && index < 200;
            let expected: Vec<_> = (0..RECORDS).filter(|index| !(said && meant(*index))).collect();
            assert_eq!(good, expected, "{steps} steps");
        },
    );
}

/// Criterion: T1.DP.3 (negative)
#[test]
fn an_interrupted_erasure_is_finished_once_its_act_is_committed() {
    let erase = |log: &mut Log| log.erase(Erasure::Subject([1; 16]), RECORDS).map(|_| ());
    cut_everywhere("erasure", erase, |log, steps| {
        let (_, erased) = readable(log);
        let expected: Vec<_> = if acts(log) > 0 {
            (0..RECORDS).filter(|index| index % 3 == 1).collect()
        } else {
            Vec::new()
        };
        assert_eq!(erased, expected, "{steps} steps");
    });
}

/// The log that failed goes on itself, without being opened again, when it can.
#[test]
fn a_failed_commit_keeps_nothing_and_the_next_one_works() {
    for steps in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let mut log = open(folder.path()).unwrap();
        fill(&mut log, 40).unwrap();
        cut::after(Some(steps));
        let failed = fill(&mut log, 100);
        cut::after(None);
        let size = log.size();
        match (failed, fill(&mut log, 100)) {
            (Err(Error::Reopen), Err(Error::Reopen)) => {}
            (_, Ok(())) => assert_eq!(log.size(), size + 100),
            (_, Err(Error::Reopen)) => {}
            (_, Err(other)) => panic!("{steps} steps: {other}"),
        }
        drop(log);
        assert!(open(folder.path()).unwrap().size() >= size);
    }
}
