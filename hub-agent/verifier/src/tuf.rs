//! The one module that knows the TUF library: it drives its workflow over a [`Session`], reads versions out
//! of what it verified, and turns its errors into refusals. A swap of the library ends here.

use crate::{
    Refused,
    digests::Digests,
    floors::{RoleKeys, Versions},
    session::{Session, file_name},
};
use bytes::Bytes;
use sigstore_tuf::{
    DelegatedRole, Error, Metadata, MetadataStore, Repository, Root, Snapshot, TargetFile, Targets,
    Timestamp, TrustedMetadataSet, Updater, UpdaterConfig, transport::FetchFuture,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Bytes of one file of each role.
const ROOT_BYTES: u64 = 512_000;
const TIMESTAMP_BYTES: u64 = 16_384;
const SNAPSHOT_BYTES: u64 = 2_000_000;
const TARGETS_BYTES: u64 = 2_000_000;

/// Roots that one refresh goes through, and roles that one search looks at.
const ROOTS: u32 = 32;
const ROLES: u32 = 32;

/// What a role says about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) length: u64,
    pub(crate) digests: Digests,
    pub(crate) custom: Option<serde_json::Value>,
    pub(crate) role: String,
    /// Where it is below the base of targets.
    pub(crate) remote: String,
}

/// The library at work on one session.
pub(crate) struct Engine {
    updater: Updater,
    session: Arc<Session>,
}

impl Engine {
    /// Begins with a root that is trusted.
    pub(crate) fn start(root: &[u8], session: Arc<Session>) -> Result<Self, Refused> {
        let mut config = UpdaterConfig::default();
        config.root_max_length = ROOT_BYTES;
        config.timestamp_max_length = TIMESTAMP_BYTES;
        config.snapshot_max_length = SNAPSHOT_BYTES;
        config.targets_max_length = TARGETS_BYTES;
        // Targets never go through the library: it would hold them in memory.
        config.target_max_length = 0;
        config.max_root_rotations = ROOTS;
        config.max_delegations = ROLES;
        let link = || Link(Arc::clone(&session));
        let updater = Updater::new(link(), root).map_err(refused)?;
        Ok(Self { updater: updater.with_config(config).with_store(link()), session })
    }

    /// Root chain, timestamp, snapshot, top targets.
    pub(crate) async fn refresh(&mut self, now: i64) -> Result<(), Refused> {
        let result = self.updater.refresh(time(now)?).await;
        self.explain(result)?;
        self.session.admit_all(&self.versions()?)?;
        self.session.offer(self.kept());
        Ok(())
    }

    /// Searches the delegations for a target.
    pub(crate) async fn find(&mut self, path: &str, now: i64) -> Result<Option<Listed>, Refused> {
        let result = self.updater.get_target_info(path, time(now)?).await;
        let Some(found) = self.explain(result)? else {
            return self.without_say(path).map_or(Ok(None), Err);
        };
        let role = self.role_of(path, &found)?;
        let digests = Digests::parse(&found.hashes).ok_or_else(|| {
            Refused::Malformed(format!("{role} lists {path} without a usable digest"))
        })?;
        let remote = self.remote(path, &digests.name());
        Ok(Some(Listed { length: found.length, digests, custom: found.custom, role, remote }))
    }

    /// What stopped the session comes before what the library makes of it.
    fn explain<T>(&self, result: sigstore_tuf::Result<T>) -> Result<T, Refused> {
        let (stopped, missing) = (self.session.take_refused(), self.session.take_missing());
        if let Some(stopped) = stopped {
            return Err(stopped);
        }
        result.map_err(|error| match (error, missing) {
            (Error::Transport { .. }, Some(name)) if !name.ends_with(".root.json") => {
                Refused::Unreachable(format!("the mirror does not have {name}"))
            }
            (error, _) => refused(error),
        })
    }

    /// The versions of all that a refresh ended with.
    fn versions(&self) -> Result<Vec<Versions>, Refused> {
        let trusted = self.updater.trusted();
        let (Some(timestamp), Some(snapshot), Some(targets)) =
            (trusted.timestamp(), trusted.snapshot(), trusted.targets_role("targets"))
        else {
            return Err(Refused::NotRefreshed);
        };
        let top = Versions::Targets { role: "targets".to_owned(), version: targets.version };
        Ok(vec![of_root(trusted.root()), of_timestamp(timestamp)?, of_snapshot(snapshot), top])
    }

