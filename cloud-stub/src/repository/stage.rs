//! Publishing all or nothing. New files are written beside their places, then moved there one after the other; the
//! one that makes them count (`timestamp.json`) goes last. When a move fails, those before it are undone.

use super::error::Mistake;
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Who may read a published file, and who a key.
const PUBLIC: u32 = 0o644;
const SECRET: u32 = 0o600;

/// Files on their way into the repository. What is dropped before [`Stage::publish`] leaves nothing behind.
pub(super) struct Stage {
    waiting: Vec<Waiting>,
    folders: Vec<PathBuf>,
    moved: Vec<(PathBuf, Option<PathBuf>)>,
    done: bool,
}

#[derive(Clone)]
struct Waiting {
    from: PathBuf,
    to: PathBuf,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self { waiting: Vec::new(), folders: Vec::new(), moved: Vec::new(), done: false }
    }

    /// Adds a file that anybody may read.
    pub(super) fn add(&mut self, to: PathBuf, bytes: &[u8]) -> Result<(), Mistake> {
        self.write(to, bytes, PUBLIC)
    }

    /// Adds a file that only its owner may read.
    pub(super) fn secret(&mut self, to: PathBuf, bytes: &[u8]) -> Result<(), Mistake> {
        self.write(to, bytes, SECRET)
    }

    /// Opens a file whose name is known only once it is written: see [`Stage::name`].
    pub(super) fn open(&mut self, folder: &Path) -> Result<(File, PathBuf), Mistake> {
        let from = self.beside(&folder.join("unnamed"))?;
        let file = create(&from, PUBLIC)?;
        self.waiting.push(Waiting { from: from.clone(), to: PathBuf::new() });
        Ok((file, from))
    }

    /// Says where a file that was opened goes.
    pub(super) fn name(&mut self, from: &Path, to: PathBuf) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.from == from) {
            waiting.to = to;
        }
    }

    /// Moves everything to its place, in the order it was added.
    pub(super) fn publish(mut self) -> Result<(), Mistake> {
        for index in 0..self.waiting.len() {
            let Waiting { from, to } = self.waiting[index].clone();
            self.replace(&from, &to)?;
        }
        self.done = true;
        for (_, former) in &self.moved {
            // One that stays is overwritten next time.
            let _ = former.as_ref().map(fs::remove_file);
        }
        Ok(())
    }

    fn write(&mut self, to: PathBuf, bytes: &[u8], mode: u32) -> Result<(), Mistake> {
        let from = self.beside(&to)?;
        self.waiting.push(Waiting { from: from.clone(), to });
        let mut file = create(&from, mode)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Mistake::io(from))
    }

    /// A name in the same folder, so that the move stays within one file system; the folder is made.
    fn beside(&mut self, to: &Path) -> Result<PathBuf, Mistake> {
        let folder = to.parent().unwrap_or(to);
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let missing: Vec<_> = folder.ancestors().take_while(missing).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(folder).map_err(Mistake::io(folder))?;
            self.folders.push(folder.to_owned());
        }
        let name = to.file_name().unwrap_or_default().to_string_lossy();
        Ok(folder.join(format!(".new.{name}")))
    }

    fn replace(&mut self, from: &Path, to: &Path) -> Result<(), Mistake> {
        let former = to.is_file().then(|| keep(to)).transpose().map_err(Mistake::io(to))?;
        fs::rename(from, to).map_err(Mistake::io(to))?;
        self.moved.push((to.to_owned(), former));
        sync_folder(to).map_err(Mistake::io(to))
    }

    fn undo(&mut self) {
        for (to, former) in self.moved.drain(..).rev() {
            // The first failure is what the caller hears of; each step here helps on its own.
            let _ = match former {
                Some(former) => fs::rename(former, to),
                None => fs::remove_file(to),
            };
        }
        for waiting in self.waiting.drain(..) {
            let _ = fs::remove_file(waiting.from);
        }
        for folder in self.folders.drain(..).rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.done {
            self.undo();
        }
    }
}

fn create(path: &Path, mode: u32) -> Result<File, Mistake> {
    // One that a crash left keeps its mode otherwise.
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path).map_err(Mistake::io(path))
}

/// Keeps what is about to be replaced; not every file system has links.
fn keep(path: &Path) -> std::io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let former = path.with_file_name(format!(".former.{name}"));
    let _ = fs::remove_file(&former);
    fs::hard_link(path, &former).or_else(|_| fs::copy(path, &former).map(|_| ()))?;
    Ok(former)
}

fn sync_folder(of: &Path) -> std::io::Result<()> {
    File::open(of.parent().unwrap_or(of))?.sync_all()
}
