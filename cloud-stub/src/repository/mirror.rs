//! A copy of the repository for a USB stick: `metadata/` and `targets/` as they are served over HTTPS.

use super::{Mistake, Repository};
use std::{fs, path::Path};

impl Repository {
    /// Copies the repository into a folder. `timestamp.json` goes last, so a stick that is pulled out too early holds
    /// the former set. Answers how many files were copied; those that are there already are not.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn export(&self, folder: &Path) -> Result<usize, Mistake> {
        let _lock = self.lock()?;
        let newest = "timestamp.json";
        let targets = copy(&self.targets(), &folder.join("targets"), newest)?;
        let metadata = copy(&self.metadata(), &folder.join("metadata"), newest)?;
        let (from, to) = (self.metadata().join(newest), folder.join("metadata").join(newest));
        copy_file(&from, &to)?;
        Ok(targets + metadata + 1)
    }
}

fn copy(from: &Path, to: &Path, but: &str) -> Result<usize, Mistake> {
    fs::create_dir_all(to).map_err(Mistake::io(to))?;
    let mut copied = 0;
    let Ok(entries) = fs::read_dir(from) else { return Ok(0) };
    for entry in entries {
        let entry = entry.map_err(Mistake::io(from))?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        let to = to.join(&*name);
        if name == but || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            copied += copy(&path, &to, but)?;
        } else if !same(&path, &to) {
            copy_file(&path, &to)?;
            copied += 1;
        }
    }
    Ok(copied)
}

/// A half-written file never has the name of a whole one.
fn copy_file(from: &Path, to: &Path) -> Result<(), Mistake> {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let beside = to.with_file_name(format!(".new.{name}"));
    fs::copy(from, &beside).map_err(Mistake::io(&beside))?;
    let synced = fs::File::open(&beside).and_then(|file| file.sync_all());
    synced.and_then(|()| fs::rename(&beside, to)).map_err(Mistake::io(to))
}

/// Compares contents: a stick may be old.
fn same(one: &Path, other: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).map(|file| file.len()).ok();
    length(one) == length(other)
        && fs::read(one).is_ok_and(|one| fs::read(other).is_ok_and(|other| one == other))
}
