//! The files: opening, reading everything, committing a batch so that it is really there.

use super::{Seal, StoreError};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// What this version writes.
const FORMAT: &str = "1";

/// Key of the format; no table has a name that begins like it.
const FORMAT_KEY: &[u8] = b"\0format";

/// sled's page cache: the hub keeps its state in memory itself, so a small one will do.
const CACHE: u64 = 2 * 1024 * 1024;

/// How a commit is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Batch, flush, fdatasync.
    Full,
    /// Batch only: for benches that show what durability costs. No setting leads here.
    Off,
}

/// Where and how the store lives.
#[derive(Clone, Debug)]
pub struct DiskSettings {
    /// Its directory.
    pub path: PathBuf,
    /// Bytes that must stay free; below it no commit is tried.
    pub low_water: u64,
    /// How a commit is made.
    pub durability: Durability,
}

/// The open store.
pub struct Disk {
    settings: DiskSettings,
    seal: Seal,
    /// Nothing while the disk has failed and the store must be reopened.
    open: Option<Open>,
    _lock: File,
}

struct Open {
    database: sled::Db,
    /// sled's own file, opened once more: fdatasync through any descriptor covers the whole file.
    file: File,
}

/// What a store holds: table name, key, value.
pub type Stored = Vec<(String, Vec<u8>, Vec<u8>)>;

/// One batch: newest value by whole key, or removal.
pub type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// How often, and how long apart, sled's files are tried that this process closed a moment ago.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

impl Disk {
    /// Opens or creates the store.
    ///
    /// # Errors
    /// When it is in use, damaged, of another format, or the disk fails.
    pub fn open(settings: DiskSettings, seal: Seal) -> Result<Self, StoreError> {
        std::fs::create_dir_all(&settings.path).map_err(io)?;
        let lock = lock(&settings.path)?;
        let open = open(&settings)?;
        let disk = Self { settings, seal, open: Some(open), _lock: lock };
        disk.check_format()?;
        Ok(disk)
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let database = &self.opened()?.database;
        match database.get(FORMAT_KEY).map_err(|e| self.damaged(e.to_string()))? {
            Some(found) if found == FORMAT.as_bytes() => Ok(()),
            Some(found) => Err(StoreError::Format {
                path: self.path(),
                found: String::from_utf8_lossy(&found).into_owned(),
                known: FORMAT,
            }),
            None if database.is_empty() => {
                database
                    .insert(FORMAT_KEY, FORMAT.as_bytes())
                    .map_err(|e| StoreError::Io(e.to_string()))?;
                self.opened()?.sync(&self.settings)
            }
            None => Err(self.damaged("its format mark is gone".to_owned())),
        }
    }

    /// Everything in the store, opened: table name, key, value.
    ///
    /// # Errors
    /// When any record is not exactly what was written.
    pub fn load(&self) -> Result<Stored, StoreError> {
        // sled may panic on damaged pages.
        let read = catch_unwind(AssertUnwindSafe(|| self.read_all()));
        read.unwrap_or_else(|_| Err(self.damaged("it cannot be read".to_owned())))
    }

    fn read_all(&self) -> Result<Stored, StoreError> {
        let mut all = Vec::new();
        for entry in self.opened()?.database.iter() {
            let (key, sealed) = entry.map_err(|e| self.damaged(e.to_string()))?;
            if &*key == FORMAT_KEY {
                continue;
            }
            let value = self.seal.open(&key, &sealed);
            let value =
                value.ok_or_else(|| self.damaged("a record was changed or moved".to_owned()))?;
            let (table, key) =
                split(&key).ok_or_else(|| self.damaged("a key without table".to_owned()))?;
            all.push((table, key, value));
        }
        Ok(all)
    }

