//! The key ceremony: Ed25519 keys, one file each (PKCS#8 DER, mode 0600), named by what they sign and counted on:
//! `root-1`, `vendor.acme-3`. Which keys are in force stands in the metadata and anchors, never in a file's name,
//! so a file may be kept elsewhere and put back for the signing.

use super::error::{Mistake, listed};
use crate::identity::sha256;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use protocol::{
    id::{Digest, PublicKey, Slug},
    update::{Crypto, Signer, seal},
};
use std::{fmt, fs, path::Path};
use zeroize::Zeroizing;

/// Ending of key files.
const ENDING: &str = ".pk8";

/// What keys sign.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Which keys are in force: `root.json`.
    Root,
    /// Who the vendors are: `targets.json`.
    Targets,
    /// What belongs together: `snapshot.json`.
    Snapshot,
    /// What is newest: `timestamp.json`.
    Timestamp,
    /// A vendor's releases, for hubs.
    Vendor(Slug),
    /// Which keys a vendor's components trust.
    Anchor(Slug),
    /// A vendor's releases, for its components.
    Manifest(Slug),
}

impl Role {
    /// How many keys it has, and how many of them must sign.
    #[must_use]
    pub fn quorum(&self) -> (usize, u8) {
        match self {
            Self::Snapshot | Self::Timestamp => (1, 1),
            Self::Root | Self::Targets | Self::Vendor(_) | Self::Anchor(_) | Self::Manifest(_) => {
                (3, 2)
            }
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Targets => f.write_str("targets"),
            Self::Snapshot => f.write_str("snapshot"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Vendor(vendor) => write!(f, "vendor.{vendor}"),
            Self::Anchor(vendor) => write!(f, "anchor.{vendor}"),
            Self::Manifest(vendor) => write!(f, "manifest.{vendor}"),
        }
    }
}

/// A key that can sign.
pub struct SigningKey {
    name: String,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new key, in memory only.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate(name: &str) -> Result<Self, Mistake> {
        let pair = Ed25519KeyPair::generate().map_err(|_| Mistake::Signing)?;
        Ok(Self { name: name.to_owned(), pair })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its public part.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut public = [0; 32];
        public.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(public)
    }

    /// Its signature of these bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).as_ref().to_vec()
    }

    /// Name and content of its file.
    pub(super) fn file(&self) -> Result<(String, Zeroizing<Vec<u8>>), Mistake> {
        let der = self.pair.to_pkcs8v1().map_err(|_| Mistake::Signing)?;
        Ok((format!("{}{ENDING}", self.name), Zeroizing::new(der.as_ref().to_vec())))
    }
}

/// The keys whose files are here.
pub struct Keyring {
    keys: Vec<SigningKey>,
    without: Vec<String>,
}

impl Keyring {
    /// Reads a folder of keys; those named in `without` do not sign.
    ///
    /// # Errors
    /// When a file is no key, or a name is none of a key.
    pub fn read(folder: &Path, without: &[String]) -> Result<Self, Mistake> {
        let mut files: Vec<_> = match fs::read_dir(folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Mistake::Io { path: folder.into(), error }),
        };
        files.sort();
        let mut keys = Vec::new();
        for path in files {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(name) = name.strip_suffix(ENDING).filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let der = Zeroizing::new(fs::read(&path).map_err(Mistake::io(&path))?);
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
                .map_err(|why| Mistake::damaged(&path, why))?;
            keys.push(SigningKey { name: name.to_owned(), pair });
        }
        let known = |name: &String| keys.iter().any(|key| key.name == *name);
        if let Some(name) = without.iter().find(|name| !known(name)) {
            let known = listed(keys.iter().map(|key| &key.name));
            return Err(Mistake::NoKey { name: name.clone(), known });
        }
        Ok(Self { keys, without: without.to_vec() })
    }

    /// As many of these keys as must sign.
    ///
    /// # Errors
    /// When there are too few.
    pub fn signers(
        &self,
        role: &Role,
        keys: &[PublicKey],
        threshold: usize,
    ) -> Result<Vec<&SigningKey>, Mistake> {
        let here: Vec<_> = self.keys.iter().filter(|key| keys.contains(&key.public())).collect();
        let willing = here.iter().filter(|key| !self.without.contains(&key.name));
        let signers: Vec<_> = willing.copied().take(threshold).collect();
        if signers.len() < threshold {
            let known = listed(here.iter().map(|key| &key.name));
            let (role, found) = (role.to_string(), signers.len());
            return Err(Mistake::Keys { role, wanted: threshold, found, known });
        }
        Ok(signers)
    }

    /// Makes new keys for a role and counts their names on.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn make(&mut self, role: &Role) -> Result<Vec<PublicKey>, Mistake> {
        let number = |key: &SigningKey| {
            let (of, number) = key.name.rsplit_once('-')?;
            (of == role.to_string()).then(|| number.parse::<usize>().ok()).flatten()
        };
        let last = self.keys.iter().filter_map(number).max().unwrap_or(0);
        let mut made = Vec::new();
        for number in last + 1..=last + role.quorum().0 {
            let key = SigningKey::generate(&format!("{role}-{number}"))?;
            made.push(key.public());
            self.keys.push(key);
        }
        Ok(made)
    }

    /// The key of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The key with this public part.
    #[must_use]
    pub fn find(&self, public: &PublicKey) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.public() == *public)
    }
}

/// Makes a signed object of this type with these keys.
#[must_use]
pub fn multisign(typ: &str, payload: &[u8], keys: &[&SigningKey]) -> Vec<u8> {
    let signs: Vec<_> = keys.iter().map(|key| |bytes: &[u8]| key.sign(bytes)).collect();
    let signer = |(key, sign)| Signer { key: SigningKey::public(key), sign };
    let signs = signs.iter().map(|sign| sign as &dyn Fn(&[u8]) -> Vec<u8>);
    let signers: Vec<_> = keys.iter().copied().zip(signs).map(signer).collect();
    seal(typ, payload, &signers, &Library)
}

/// The crypto library, as [`protocol::update`] wants it.
#[derive(Clone, Copy, Debug)]
pub struct Library;

impl Crypto for Library {
    fn sha256(&self, bytes: &[u8]) -> Digest {
        sha256(bytes)
    }

    fn ed25519(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, key.0).verify(message, signature).is_ok()
    }
}
