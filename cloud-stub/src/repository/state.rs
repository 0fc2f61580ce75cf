//! What is published now. It is signed anew with the next change, so whatever the offline keys sign is believed only
//! with their signatures, although it comes from our own folder: who can write there must not get a target signed.

use super::{
    error::{Mistake, listed},
    keys::Role,
    metadata::{Head, Key, Kind, Pointers, RoleKeys, Root, Targets, read, read_signed},
};
use protocol::id::{PublicKey, Slug};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The newest set of metadata.
pub(super) struct State {
    pub(super) root: Root,
    pub(super) targets: Targets,
    /// The keys in force did not sign the targets yet.
    pub(super) late_targets: bool,
    pub(super) vendors: BTreeMap<Slug, Targets>,
    pub(super) snapshot: Pointers,
    pub(super) timestamp: Pointers,
}

impl State {
    /// That of a repository which is being made.
    pub(super) fn empty() -> Self {
        let root = Root {
            head: Head::new(Kind::Root),
            consistent_snapshot: true,
            keys: BTreeMap::new(),
            roles: BTreeMap::new(),
        };
        let pointers = |kind| Pointers { head: Head::new(kind), meta: BTreeMap::new() };
        Self {
            root,
            targets: Self::no_targets(),
            late_targets: false,
            vendors: BTreeMap::new(),
            snapshot: pointers(Kind::Snapshot),
            timestamp: pointers(Kind::Timestamp),
        }
    }

    /// A role without targets.
    pub(super) fn no_targets() -> Targets {
        Targets {
            head: Head::new(Kind::Targets),
            targets: BTreeMap::new(),
            delegations: None,
            highest: BTreeMap::new(),
        }
    }

    /// Follows the metadata from `timestamp.json` on.
    pub(super) fn read(metadata: &Path) -> Result<Self, Mistake> {
        let timestamp: Pointers = read(&metadata.join("timestamp.json"))?;
        let snapshot: Pointers = read(&pointed(metadata, &timestamp, "snapshot")?)?;
        let root = newest_root(metadata)?;
        let path = pointed(metadata, &snapshot, "targets")?;
        let (targets, late_targets) = match read_top(&path, &root) {
            Ok(targets) => (targets, false),
            // A crash left the new root before the timestamp: its keys sign the former targets with the next change.
            Err(why) => match root_before(metadata, &root).map(|root| read_top(&path, &root)) {
                Some(Ok(targets)) => (targets, true),
                Some(Err(_)) | None => return Err(why),
            },
        };
        let mut state =
            Self { root, targets, late_targets, vendors: BTreeMap::new(), snapshot, timestamp };
        let roles = state.targets.delegations.iter().flat_map(|all| &all.roles);
        for name in roles.map(|role| role.name.clone()).collect::<Vec<_>>() {
            let path = pointed(metadata, &state.snapshot, name.as_str())?;
            let (keys, by) = state.vendor_keys(&name);
            whole(&path, &Role::Vendor(name.clone()), &by)?;
            state.vendors.insert(name, read_signed(&path, &keys, &by)?);
        }
        Ok(state)
    }

    /// The vendor's role.
    pub(super) fn vendor(&mut self, vendor: &str) -> Result<&mut Targets, Mistake> {
        let known = listed(self.vendors.keys());
        let missing = || Mistake::NoVendor { vendor: vendor.to_owned(), known };
        let name = Slug::new(vendor).ok();
        name.and_then(|name| self.vendors.get_mut(&name)).ok_or_else(missing)
    }

    /// Who signs for the vendor.
    pub(super) fn vendor_keys(&self, vendor: &Slug) -> (BTreeMap<String, Key>, RoleKeys) {
        let delegations = self.targets.delegations.as_ref();
        let role = delegations.and_then(|all| all.roles.iter().find(|role| role.name == *vendor));
        let keys = delegations.map(|all| all.keys.clone()).unwrap_or_default();
        (keys, role.map(|role| role.by.clone()).unwrap_or_default())
    }
}

/// The public keys behind ids.
pub(super) fn public_keys(keys: &BTreeMap<String, Key>, by: &RoleKeys) -> Vec<PublicKey> {
    by.keyids.iter().filter_map(|id| keys.get(id)).map(Key::public).collect()
}

fn pointed(metadata: &Path, from: &Pointers, name: &str) -> Result<PathBuf, Mistake> {
    let meta = from.meta.get(&format!("{name}.json"));
    let why = || Mistake::damaged(metadata, format!("nothing says which {name}.json is in force"));
    Ok(metadata.join(format!("{}.{name}.json", meta.ok_or_else(why)?.version)))
}

fn newest_root(metadata: &Path) -> Result<Root, Mistake> {
    let path = |version: u64| metadata.join(format!("{version}.root.json"));
    let newest = (2..).take_while(|version| path(*version).exists()).last().unwrap_or(1);
    let root: Root = read(&path(newest))?;
    let by = root.roles.get("root").cloned().unwrap_or_default();
    whole(&path(newest), &Role::Root, &by)?;
    read_signed(&path(newest), &root.keys, &by)
}

fn root_before(metadata: &Path, root: &Root) -> Option<Root> {
    let version = root.head.version.checked_sub(1)?;
    read(&metadata.join(format!("{version}.root.json"))).ok()
}

fn read_top(path: &Path, root: &Root) -> Result<Targets, Mistake> {
    let by = root.roles.get("targets").cloned().unwrap_or_default();
    whole(path, &Role::Targets, &by)?;
    read_signed(path, &root.keys, &by)
}

/// Whether as many keys sign as the ceremony made. With exactly three keys of which two must sign, nobody who holds
/// none of them can add enough of his own and still get ours to sign with them.
fn whole(path: &Path, role: &Role, by: &RoleKeys) -> Result<(), Mistake> {
    let (keys, threshold) = role.quorum();
    if by.keyids.len() == keys && by.threshold == usize::from(threshold) {
        return Ok(());
    }
    let found = by.keyids.len();
    Err(Mistake::damaged(
        path,
        format!("{} of {found} keys sign it, not {threshold} of {keys}", by.threshold),
    ))
}