    /// Makes a batch durable, all of it or nothing.
    ///
    /// # Errors
    /// When space is short, or the disk fails; after a failure the next call reopens the store.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.check_space()?;
        if self.open.is_none() {
            self.open = Some(open(&self.settings)?);
        }
        let sealed = self.sealed(batch)?;
        let opened = self.opened()?;
        let applied =
            opened.database.apply_batch(sealed).map_err(|e| StoreError::Io(e.to_string()));
        let result = applied.and_then(|()| opened.sync(&self.settings));
        if result.is_err() {
            // After an error sled's pages and its file may disagree: only a reopen is safe.
            self.open = None;
        }
        result
    }

    /// Whether a commit may be tried now.
    ///
    /// # Errors
    /// When less than the low-water mark is free.
    pub fn check_space(&self) -> Result<(), StoreError> {
        let stat =
            rustix::fs::statvfs(&self.settings.path).map_err(|e| StoreError::Io(e.to_string()))?;
        let (free, wanted) = (stat.f_bavail.saturating_mul(stat.f_frsize), self.settings.low_water);
        if free < wanted { Err(StoreError::Full { free, wanted }) } else { Ok(()) }
    }

    /// Drops what may be inconsistent after a panic inside sled.
    pub(super) fn abandon(&mut self) {
        self.open = None;
    }

    fn sealed(&self, batch: &Batch) -> Result<sled::Batch, StoreError> {
        let mut sealed = sled::Batch::default();
        for (key, value) in batch {
            match value {
                None => sealed.remove(key.as_slice()),
                Some(value) => {
                    let value = self.seal.close(key, value);
                    let value = value
                        .ok_or_else(|| StoreError::Io("no randomness for a nonce".to_owned()))?;
                    sealed.insert(key.as_slice(), value);
                }
            }
        }
        Ok(sealed)
    }

    fn opened(&self) -> Result<&Open, StoreError> {
        self.open.as_ref().ok_or_else(|| StoreError::Io("closed after a failure".to_owned()))
    }

    fn path(&self) -> String {
        self.settings.path.display().to_string()
    }

    fn damaged(&self, why: String) -> StoreError {
        StoreError::Damaged { path: self.path(), why }
    }
}

impl Open {
    fn sync(&self, settings: &DiskSettings) -> Result<(), StoreError> {
        if settings.durability == Durability::Off {
            return Ok(());
        }
        self.database.flush().map_err(|e| StoreError::Io(e.to_string()))?;
        self.file.sync_data().map_err(io)
    }
}

/// The whole key of a record: table, a zero byte, key.
#[must_use]
pub fn whole_key(table: &str, key: &[u8]) -> Vec<u8> {
    [table.as_bytes(), &[0], key].concat()
}

fn split(whole: &[u8]) -> Option<(String, Vec<u8>)> {
    let at = whole.iter().position(|byte| *byte == 0)?;
    let table = std::str::from_utf8(&whole[..at]).ok()?;
    Some((table.to_owned(), whole[at + 1..].to_vec()))
}

fn open(settings: &DiskSettings) -> Result<Open, StoreError> {
    let damaged =
        |why: String| StoreError::Damaged { path: settings.path.display().to_string(), why };
    let config = sled::Config::new()
        .path(settings.path.join("state"))
        .cache_capacity(CACHE)
        .flush_every_ms(None)
        .mode(sled::Mode::HighThroughput);
    let database = opened(&config).map_err(damaged)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(settings.path.join("state/db"))
        .map_err(io)?;
    // sled writes its parameters without syncing them: torn, they make the whole store unreadable.
    File::open(settings.path.join("state/conf")).and_then(|conf| conf.sync_all()).map_err(io)?;
    sync_folder(&settings.path.join("state"))?;
    sync_folder(&settings.path)?;
    Ok(Open { database, file })
}

/// Opens sled's files. Our own lock shows that nobody else uses the store, so when sled's is held, that is
/// by what this process closed a moment ago: sled's last thread, or a child between fork and exec.
fn opened(config: &sled::Config) -> Result<sled::Db, String> {
    for _ in 0..LOCK_TRIES {
        // sled may panic on damaged files.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        match opened.map_err(|_| "it cannot be read".to_owned())? {
            Ok(database) => return Ok(database),
            Err(error) if error.to_string().contains("could not acquire lock") => {
                std::thread::park_timeout(LOCK_PAUSE);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("its files are locked by something that does not use the store's own lock".to_owned())
}

/// New names are durable only when their folder is.
fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(io)
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.join("lock"))
        .map_err(io)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(StoreError::InUse(path.display().to_string())),
    }
}

fn io(error: std::io::Error) -> StoreError {
    StoreError::Io(error.to_string())
}
