//! TUF 1.0.31 metadata: what it says, and how it is signed and checked.

use super::{
    error::Mistake,
    keys::{Library, SigningKey},
};
use crate::identity::sha256;
use protocol::{
    id::{Digest, PublicKey, Slug},
    update::Crypto,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sigstore_tuf::canonical_json::to_canonical_bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Version of the specification.
pub const SPEC: &str = "1.0.31";

const DAY: u64 = 24 * 60 * 60;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Which keys are in force.
    Root,
    /// Targets and delegations.
    Targets,
    /// What belongs together.
    Snapshot,
    /// What is newest.
    Timestamp,
}

impl Kind {
    /// How long one holds, in seconds.
    #[must_use]
    pub fn life(self) -> u64 {
        match self {
            Self::Root | Self::Targets => 365 * DAY,
            Self::Snapshot => 7 * DAY,
            Self::Timestamp => DAY,
        }
    }
}

/// What every document starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// What it is.
    #[serde(rename = "_type")]
    pub kind: Kind,
    /// Version of the specification.
    pub spec_version: String,
    /// Counts the documents of this role.
    pub version: u64,
    /// When it must not be believed any more.
    pub expires: String,
}

impl Head {
    /// That of a document which is not published yet.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, spec_version: SPEC.to_owned(), version: 0, expires: String::new() }
    }

    /// Goes on to the next version.
    pub(super) fn renew(&mut self, now: u64) {
        self.version = self.version.saturating_add(1);
        self.expires = date(now.saturating_add(self.kind.life()));
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    keytype: String,
    scheme: String,
    keyval: KeyValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeyValue {
    public: PublicKey,
}

impl Key {
    /// A key and its id.
    ///
    /// # Errors
    /// Never: it holds nothing but texts.
    pub fn named(public: PublicKey) -> Result<(String, Self), Mistake> {
        let ed25519 = || "ed25519".to_owned();
        let key = Self { keytype: ed25519(), scheme: ed25519(), keyval: KeyValue { public } };
        Ok((sha256(&canonical(&key)?).to_string(), key))
    }

    /// The key itself.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.keyval.public
    }
}

/// Who signs for a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleKeys {
    /// Ids of the keys.
    pub keyids: Vec<String>,
    /// How many must sign.
    pub threshold: usize,
}

/// Which keys are in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Kind, version, expiry.
    #[serde(flatten)]
    pub head: Head,
    /// File names carry versions and digests.
    pub consistent_snapshot: bool,
    /// Keys by id.
    pub keys: BTreeMap<String, Key>,
    /// Who signs for the four roles.
    pub roles: BTreeMap<String, RoleKeys>,
}

/// What can be fetched, and who may say more about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// Kind, version, expiry.
    #[serde(flatten)]
    pub head: Head,
    /// Files by path.
    pub targets: BTreeMap<String, Target>,
    /// Roles of vendors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Delegations>,
    /// The highest counter that each model of the vendor ever had, so that no counter comes twice.
    #[serde(default, rename = "x-highest-counters", skip_serializing_if = "BTreeMap::is_empty")]
    pub highest: BTreeMap<String, u32>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its length in bytes.
    pub length: u64,
    /// Its digests by algorithm.
    pub hashes: BTreeMap<String, Digest>,
    /// What is told about a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<Value>,
}

/// Who may say more about targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegations {
    /// Keys by id.
    pub keys: BTreeMap<String, Key>,
    /// The roles, in the order they are asked.
    pub roles: Vec<Delegation>,
}

/// One vendor's role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// The vendor.
    pub name: Slug,
    /// Who signs.
    #[serde(flatten)]
    pub by: RoleKeys,
    /// Nobody else is asked about its paths.
    pub terminating: bool,
    /// Which targets it may sign.
    pub paths: Vec<String>,
}

impl Delegation {
    /// The role of a vendor: its components' releases and anchors, and nothing else.
    #[must_use]
    pub fn of(name: Slug, by: RoleKeys) -> Self {
        let paths = vec![format!("c/{name}.*/*/*"), format!("anchors/{name}.*/*")];
        Self { name, by, terminating: true, paths }
    }
}

/// A document that another one points to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Its version.
    pub version: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Its digests by algorithm.
    pub hashes: BTreeMap<String, Digest>,
}

impl Meta {
    /// What points to these bytes.
    #[must_use]
    pub fn of(version: u64, bytes: &[u8]) -> Self {
        Self { version, length: bytes.len() as u64, hashes: hashes(sha256(bytes)) }
    }
}

