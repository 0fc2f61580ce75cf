//! Everything that changes the disk, step by step: so a test can stop after any of them.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

/// Only the cloud itself reads what hubs tell it.
const MODE: u32 = 0o600;

#[cfg(test)]
fn step() -> io::Result<()> {
    cut::step()
}

#[cfg(not(test))]
#[inline]
fn step() -> io::Result<()> {
    Ok(())
}

/// A file for reading and writing, made when it is missing.
pub(super) fn open(path: &Path) -> io::Result<File> {
    step()?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE).open(path)
}

/// Writes at a place.
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    #[cfg(test)]
    if cut::step().is_err() {
        // A cut leaves half of it.
        file.write_all_at(&bytes[..bytes.len() / 2], at)?;
        return Err(io::Error::other("power cut"));
    }
    file.write_all_at(bytes, at)
}

/// Makes a file's content durable.
pub(super) fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_data()
}

/// Cuts a file's end off.
pub(super) fn truncate(file: &File, length: u64) -> io::Result<()> {
    step()?;
    file.set_len(length)?;
    file.sync_data()
}

/// Puts a whole file in place of another, durably.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = path.with_extension("next");
    let file = open(&aside)?;
    file.set_len(0)?;
    write_at(&file, bytes, 0)?;
    sync(&file)?;
    step()?;
    fs::rename(&aside, path)?;
    sync_folder(path.parent().unwrap_or(path))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    step()?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
pub(super) mod cut {
    use std::{cell::Cell, io};

    thread_local!(static LEFT: Cell<usize> = const { Cell::new(usize::MAX) });

    /// After so many steps nothing reaches the disk any more.
    pub(in crate::logs) fn after(steps: usize) {
        LEFT.set(steps);
    }

    pub(super) fn step() -> io::Result<()> {
        let left = LEFT.get();
        LEFT.set(left.saturating_sub(1));
        if left == 0 { Err(io::Error::other("power cut")) } else { Ok(()) }
    }
}
