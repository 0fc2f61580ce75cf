//! Everything that changes the disk, step by step: so a test can stop after any of them.

use crate::error::Error;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Only the hub itself reads its log.
const MODE: u32 = 0o600;

/// Ends the names of files that are not finished.
pub(crate) const ASIDE: &str = "next";
/// Ends the names of files that are about to be overwritten and removed.
pub(crate) const OLD: &str = "old";

/// Bytes that are overwritten at once.
const WIPE: usize = 64 * 1024;

#[cfg(test)]
fn step() -> io::Result<()> {
    cut::step()
}

#[cfg(not(test))]
#[inline]
fn step() -> io::Result<()> {
    Ok(())
}

/// Runs a step on a file, and names the file when it fails.
fn on<T>(path: &Path, run: impl FnOnce() -> io::Result<T>) -> Result<T, Error> {
    step().and_then(|()| run()).map_err(|error| Error::io(path, error))
}

/// A folder whose name is durable; one that is there is fine.
pub(crate) fn create_dir(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    on(path, || fs::DirBuilder::new().recursive(true).mode(0o700).create(path))?;
    sync_dir(folder(path))
}

/// A new, empty file; one that is there is emptied.
pub(crate) fn create(path: &Path) -> Result<File, Error> {
    on(path, || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(MODE).open(path)
    })
}

/// A file for reading and writing, made when it is missing.
pub(crate) fn open(path: &Path) -> Result<File, Error> {
    on(path, || {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(MODE).open(path)
    })
}

pub(crate) fn write_at(path: &Path, file: &File, bytes: &[u8], at: u64) -> Result<(), Error> {
    on(path, || file.write_all_at(bytes, at))
}

pub(crate) fn set_len(path: &Path, file: &File, length: u64) -> Result<(), Error> {
    on(path, || file.set_len(length))
}

/// Makes a file's bytes and length durable.
pub(crate) fn sync(path: &Path, file: &File) -> Result<(), Error> {
    on(path, || file.sync_data())
}

/// Makes names in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), Error> {
    on(path, || File::open(path)?.sync_all())
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    on(from, || fs::rename(from, to))
}

/// Removes a file; one that is gone is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    on(path, || match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    })
}

/// Replaces a file's content: the old or the new is there after a power cut, nothing between.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let aside = with(path, ASIDE);
    write_new(&aside, bytes)?;
    rename(&aside, path)?;
    sync_dir(folder(path))
}

/// The same, and the old content is overwritten before its blocks are given back.
pub(crate) fn replace_and_wipe(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (aside, old) = (with(path, ASIDE), with(path, OLD));
    wipe_old(path)?;
    write_new(&aside, bytes)?;
    if path.exists() {
        on(&old, || fs::hard_link(path, &old))?;
    }
    rename(&aside, path)?;
    sync_dir(folder(path))?;
    wipe(&old)
}

/// Finishes a replacement that was interrupted: the old content is overwritten, unless it is still the current one.
pub(crate) fn wipe_old(path: &Path) -> Result<(), Error> {
    let old = with(path, OLD);
    let number = |path: &Path| fs::metadata(path).ok().map(|about| about.ino());
    match number(&old) {
        // Another name of the current file: the replacement never took place.
        Some(same) if number(path) == Some(same) => remove(&old),
        Some(_) | None => wipe(&old),
    }
}

/// Overwrites a file and removes it; one that is gone is fine.
fn wipe(path: &Path) -> Result<(), Error> {
    let file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|error| Error::io(path, error))?,
    };
    let length = file.metadata().map_err(|error| Error::io(path, error))?.len();
    for at in (0..length).step_by(WIPE) {
        let count = (length - at).min(WIPE as u64) as usize;
        write_at(path, &file, &[0; WIPE][..count], at)?;
    }
    sync(path, &file)?;
    remove(path)?;
    sync_dir(folder(path))
}

/// Writes a whole file and makes it durable; its name is not yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = create(path)?;
    on(path, || file.write_all(bytes))?;
    sync(path, &file)
}

/// A file's content when it is there and not longer than `most`.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Error> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
        Ok(about) if about.len() > most => Err(Error::io(path, io::Error::other("too long"))),
        Ok(_) => fs::read(path).map(Some).map_err(|error| Error::io(path, error)),
    }
}

/// The path with one more ending.
pub(crate) fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Counts steps under test and stops at the chosen one, as if the power went.
#[cfg(test)]
pub(crate) mod cut {
    use std::cell::Cell;

    thread_local! {
        static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
        static DONE: Cell<u64> = const { Cell::new(0) };
    }

    /// From now on `steps` steps succeed, and all after them fail.
    pub(crate) fn after(steps: Option<u64>) {
        LEFT.set(steps);
        DONE.set(0);
    }

    /// Steps since the last call of `after`.
    pub(crate) fn done() -> u64 {
        DONE.get()
    }

    pub(super) fn step() -> std::io::Result<()> {
        DONE.set(DONE.get() + 1);
        match LEFT.get() {
            Some(0) => Err(std::io::Error::other("the power went")),
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }
}
