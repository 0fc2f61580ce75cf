//! A state log under load in a process of its own: it prints how many records are durable after each commit, and lets
//! retention take out old ones now and then.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use state_log::{Entry, Error, FileVault, Log, Opening, Retention, Settings, Signer};
use std::{ffi::OsString, io::Write, path::Path, process::ExitCode};

/// The log's name.
pub const ORIGIN: &str = "power.example/log";

/// Commits after which a load ends by itself.
const MOST: u64 = 100_000;

/// Commits between two passes of retention, and records that stay.
const EACH: u64 = 9;
const KEPT: u64 = 200;

/// The log's signing key.
pub struct Key(Ed25519KeyPair);

impl Key {
    /// The same each time.
    ///
    /// # Panics
    /// Never: any 32 bytes are a seed.
    #[must_use]
    pub fn new() -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[5; 32]).expect("32 bytes are a seed"))
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::new()
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

/// Opens the log of a load.
///
/// # Errors
/// As the log says.
pub fn open(folder: &Path) -> Result<(Log, Opening), Error> {
    let settings = Settings { segment_bytes: 16 * 1024, reserve_bytes: 0, ..Settings::new(ORIGIN) };
    let vault = Box::new(FileVault::new(folder.join("wrapping")));
    Log::open(&folder.join("log"), settings, Box::new(Key::new()), vault, None)
}

/// Record number `index`.
#[must_use]
pub fn entry(index: u64) -> Entry {
    Entry {
        at: index,
        subject: Some([(index % 5) as u8; 16]),
        kind: 1,
        severity: 1,
        class: u8::from(index % 10 == 3),
        body: index.to_be_bytes().repeat(30),
        personal: None,
        open: false,
    }
}

/// Commits until it is killed, batches of 1 to 40 records.
pub fn main_with_args(args: &[OsString]) -> ExitCode {
    let Some(folder) = args.get(1) else { return ExitCode::from(2) };
    let Ok((mut log, _)) = open(Path::new(folder)) else { return ExitCode::FAILURE };
    match run(&mut log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(log: &mut Log) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for number in 1..MOST {
        let first = log.size();
        let entries: Vec<_> = (first..=first + number * 7 % 40).map(entry).collect();
        log.append(&entries)?;
        // Both ways to make a batch durable.
        if number % 2 == 0 {
            log.commit()?;
        } else {
            log.start_commit()?;
            log.finish_commit()?;
        }
        if number % EACH == 0 {
            let rules = Retention { ages: [(0, KEPT)].into(), bytes: None };
            log.retain(&rules, log.size())?;
        }
        writeln!(out, "{}", log.size())?;
        out.flush()?;
    }
    Ok(())
}
