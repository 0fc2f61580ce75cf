//! The key that signs the log's checkpoints, and its public half for whoever verifies a copy.

use crate::pki::{PkiError, files};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{fs, path::Path};

/// The file beside the keys that names the log's origin and public key.
pub const PUBLIC: &str = "log.pub";

/// The log's key.
pub struct LogKey(Ed25519KeyPair);

impl LogKey {
    /// The key in this folder, made at the first start.
    ///
    /// # Errors
    /// When the file is exposed or unreadable.
    pub fn open(folder: &Path) -> Result<Self, PkiError> {
        let path = folder.join("log.key");
        let make = || {
            let made = Ed25519KeyPair::generate().map_err(|_| PkiError::Randomness)?;
            let seed = made.to_pkcs8().map_err(|_| PkiError::Randomness)?;
            Ok(seed.as_ref().to_vec())
        };
        let secret = zeroize::Zeroizing::new(files::secret_or(&path, make)?);
        let pair = Ed25519KeyPair::from_pkcs8(&secret).map_err(|error| PkiError::File {
            path: path.display().to_string(),
            why: error.to_string(),
        })?;
        Ok(Self(pair))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        // An Ed25519 public key has 32 bytes.
        self.0.public_key().as_ref().try_into().unwrap_or([0; 32])
    }

    /// Writes origin and public key where whoever copies the log finds them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn publish(&self, folder: &Path, origin: &str) -> std::io::Result<()> {
        fs::write(folder.join(PUBLIC), format!("{origin} {}\n", STANDARD.encode(self.public())))
    }
}

impl state_log::Signer for LogKey {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        self.0.sign(message).as_ref().try_into().map_err(|_| "a signature of another length".into())
    }

    fn public_key(&self) -> [u8; 32] {
        self.public()
    }
}
