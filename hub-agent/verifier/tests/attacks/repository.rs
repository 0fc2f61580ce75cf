//! Makes repositories, honest and otherwise, signed with Ed25519.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Map, Value, json};
use sigstore_tuf::canonical_json::to_canonical_bytes;
use std::{collections::BTreeMap, sync::Arc};

/// The time of all tests, in seconds since 1970: 1 June 2026.
pub(crate) const NOW: i64 = 1_780_272_000;
pub(crate) const DAY: i64 = 86_400;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap()
}

/// A signer.
pub(crate) struct Key {
    pair: Ed25519KeyPair,
    id: String,
}

impl Key {
    pub(crate) fn new() -> Arc<Self> {
        let pair = Ed25519KeyPair::generate().unwrap();
        let id = hex(&sha256(pair.public_key().as_ref()));
        Arc::new(Self { pair, id })
    }

    fn described(&self) -> Value {
        let public = hex(self.pair.public_key().as_ref());
        json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}})
    }
}

/// Who signs a role, and how many must.
#[derive(Clone)]
pub(crate) struct Signers {
    pub(crate) keys: Vec<Arc<Key>>,
    pub(crate) threshold: usize,
}

impl Signers {
    pub(crate) fn new(keys: usize, threshold: usize) -> Self {
        Self { keys: (0..keys).map(|_| Key::new()).collect(), threshold }
    }

    fn role(&self) -> Value {
        let ids: Vec<_> = self.keys.iter().map(|key| key.id.clone()).collect();
        json!({"keyids": ids, "threshold": self.threshold})
    }

    fn described(&self) -> impl Iterator<Item = (String, Value)> + '_ {
        self.keys.iter().map(|key| (key.id.clone(), key.described()))
    }
}

/// Signs a payload as a metadata file.
pub(crate) fn sign(signed: &Value, keys: &[Arc<Key>]) -> Vec<u8> {
    let covered = to_canonical_bytes(signed).unwrap();
    let signatures: Vec<_> = keys
        .iter()
        .map(|key| json!({"keyid": key.id, "sig": hex(key.pair.sign(&covered).as_ref())}))
        .collect();
    serde_json::to_vec(&json!({"signed": signed, "signatures": signatures})).unwrap()
}

/// A delegated role.
#[derive(Clone)]
pub(crate) struct Vendor {
    pub(crate) name: String,
    pub(crate) paths: Vec<String>,
    pub(crate) signers: Signers,
    pub(crate) targets: Map<String, Value>,
    pub(crate) version: u64,
}

/// A repository and all that it ever published.
#[derive(Clone)]
pub(crate) struct Repository {
    /// What is served now, by path below `metadata/` or `targets/`.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) root: Signers,
    pub(crate) timestamp: Signers,
    pub(crate) snapshot: Signers,
    pub(crate) targets: Signers,
    pub(crate) vendors: Vec<Vendor>,
    pub(crate) listed: Map<String, Value>,
    /// Newest versions, by role.
    pub(crate) versions: BTreeMap<&'static str, u64>,
    /// Seconds from [`NOW`] to the end of each role.
    pub(crate) lives: BTreeMap<&'static str, i64>,
}

impl Repository {
    /// An honest one, released once: root and targets 2 of 3, timestamp and snapshot 1 of 1.
    pub(crate) fn new() -> Self {
        let mut repository = Self {
            files: BTreeMap::new(),
            root: Signers::new(3, 2),
            timestamp: Signers::new(1, 1),
            snapshot: Signers::new(1, 1),
            targets: Signers::new(3, 2),
            vendors: Vec::new(),
            listed: Map::new(),
            versions: BTreeMap::new(),
            lives: BTreeMap::from([
                ("root", 365 * DAY),
                ("timestamp", DAY),
                ("snapshot", 7 * DAY),
                ("targets", 90 * DAY),
            ]),
        };
        repository.publish_root();
        repository.release();
        repository
    }

    pub(crate) fn pinned(&self) -> Vec<u8> {
        self.files["metadata/1.root.json"].clone()
    }

    fn head(&self, role: &'static str, version: u64) -> Value {
        let expires = jiff::Timestamp::from_second(NOW + self.lives[role]).unwrap();
        json!({"_type": role, "spec_version": "1.0.31", "version": version, "expires": expires.to_string()})
    }

    fn bump(&mut self, role: &'static str) -> u64 {
        let version = self.versions.entry(role).or_default();
        *version += 1;
        *version
    }

    fn put(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(format!("metadata/{name}"), bytes);
    }