/// Snapshot and timestamp: what they point to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointers {
    /// Kind, version, expiry.
    #[serde(flatten)]
    pub head: Head,
    /// Documents by name, without version.
    pub meta: BTreeMap<String, Meta>,
}

/// Digests as they stand in metadata.
#[must_use]
pub fn hashes(sha256: Digest) -> BTreeMap<String, Digest> {
    BTreeMap::from([("sha256".to_owned(), sha256)])
}

/// A point in time as metadata writes it; one that no calendar holds becomes the last of the year 9999.
#[must_use]
pub fn date(seconds: u64) -> String {
    let at =
        i64::try_from(seconds).ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    let text = at.and_then(|at| at.format(&Rfc3339).ok());
    text.unwrap_or_else(|| "9999-12-31T23:59:59Z".to_owned())
}

/// Reads a date (`2027-01-31`, its first second) or a point in time (`2027-01-31T08:00:00Z`).
///
/// # Errors
/// When it is neither.
pub fn seconds(text: &str) -> Result<u64, String> {
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    let at = OffsetDateTime::parse(&whole, &Rfc3339).ok();
    let at = at.and_then(|at| u64::try_from(at.unix_timestamp()).ok());
    at.ok_or_else(|| "write it as 2027-01-31 or 2027-01-31T08:00:00Z".to_owned())
}

/// Reads what a document says; nobody's signature is checked.
///
/// # Errors
/// When it cannot be read.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Mistake> {
    let bytes = std::fs::read(path).map_err(Mistake::io(path))?;
    parse(path, &bytes)
}

/// Reads what a document says, if enough of the role's keys signed it.
///
/// # Errors
/// When it cannot be read, or too few did.
pub(super) fn read_signed<T: DeserializeOwned>(
    path: &Path,
    keys: &BTreeMap<String, Key>,
    by: &RoleKeys,
) -> Result<T, Mistake> {
    let bytes = std::fs::read(path).map_err(Mistake::io(path))?;
    let name = path.display().to_string();
    check(&name, &bytes, keys, by)
        .map_err(|_| Mistake::damaged(path, "its keys did not sign it"))?;
    parse(path, &bytes)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Mistake> {
    let document: Document<T> =
        serde_json::from_slice(bytes).map_err(|why| Mistake::damaged(path, why))?;
    Ok(document.signed)
}

/// The bytes of a signed document.
///
/// # Errors
/// Never: metadata holds texts and whole numbers.
pub fn sign(document: &impl Serialize, keys: &[&SigningKey]) -> Result<Vec<u8>, Mistake> {
    let covered = canonical(document)?;
    let mut signatures = Vec::new();
    for key in keys {
        let (keyid, _) = Key::named(key.public())?;
        signatures.push(json!({ "keyid": keyid, "sig": hex(&key.sign(&covered)) }));
    }
    let whole = json!({ "signatures": signatures, "signed": value(document)? });
    Ok(whole.to_string().into_bytes())
}

/// Whether enough of the role's keys signed these bytes, as a hub finds out.
///
/// # Errors
/// When too few did.
pub fn check(
    role: &str,
    bytes: &[u8],
    keys: &BTreeMap<String, Key>,
    by: &RoleKeys,
) -> Result<(), Mistake> {
    let document: Document<Value> =
        serde_json::from_slice(bytes).map_err(|why| Mistake::damaged(role, why))?;
    let covered = canonical(&document.signed)?;
    let good = |keyid: &&String| {
        let signature = document.signatures.iter().find(|signature| signature.keyid == **keyid);
        let signature = signature.and_then(|signature| bytes_of(&signature.sig));
        let key = keys.get(*keyid);
        key.zip(signature)
            .is_some_and(|(key, made)| Library.ed25519(&key.public(), &covered, &made))
    };
    // A key counts once.
    let known: BTreeSet<_> = by.keyids.iter().collect();
    let found = known.into_iter().filter(good).count();
    if found >= by.threshold.max(1) {
        return Ok(());
    }
    Err(Mistake::Threshold { role: role.to_owned(), found, wanted: by.threshold })
}

#[derive(Deserialize)]
struct Document<T> {
    signatures: Vec<Signature>,
    signed: T,
}

#[derive(Deserialize)]
struct Signature {
    keyid: String,
    sig: String,
}

fn value(document: &impl Serialize) -> Result<Value, Mistake> {
    serde_json::to_value(document).map_err(|_| Mistake::Signing)
}

fn canonical(document: &impl Serialize) -> Result<Vec<u8>, Mistake> {
    to_canonical_bytes(&value(document)?).map_err(|_| Mistake::Signing)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok()).collect()
}
