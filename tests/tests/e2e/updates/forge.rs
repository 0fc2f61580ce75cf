//! Signs what no honest release tool would, with whatever keys an attacker may have.

use cloud_stub::repository::{
    Repository,
    anchors::Chain,
    keys::{Keyring, Library, SigningKey, multisign},
    metadata::{self, Meta, Pointers, Target, Targets, hashes},
};
use protocol::{
    cbor,
    id::{Digest, Slug},
    update::{Crypto, Manifest},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

const DAY: u64 = 24 * 3600;

/// A repository and all of its keys.
pub(super) struct Forge {
    repository: Repository,
    ring: Keyring,
    unknown: Vec<SigningKey>,
}

/// The files of a release, and what the metadata tell about it.
#[derive(Clone)]
pub(super) struct Files {
    pub(super) image: Vec<u8>,
    pub(super) chunks: Option<Vec<u8>>,
    pub(super) signed: Vec<u8>,
    pub(super) custom: Value,
    pub(super) anchors: Vec<Vec<u8>>,
}

impl Forge {
    pub(super) fn new(folder: &Path) -> Self {
        let repository = Repository::open(folder).unwrap();
        let ring = Keyring::read(&repository.keys(), &[]).unwrap();
        let unknown = ["unknown-1", "unknown-2"].map(|name| SigningKey::generate(name).unwrap());
        Self { repository, ring, unknown: unknown.into() }
    }

    /// Keys by name; those called `unknown-1` and `unknown-2` are nobody's.
    fn keys(&self, names: &[&str]) -> Vec<&SigningKey> {
        let unknown = |name: &str| self.unknown.iter().find(|key| key.name() == name);
        names.iter().map(|name| self.ring.named(name).or_else(|| unknown(name)).unwrap()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.repository.metadata().join(name)
    }

    /// What is published for a release.
    pub(super) fn files(&self, model: &str, counter: u32) -> Files {
        let vendor = model.split('.').next().unwrap();
        let role = self.role(vendor);
        let read = |path: String| {
            let (folder, name) = path.rsplit_once('/').unwrap();
            let digest = role.targets[&path].hashes["sha256"];
            fs::read(self.repository.targets().join(folder).join(format!("{digest}.{name}")))
                .unwrap()
        };
        let file = |name: &str| format!("c/{model}/{counter}/{name}");
        let chain = Chain::read(&self.repository, &Slug::new(vendor).unwrap()).unwrap();
        Files {
            image: read(file("image")),
            chunks: Some(read(file("chunks"))),
            signed: read(file("manifest.cose")),
            custom: role.targets[&file("image")].custom.clone().unwrap(),
            anchors: chain.all().iter().map(|anchors| anchors.bytes().to_vec()).collect(),
        }
    }

    /// Changes a manifest and signs it with these keys.
    pub(super) fn manifest(
        &self,
        files: &mut Files,
        keys: &[&str],
        change: impl FnOnce(&mut Manifest),
    ) {
        let vendor = Slug::new("simulated").unwrap();
        let chain = Chain::read(&self.repository, &vendor).unwrap();
        let anchors = chain.newest(&vendor).unwrap();
        let mut manifest = anchors.manifest(&files.signed, &Library).unwrap().into_inner();
        change(&mut manifest);
        files.custom["counter"] = manifest.counter.into();
        files.signed = multisign(Manifest::TYP, &cbor::encode(&manifest), &self.keys(keys));
    }

    /// Lists nothing but these files as a release.
    pub(super) fn only(&self, role: &mut Targets, model: &str, counter: u32, files: &Files) {
        role.targets.clear();
        self.add(role, model, counter, files);
    }

    /// Lists these files as a release.
    pub(super) fn add(&self, role: &mut Targets, model: &str, counter: u32, files: &Files) {
        let path = |name: &str| format!("c/{model}/{counter}/{name}");
        self.enter(role, &path("image"), &files.image, Some(files.custom.clone()));
        if let Some(chunks) = &files.chunks {
            self.enter(role, &path("chunks"), chunks, None);
        }
        self.enter(role, &path("manifest.cose"), &files.signed, None);
        for (number, anchors) in (1..).zip(&files.anchors) {
            self.enter(role, &format!("anchors/{model}/{number}.cose"), anchors, None);
        }
    }

    fn enter(&self, role: &mut Targets, path: &str, bytes: &[u8], custom: Option<Value>) {
        let digest: Digest = Library.sha256(bytes);
        let (folder, name) = path.rsplit_once('/').unwrap();
        let folder = self.repository.targets().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{digest}.{name}")), bytes).unwrap();
        let target = Target { length: bytes.len() as u64, hashes: hashes(digest), custom };
        role.targets.insert(path.to_owned(), target);
    }

    fn pointers(&self) -> (Pointers, Pointers) {
        let timestamp: Pointers = metadata::read(&self.path("timestamp.json")).unwrap();
        let version = timestamp.meta["snapshot.json"].version;
        let snapshot = metadata::read(&self.path(&format!("{version}.snapshot.json"))).unwrap();
        (timestamp, snapshot)
    }

    fn role(&self, vendor: &str) -> Targets {
        let version = self.pointers().1.meta[&format!("{vendor}.json")].version;
        metadata::read(&self.path(&format!("{version}.{vendor}.json"))).unwrap()
    }

    /// Publishes the next version of a vendor's role, signed with these keys; the online keys vouch for it.
    pub(super) fn vendor(
        &self,
        vendor: &str,
        keys: &[&str],
        change: impl FnOnce(&Self, &mut Targets),
    ) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let expires = metadata::date(now + DAY);
        let mut role = self.role(vendor);
        change(self, &mut role);
        (role.head.version, role.head.expires) = (role.head.version + 1, expires.clone());
        let bytes = metadata::sign(&role, &self.keys(keys)).unwrap();
        let version = role.head.version;
        fs::write(self.path(&format!("{version}.{vendor}.json")), &bytes).unwrap();
        let (mut timestamp, mut snapshot) = self.pointers();
        snapshot.meta.insert(format!("{vendor}.json"), Meta::of(version, &bytes));
        (snapshot.head.version, snapshot.head.expires) =
            (snapshot.head.version + 1, expires.clone());
        let bytes = metadata::sign(&snapshot, &self.keys(&["snapshot-1"])).unwrap();
        let version = snapshot.head.version;
        fs::write(self.path(&format!("{version}.snapshot.json")), &bytes).unwrap();
        timestamp.meta = BTreeMap::from([("snapshot.json".to_owned(), Meta::of(version, &bytes))]);
        (timestamp.head.version, timestamp.head.expires) = (timestamp.head.version + 1, expires);
        let bytes = metadata::sign(&timestamp, &self.keys(&["timestamp-1"])).unwrap();
        fs::write(self.path("timestamp.json"), bytes).unwrap();
    }
}
