//! A repository on a stick, a vault in memory that can be damaged, and a verifier between them.

use crate::repository::{NOW, Repository};
use bytes::Bytes;
use std::{
    fs,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use update_verifier::{
    Changes, Mirror, Mirrors, Pace, Refused, Source, Stored, Vault, VaultFailed, Verifier,
};

/// A vault that outlives its verifier.
#[derive(Clone, Default)]
pub(crate) struct Memory(pub(crate) Arc<Mutex<Kept>>);

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) stored: Stored,
    pub(crate) commits: usize,
    pub(crate) full: bool,
}

impl Vault for Memory {
    async fn commit(&mut self, changes: &Changes) -> Result<(), VaultFailed> {
        let mut kept = self.0.lock().unwrap();
        if kept.full {
            return Err(VaultFailed("the disk is full".to_owned()));
        }
        for (name, bytes) in &changes.metadata {
            match bytes {
                Some(bytes) => kept.stored.metadata.insert(name.clone(), bytes.clone()),
                None => kept.stored.metadata.remove(name),
            };
        }
        kept.stored.floors = Some(changes.floors.clone());
        kept.stored.seen = changes.commits;
        kept.commits += 1;
        Ok(())
    }
}

pub(crate) fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap())
}

/// Short times, so that nobody waits.
pub(crate) fn pace() -> Pace {
    Pace { window: Duration::from_millis(300), least: 1024, ..Pace::default() }
}

pub(crate) struct World {
    pub(crate) repository: Repository,
    pub(crate) vault: Memory,
    pub(crate) folder: TempDir,
}

impl World {
    /// Pinned to an honest repository, and refreshed once.
    pub(crate) async fn new() -> Self {
        Self::with(Repository::new()).await
    }

    pub(crate) async fn with(repository: Repository) -> Self {
        let world = Self::pinned(repository).await;
        world.refresh().await.expect("an honest repository is believed");
        world
    }

    pub(crate) async fn pinned(repository: Repository) -> Self {
        let world =
            Self { repository, vault: Memory::default(), folder: tempfile::tempdir().unwrap() };
        let root = world.repository.pinned();
        let pinned = Verifier::pin(world.vault.clone(), &Stored::default(), &root).await;
        pinned.expect("its first root is good");
        world
    }

    /// Writes what the repository serves to the stick.
    pub(crate) fn serve(&self) -> Arc<Mirrors> {
        serve(&self.repository, &self.folder);
        Arc::new(Mirrors::new(vec![mirror(&self.folder)]).unwrap())
    }

    /// What a restarted hub has.
    pub(crate) fn restored(&self) -> Result<Verifier<Memory>, Refused> {
        let stored = self.vault.0.lock().unwrap().stored.clone();
        Verifier::restore(self.vault.clone(), stored)
    }

    pub(crate) async fn refresh(&self) -> Result<(), Refused> {
        self.refresh_at(NOW).await
    }

    /// A restarted hub refreshes.
    pub(crate) async fn refresh_at(&self, now: i64) -> Result<(), Refused> {
        self.restored()?.refresh(&self.serve(), at(now)).await
    }

    /// A restarted hub refreshes and looks a path up.
    pub(crate) async fn find(&self, path: &str) -> Result<update_verifier::Target, Refused> {
        let mut verifier = self.restored()?;
        verifier.refresh(&self.serve(), at(NOW)).await?;
        verifier.find(path, at(NOW)).await
    }

    /// Changes what is stored, as a bad disk does.
    pub(crate) fn damage(&self, change: impl Fn(&mut Stored)) {
        change(&mut self.vault.0.lock().unwrap().stored);
    }

    /// Version of a stored file; nothing when there is none that can be read.
    pub(crate) fn stored(&self, name: &str) -> Option<u64> {
        let stored = &self.vault.0.lock().unwrap().stored;
        let file: serde_json::Value = serde_json::from_slice(stored.metadata.get(name)?).ok()?;
        file["signed"]["version"].as_u64()
    }

    pub(crate) fn floors(&self) -> serde_json::Value {
        let stored = &self.vault.0.lock().unwrap().stored;
        serde_json::from_slice(stored.floors.as_deref().unwrap()).unwrap()
    }
}

pub(crate) fn serve(repository: &Repository, folder: &TempDir) {
    for part in ["metadata", "targets"] {
        let _ = fs::remove_dir_all(folder.path().join(part));
        fs::create_dir_all(folder.path().join(part)).unwrap();
    }
    for (path, bytes) in &repository.files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

pub(crate) fn mirror(folder: &TempDir) -> Mirror {
    let source = |part: &str| {
        let address = format!("dir://{}", folder.path().join(part).display());
        Source::parse(&address, None, pace()).unwrap()
    };
    Mirror { metadata: source("metadata"), targets: source("targets") }
}

/// Half of a file, nothing of it, or no file.
pub(crate) const DAMAGES: [fn(&mut Stored, &str); 3] = [
    |stored, name| {
        if let Some(bytes) = stored.metadata.get_mut(name) {
            *bytes = bytes.slice(..bytes.len() / 2);
        }
    },
    |stored, name| {
        stored.metadata.insert(name.to_owned(), Bytes::new());
    },
    |stored, name| {
        stored.metadata.remove(name);
    },
];
