//! Where the wrapping key is kept: outside the log's folder, so that a copy of the folder is worth nothing.

use crate::{
    disk,
    hash::{CHECK, check},
};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A key that wraps the data keys.
pub type WrappingKey = Zeroizing<[u8; 32]>;

/// The most keys a vault holds: the one in use, and the next one while it is exchanged.
pub const MAX_WRAPPING_KEYS: usize = 2;

/// Keeps the wrapping key: a file, a TPM, a service manager's credential store.
pub trait Vault {
    /// The keys it holds; none in a new one.
    ///
    /// # Errors
    /// In words for an operator.
    fn load(&mut self) -> Result<Vec<WrappingKey>, String>;

    /// Holds exactly these keys from now on, durably and at once or not at all; what it held before is destroyed.
    ///
    /// # Errors
    /// In words for an operator.
    fn store(&mut self, keys: &[WrappingKey]) -> Result<(), String>;
}

/// A vault in a file of mode 0600. Content that is replaced is overwritten before it is removed; a disk that moves
/// blocks about (flash, copy-on-write) may keep a copy all the same, so a TPM is better where there is one. A file that is
/// damaged opens nothing: it is put aside with the ending `damaged`, and the vault is empty.
#[derive(Debug)]
pub struct FileVault {
    path: PathBuf,
}

const MAGIC: &[u8; 8] = b"HUBWRAP1";

impl FileVault {
    /// In this file, which is made when the first key is stored.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }
}

impl Vault for FileVault {
    fn load(&mut self) -> Result<Vec<WrappingKey>, String> {
        disk::wipe_old(&self.path).map_err(|error| error.to_string())?;
        let most = (MAGIC.len() + MAX_WRAPPING_KEYS * 32 + CHECK) as u64;
        let read = disk::read(&self.path, most).map_err(|error| error.to_string())?;
        let Some(bytes) = read.map(Zeroizing::new) else { return Ok(Vec::new()) };
        let (said, sum) = bytes.split_at(bytes.len().saturating_sub(CHECK));
        let keys =
            said.strip_prefix(MAGIC).filter(|keys| keys.len() % 32 == 0 && check(said) == sum);
        let Some(keys) = keys else {
            let aside = disk::with(&self.path, "damaged");
            disk::rename(&self.path, &aside).map_err(|error| error.to_string())?;
            return Ok(Vec::new());
        };
        let each = keys.chunks_exact(32).filter_map(|key| key.try_into().ok().map(Zeroizing::new));
        Ok(each.collect())
    }

    fn store(&mut self, keys: &[WrappingKey]) -> Result<(), String> {
        let mut bytes = Zeroizing::new(MAGIC.to_vec());
        keys.iter().for_each(|key| bytes.extend_from_slice(&key[..]));
        let sum = check(&bytes);
        bytes.extend(sum);
        disk::replace_and_wipe(&self.path, &bytes).map_err(|error| error.to_string())
    }
}
