//! Commits: one write with the batch's mark at its end, one sync. While the disk syncs one batch, the next can be sealed
//! and hashed.

use super::Log;
use crate::{
    disk,
    error::Error,
    frame::Commit,
    note::{Checkpoint, text},
    segment::Batch,
};
use std::{
    fs::File,
    path::PathBuf,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

/// A batch that was written and is not durable yet. There is at most one.
pub(super) struct Flight {
    batch: Batch,
    bytes: u64,
    checkpoint: Checkpoint,
}

/// Syncs on a thread of its own; one job at a time.
pub(super) struct Syncer {
    jobs: SyncSender<(PathBuf, File)>,
    done: Receiver<Result<(), Error>>,
}

impl Syncer {
    fn start() -> std::io::Result<Self> {
        let (jobs, to_do) = sync_channel::<(PathBuf, File)>(1);
        let (tell, done) = sync_channel(1);
        thread::Builder::new().name("log-sync".to_owned()).spawn(move || {
            for (path, file) in to_do {
                if tell.send(disk::sync(&path, &file)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, done })
    }
}

impl Log {
    /// Makes everything appended durable and signs for it. When it fails, nothing since the last checkpoint is
    /// kept, and the log goes on from there.
    ///
    /// # Errors
    /// When the disk is full or fails, or the signer does not sign.
    pub fn commit(&mut self) -> Result<Checkpoint, Error> {
        self.finish_commit()?;
        if !self.pending.is_empty() {
            self.write_and_sync(false)?;
        }
        Ok(self.head.clone())
    }

    /// Writes everything appended and lets the disk make it durable while more is appended; `finish_commit` waits for
    /// it. Nothing of it counts before: neither `size` nor `checkpoint` nor a query know of it.
    ///
    /// # Errors
    /// As for a commit, also of the one started before.
    pub fn start_commit(&mut self) -> Result<(), Error> {
        self.finish_commit()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        let flight = self.write(false)?;
        let sent = self.active.file.try_clone().and_then(|file| {
            let syncer = match self.syncer.take() {
                Some(syncer) => syncer,
                None => Syncer::start()?,
            };
            let sent = syncer.jobs.send((self.active.path.clone(), file));
            self.syncer = Some(syncer);
            sent.map_err(|_| std::io::Error::other("the thread that syncs is gone"))
        });
        // It is written already, and may become durable or not.
        self.broken = sent.is_err();
        self.flight = Some(flight);
        self.usable()
    }

    /// Waits until what `start_commit` wrote is durable. What was appended since waits for its own commit.
    ///
    /// # Errors
    /// When the disk fails: then what it holds is unknown, and the log must be opened again.
    pub fn finish_commit(&mut self) -> Result<Checkpoint, Error> {
        self.usable()?;
        if let Some(flight) = self.flight.take() {
            let synced = self.syncer.as_ref().and_then(|syncer| syncer.done.recv().ok());
            self.broken = !matches!(synced, Some(Ok(())));
            self.usable()?;
            self.land(flight);
        }
        Ok(self.head.clone())
    }

    /// Commits, and marks that everything before was durable, so that the next opening and an offline verifier
    /// can tell a change of the last batch from a crash.
    ///
    /// # Errors
    /// As for a commit.
    pub fn close(mut self) -> Result<Checkpoint, Error> {
        self.commit()?;
        self.write_and_sync(true)?;
        Ok(self.head)
    }

    fn write_and_sync(&mut self, closed: bool) -> Result<(), Error> {
        let flight = self.write(closed)?;
        // After a failed sync nobody knows what the disk has.
        self.broken = disk::sync(&self.active.path, &self.active.file).is_err();
        self.usable()?;
        self.land(flight);
        Ok(())
    }

    /// Writes what waits, with its commit mark. When that fails, it is dropped.
    fn write(&mut self, closed: bool) -> Result<Flight, Error> {
        let written = self.try_write(closed);
        if written.is_err() {
            self.pending.reset(&self.tree);
        }
        written
    }

    fn try_write(&mut self, closed: bool) -> Result<Flight, Error> {
        self.keys.save_if_new()?;
        let (size, root) = (self.pending.batch.tree.size(), self.pending.batch.tree.root());
        let message = text(self.log.name(), size, &root);
        let signature = self.signer.sign(message.as_bytes()).map_err(Error::Signer)?;
        let checkpoint = Checkpoint::assemble(&self.log, size, root, &signature);
        Commit { closed, size, root, signature }.write(&mut self.pending.bytes);
        let bytes = self.pending.bytes.len() as u64;
        if self.active.length + bytes > self.settings.segment_bytes {
            self.roll()?;
        }
        self.write_bytes()?;
        let next = Batch::new(&self.pending.batch.tree);
        let batch = std::mem::replace(&mut self.pending.batch, next);
        self.pending.bytes.clear();
        Ok(Flight { batch, bytes, checkpoint })
    }

    fn write_bytes(&mut self) -> Result<(), Error> {
        let super::Active { path, file, length, .. } = &self.active;
        disk::write_at(path, file, &self.pending.bytes, *length).inspect_err(|_| {
            // What was written of it must go before anything else is written there.
            self.broken = disk::set_len(path, file, *length).is_err();
        })
    }

    /// What is durable becomes the log's.
    fn land(&mut self, flight: Flight) {
        let Batch { tree, whole, spots } = flight.batch;
        for mut spot in spots {
            spot.offset += self.active.length as u32;
            self.active.index.add(&spot);
        }
        whole.into_iter().for_each(|node| self.tiles.add(node));
        self.tree = tree;
        self.active.length += flight.bytes;
        self.head = flight.checkpoint;
    }
}
