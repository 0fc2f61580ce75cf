//! The cloud as a witness of logs: its name and its key.

use anyhow::Context;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use protocol::{
    id::{ComponentId, Label, PublicKey},
    message::MAX_UPLINK_NOTE,
};
use state_log::{Checkpoint, Cosigned, Signer, Verifier};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// The file with the name and the public key, as `hub-agent log verify --witness` takes it.
pub const PUBLIC: &str = "witness.pub";

/// The file with the key.
const KEY: &str = "witness.key";

/// Cosigns heads of logs.
pub struct Witness {
    name: Label,
    pair: Ed25519KeyPair,
    verifier: Verifier,
}

impl Witness {
    /// The witness of a cloud's folder; its key is made at first.
    ///
    /// # Errors
    /// When the key cannot be made, read or written.
    pub fn open(folder: &Path, cloud: ComponentId) -> anyhow::Result<Self> {
        let path = folder.join(KEY);
        if !path.exists() {
            let made = Ed25519KeyPair::generate().context("no randomness")?;
            let secret = made.to_pkcs8().context("no randomness")?;
            let aside = path.with_extension("next");
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)?;
            file.write_all(secret.as_ref())?;
            file.sync_all()?;
            fs::rename(&aside, &path)?;
            fs::File::open(folder)?.sync_all()?;
        }
        let secret = zeroize::Zeroizing::new(fs::read(&path)?);
        let pair =
            Ed25519KeyPair::from_pkcs8(&secret).with_context(|| path.display().to_string())?;
        let name = Label::new(&format!("cloud/{cloud}")).context("the witness's name")?;
        let key = pair.public_key().as_ref().try_into().context("an Ed25519 key")?;
        let verifier = Verifier::witness(name.as_str(), key)?;
        fs::write(folder.join(PUBLIC), format!("{} {}\n", name.as_str(), STANDARD.encode(key)))?;
        Ok(Self { name, pair, verifier })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Label {
        &self.name
    }

    /// Its public key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        PublicKey(*self.verifier.key())
    }

    /// Reads what it cosigned; nothing when it did not.
    #[must_use]
    pub fn read(&self, note: &str, log: &Verifier) -> Option<Cosigned> {
        let short = note.len() <= MAX_UPLINK_NOTE;
        short.then(|| Cosigned::parse(note, log, &self.verifier).ok()).flatten()
    }

    /// Cosigns a checkpoint whose root the caller computed from every record, seconds since 1970.
    pub(super) fn cosign(
        &self,
        checkpoint: &Checkpoint,
        log: &Verifier,
        time: u64,
    ) -> Result<Cosigned, state_log::Error> {
        let signer = (&self.verifier, self as &dyn Signer);
        state_log::witness::cosign(None, &checkpoint.note(), &[], log, signer, time)
    }
}

impl Signer for Witness {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        self.pair.sign(message).as_ref().try_into().map_err(|_| "another length".to_owned())
    }

    fn public_key(&self) -> [u8; 32] {
        *self.verifier.key()
    }
}
