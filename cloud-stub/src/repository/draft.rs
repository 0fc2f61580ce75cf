//! A change of the repository on its way: what changes is signed anew, checked and published.

use super::{
    Repository,
    anchors::{self, Chain},
    error::Mistake,
    keys::{Keyring, Role},
    metadata::{Delegation, Head, Key, Meta, RoleKeys, Root, Target, check, hashes, sign},
    stage::Stage,
    state::{State, public_keys},
};
use crate::identity::sha256;
use protocol::id::{Digest, PublicKey, Slug};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::PathBuf,
};

/// A change; the repository belongs to it until it is dropped.
pub(super) struct Draft<'a> {
    pub(super) repository: &'a Repository,
    pub(super) state: State,
    pub(super) ring: Keyring,
    pub(super) stage: Stage,
    pub(super) now: u64,
    /// Roots that must agree to the new one; `None` while the root stays as it is.
    former_root: Option<Root>,
    new_root: bool,
    new_targets: bool,
    new_vendors: BTreeSet<Slug>,
    _lock: File,
}

impl<'a> Draft<'a> {
    /// Changes what is published.
    pub(super) fn open(repository: &'a Repository, now: u64) -> Result<Self, Mistake> {
        let mut draft = Self::begin(repository, State::empty(), now)?;
        draft.state = State::read(&repository.metadata())?;
        draft.new_targets = draft.state.late_targets;
        Ok(draft)
    }

    /// Changes this, which need not be published.
    pub(super) fn begin(
        repository: &'a Repository,
        state: State,
        now: u64,
    ) -> Result<Self, Mistake> {
        let lock = repository.lock()?;
        let ring = Keyring::read(&repository.keys(), &repository.without)?;
        Ok(Self {
            repository,
            state,
            ring,
            stage: Stage::new(),
            now,
            former_root: None,
            new_root: false,
            new_targets: false,
            new_vendors: BTreeSet::new(),
            _lock: lock,
        })
    }

    /// Gives a role of the root new keys.
    pub(super) fn new_keys_in_root(&mut self, role: &Role) -> Result<(), Mistake> {
        let by = self.new_keys(role)?;
        if !self.new_root {
            self.former_root = (self.state.root.head.version > 0).then(|| self.state.root.clone());
            self.new_root = true;
        }
        self.new_targets |= *role == Role::Targets || self.state.targets.head.version == 0;
        let root = &mut self.state.root;
        root.keys.extend(by.1);
        root.roles.insert(role.to_string(), by.0);
        let used: BTreeSet<_> = root.roles.values().flat_map(|by| &by.keyids).cloned().collect();
        root.keys.retain(|id, _| used.contains(id));
        Ok(())
    }

    /// Gives a vendor's role new keys.
    pub(super) fn delegate(
        &mut self,
        role: impl FnOnce(RoleKeys) -> Delegation,
        vendor: &Slug,
    ) -> Result<(), Mistake> {
        let (by, keys) = self.new_keys(&Role::Vendor(vendor.clone()))?;
        let all = self.state.targets.delegations.get_or_insert_default();
        let role = role(by);
        match all.roles.iter_mut().find(|other| other.name == role.name) {
            Some(other) => *other = role,
            None => all.roles.push(role),
        }
        all.keys.extend(keys);
        let used: BTreeSet<_> = all.roles.iter().flat_map(|role| &role.by.keyids).collect();
        all.keys.retain(|id, _| used.contains(id));
        self.new_targets = true;
        self.new_vendors.insert(vendor.clone());
        Ok(())
    }

    fn new_keys(&mut self, role: &Role) -> Result<(RoleKeys, BTreeMap<String, Key>), Mistake> {
        let made = self.make_keys(role)?;
        let keys: BTreeMap<_, _> = made.into_iter().map(Key::named).collect::<Result<_, _>>()?;
        let threshold = usize::from(role.quorum().1);
        Ok((RoleKeys { keyids: keys.keys().cloned().collect(), threshold }, keys))
    }

    /// Makes keys, whose files are published with the rest.
    pub(super) fn make_keys(&mut self, role: &Role) -> Result<Vec<PublicKey>, Mistake> {
        let made = self.ring.make(role)?;
        for key in made.iter().filter_map(|key| self.ring.find(key)) {
            let (name, content) = key.file()?;
            self.stage.secret(self.repository.keys().join(name), &content)?;
        }
        Ok(made)
    }

    /// Makes the vendor's next anchor, and what it changes about its releases.
    pub(super) fn next_anchor(&mut self, vendor: &Slug) -> Result<(), Mistake> {
        let chain = Chain::read(self.repository, vendor)?;
        let root_keys = self.make_keys(&Role::Anchor(vendor.clone()))?;
        let manifest_keys = self.make_keys(&Role::Manifest(vendor.clone()))?;
        let next = chain.next(vendor, root_keys, manifest_keys, &self.ring)?;
        let path = anchors::path(self.repository, vendor, next.anchor().number);
        self.stage.add(path, next.bytes())?;
        self.renew_releases(vendor, &chain, &next)
    }

    /// Adds a target of a vendor, from bytes.
    pub(super) fn add_target(
        &mut self,
        vendor: &Slug,
        path: &str,
        bytes: &[u8],
    ) -> Result<(), Mistake> {
        let digest = sha256(bytes);
        self.stage.add(self.place(path, &digest), bytes)?;
        self.enter_target(vendor, path, bytes.len() as u64, digest, None)
    }

    /// Enters a target of a vendor whose file is on its way.
    pub(super) fn enter_target(
        &mut self,
        vendor: &Slug,
        path: &str,
        length: u64,
        digest: Digest,
        custom: Option<Value>,
    ) -> Result<(), Mistake> {
        let target = Target { length, hashes: hashes(digest), custom };
        self.change_vendor(vendor)?.targets.insert(path.to_owned(), target);
        Ok(())
    }

