//! What the tests share: a signer, a vault in memory, a folder, entries, and a generator whose seed is printed.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use state_log::{
    Cosigned, Entry, Log, Opening, Outside, Personal, Report, Settings, Signer, Vault, Verifier,
    WrappingKey, verify,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread::yield_now,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a lock is waited for that another test's child holds.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) const ORIGIN: &str = "hub.example/4711";
/// Stands in every body: no copy of the folder may show it.
pub(crate) const MARKER: &[u8] = b"MARKER-OF-A-BODY";

pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    pub(crate) fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
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

#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Vec<WrappingKey>>>);

impl Vault for Memory {
    fn load(&mut self) -> Result<Vec<WrappingKey>, String> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn store(&mut self, keys: &[WrappingKey]) -> Result<(), String> {
        *self.0.lock().unwrap() = keys.to_vec();
        Ok(())
    }
}

/// A log's surroundings.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) vault: Memory,
    pub(crate) settings: Settings,
}

impl World {
    /// Small segments, so that a test has many.
    pub(crate) fn new() -> Self {
        let mut settings = Settings::new(ORIGIN);
        settings.segment_bytes = 32 * 1024;
        settings.reserve_bytes = 16 * 1024;
        settings.protected = vec![9];
        Self { folder: tempfile::tempdir().unwrap(), vault: Memory::default(), settings }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn open(&self) -> Log {
        self.opened().0
    }

    /// Another test of this process may start a program just now, which holds all files, and with them locks, until it is
    /// on its own: that passes.
    pub(crate) fn opened(&self) -> (Log, Opening) {
        let begun = Instant::now();
        loop {
            match self.try_open() {
                Err(state_log::Error::Locked(_)) if begun.elapsed() < PATIENCE => yield_now(),
                other => return other.unwrap(),
            }
        }
    }

    pub(crate) fn try_open(&self) -> Result<(Log, Opening), state_log::Error> {
        self.open_in(&self.dir())
    }

    pub(crate) fn open_in(&self, dir: &Path) -> Result<(Log, Opening), state_log::Error> {
        let vault = Box::new(self.vault.clone());
        Log::open(dir, self.settings.clone(), Box::new(Key::new(1)), vault, None)
    }

    /// A closed log with so many records in batches.
    pub(crate) fn filled(&self, records: u64, batch: u64) {
        let mut log = self.open();
        fill(&mut log, records, batch);
        log.close().unwrap();
    }

    pub(crate) fn verify(&self) -> Report {
        verify_with(&self.dir(), &[])
    }
}

pub(crate) fn log_key() -> Verifier {
    Verifier::log(ORIGIN, Key::new(1).public_key()).unwrap()
}

pub(crate) fn witness_key() -> Verifier {
    Verifier::witness("witness.example", Key::new(2).public_key()).unwrap()
}

/// The witness cosigns the log's newest checkpoint, and the log keeps it.
pub(crate) fn cosign(log: &mut Log, last: Option<&Cosigned>) -> Cosigned {
    let proof = log.prove_consistency(last.map_or(0, |last| last.checkpoint.size)).unwrap();
    let note = log.checkpoint().note();
    let last = last.map(|last| &last.checkpoint);
    let key = Key::new(2);
    let signed = state_log::witness::cosign(
        last,
        &note,
        &proof,
        &log_key(),
        (&witness_key(), &key),
        1_700_000_000,
    );
    let note = signed.unwrap().note();
    log.add_cosignature(&note, &witness_key()).unwrap()
}

pub(crate) fn verify_with(dir: &Path, heads: &[String]) -> Report {
    let (log, witness) = (log_key(), witness_key());
    let outside = Outside { log: &log, witness: Some(&witness), heads, every_signature: false };
    verify(dir, &outside, &mut |_| ()).unwrap()
}

pub(crate) fn subject(number: u64) -> [u8; 16] {
    let mut id = *b"component-------";
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

/// Record number `index`: of one of seven components, one in five open, one in six with personal data.
pub(crate) fn entry(index: u64) -> Entry {
    let body = [MARKER, format!(" {index} ").as_bytes(), &vec![b'x'; index as usize % 97]].concat();
    let personal =
        Personal { subject: subject(100 + index % 3), bytes: [MARKER, b" personal"].concat() };
    let open = index % 5 == 4;
    Entry {
        at: 1_000_000 + index * 1000,
        subject: (!open && !index.is_multiple_of(4)).then(|| subject(index % 7)),
        kind: (index % 10) as u16,
        severity: (index % 6) as u8,
        class: if index % 50 == 7 { 9 } else { (index % 3) as u8 },
        body: if open { format!("open {index}").into_bytes() } else { body },
        personal: (index % 6 == 1).then_some(personal),
        open,
    }
}

pub(crate) fn fill(log: &mut Log, records: u64, batch: u64) {
    let mut index = log.size();
    let end = index + records;
    while index < end {
        let entries: Vec<_> = (index..end.min(index + batch)).map(entry).collect();
        index += entries.len() as u64;
        log.append(&entries).unwrap();
        log.commit().unwrap();
    }
}

/// Copies a folder with its folders.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Every file below a folder that has bytes, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.metadata().unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    files(dir).into_iter().filter(|path| path.extension().is_some_and(|e| e == "log")).collect()
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}
