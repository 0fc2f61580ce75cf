//! A log of a million records: verified as a whole, and asked for one component's newest.

use crate::report::Report;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use state_log::{
    Entry, FileVault, Log, Outside, Query, Settings, Signer, Verdict, Verifier, verify,
};
use std::{path::Path, time::Instant};

const RECORDS: u64 = 1_000_000;
const BATCH: u64 = 512;
const COMPONENTS: u64 = 100;
const ORIGIN: &str = "bench.example/log";
const ROUNDS: usize = 5;

struct Key(Ed25519KeyPair);

impl Key {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(Ed25519KeyPair::from_seed_unchecked(&[7; 32])?))
    }
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        self.0.sign(message).as_ref().try_into().map_err(|_| "an Ed25519 signature".to_owned())
    }

    fn public_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        key
    }
}

pub(crate) fn open(dir: &Path) -> anyhow::Result<Log> {
    let vault = FileVault::new(dir.with_extension("vault"));
    let settings = Settings::new(ORIGIN);
    Ok(Log::open(dir, settings, Box::new(Key::new()?), Box::new(vault), None)?.0)
}

/// 300 bytes of one of a hundred components; one more speaks only at the very beginning.
pub(crate) fn entry(index: u64) -> Entry {
    let speaker = if index < 500 { COMPONENTS } else { index % COMPONENTS };
    let mut subject = [0; 16];
    subject[..8].copy_from_slice(&speaker.to_be_bytes());
    Entry {
        at: 1_700_000_000_000 + index,
        subject: Some(subject),
        kind: (index % 40) as u16,
        severity: (index % 6) as u8,
        class: (index % 3) as u8,
        body: vec![index as u8; 300],
        personal: None,
        open: false,
    }
}

pub(crate) fn measure(report: &mut Report, folder: &Path) -> anyhow::Result<()> {
    let dir = folder.join("million");
    let mut log = open(&dir)?;
    for first in (0..RECORDS).step_by(BATCH as usize) {
        let entries: Vec<_> = (first..RECORDS.min(first + BATCH)).map(entry).collect();
        log.append(&entries)?;
        log.commit()?;
    }
    log.close()?;
    let log_key = Verifier::log(ORIGIN, Key::new()?.public_key())?;
    let outside = Outside { log: &log_key, witness: None, heads: &[], every_signature: false };
    let every = Outside { every_signature: true, ..outside.clone() };
    for _ in 0..ROUNDS {
        report.verify(seconds(&dir, &outside)?, seconds(&dir, &every)?);
    }
    let start = Instant::now();
    let mut log = open(&dir)?;
    report.open(start.elapsed().as_secs_f64());
    queries(report, &mut log)
}

fn seconds(dir: &Path, outside: &Outside<'_>) -> anyhow::Result<f64> {
    let start = Instant::now();
    let found = verify(dir, outside, &mut |_| ())?;
    anyhow::ensure!(found.verdict() == Verdict::Intact, "{:?}", found.findings);
    anyhow::ensure!(found.records == RECORDS, "{} records", found.records);
    Ok(start.elapsed().as_secs_f64())
}

/// One that speaks all the time, and one that spoke long ago; the first time, and again.
fn queries(report: &mut Report, log: &mut Log) -> anyhow::Result<()> {
    for (name, number) in [("of 10,000 spread over all", 17), ("of 500 at the very beginning", 0)] {
        let subject = entry(if number == 0 { 0 } else { 1000 + number }).subject;
        let query = Query { subject, ..Query::default() };
        for round in 0..ROUNDS {
            let start = Instant::now();
            let page = log.query(&query)?;
            anyhow::ensure!(page.records.len() == 100 && page.damaged.is_empty(), "a hundred");
            let again = if round == 0 { "first time" } else { "again" };
            report.query(&format!("newest 100 {name}, {again}"), start.elapsed().as_secs_f64());
        }
    }
    // A kind that never came: every record is opened once.
    let query = Query { kinds: vec![u16::MAX], examine: RECORDS as usize, ..Query::default() };
    let start = Instant::now();
    anyhow::ensure!(log.query(&query)?.records.is_empty(), "nothing");
    report.whole_search(start.elapsed().as_secs_f64());
    Ok(())
}