    /// The payload of a root with these versions and keys.
    pub(crate) fn root_payload(&self, version: u64) -> Value {
        let mut root = self.head("root", version);
        let roles = [
            ("root", &self.root),
            ("timestamp", &self.timestamp),
            ("snapshot", &self.snapshot),
            ("targets", &self.targets),
        ];
        root["consistent_snapshot"] = json!(true);
        root["keys"] = roles.iter().flat_map(|(_, signers)| signers.described()).collect();
        root["roles"] = roles.iter().map(|(role, who)| ((*role).to_owned(), who.role())).collect();
        root
    }

    pub(crate) fn publish_root(&mut self) {
        let keys = self.root.keys.clone();
        self.publish_root_signed_by(&keys);
    }

    pub(crate) fn publish_root_signed_by(&mut self, keys: &[Arc<Key>]) {
        let version = self.bump("root");
        let bytes = sign(&self.root_payload(version), keys);
        self.put(&format!("{version}.root.json"), bytes);
    }

    /// Targets, vendors, snapshot, timestamp: each one version on.
    pub(crate) fn release(&mut self) {
        self.publish_targets();
        for at in 0..self.vendors.len() {
            self.publish_vendor(at);
        }
        self.publish_snapshot();
        self.publish_timestamp();
    }

    pub(crate) fn publish_targets(&mut self) {
        let version = self.bump("targets");
        let mut targets = self.head("targets", version);
        targets["targets"] = Value::Object(self.listed.clone());
        if !self.vendors.is_empty() {
            let keys: Map<_, _> =
                self.vendors.iter().flat_map(|vendor| vendor.signers.described()).collect();
            let roles: Vec<_> = self.vendors.iter().map(delegation).collect();
            targets["delegations"] = json!({"keys": keys, "roles": roles});
        }
        let bytes = sign(&targets, &self.targets.keys);
        self.put(&format!("{version}.targets.json"), bytes);
    }

    fn publish_vendor(&mut self, at: usize) {
        self.vendors[at].version += 1;
        let vendor = self.vendors[at].clone();
        let mut targets = self.head("targets", vendor.version);
        targets["targets"] = Value::Object(vendor.targets);
        let bytes = sign(&targets, &vendor.signers.keys);
        self.put(&format!("{}.{}.json", vendor.version, vendor.name), bytes);
    }

    pub(crate) fn snapshot_payload(&mut self) -> Value {
        let version = self.bump("snapshot");
        let mut snapshot = self.head("snapshot", version);
        let mut pins = Map::new();
        pins.insert("targets.json".to_owned(), self.pin("targets", self.versions["targets"]));
        for vendor in &self.vendors {
            pins.insert(format!("{}.json", vendor.name), self.pin(&vendor.name, vendor.version));
        }
        snapshot["meta"] = Value::Object(pins);
        snapshot
    }

    fn pin(&self, role: &str, version: u64) -> Value {
        let bytes = &self.files[&format!("metadata/{version}.{role}.json")];
        let hashes = json!({"sha256": hex(&sha256(bytes))});
        json!({"version": version, "length": bytes.len(), "hashes": hashes})
    }

    pub(crate) fn publish_snapshot(&mut self) {
        let payload = self.snapshot_payload();
        let bytes = sign(&payload, &self.snapshot.keys);
        self.put(&format!("{}.snapshot.json", payload["version"]), bytes);
    }

    pub(crate) fn publish_timestamp(&mut self) {
        let version = self.bump("timestamp");
        let mut timestamp = self.head("timestamp", version);
        let pin = self.pin("snapshot", self.versions["snapshot"]);
        timestamp["meta"] = json!({"snapshot.json": pin});
        let bytes = sign(&timestamp, &self.timestamp.keys);
        self.put("timestamp.json", bytes);
    }

    /// Lists a file, directly or by a vendor, and serves it. It is released with the next release.
    pub(crate) fn add(&mut self, vendor: Option<usize>, path: &str, content: &[u8]) {
        let hash = hex(&sha256(content));
        let about =
            json!({"length": content.len(), "hashes": {"sha256": hash}, "custom": {"ctr": 7}});
        let listed = match vendor {
            Some(at) => &mut self.vendors[at].targets,
            None => &mut self.listed,
        };
        listed.insert(path.to_owned(), about);
        let served = match path.rsplit_once('/') {
            Some((folder, name)) => format!("targets/{folder}/{hash}.{name}"),
            None => format!("targets/{hash}.{path}"),
        };
        self.files.insert(served, content.to_vec());
    }

    pub(crate) fn add_vendor(&mut self, name: &str, path: &str) -> usize {
        self.vendors.push(Vendor {
            name: name.to_owned(),
            paths: vec![path.to_owned()],
            signers: Signers::new(1, 1),
            targets: Map::new(),
            version: 0,
        });
        self.vendors.len() - 1
    }
}

fn delegation(vendor: &Vendor) -> Value {
    let mut role = vendor.signers.role();
    role["name"] = json!(vendor.name);
    role["paths"] = json!(vendor.paths);
    role["terminating"] = json!(true);
    role
}
