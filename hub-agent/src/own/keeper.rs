//! The running hub's side of its own software: says what runs, proves it when it is new, writes releases into
//! the slot that does not run, and ends for a start from there.

use super::slots::{Header, Slot, Slots};
use crate::{
    run::{HubCell, Leave},
    settings::OwnSettings,
};
use hub_core::{
    Input, Table, Write,
    update::{OwnNews, OwnOrder, OwnSoftware},
};
use protocol::{
    id::{Digest, Label},
    message::UpdateFault,
    update::{Installed, MAX_IMAGE, Manifest},
};
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// Orders that wait; hub-core gives one at a time.
const QUEUE: usize = 4;

/// Ticks of the loop that new software must live through before it may call itself proved.
const PROOF: Duration = Duration::from_secs(2);

/// Time that answers have to leave before the hub ends.
const PARTING: Duration = Duration::from_secs(1);

/// A row that is written to see whether the store takes writes.
const STARTED: &[u8] = b"own-started";

/// Why the hub does not look after its own software.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Its own executable cannot be read.
    #[error("the hub's own executable cannot be read: {0}")]
    Executable(#[from] io::Error),
    /// The version is no label.
    #[error("the version of this executable is no label")]
    Version,
}

/// Looks after the hub's own software.
pub struct Keeper {
    cell: Rc<HubCell>,
    slots: Arc<Slots>,
    cache: PathBuf,
    low_water: u64,
    software: OwnSoftware,
    running: Option<Slot>,
}

impl Keeper {
    /// Tells the hub what runs, and begins to take its orders. `booted` is what the launcher found wrong.
    ///
    /// # Errors
    /// When its own executable cannot be read.
    pub fn start(cell: &Rc<HubCell>, own: &OwnSettings, booted: &str) -> Result<(), KeeperError> {
        let slots = Arc::new(Slots::at(&own.slots));
        let executable = std::env::current_exe()?;
        let running = slots.slot_of(&executable);
        let words = slots.words().unwrap_or_default();
        let header = running.and_then(|slot| slots.header(slot));
        let pending = words.pending.filter(|pending| Some(pending.slot) == running);
        let (counter, name, image) = match &header {
            Some(header) => (header.counter, header.name.clone(), header.sha256),
            None => {
                let version = Label::new(env!("CARGO_PKG_VERSION"));
                (0, version.map_err(|_| KeeperError::Version)?, digest_of(&executable)?)
            }
        };
        let (model, hardware, trial) = (own.model.clone(), own.hardware, pending.is_some());
        let slot = running.map(Slot::word);
        let software = OwnSoftware { model, hardware, counter, name, image, slot, trial };
        let rolled_back = words.rolled_back.map(|tried| (tried.sha256, tried.fault()));
        let settings = cell.settings();
        let (cache, low_water) = (settings.data_dir.join("updates/cache"), settings.low_water);
        let (send, orders) = mpsc::channel(QUEUE);
        cell.takes_own_orders(send);
        tracing::info!(counter, slot, trial, "own software");
        cell.apply(Input::Own(OwnNews::Runs {
            software: Box::new(software.clone()),
            rolled_back,
            trouble: booted.to_owned(),
        }));
        let keeper = Self { cell: Rc::clone(cell), slots, cache, low_water, software, running };
        tokio::task::spawn_local(keeper.run(header.filter(|_| trial), orders));
        Ok(())
    }

    async fn run(self, trial: Option<Header>, mut orders: mpsc::Receiver<OwnOrder>) {
        match trial {
            Some(header) => self.prove(&header).await,
            // What was rolled back is forgotten once its record is durable.
            None => {
                if self.is_durable().await
                    && let Err(error) = self.slots.forget_rolled_back()
                {
                    tracing::warn!("the slots cannot be written: {error}");
                }
            }
        }
        while let Some(order) = orders.recv().await {
            let failed = match order {
                OwnOrder::Store(image) => {
                    let manifest = image.manifest().clone();
                    let digest = manifest.image;
                    match self.store(manifest).await {
                        Ok(()) => {
                            self.cell.apply(Input::Own(OwnNews::Stored(digest)));
                            None
                        }
                        Err(fault) => Some((digest, fault)),
                    }
                }
                OwnOrder::Switch(digest) => self.switch(digest).await.err().map(|f| (digest, f)),
            };
            if let Some((digest, fault)) = failed {
                self.cell.apply(Input::Own(OwnNews::Failed(digest, fault)));
            }
        }
    }

