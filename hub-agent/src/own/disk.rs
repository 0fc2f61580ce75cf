//! The few things that are done to files, each durable before the next. A test cuts the power between any two,
//! and within a write.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink},
    path::Path,
    sync::atomic::{AtomicI64, Ordering},
};

/// Changes files.
#[derive(Debug)]
pub(super) struct Disk {
    /// So many more steps are done.
    left: AtomicI64,
}

impl Default for Disk {
    fn default() -> Self {
        Self { left: AtomicI64::new(i64::MAX) }
    }
}

impl Disk {
    /// The power goes after so many steps.
    #[cfg(test)]
    pub(super) fn cut_after(steps: i64) -> Self {
        Self { left: AtomicI64::new(steps) }
    }

    /// Steps that are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> i64 {
        self.left.load(Ordering::Relaxed)
    }

    fn has_power(&self) -> bool {
        self.left.fetch_sub(1, Ordering::Relaxed) > 0
    }

    fn step(&self) -> io::Result<()> {
        if self.has_power() { Ok(()) } else { Err(io::Error::other("the power is gone")) }
    }

    /// A folder that only its owner may enter.
    pub(super) fn folder(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.step()?;
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        path.parent().map_or(Ok(()), |parent| self.keep(parent))
    }

    /// A new file, over whatever was left of one.
    pub(super) fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        self.step()?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
    }

    pub(super) fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        if self.has_power() {
            return file.write_all(bytes);
        }
        file.write_all(&bytes[..bytes.len() / 2])?;
        Err(io::Error::other("the power is gone"))
    }

    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        self.step()?;
        file.sync_all()
    }

    /// Gives a file its name, in the place of what had it.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        fs::rename(from, to)?;
        to.parent().map_or(Ok(()), |folder| self.keep(folder))
    }

    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => path.parent().map_or(Ok(()), |folder| self.keep(folder)),
        }
    }

    /// A link of this name, in the place of a former one.
    pub(super) fn link(&self, target: &str, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        self.remove(&new)?;
        self.step()?;
        symlink(target, &new)?;
        self.rename(&new, path)
    }

    /// A whole file, in the place of a former one.
    pub(super) fn put(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = self.create(&new, 0o600)?;
        self.append(&mut file, bytes)?;
        self.sync(&file)?;
        self.rename(&new, path)
    }

    fn keep(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        File::open(folder)?.sync_all()
    }
}
