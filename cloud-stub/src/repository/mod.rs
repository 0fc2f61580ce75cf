//! The maker's repository of updates: TUF for hubs, anchors and manifests for components, in one folder.
//!
//! | in the folder | holds |
//! |---|---|
//! | `keys/` | private keys, one file each; those of root, targets and vendors may be kept elsewhere and put back to sign |
//! | `anchors/VENDOR/N.cose` | the anchors; a component's factory image pins the first |
//! | `repository/metadata/` | `N.root.json`, `N.targets.json`, `N.VENDOR.json`, `N.snapshot.json`, `timestamp.json` |
//! | `repository/targets/` | `c/MODEL/COUNTER/DIGEST.image` and so on |
//! | `repository/former/` | every `N.timestamp.json` there was |
//!
//! | module | holds |
//! |---|---|
//! | [`keys`] | the key ceremony, and who signs |
//! | [`metadata`] | TUF metadata |
//! | [`anchors`] | which keys components trust |
//! | [`release`] | making a release |
//! | [`rotate`] | new keys |
//! | [`mirror`] | a copy for a USB stick |
//! | [`server`] | serving it over HTTPS |
//! | [`faults`] | serving it wrongly, on demand |
//!
//! Time is an argument: seconds since 1970. Every change is signed, checked as a hub checks it, and then published
//! whole or not at all. Only a new root counts before `timestamp.json` does; a crash between the two is mended by
//! [`Repository::refresh`].

pub mod anchors;
pub mod error;
pub mod faults;
pub mod keys;
pub mod metadata;
pub mod mirror;
pub mod release;
pub mod rotate;
pub mod server;

mod body;
mod check;
mod draft;
mod published;
mod stage;
mod state;

pub use error::Mistake;
pub use faults::{Fault, Trouble};
pub use published::Standing;
pub use release::{About, Release, Released, Security};
pub use rotate::Rotation;

use draft::Draft;
use keys::Role;
use metadata::{Delegation, Delegations};
use protocol::id::Slug;
use state::State;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// A maker's repository.
#[derive(Clone, Debug)]
pub struct Repository {
    folder: PathBuf,
    without: Vec<String>,
}

/// How often, and how long apart, the lock is tried.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

impl Repository {
    /// The key ceremony: makes all keys, anchor 1 and the first set of metadata, for one vendor.
    ///
    /// # Errors
    /// When there is a repository already, or the system refuses.
    pub fn create(folder: &Path, vendor: &Slug, now: u64) -> Result<Self, Mistake> {
        let repository = Self { folder: folder.to_owned(), without: Vec::new() };
        if repository.pinned_root().exists() {
            return Err(Mistake::AlreadyThere(folder.display().to_string()));
        }
        let mut draft = Draft::begin(&repository, State::empty(), now)?;
        for role in [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp] {
            draft.new_keys_in_root(&role)?;
        }
        draft.state.targets.delegations = Some(Delegations::default());
        draft.enter_vendor(vendor)?;
        draft.commit()?;
        Ok(repository)
    }

    /// Opens a repository there is.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(folder: &Path) -> Result<Self, Mistake> {
        let repository = Self { folder: folder.to_owned(), without: Vec::new() };
        if repository.pinned_root().exists() {
            Ok(repository)
        } else {
            Err(Mistake::NoRepository(folder.display().to_string()))
        }
    }

    /// Leaves keys out of all signing, by name.
    #[must_use]
    pub fn without(mut self, keys: &[String]) -> Self {
        self.without = keys.to_vec();
        self
    }

    /// Makes the keys of a further vendor, its anchor 1 and its role.
    ///
    /// # Errors
    /// When it is there already, too few keys can sign, or the system refuses.
    pub fn add_vendor(&self, vendor: &Slug, now: u64) -> Result<(), Mistake> {
        let mut draft = self.draft(now)?;
        draft.enter_vendor(vendor)?;
        draft.commit()
    }

    /// Signs timestamp and snapshot anew; nothing else changes. To be done at least once a day.
    ///
    /// # Errors
    /// When their keys are missing or the system refuses.
    pub fn refresh(&self, now: u64) -> Result<(), Mistake> {
        self.draft(now)?.commit()
    }

    /// Names of the vendors.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn vendors(&self) -> Result<Vec<Slug>, Mistake> {
        Ok(State::read(&self.metadata())?.vendors.into_keys().collect())
    }

    /// The folder it is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of metadata.
    #[must_use]
    pub fn metadata(&self) -> PathBuf {
        self.folder.join("repository/metadata")
    }

    /// The folder of targets.
    #[must_use]
    pub fn targets(&self) -> PathBuf {
        self.folder.join("repository/targets")
    }

    /// The folder of private keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// The first root, which hubs pin.
    #[must_use]
    pub fn pinned_root(&self) -> PathBuf {
        self.metadata().join("1.root.json")
    }

    fn former(&self) -> PathBuf {
        self.folder.join("repository/former")
    }

    /// Keeps everybody else from changing it until the file is dropped.
    fn lock(&self) -> Result<File, Mistake> {
        fs::create_dir_all(&self.folder).map_err(Mistake::io(&self.folder))?;
        let path = self.folder.join(".lock");
        let lock = File::create(&path).map_err(Mistake::io(&path))?;
        for _ in 0..LOCK_TRIES {
            if lock.try_lock().is_ok() {
                return Ok(lock);
            }
            // What this process closed a moment ago may still be open in a child between fork and exec.
            std::thread::park_timeout(LOCK_PAUSE);
        }
        Err(Mistake::Busy)
    }

    fn draft(&self, now: u64) -> Result<Draft<'_>, Mistake> {
        Draft::open(self, now)
    }
}

impl Draft<'_> {
    fn enter_vendor(&mut self, vendor: &Slug) -> Result<(), Mistake> {
        if matches!(vendor.as_str(), "root" | "targets" | "snapshot" | "timestamp") {
            return Err(Mistake::ReservedVendor(vendor.clone()));
        }
        if self.state.vendors.contains_key(vendor) {
            return Err(Mistake::KnownVendor(vendor.clone()));
        }
        self.state.vendors.insert(vendor.clone(), State::no_targets());
        self.delegate(|by| Delegation::of(vendor.clone(), by), vendor)?;
        self.next_anchor(vendor)?;
        Ok(())
    }
}
