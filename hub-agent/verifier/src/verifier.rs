//! What is trusted: from a pinned root to the facts about one target, through mirrors that may all lie.

use crate::{
    Changes, Mirrors, Refused, Stored, Vault,
    digests::Digests,
    floors::{Floors, Versions},
    session::Session,
    tuf::{Engine, Listed, read_root},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// What the repository's keys vouch for about one file. Only a [`Verifier`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    path: String,
    listed: Listed,
}

impl Target {
    /// Its path in the repository.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.listed.length
    }

    /// Its SHA-256; nothing when its signer lists SHA-512 only.
    #[must_use]
    pub fn sha256(&self) -> Option<&[u8; 32]> {
        self.listed.digests.sha256.as_ref()
    }

    /// All that its bytes must hash to.
    pub(crate) fn digests(&self) -> &Digests {
        &self.listed.digests
    }

    /// What the signer says about it beyond TUF.
    #[must_use]
    pub fn custom(&self) -> Option<&serde_json::Value> {
        self.listed.custom.as_ref()
    }

    /// The role that lists it: `targets`, or a delegated one such as a vendor's.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.listed.role
    }

    /// Where it is below the base of targets; with consistent snapshots the digest is in the name.
    pub(crate) fn remote(&self) -> &str {
        &self.listed.remote
    }
}

/// Verifies one repository and keeps its state in a vault.
pub struct Verifier<V: Vault> {
    vault: V,
    metadata: BTreeMap<String, Bytes>,
    floors: Floors,
    /// What the last refresh that succeeded left open for lookups.
    open: Option<Open>,
}

struct Open {
    engine: Engine,
    session: Arc<Session>,
}

impl<V: Vault> Verifier<V> {
    /// Pins a root that came by a trusted way, and forgets all that the vault held before.
    ///
    /// # Errors
    /// When the root is not signed by itself, or the vault fails.
    pub async fn pin(mut vault: V, old: &Stored, root: &[u8]) -> Result<Self, Refused> {
        let Versions::Root { version, timestamp_keys, snapshot_keys } = read_root(root)? else {
            return Err(Refused::Malformed("no root".to_owned()));
        };
        let mut floors = Floors::pinned(version, timestamp_keys, snapshot_keys);
        let before = old.floors.as_deref().and_then(|floors| Floors::parse(floors).ok());
        let before = before.map_or(old.seen, |floors| floors.commits.max(old.seen));
        floors.commits = before.saturating_add(1);
        let root = Bytes::copy_from_slice(root);
        let commits = floors.commits;
        let mut changes = Changes { floors: floors.bytes(), commits, ..Changes::default() };
        changes.metadata.extend(old.metadata.keys().map(|name| (name.clone(), None)));
        changes.metadata.insert("root.json".to_owned(), Some(root.clone()));
        vault.commit(&changes).await.map_err(|failed| Refused::Vault(failed.0))?;
        let metadata = BTreeMap::from([("root.json".to_owned(), root)]);
        Ok(Self { vault, metadata, floors, open: None })
    }

    /// Goes on from what the vault holds.
    ///
    /// # Errors
    /// [`Refused::NotPinned`] when it holds nothing; [`Refused::FloorsDamaged`] when its floors are missing
    /// or cannot be read, there is no root they belong to, or a witness saw later ones.
    pub fn restore(vault: V, stored: Stored) -> Result<Self, Refused> {
        let damaged = |why: &str| Refused::FloorsDamaged(why.to_owned());
        let floors = match stored.floors {
            Some(floors) => Floors::parse(&floors)?,
            None if stored.metadata.is_empty() && stored.seen == 0 => {
                return Err(Refused::NotPinned);
            }
            None => return Err(damaged("their record is missing although there is metadata")),
        };
        if floors.commits < stored.seen {
            return Err(damaged("the store lost its last commits"));
        }
        let root =
            stored.metadata.get("root.json").ok_or_else(|| damaged("the root is missing"))?;
        read_root(root).map_err(|why| damaged(&format!("the stored root is unusable ({why})")))?;
        Ok(Self { vault, metadata: stored.metadata, floors, open: None })
    }