    /// The vendor's role, to be signed anew.
    pub(super) fn change_vendor(
        &mut self,
        vendor: &Slug,
    ) -> Result<&mut super::metadata::Targets, Mistake> {
        self.new_vendors.insert(vendor.clone());
        self.state.vendor(vendor.as_str())
    }

    /// Where the file of a target is.
    pub(super) fn place(&self, path: &str, digest: &Digest) -> PathBuf {
        self.repository.targets().join(consistent(path, digest))
    }

    /// Signs, checks and publishes.
    pub(super) fn commit(mut self) -> Result<(), Mistake> {
        let metadata = self.repository.metadata();
        for vendor in std::mem::take(&mut self.new_vendors) {
            self.sign_vendor(&vendor)?;
        }
        if self.new_targets {
            self.state.targets.head.renew(self.now);
            let (role, targets) = (Role::Targets, self.state.targets.clone());
            let bytes = self.sign_top(&role, &targets)?;
            self.point("targets", &targets.head, &bytes)?;
        }
        self.state.snapshot.head.renew(self.now);
        let snapshot = self.state.snapshot.clone();
        let bytes = self.sign_top(&Role::Snapshot, &snapshot)?;
        let version = snapshot.head.version;
        self.stage.add(metadata.join(format!("{version}.snapshot.json")), &bytes)?;
        let meta = BTreeMap::from([("snapshot.json".to_owned(), Meta::of(version, &bytes))]);
        self.state.timestamp.meta = meta;
        self.sign_root()?;
        self.state.timestamp.head.renew(self.now);
        let timestamp = self.state.timestamp.clone();
        let bytes = self.sign_top(&Role::Timestamp, &timestamp)?;
        let kept = format!("{}.timestamp.json", timestamp.head.version);
        self.stage.add(self.repository.former().join(kept), &bytes)?;
        self.stage.add(metadata.join("timestamp.json"), &bytes)?;
        self.stage.publish()
    }

    /// Whether the keys are here that sign a change of the vendor's role.
    pub(super) fn can_sign(&self, vendor: &Slug) -> Result<(), Mistake> {
        let root = &self.state.root;
        let online = [Role::Snapshot, Role::Timestamp].map(|role| {
            let by = role_of(root, &role);
            (role, public_keys(&root.keys, &by), by.threshold)
        });
        let (keys, by) = self.state.vendor_keys(vendor);
        let own = (Role::Vendor(vendor.clone()), public_keys(&keys, &by), by.threshold);
        for (role, keys, threshold) in online.into_iter().chain([own]) {
            self.ring.signers(&role, &keys, threshold)?;
        }
        Ok(())
    }

    fn sign_vendor(&mut self, vendor: &Slug) -> Result<(), Mistake> {
        let now = self.now;
        let targets = self.state.vendor(vendor.as_str())?;
        targets.head.renew(now);
        let targets = targets.clone();
        let (keys, by) = self.state.vendor_keys(vendor);
        let bytes = self.sign_by(&Role::Vendor(vendor.clone()), &targets, &keys, &by)?;
        self.point(vendor.as_str(), &targets.head, &bytes)
    }

    /// The new root needs enough of the former root's keys, and of its own.
    fn sign_root(&mut self) -> Result<(), Mistake> {
        if !self.new_root {
            return Ok(());
        }
        self.state.root.head.renew(self.now);
        let root = &self.state.root;
        let mut signers = Vec::new();
        for judge in self.former_root.iter().chain([root]) {
            let by = role_of(judge, &Role::Root);
            let keys = public_keys(&judge.keys, &by);
            for key in self.ring.signers(&Role::Root, &keys, by.threshold)? {
                if !signers
                    .iter()
                    .any(|other: &&super::keys::SigningKey| other.name() == key.name())
                {
                    signers.push(key);
                }
            }
        }
        let bytes = sign(root, &signers)?;
        for judge in self.former_root.iter().chain([root]) {
            check("root", &bytes, &judge.keys, &role_of(judge, &Role::Root))?;
        }
        let path = format!("{}.root.json", root.head.version);
        self.stage.add(self.repository.metadata().join(path), &bytes)
    }

    fn sign_top(&self, role: &Role, document: &impl Serialize) -> Result<Vec<u8>, Mistake> {
        let root = &self.state.root;
        self.sign_by(role, document, &root.keys, &role_of(root, role))
    }

    fn sign_by(
        &self,
        role: &Role,
        document: &impl Serialize,
        keys: &BTreeMap<String, Key>,
        by: &RoleKeys,
    ) -> Result<Vec<u8>, Mistake> {
        let signers = self.ring.signers(role, &public_keys(keys, by), by.threshold)?;
        let bytes = sign(document, &signers)?;
        check(&role.to_string(), &bytes, keys, by)?;
        Ok(bytes)
    }

    fn point(&mut self, name: &str, head: &Head, bytes: &[u8]) -> Result<(), Mistake> {
        let version = head.version;
        let path = self.repository.metadata().join(format!("{version}.{name}.json"));
        self.stage.add(path, bytes)?;
        self.state.snapshot.meta.insert(format!("{name}.json"), Meta::of(version, bytes));
        Ok(())
    }
}

/// The name of a target's file: its digest stands before the last part of its path.
fn consistent(path: &str, digest: &Digest) -> String {
    match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/{digest}.{name}"),
        None => format!("{digest}.{path}"),
    }
}

fn role_of(root: &Root, role: &Role) -> RoleKeys {
    root.roles.get(&role.to_string()).cloned().unwrap_or_default()
}
