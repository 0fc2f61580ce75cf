//! A repository in a fresh folder, and a hub that looks at it.

use cloud_stub::{
    identity::sha256,
    repository::{
        Mistake, Release, Released, Repository,
        keys::{Keyring, Library, Role, SigningKey},
        metadata::{Meta, Pointers, Root, Targets, read, sign},
    },
};
use protocol::{
    id::{Label, ModelId, PublicKey, Slug},
    update::Anchors,
};
use sigstore_tuf::{TargetFile, Updater, transport::FetchFuture};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The year 2027, when everything begins.
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const DAY: u64 = 24 * 60 * 60;

pub(crate) struct World {
    folder: TempDir,
    pub(crate) repository: Repository,
}

pub(crate) fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

pub(crate) fn model(text: &str) -> ModelId {
    ModelId::new(text).unwrap()
}

impl World {
    /// A repository of the vendor acme.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::create(folder.path(), &slug("acme"), NOW).unwrap();
        Self { folder, repository }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes an image: the same seed, the same bytes.
    pub(crate) fn image(&self, seed: u8, length: usize) -> PathBuf {
        let path = self.path().join(format!("image-{seed}"));
        let byte = |at: usize| (at as u8).wrapping_mul(31).wrapping_add(seed) ^ (at >> 8) as u8;
        fs::write(&path, (0..length).map(byte).collect::<Vec<_>>()).unwrap();
        path
    }

    /// What a release of the lamp with this seed is.
    pub(crate) fn plan(&self, seed: u8) -> Release {
        let name = Label::new(&format!("1.{seed}")).unwrap();
        Release::new(model("acme.lamp"), name, &self.image(seed, 150_000))
    }

    /// Releases the lamp's software with this seed.
    pub(crate) fn release(&self, seed: u8) -> Released {
        self.repository.release(&self.plan(seed), NOW).unwrap()
    }

    /// A hub that pins the first root.
    pub(crate) fn hub(&self) -> Hub {
        Hub::new(Folder(self.path().join("repository")), &self.repository)
    }

    /// What a component that was made with anchor 1 believes after following these anchors.
    pub(crate) fn component(&self) -> Anchors {
        let first = fs::read(self.path().join("anchors/acme/1.cose")).unwrap();
        Anchors::pin(&first, &Library).unwrap()
    }

    /// Every file and its content, but for the images made here and the lock.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        for top in ["repository", "keys", "anchors"] {
            walk(&self.path().join(top), &mut found);
        }
        found
    }

    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self, name: &str) -> T {
        read(&self.repository.metadata().join(name)).unwrap()
    }

    /// The keys whose names start with this.
    pub(crate) fn stolen(&self, names: &str) -> Vec<String> {
        let files = fs::read_dir(self.repository.keys()).unwrap();
        let names = files.filter_map(|file| {
            let name = file.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".pk8").filter(|name| name.starts_with(names)).map(str::to_owned)
        });
        names.collect()
    }

    /// Signs a vendor's role as whoever has its keys can, and publishes it with the online keys.
    pub(crate) fn forge_vendor(&self, change: impl FnOnce(&mut Targets)) {
        let mut snapshot: Pointers = self.newest_snapshot();
        let version = snapshot.meta["acme.json"].version;
        let mut role: Targets = self.read(&format!("{version}.acme.json"));
        role.head.version += 1;
        change(&mut role);
        let bytes = self.sign_with("vendor.acme-", 2, &role);
        let version = role.head.version;
        let metadata = self.repository.metadata();
        fs::write(metadata.join(format!("{version}.acme.json")), &bytes).unwrap();
        snapshot.meta.insert("acme.json".to_owned(), Meta::of(version, &bytes));
        snapshot.head.version += 1;
        let bytes = self.sign_with("snapshot-", 1, &snapshot);
        let version = snapshot.head.version;
        fs::write(metadata.join(format!("{version}.snapshot.json")), &bytes).unwrap();
        let mut timestamp: Pointers = self.read("timestamp.json");
        timestamp.meta.insert("snapshot.json".to_owned(), Meta::of(version, &bytes));
        timestamp.head.version += 1;
        let bytes = self.sign_with("timestamp-", 1, &timestamp);
        fs::write(metadata.join("timestamp.json"), bytes).unwrap();
    }

    pub(crate) fn newest_snapshot(&self) -> Pointers {
        let timestamp: Pointers = self.read("timestamp.json");
        self.read(&format!("{}.snapshot.json", timestamp.meta["snapshot.json"].version))
    }

    /// Signs with the first keys of these names, whether they are in force or not.
    pub(crate) fn sign_with(
        &self,
        names: &str,
        count: usize,
        document: &impl serde::Serialize,
    ) -> Vec<u8> {
        let ring = Keyring::read(&self.repository.keys(), &[]).unwrap();
        let mut names = self.stolen(names);
        names.sort();
        let keys: Vec<&SigningKey> =
            names.iter().take(count).map(|name| ring.named(name).unwrap()).collect();
        sign(document, &keys).unwrap()
    }

    /// Keys of a role in the newest root.
    pub(crate) fn root_keys(&self, version: u64, role: &Role) -> Vec<PublicKey> {
        let root: Root = self.read(&format!("{version}.root.json"));
        root.roles[&role.to_string()].keyids.iter().map(|id| root.keys[id].public()).collect()
    }
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.insert(path.clone(), "folder".to_owned());
            walk(&path, found);
        } else {
            found.insert(path.clone(), sha256(&fs::read(&path).unwrap()).to_string());
        }
    }
}