    /// Verified metadata as received, by file name.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, Bytes> {
        &self.metadata
    }

    /// Version of the trusted root.
    #[must_use]
    pub fn root_version(&self) -> u64 {
        self.floors.root
    }

    /// Brings the metadata up to date. Mirrors are asked in their order until one is believed; what was
    /// verified on the way is kept even when the refresh is refused.
    ///
    /// # Errors
    /// The gravest refusal of all mirrors. What was open for lookups stays open when nothing changed.
    pub async fn refresh(
        &mut self,
        mirrors: &Arc<Mirrors>,
        now: SystemTime,
    ) -> Result<(), Refused> {
        let now = self.floors.time(seconds(now)?);
        let mut gravest = None;
        for at in 0..mirrors.count() {
            let session =
                Session::new(Arc::clone(mirrors), at, self.metadata.clone(), self.floors.clone());
            let session = Arc::new(session);
            let mut engine = self.engine(&session)?;
            let result = engine.refresh(now).await;
            if result.is_ok() {
                session.succeeded(now);
            }
            self.commit(&session).await?;
            match result {
                Ok(()) => {
                    self.open = Some(Open { engine, session });
                    return Ok(());
                }
                Err(refused) if refused.blames_the_mirror() => {
                    tracing::warn!(mirror = at, word = refused.word(), error = %refused, "a mirror was refused");
                    gravest = Some(Refused::graver(gravest, refused));
                }
                Err(refused) => return Err(refused),
            }
        }
        Err(gravest.unwrap_or(Refused::NotRefreshed))
    }

    /// What the repository vouches for about a path, as of the last refresh.
    ///
    /// # Errors
    /// When no refresh succeeded yet, its metadata has expired since, or no role with a say lists the path.
    pub async fn find(&mut self, path: &str, now: SystemTime) -> Result<Target, Refused> {
        let now = self.floors.time(seconds(now)?);
        let Some(mut open) = self.open.take() else { return Err(Refused::NotRefreshed) };
        let result = search(&mut open, path, now).await;
        let session = Arc::clone(&open.session);
        self.open = Some(open);
        self.commit_lookup(&session).await?;
        let listed = result?.ok_or_else(|| Refused::NoSuchTarget(path.to_owned()))?;
        Ok(Target { path: path.to_owned(), listed })
    }

    fn engine(&self, session: &Arc<Session>) -> Result<Engine, Refused> {
        let root = self.metadata.get("root.json").ok_or(Refused::NotPinned)?;
        Engine::start(root, Arc::clone(session))
    }

    /// Makes durable what a session verified. A lookup of before would work on what is no longer current.
    async fn commit(&mut self, session: &Session) -> Result<(), Refused> {
        if session.changes().is_some() {
            self.open = None;
        }
        self.commit_lookup(session).await
    }

    async fn commit_lookup(&mut self, session: &Session) -> Result<(), Refused> {
        let Some(changes) = session.changes() else { return Ok(()) };
        if let Err(failed) = self.vault.commit(&changes).await {
            // The session is ahead of what is durable: nothing of it may be used.
            self.open = None;
            return Err(Refused::Vault(failed.0));
        }
        (self.metadata, self.floors) = session.committed();
        Ok(())
    }
}

/// Searches with each mirror once, and once more without what is kept when that was to blame.
async fn search(open: &mut Open, path: &str, now: i64) -> Result<Option<Listed>, Refused> {
    let mut gravest = None;
    let mut left = open.session.mirrors();
    while left > 0 {
        match open.engine.find(path, now).await {
            Err(refused) if refused.blames_the_mirror() => {
                if !open.session.offer_nothing() {
                    left -= 1;
                    open.session.next_mirror();
                    gravest = Some(Refused::graver(gravest, refused));
                }
            }
            other => return other,
        }
    }
    Err(gravest.unwrap_or(Refused::NotRefreshed))
}

fn seconds(now: SystemTime) -> Result<i64, Refused> {
    let since = now.duration_since(UNIX_EPOCH).map_err(|_| Refused::Clock)?;
    i64::try_from(since.as_secs()).map_err(|_| Refused::Clock)
}
