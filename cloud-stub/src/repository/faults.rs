//! Serving the repository wrongly, on demand: what an attacker between cloud and hub, a broken mirror or a stolen
//! online key would do. The file `faults` in the folder holds a list, read for each request; what is stored stays
//! as it is. `[{"fault": "slow", "rate": 100, "only": "/targets/"}]`

use super::{
    Mistake, Repository,
    keys::{Keyring, Role, SigningKey},
    metadata::{Meta, Pointers, read, sign},
    state::{State, public_keys},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Trouble {
    /// The timestamp of a former set, and with it that set.
    Stale {
        /// How many sets before the newest.
        #[serde(default = "one")]
        back: u64,
    },
    /// The connection ends after half of the file, whose whole length was announced.
    Torn,
    /// So many bytes a second.
    Slow {
        /// Bytes a second.
        rate: u64,
    },
    /// The file, and then bytes without end or length.
    Endless,
    /// The newest snapshot with the targets metadata before.
    Mixed,
    /// Metadata that a key nobody knows signed.
    WrongKey,
    /// One bit in the middle of the file is another.
    BitFlip,
    /// The first half of the file, as if that were all.
    Truncated,
    /// Not found.
    Missing,
    /// The connection is closed without an answer.
    Down,
    /// Timestamp and snapshot with the largest versions, signed by the online keys in force.
    FastForward {
        /// The version.
        #[serde(default = "farthest")]
        version: u64,
    },
}

/// A trouble, and what it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    #[serde(flatten)]
    pub trouble: Trouble,
    /// Only where the URL's path contains this. By itself a bit flip or truncation concerns targets, a wrong key the
    /// timestamp, and anything else whatever it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
}

impl From<Trouble> for Fault {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, only: None }
    }
}

impl Fault {
    /// Only where the URL's path contains this.
    #[must_use]
    pub fn only(trouble: Trouble, part: &str) -> Self {
        Self { trouble, only: Some(part.to_owned()) }
    }

    fn concerns(&self, path: &str) -> bool {
        let usual = match self.trouble {
            Trouble::BitFlip | Trouble::Truncated => "/targets/",
            Trouble::WrongKey => "timestamp.json",
            Trouble::Stale { .. }
            | Trouble::Torn
            | Trouble::Slow { .. }
            | Trouble::Endless
            | Trouble::Mixed
            | Trouble::Missing
            | Trouble::Down
            | Trouble::FastForward { .. } => "",
        };
        path.contains(self.only.as_deref().unwrap_or(usual))
    }
}

/// Sets the faults of the repository in this folder; none ends them.
///
/// # Errors
/// When the system refuses.
pub fn set(folder: &Path, faults: &[Fault]) -> Result<(), Mistake> {
    let (path, beside) = (folder.join("faults"), folder.join(".new.faults"));
    let text = serde_json::to_vec(faults).map_err(|why| Mistake::Faults(why.to_string()))?;
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, &path)).map_err(Mistake::io(path))
}

/// The faults that concern a path.
pub(super) fn of(folder: &Path, path: &str) -> Result<Vec<Trouble>, Mistake> {
    let file = folder.join("faults");
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Mistake::Io { path: file, error }),
    };
    let faults: Vec<Fault> =
        serde_json::from_slice(&text).map_err(|why| Mistake::Faults(why.to_string()))?;
    let concerned = faults.into_iter().filter(|fault| fault.concerns(path));
    Ok(concerned.map(|fault| fault.trouble).collect())
}

/// What is served instead of the metadata of this name.
pub(super) enum Instead {
    /// Another file.
    File(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// What is served for the metadata of this name.
pub(super) fn metadata(
    repository: &Repository,
    troubles: &[Trouble],
    name: &str,
) -> Result<Instead, Mistake> {
    let mut served = Instead::File(repository.metadata().join(name));
    for trouble in troubles {
        let other = match trouble {
            Trouble::Stale { back } => stale(repository, name, *back)?.map(Instead::File),
            Trouble::Mixed => {
                before(name).map(|name| repository.metadata().join(name)).map(Instead::File)
            }
            Trouble::FastForward { version } => {
                fast_forward(repository, name, *version)?.map(Instead::Bytes)
            }
            Trouble::WrongKey => Some(Instead::Bytes(sign_wrongly(&served)?)),
            Trouble::Torn
            | Trouble::Slow { .. }
            | Trouble::Endless
            | Trouble::BitFlip
            | Trouble::Truncated
            | Trouble::Missing
            | Trouble::Down => None,
        };
        served = other.unwrap_or(served);
    }
    Ok(served)
}

fn stale(repository: &Repository, name: &str, back: u64) -> Result<Option<PathBuf>, Mistake> {
    if name != "timestamp.json" {
        return Ok(None);
    }
    let newest: Pointers = read(&repository.metadata().join(name))?;
    let version = newest.head.version.saturating_sub(back);
    let path = repository.former().join(format!("{version}.timestamp.json"));
    if path.exists() {
        return Ok(Some(path));
    }
    Err(Mistake::Faults(format!("there is no set {back} before the newest")))
}

/// The version before of targets metadata; the snapshot and the root stay what they are.
fn before(name: &str) -> Option<String> {
    let (version, role) = name.split_once('.')?;
    let before = version.parse::<u64>().ok()?.checked_sub(1).filter(|version| *version > 0)?;
    (!matches!(role, "root.json" | "snapshot.json")).then(|| format!("{before}.{role}"))
}

fn fast_forward(
    repository: &Repository,
    name: &str,
    version: u64,
) -> Result<Option<Vec<u8>>, Mistake> {
    if name != "timestamp.json" && name != format!("{version}.snapshot.json") {
        return Ok(None);
    }
    let mut state = State::read(&repository.metadata())?;
    let ring = Keyring::read(&repository.keys(), &[])?;
    let root = &state.root;
    let by_online = |role: Role, document: &Pointers| {
        let by = root.roles.get(&role.to_string()).cloned().unwrap_or_default();
        sign(document, &ring.signers(&role, &public_keys(&root.keys, &by), by.threshold)?)
    };
    state.snapshot.head.version = version;
    let snapshot = by_online(Role::Snapshot, &state.snapshot)?;
    if name != "timestamp.json" {
        return Ok(Some(snapshot));
    }
    state.timestamp.head.version = version;
    let meta = Meta::of(version, &snapshot);
    state.timestamp.meta = BTreeMap::from([("snapshot.json".to_owned(), meta)]);
    by_online(Role::Timestamp, &state.timestamp).map(Some)
}

fn sign_wrongly(served: &Instead) -> Result<Vec<u8>, Mistake> {
    let signed: Value = match served {
        Instead::File(path) => read(path)?,
        Instead::Bytes(bytes) => {
            let whole: Value =
                serde_json::from_slice(bytes).map_err(|why| Mistake::Faults(why.to_string()))?;
            whole["signed"].clone()
        }
    };
    sign(&signed, &[&SigningKey::generate("unknown")?])
}

fn one() -> u64 {
    1
}

fn farthest() -> u64 {
    u64::MAX - 1
}
