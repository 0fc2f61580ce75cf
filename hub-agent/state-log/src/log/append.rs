//! Batches: sealed into a buffer, then written with their commit mark in one write and made durable by one sync.

use super::{Active, Log, Sealed};
use crate::{
    act::Act,
    disk,
    entry::{Entry, MAX_BATCH, MAX_PENDING},
    error::{Error, Refusal},
    frame::{Commit, MAX_RECORD},
    hash::{Frontier, sha256},
    index::{Index, Spot},
    note::{Checkpoint, text},
    seal::{self, Slots},
    segment::{self, Batch},
};
use std::ops::Range;

/// What waits for a commit: at most `MAX_PENDING` bytes and `MAX_BATCH` records.
pub(super) struct Pending {
    bytes: Vec<u8>,
    batch: Batch,
}

impl Pending {
    pub(super) fn new(tree: &Frontier) -> Self {
        Self { bytes: Vec::new(), batch: Batch::new(tree) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn reset(&mut self, tree: &Frontier) {
        self.bytes.clear();
        self.batch.tree.clone_from(tree);
        self.batch.whole.clear();
        self.batch.spots.clear();
    }

    /// Takes the frame that was appended at `start` into the tree.
    fn took(&mut self, start: usize, at: u64, slot: u32) {
        let index = self.batch.tree.size();
        self.batch.spots.push(Spot { index, at, slot, offset: start as u32 });
        let leaf = sha256(&self.bytes[start..]);
        self.batch.push(0, leaf);
    }
}

impl Log {
    /// Appends a batch and says which numbers it has. Nothing is durable before `commit`: what a failed commit
    /// does not keep must be appended again.
    ///
    /// # Errors
    /// When a record is too long, when too much waits, or when the log must be opened again.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Range<u64>, Error> {
        self.usable()?;
        entries.iter().try_for_each(Entry::check)?;
        let first = self.pending.batch.tree.size();
        let personal = |entry: &Entry| entry.personal.as_ref().map_or(0, |part| part.bytes.len());
        let bytes: usize =
            entries.iter().map(|entry| entry.body.len() + personal(entry) + 96).sum();
        let records = self.pending.batch.spots.len() + entries.len();
        if self.pending.bytes.len() + bytes > MAX_PENDING || records > MAX_BATCH {
            return Err(Refusal::CommitFirst.into());
        }
        let slots: Vec<_> = entries
            .iter()
            .map(|entry| Slots::of(entry, &mut self.keys))
            .collect::<Result<_, _>>()?;
        for (entry, slots) in entries.iter().zip(&slots) {
            let (start, index) = (self.pending.bytes.len(), self.pending.batch.tree.size());
            let sealing = (&self.keys, &mut self.nonces);
            seal::write(entry, slots, index, sealing, &mut self.pending.bytes);
            self.pending.took(start, entry.at, slots.main);
        }
        Ok(first..self.pending.batch.tree.size())
    }

    /// Appends an act of the log itself.
    pub(super) fn append_act(&mut self, act: &Act, at: u64) -> u64 {
        let (start, index) = (self.pending.bytes.len(), self.pending.batch.tree.size());
        seal::write_act(act, at, index, &mut self.nonces, &mut self.pending.bytes);
        self.pending.took(start, at, 0);
        index
    }

    /// Makes everything appended durable and signs for it. When it fails, nothing since the last checkpoint is
    /// kept, and the log goes on from there.
    ///
    /// # Errors
    /// When the disk is full or fails, or the signer does not sign.
    pub fn commit(&mut self) -> Result<Checkpoint, Error> {
        self.usable()?;
        if self.pending.is_empty() {
            return Ok(self.head.clone());
        }
        let done = self.write(false);
        let tree = self.tree.clone();
        self.pending.reset(&tree);
        done.map(|()| self.head.clone())
    }

    /// Commits, and marks that everything before was durable, so that the next opening and an offline verifier
    /// can tell a change of the last batch from a crash.
    ///
    /// # Errors
    /// As for a commit.
    pub fn close(mut self) -> Result<Checkpoint, Error> {
        self.commit()?;
        self.write(true)?;
        Ok(self.head)
    }

    /// Writes what waits, with its commit mark.
    fn write(&mut self, closed: bool) -> Result<(), Error> {
        self.keys.save_if_new()?;
        let (size, root) = (self.pending.batch.tree.size(), self.pending.batch.tree.root());
        let message = text(self.log.name(), size, &root);
        let signature = self.signer.sign(message.as_bytes()).map_err(Error::Signer)?;
        Commit { closed, size, root, signature }.write(&mut self.pending.bytes);
        if self.active.length + self.pending.bytes.len() as u64 > self.settings.segment_bytes {
            self.roll()?;
        }
        self.write_bytes()?;
        self.take_in();
        self.head = Checkpoint::assemble(&self.log, size, root, &signature);
        Ok(())
    }

    fn write_bytes(&mut self) -> Result<(), Error> {
        let Active { path, file, length, .. } = &self.active;
        if let Err(error) = disk::write_at(path, file, &self.pending.bytes, *length) {
            // What was written of it must go before anything else is written there.
            self.broken = disk::set_len(path, file, *length).is_err();
            return Err(error);
        }
        disk::sync(path, file).map_err(|_| {
            // After a failed sync nobody knows what the disk has.
            self.broken = true;
            Error::Reopen
        })
    }

    /// What was written becomes the log's.
    fn take_in(&mut self) {
        let Batch { tree, whole, spots } = &mut self.pending.batch;
        for mut spot in spots.drain(..) {
            spot.offset += self.active.length as u32;
            self.active.index.add(&spot);
        }
        whole.drain(..).for_each(|node| self.tiles.add(node));
        self.tree.clone_from(tree);
        self.active.length += self.pending.bytes.len() as u64;
        self.pending.bytes.clear();
    }

    /// Begins a new segment, when the newest has records.
    pub(super) fn roll(&mut self) -> Result<(), Error> {
        if self.active.base == self.tree.size() {
            return Ok(());
        }
        self.tiles.flush()?;
        let fresh = begin(&self.dir, &self.tree)?;
        let old = std::mem::replace(&mut self.active, fresh);
        let path = segment::index_path(&self.dir, old.base);
        // An index that could not be written is made again when it is needed.
        let _ = old.index.save(&path, old.length);
        self.sealed.push(Sealed { base: old.base, bytes: old.length });
        self.cache.put(old.index, self.settings.index_memory);
        Ok(())
    }
}

/// A new segment after this tree; its head and name are durable.
pub(super) fn begin(dir: &std::path::Path, tree: &Frontier) -> Result<Active, Error> {
    let path = segment::path(dir, tree.size());
    let head = segment::head(tree);
    let begun = disk::create(&path).and_then(|file| {
        disk::write_at(&path, &file, &head, 0)?;
        disk::sync(&path, &file)?;
        disk::sync_dir(dir)?;
        Ok(file)
    });
    let file = begun.inspect_err(|_| {
        // One without a head is removed at the next opening at the latest.
        let _ = disk::remove(&path);
    })?;
    let index = Index::new(tree.size());
    Ok(Active { base: tree.size(), path, file, length: head.len() as u64, index })
}

// A record must fit into what may wait, and offsets in a segment into 32 bits.
const _: () = assert!(MAX_RECORD < MAX_PENDING && segment::MAX_SEGMENT < u32::MAX as u64 / 2);