    /// Stored files of delegated roles that are still the ones pinned, by the name they would be fetched under.
    fn kept(&self) -> BTreeMap<String, Bytes> {
        let trusted = self.updater.trusted();
        let Some(snapshot) = trusted.snapshot() else { return BTreeMap::new() };
        let mut kept = BTreeMap::new();
        for (pin, about) in &snapshot.meta {
            let name = file_name(pin.strip_suffix(".json").unwrap_or(pin));
            let Some(bytes) = self.session.load(&name).filter(|_| name != "targets.json") else {
                continue;
            };
            if targets_version(&bytes).is_ok_and(|version| version == about.version) {
                let consistent = trusted.root().consistent_snapshot;
                let asked = if consistent { format!("{}.{name}", about.version) } else { name };
                kept.insert(asked, bytes);
            }
        }
        kept
    }

    /// Which role listed what was found: the library's own walk once more, over what it loaded.
    fn role_of(&self, path: &str, found: &TargetFile) -> Result<String, Refused> {
        let mut seen = BTreeSet::new();
        let mut next = vec!["targets".to_owned()];
        while let Some(role) = next.pop() {
            if seen.len() > ROLES as usize || !seen.insert(role.clone()) {
                continue;
            }
            let Some(targets) = self.updater.trusted().targets_role(&role) else { continue };
            if targets.target(path).is_some_and(|listed| listed == found) {
                return Ok(role);
            }
            let (children, ends) = children(targets, path)?;
            if ends {
                next.clear();
            }
            next.extend(children.into_iter().rev());
        }
        Err(Refused::Mismatch(format!("no role was found that lists {path}")))
    }

    /// A role that lists the path although nobody gave it a say over it.
    fn without_say(&self, path: &str) -> Option<Refused> {
        let trusted = self.updater.trusted();
        let pins = trusted.snapshot()?.meta.keys();
        let roles = pins.map(|pin| pin.strip_suffix(".json").unwrap_or(pin));
        let mut lists = roles.filter(|role| {
            trusted.targets_role(role).is_some_and(|targets| targets.target(path).is_some())
        });
        let role = lists.next()?.to_owned();
        Some(Refused::WrongSoftware { path: path.to_owned(), role })
    }

    fn remote(&self, path: &str, hex: &str) -> String {
        if !self.updater.trusted().root().consistent_snapshot {
            return path.to_owned();
        }
        match path.rsplit_once('/') {
            Some((folder, name)) => format!("{folder}/{hex}.{name}"),
            None => format!("{hex}.{path}"),
        }
    }
}

/// Checks that a root is signed by itself, and reads its versions.
pub(crate) fn read_root(bytes: &[u8]) -> Result<Versions, Refused> {
    if bytes.len() as u64 > ROOT_BYTES {
        return Err(Refused::TooLarge("the root".to_owned()));
    }
    let root = TrustedMetadataSet::from_root(bytes).map_err(refused)?;
    match root.root().version {
        0 => Err(Refused::Malformed("versions begin with 1".to_owned())),
        _ => Ok(of_root(root.root())),
    }
}

fn time(now: i64) -> Result<jiff::Timestamp, Refused> {
    jiff::Timestamp::from_second(now).map_err(|_| Refused::Clock)
}

/// Delegations that have a say over a path, in their order, and whether they end the search.
fn children(targets: &Targets, path: &str) -> Result<(Vec<String>, bool), Refused> {
    let mut children = Vec::new();
    let roles: &[DelegatedRole] = targets.delegations.as_ref().map_or(&[], |all| &all.roles);
    for role in roles {
        if role.matches_path(path).map_err(refused)? {
            children.push(role.name.clone());
            if role.terminating {
                return Ok((children, true));
            }
        }
    }
    Ok((children, false))
}

fn of_root(root: &Root) -> Versions {
    Versions::Root {
        version: root.version,
        timestamp_keys: keys_of(root, "timestamp"),
        snapshot_keys: keys_of(root, "snapshot"),
    }
}

fn keys_of(root: &Root, role: &str) -> RoleKeys {
    let Some(role) = root.role(role) else { return RoleKeys::new(0, Vec::new()) };
    let keys = role.keyids.iter().map(|id| match root.keys.get(id) {
        Some(key) => [id.as_str(), &key.keytype, &key.scheme, &key.keyval.public],
        None => [id.as_str(), "", "", ""],
    });
    RoleKeys::new(role.threshold, keys.collect())
}

fn of_timestamp(timestamp: &Timestamp) -> Result<Versions, Refused> {
    let pin = timestamp
        .snapshot_meta()
        .ok_or_else(|| Refused::Malformed("the timestamp pins no snapshot".to_owned()))?;
    Ok(Versions::Timestamp { version: timestamp.version, snapshot: pin.version })
}

