//! The tree's nodes on disk: for each eighth level one file with all its hashes in a row, so tile number n of
//! C2SP's tlog-tiles is bytes n × 8192 and on. The files are made from the segments and can be made again; who uses
//! their hashes checks the outcome against a signed root.

use crate::{
    disk,
    error::Error,
    hash::{Hash, fold},
    proof::Nodes,
};
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Levels between two files.
pub(crate) const HEIGHT: u8 = 8;

/// Files: one for each eighth level of a tree with as many leaves as an index can name.
const FILES: usize = 8;

pub(crate) const FOLDER: &str = "tiles";

/// What stands where a hash was dropped.
const ABSENT: Hash = [0; 32];

/// A node that became whole: its level, a multiple of eight, its number there, and its hash.
pub(crate) type Whole = (u8, u64, Hash);

/// All tiles. What came since the last flush is in memory: 32 bytes for each record of the newest segment.
pub(crate) struct Tiles {
    folder: PathBuf,
    rows: Vec<Row>,
}

struct Row {
    path: PathBuf,
    file: File,
    /// Hashes in the file.
    stored: u64,
    /// Hashes after them.
    tail: Vec<Hash>,
}

impl Tiles {
    /// The tiles of a tree with `size` leaves; what the files hold beyond is ignored.
    pub(crate) fn open(dir: &Path, size: u64) -> Result<Self, Error> {
        let folder = dir.join(FOLDER);
        disk::create_dir(&folder)?;
        let rows =
            (0..FILES).map(|number| Row::open(&folder, number, size)).collect::<Result<_, _>>()?;
        Ok(Self { folder, rows })
    }

    /// Adds a node.
    pub(crate) fn add(&mut self, (level, number, hash): Whole) {
        let row = &mut self.rows[usize::from(level / HEIGHT)];
        let at = number.saturating_sub(row.stored) as usize;
        // Where whole tiles were dropped, the row below has no hashes.
        if row.tail.len() <= at {
            row.tail.resize(at + 1, ABSENT);
        }
        row.tail[at] = hash;
    }

    /// Writes what is in memory, and makes it durable.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.rows.iter_mut().try_for_each(Row::flush)?;
        disk::sync_dir(&self.folder)
    }

    /// Gives back the space of leaves whose whole tiles were dropped. A file system that cannot do it keeps them.
    pub(crate) fn drop_leaves(&mut self, first_tile: u64, tiles: u64) {
        let row = &self.rows[0];
        let (from, length) = (first_tile * TILE_BYTES, tiles * TILE_BYTES);
        let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        // Nothing depends on it: what stays behind are hashes of what is gone.
        let _ = rustix::fs::fallocate(&row.file, flags, from, length);
    }

    /// The tiles of a folder as they are, for comparing; nothing when there are none.
    pub(crate) fn look(dir: &Path) -> Option<Self> {
        let folder = dir.join(FOLDER);
        let rows: Option<_> = (0..FILES).map(|number| Row::look(&folder, number)).collect();
        Some(Self { rows: rows?, folder })
    }

    /// A hash that is in the files.
    pub(crate) fn stored(&self, level: u8, number: u64) -> Option<Hash> {
        let row = self.rows.get(usize::from(level / HEIGHT))?;
        row.get(number, 1).ok()?.first().copied().filter(|hash| *hash != ABSENT)
    }

    /// Whether the files hold all these nodes.
    pub(crate) fn agree(&self, nodes: &[Whole]) -> bool {
        self.rows.iter().zip(0..).all(|(row, number)| {
            let here: Vec<_> = nodes.iter().filter(|node| node.0 == number * HEIGHT).collect();
            // Neighbours are read at once.
            here.chunk_by(|one, next| one.1 + 1 == next.1).all(|run| {
                let found = row.get(run[0].1, run.len());
                found.is_ok_and(|found| run.iter().map(|node| node.2).eq(found))
            })
        })
    }
}

const TILE_BYTES: u64 = 256 * 32;

impl Row {
    fn open(folder: &Path, number: usize, size: u64) -> Result<Self, Error> {
        let path = folder.join(number.to_string());
        let stored = size.checked_shr(number as u32 * u32::from(HEIGHT)).unwrap_or(0);
        let file = disk::open(&path)?;
        Ok(Self { path, file, stored, tail: Vec::new() })
    }

    fn look(folder: &Path, number: usize) -> Option<Self> {
        let path = folder.join(number.to_string());
        let file = File::open(&path).ok()?;
        let stored = file.metadata().ok()?.len() / 32;
        Some(Self { path, file, stored, tail: Vec::new() })
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.tail.is_empty() {
            return Ok(());
        }
        disk::write_at(&self.path, &self.file, self.tail.as_flattened(), self.stored * 32)?;
        disk::sync(&self.path, &self.file)?;
        self.stored += self.tail.len() as u64;
        self.tail = Vec::new();
        Ok(())
    }

    fn get(&self, first: u64, count: usize) -> Result<Vec<Hash>, Error> {
        let mut hashes = vec![ABSENT; count];
        let on_disk = self.stored.saturating_sub(first).min(count as u64) as usize;
        if on_disk > 0 {
            let bytes = hashes[..on_disk].as_flattened_mut();
            // A file that is too short reads as absent hashes: they are made again.
            if let Err(error) = self.file.read_exact_at(bytes, first * 32)
                && error.kind() != std::io::ErrorKind::UnexpectedEof
            {
                return Err(Error::io(&self.path, error));
            }
        }
        for (at, hash) in hashes.iter_mut().enumerate().skip(on_disk) {
            let number = (first + at as u64).saturating_sub(self.stored) as usize;
            *hash = self.tail.get(number).copied().unwrap_or(ABSENT);
        }
        Ok(hashes)
    }
}

impl Nodes for Tiles {
    fn node(&mut self, level: u8, number: u64) -> Result<Hash, Error> {
        let (row, above) = (usize::from(level / HEIGHT), level % HEIGHT);
        let hashes = self.rows[row].get(number << above, 1 << above)?;
        if hashes.contains(&ABSENT) {
            return Err(Error::HashesDropped(number << level));
        }
        Ok(fold(&hashes))
    }
}