    async fn is_durable(&self) -> bool {
        let (key, value) = (STARTED.to_vec(), Some(b"1".to_vec()));
        self.cell.make_durable(vec![Write { table: Table::Meta, key, value }]).await.is_ok()
    }

    /// New software proves itself: its loop turns, and its store takes writes, in time. The listeners are bound
    /// before this begins.
    async fn prove(&self, header: &Header) {
        let works = async {
            tokio::time::sleep(PROOF).await;
            while !self.is_durable().await {
                tokio::time::sleep(PROOF).await;
            }
        };
        let limit = Duration::from_secs(u64::from(header.health));
        if tokio::time::timeout(limit, works).await.is_err() {
            return self.cell.leave(Leave::Unproved);
        }
        let Some(slot) = self.running else { return };
        match self.blocking(move |slots| slots.confirm(slot)).await {
            Ok(()) => drop(self.cell.apply(Input::Own(OwnNews::Confirmed))),
            Err(error) => {
                tracing::error!("the new software cannot be confirmed: {error}");
                self.cell.leave(Leave::Unproved);
            }
        }
    }

    /// Writes a release into the slot that does not run.
    async fn store(&self, manifest: Manifest) -> Result<(), UpdateFault> {
        self.fits(&manifest)?;
        let (slot, header) = (self.target(), Header::of(&manifest));
        let source = self.cache.join(header.sha256.to_string());
        let (size, low_water) = (u64::from(header.size), self.low_water);
        let stored = self.blocking(move |slots| {
            let mut file = File::open(&source)?;
            let free = rustix::fs::fstatvfs(&file)?;
            if free.f_bavail.saturating_mul(free.f_frsize) < size + low_water {
                return Err(io::Error::from(ErrorKind::StorageFull));
            }
            slots.store(slot, &header, &mut file)
        });
        stored.await.map_err(|error| fault(&error))
    }

    fn fits(&self, manifest: &Manifest) -> Result<(), UpdateFault> {
        let OwnSoftware { model, hardware, counter, image, .. } = &self.software;
        let now = self.cell.now().wall.seconds();
        manifest.fits(&Installed {
            model,
            hardware: *hardware,
            counter: *counter,
            image: *image,
            slot: MAX_IMAGE,
            now: Some(now),
        })?;
        // What the floor forbids would not start.
        if manifest.counter < self.slots.floor() { Err(UpdateFault::Rollback) } else { Ok(()) }
    }

    async fn switch(&self, digest: Digest) -> Result<(), UpdateFault> {
        let (slot, former) = (self.target(), self.running);
        let switched = self.blocking(move |slots| slots.switch(slot, digest, former)).await;
        switched.map_err(|error| fault(&error))?;
        tokio::time::sleep(PARTING).await;
        self.cell.leave(Leave::Switched);
        Ok(())
    }

    /// The slot that may be written: never the one that runs, and not the active one where there is a choice.
    fn target(&self) -> Slot {
        let kept = self.running.or_else(|| self.slots.active());
        kept.map_or(Slot::A, Slot::other)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Slots) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let slots = Arc::clone(&self.slots);
        let done = tokio::task::spawn_blocking(move || work(&slots)).await;
        done.map_err(io::Error::other)?
    }
}

fn fault(error: &io::Error) -> UpdateFault {
    tracing::warn!("the other slot: {error}");
    if error.kind() == ErrorKind::InvalidData {
        UpdateFault::ImageHash
    } else {
        UpdateFault::SlotWrite
    }
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let (mut file, mut piece) = (File::open(path)?, vec![0; 256 * 1024]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            length => hash.update(&piece[..length]),
        }
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    Ok(Digest(digest))
}