/// Metadata and targets in a folder, as on a USB stick.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    fn fetch(&self, path: &str, most: u64) -> FetchFuture<'_> {
        let read = fs::read(self.0.join(path));
        Box::pin(async move {
            match read {
                Ok(bytes) if bytes.len() as u64 <= most => Ok(Some(bytes)),
                Ok(_) => Err(sigstore_tuf::Error::transport("too long")),
                Err(_) => Ok(None),
            }
        })
    }
}

impl sigstore_tuf::Repository for Folder {
    fn fetch_metadata<'a>(&'a self, name: &'a str, most: u64) -> FetchFuture<'a> {
        self.fetch(&format!("metadata/{name}"), most)
    }

    fn fetch_target<'a>(&'a self, path: &'a str, most: u64) -> FetchFuture<'a> {
        self.fetch(&format!("targets/{path}"), most)
    }
}

/// A TUF client of others.
pub(crate) struct Hub {
    updater: Updater,
    runtime: tokio::runtime::Runtime,
}

impl Hub {
    pub(crate) fn new(
        from: impl sigstore_tuf::Repository + 'static,
        repository: &Repository,
    ) -> Self {
        let root = fs::read(repository.pinned_root()).unwrap();
        let updater = Updater::new(from, &root).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { updater, runtime }
    }

    pub(crate) fn refresh(&mut self, now: u64) -> Result<(), sigstore_tuf::Error> {
        self.runtime.block_on(self.updater.refresh(at(now)))
    }

    pub(crate) fn info(&mut self, path: &str) -> Option<TargetFile> {
        self.runtime.block_on(self.updater.get_target_info(path, at(NOW))).unwrap()
    }

    pub(crate) fn target(&mut self, path: &str) -> Result<Vec<u8>, sigstore_tuf::Error> {
        self.runtime.block_on(self.updater.get_target(path, at(NOW)))
    }

    pub(crate) fn root_version(&self) -> u64 {
        self.updater.trusted().root().version
    }

    pub(crate) fn timestamp_version(&self) -> u64 {
        self.updater.trusted().timestamp().unwrap().version
    }
}

fn at(now: u64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(i64::try_from(now).unwrap()).unwrap()
}

/// The mistake, which there must be.
pub(crate) fn mistake<T>(result: Result<T, Mistake>) -> Mistake {
    result.err().expect("it must be refused")
}
