//! Batches: sealed into a buffer and hashed into the tree, and new segments.

use super::{Active, Log, Sealed};
use crate::{
    act::Act,
    disk,
    entry::{Entry, MAX_BATCH, MAX_PENDING},
    error::{Error, Refusal},
    frame::MAX_RECORD,
    hash::{Frontier, sha256},
    index::{Index, Spot},
    seal::{self, Slots},
    segment::{self, Batch},
};
use std::ops::Range;

/// What waits for a commit: at most `MAX_PENDING` bytes and `MAX_BATCH` records.
pub(super) struct Pending {
    pub(super) bytes: Vec<u8>,
    pub(super) batch: Batch,
}

impl Pending {
    pub(super) fn new(tree: &Frontier) -> Self {
        Self { bytes: Vec::new(), batch: Batch::new(tree) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn reset(&mut self, tree: &Frontier) {
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
        let _ = old.index.save(&path, old.length, self.keys.index_key());
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