fn of_snapshot(snapshot: &Snapshot) -> Versions {
    let role = |pin: &String| pin.strip_suffix(".json").unwrap_or(pin).to_owned();
    let targets = snapshot.meta.iter().map(|(pin, about)| (role(pin), about.version)).collect();
    Versions::Snapshot { version: snapshot.version, targets }
}

/// The versions of a file by the name it is stored under. Its signatures are not looked at.
fn read(name: &str, bytes: &[u8]) -> Result<Versions, Refused> {
    match name {
        "root.json" => Ok(of_root(Metadata::from_slice(bytes).map_err(refused)?.signed())),
        "timestamp.json" => of_timestamp(Metadata::from_slice(bytes).map_err(refused)?.signed()),
        "snapshot.json" => Ok(of_snapshot(Metadata::from_slice(bytes).map_err(refused)?.signed())),
        _ => {
            let role = name.strip_suffix(".json").unwrap_or(name).to_owned();
            Ok(Versions::Targets { role, version: targets_version(bytes)? })
        }
    }
}

/// The version of a role that lists targets, which may be ten thousand: everything else is passed over.
fn targets_version(bytes: &[u8]) -> Result<u64, Refused> {
    #[derive(serde::Deserialize)]
    struct File {
        signed: Signed,
    }
    #[derive(serde::Deserialize)]
    struct Signed {
        version: u64,
    }
    let file: File =
        serde_json::from_slice(bytes).map_err(|error| Refused::Malformed(error.to_string()))?;
    Ok(file.signed.version)
}

/// The session as the library's transport and store.
struct Link(Arc<Session>);

impl Repository for Link {
    fn fetch_metadata<'a>(&'a self, name: &'a str, most: u64) -> FetchFuture<'a> {
        let fetched = async move { self.0.fetch(name, most).await };
        Box::pin(
            async move { fetched.await.map_err(|()| Error::transport("the session says why")) },
        )
    }

    fn fetch_target<'a>(&'a self, _path: &'a str, _most: u64) -> FetchFuture<'a> {
        Box::pin(async { Err(Error::transport("targets are streamed")) })
    }
}

impl MetadataStore for Link {
    fn load(&self, name: &str) -> sigstore_tuf::Result<Option<Vec<u8>>> {
        // A stored file that is damaged or too old is as good as none: the floors guard its place.
        let stored = self.0.load(name);
        let usable =
            stored.filter(|bytes| read(name, bytes).is_ok_and(|versions| self.0.admits(&versions)));
        Ok(usable.map(|bytes| bytes.to_vec()))
    }

    fn store(&self, name: &str, bytes: &[u8]) -> sigstore_tuf::Result<()> {
        // The library stores some files a second time, under a versioned name.
        let digits = name.trim_start_matches(|digit: char| digit.is_ascii_digit());
        if name.contains('/') || (digits.len() < name.len() && digits == ".snapshot.json") {
            return Ok(());
        }
        match read(name, bytes) {
            Ok(versions) => self.0.keep(name, bytes, &versions),
            Err(error) => tracing::warn!(%error, name, "verified metadata could not be read again"),
        }
        Ok(())
    }
}

/// The library's errors as refusals.
fn refused(error: Error) -> Refused {
    let text = error.to_string();
    match error {
        Error::Json(_)
        | Error::Malformed(_)
        | Error::NonIntegerNumber
        | Error::UnusableKey { .. }
        | Error::UnsupportedScheme { .. }
        | Error::UnknownRole(_)
        | Error::EqualVersion { .. } => Refused::Malformed(text),
        Error::DuplicateSignature { .. } | Error::ThresholdNotMet { .. } | Error::Crypto(_) => {
            Refused::Signature(text)
        }
        Error::Rollback { role, trusted, new } => {
            Refused::Rollback { role, offered: new, floor: trusted }
        }
        Error::BadRootVersion { trusted, new } => Refused::Rollback {
            role: "root".to_owned(),
            offered: new,
            floor: trusted.saturating_add(1),
        },
        Error::Expired { role, expires } => Refused::Expired { role, expired: expires.to_string() },
        Error::IntegrityMismatch(what) => Refused::Mismatch(what),
        Error::NotRefreshed => Refused::NotRefreshed,
        Error::TargetNotFound(path) => Refused::NoSuchTarget(path),
        // Our transport's own errors are in the session: what is left is the library's bound.
        Error::Transport { .. } => {
            Refused::TooLarge(format!("more than {ROOTS} new roots in one refresh"))
        }
        Error::Io { .. } => Refused::Vault(text),
        _ => Refused::Malformed(text),
    }
}
