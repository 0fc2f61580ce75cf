//! A second place that knows how many commits there were.
//!
//! A store that keeps a log drops a damaged end of it and goes on with what came before: older metadata and
//! older floors, all of it whole. Only something outside the log can tell. It is one small file with a number.

use crate::Refused;
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

/// The file.
#[derive(Clone, Debug)]
pub struct Witness {
    path: PathBuf,
}

impl Witness {
    /// The file at this path; it need not be there yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The count it saw last; nothing when there is no file.
    ///
    /// # Errors
    /// [`Refused::FloorsDamaged`] when the file is there but holds no count.
    pub fn seen(&self) -> Result<Option<u64>, Refused> {
        let damaged = |why: &str| Refused::FloorsDamaged(format!("{} {why}", self.path.display()));
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(_) => return Err(damaged("cannot be read")),
        };
        text.trim_end().parse().map(Some).map_err(|_| damaged("holds no count"))
    }

    /// Makes a count durable. To be called when the vault has made its commit durable, never before.
    ///
    /// # Errors
    /// When the disk fails; the file is then as it was.
    pub fn note(&self, commits: u64) -> std::io::Result<()> {
        let part = self.path.with_extension("part");
        let mut file = File::create(&part)?;
        writeln!(file, "{commits}")?;
        file.sync_all()?;
        fs::rename(&part, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}
