//! Secret files: made whole or not at all, readable by their owner only.

use super::PkiError;
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

/// Makes a folder that only its owner may enter.
///
/// # Errors
/// When the system refuses.
pub fn private_folder(path: &Path) -> Result<(), PkiError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|e| failed(path, &e))
}

/// Writes a new secret: durable before it has its name, and never over another.
///
/// # Errors
/// When the file exists or the system refuses.
pub fn write_secret(path: &Path, content: &[u8]) -> Result<(), PkiError> {
    let temporary = path.with_extension("new");
    // A leftover of a start that was cut off; nothing refers to it.
    let _ = fs::remove_file(&temporary);
    let write = || {
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::hard_link(&temporary, path)?;
        fs::remove_file(&temporary)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|e: std::io::Error| failed(path, &e))
}

/// Reads a secret, if it exists; refuses one that others may read.
///
/// # Errors
/// When others may read it or the system refuses.
pub fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, PkiError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(path, &error)),
    };
    if metadata.mode() & 0o077 != 0 {
        return Err(PkiError::Exposed { path: path.display().to_string() });
    }
    fs::read(path).map(Some).map_err(|e| failed(path, &e))
}

/// Reads a secret, or makes it.
///
/// # Errors
/// As reading and writing.
pub fn secret_or(
    path: &Path,
    make: impl FnOnce() -> Result<Vec<u8>, PkiError>,
) -> Result<Vec<u8>, PkiError> {
    match read_secret(path)? {
        Some(content) => Ok(content),
        None => {
            let content = make()?;
            write_secret(path, &content)?;
            Ok(content)
        }
    }
}

fn failed(path: &Path, error: &std::io::Error) -> PkiError {
    PkiError::File { path: path.display().to_string(), why: error.to_string() }
}
