//! Detection rules from files: those of an owner beside those of the hub.

use hub_core::detect::rules::{MAX_FILE, MAX_RULES, RuleFile, RuleSet, shipped};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Why files of rules cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RuleFiles {
    /// There are too many.
    #[error("more than {MAX_RULES} files")]
    TooMany,
    /// One cannot be read.
    #[error("{path}: {why}")]
    Unreadable {
        /// Which.
        path: String,
        /// What the system says.
        why: std::io::Error,
    },
    /// One is no text.
    #[error("{0}:1: no UTF-8 text")]
    NoText(String),
}

/// The hub's rules with those of a folder.
///
/// # Errors
/// Every mistake, by file and line.
pub fn with_own(folder: &Path) -> Result<RuleSet, String> {
    let read = read(&[folder.to_owned()]).map_err(|error| error.to_string())?;
    let mut files = shipped();
    files.extend(read.iter().map(|(name, text)| RuleFile { name, text }));
    RuleSet::compile(&files)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Names and texts of files; folders stand for the `.yml` and `.yaml` files in them, by name.
///
/// # Errors
/// When there are too many, or one cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<(String, String)>, RuleFiles> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(listed(path)?);
        } else {
            files.push(path.clone());
        }
    }
    if files.len() > MAX_RULES {
        return Err(RuleFiles::TooMany);
    }
    files.iter().map(|path| Ok((path.display().to_string(), text(path)?))).collect()
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, RuleFiles> {
    let failed = |why| RuleFiles::Unreadable { path: folder.display().to_string(), why };
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(failed)?.collect();
    let failed = |why| RuleFiles::Unreadable { path: folder.display().to_string(), why };
    let paths = entries.map_err(failed)?.into_iter().map(|entry| entry.path());
    let is_yaml = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
    };
    let mut paths: Vec<_> = paths.filter(is_yaml).collect();
    paths.sort();
    Ok(paths)
}

/// One byte more than allowed is read, so that too large a file is refused and not cut.
fn text(path: &Path) -> Result<String, RuleFiles> {
    let shown = path.display().to_string();
    let failed = |why| RuleFiles::Unreadable { path: shown.clone(), why };
    let mut bytes = Vec::new();
    let opened = File::open(path).map_err(failed)?;
    opened
        .take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|why| RuleFiles::Unreadable { path: shown.clone(), why })?;
    String::from_utf8(bytes).map_err(|_| RuleFiles::NoText(shown))
}
