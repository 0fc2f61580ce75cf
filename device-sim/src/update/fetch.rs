//! The pull: first the chunk list, checked against the manifest, then the image, each chunk checked against
//! the list. What was not asked for is dropped; what does not come is asked for again from the first gap.

use super::slots::{Slot, finished};
use aws_lc_rs::digest::{Context, SHA256};
use protocol::{
    id::JobId,
    message::{Block, BlockRequest, BlockSize, UpdateFault, UpdateObject, Window},
    update::Manifest,
};
use std::{collections::BTreeSet, io};

/// First and longest wait for a block, in milliseconds.
const PATIENCE: (u64, u64) = (2_000, 30_000);

/// So many waits in a row, and it rests until the next session.
const WAITS: u32 = 10;

/// So often a chunk may have another digest than it must.
const STRIKES: u8 = 3;

/// What came of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was not asked for, or has another length.
    Dropped,
    /// It is there, and nothing is verified by it.
    Kept,
    /// The chunk list is there and is the one that the manifest names.
    List,
    /// Every chunk before this one is there and verified.
    Chunks(u32),
    /// A chunk had another digest and is asked for again.
    Again,
    /// The hub wants it to wait, or to stop until it says more.
    Later,
    /// It cannot go on.
    Failed(UpdateFault),
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It is not time yet.
    No,
    /// It asks again.
    Again,
    /// It rests until the next session.
    Resting,
}

/// One pull.
pub struct Fetch {
    job: JobId,
    manifest: Manifest,
    length: BlockSize,
    window: usize,
    object: UpdateObject,
    /// The chunk list as far as it is there; zeros else.
    list: Vec<u8>,
    /// Everything before this byte of the object is there.
    frontier: u32,
    /// Over the present chunk up to the frontier.
    hash: Context,
    /// Blocks beyond the frontier that are there.
    early: BTreeSet<u32>,
    /// Blocks that were asked for and are not there.
    expected: BTreeSet<u32>,
    strikes: u8,
    /// Waits in a row without a block, and because the hub said so.
    silent: u32,
    busy: u32,
    retry_at: u64,
    resting: bool,
}

impl Fetch {
    /// A pull that has nothing yet.
    #[must_use]
    pub fn new(job: JobId, manifest: Manifest, block: BlockSize, window: Window) -> Self {
        // A chunk is a power of two of at least 4096, so the smaller of both is one and divides it.
        let length = BlockSize::new(block.get().min(manifest.chunk)).unwrap_or(block);
        Self {
            list: vec![0; manifest.list_size() as usize],
            job,
            manifest,
            length,
            window: usize::from(window.get()),
            object: UpdateObject::Chunks,
            frontier: 0,
            hash: Context::new(&SHA256),
            early: BTreeSet::new(),
            expected: BTreeSet::new(),
            strikes: 0,
            silent: 0,
            busy: 0,
            retry_at: 0,
            resting: true,
        }
    }

    /// The same pull, which has the list and every chunk before this one.
    #[must_use]
    pub fn resumed(mut self, list: Vec<u8>, next: u32) -> Self {
        self.list = list;
        self.go_on(next);
        self
    }

    /// The list as it is.
    #[must_use]
    pub fn list(&self) -> &[u8] {
        &self.list
    }

    /// Whether this block is of this update.
    #[must_use]
    pub fn is_of(&self, block: &Block) -> bool {
        self.job == block.job
    }

    /// Begins or begins again to ask: a session is there. One that is awake goes on to wait for what it asked for.
    pub fn wake(&mut self, now: u64) -> Vec<BlockRequest> {
        if !self.resting {
            return Vec::new();
        }
        (self.silent, self.busy, self.resting) = (0, 0, false);
        self.expected.clear();
        self.ask(now)
    }

    /// Asks for nothing until it is woken.
    pub fn rest(&mut self) {
        self.resting = true;
        self.expected.clear();
    }

    /// When it wants its timer.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        (!self.resting).then_some(self.retry_at)
    }

    /// Its timer.
    pub fn timer(&mut self, now: u64) -> Waited {
        if self.resting || now < self.retry_at {
            return Waited::No;
        }
        // After the hub said that it is busy there is nothing that did not come.
        self.silent += u32::from(!self.expected.is_empty());
        self.expected.clear();
        if self.silent >= WAITS {
            self.rest();
            return Waited::Resting;
        }
        Waited::Again
    }

    /// What to ask for now: when half of the window is used, as many blocks as fill it.
    pub fn ask(&mut self, now: u64) -> Vec<BlockRequest> {
        let mut requests = Vec::new();
        if self.resting || self.expected.len() > self.window / 2 {
            return requests;
        }
        while let Some((offset, count)) = self.gap() {
            let step = self.length.get();
            self.expected.extend((0..u32::from(count.get())).map(|n| offset + n * step));
            requests.push(BlockRequest {
                job: self.job,
                object: self.object,
                offset,
                length: self.length,
                count,
            });
        }
        if !requests.is_empty() {
            self.retry_at = now + backoff(self.silent);
        }
        requests
    }

    /// Takes a block of this update.
    pub fn take(&mut self, block: &Block, slot: &mut Slot, now: u64) -> Taken {
        if let Some(fault) = block.fault {
            return self.told(fault, now);
        }
        let data = block.data.as_ref().map_or(&[][..], |data| data.bytes());
        let fits = block.object == self.object && data.len() == self.length_at(block.offset);
        if !fits || !self.expected.remove(&block.offset) {
            return Taken::Dropped;
        }
        (self.silent, self.busy) = (0, 0);
        self.retry_at = now + backoff(0);
        match self.place(block.offset, data, slot) {
            Ok(taken) => taken,
            Err(_) => Taken::Failed(UpdateFault::SlotWrite),
        }
    }

    /// The hub says why there is no block.
    fn told(&mut self, fault: UpdateFault, now: u64) -> Taken {
        match fault {
            // One answer for each block of a request is still one no.
            UpdateFault::Busy if self.expected.is_empty() => Taken::Later,
            UpdateFault::Busy => {
                self.expected.clear();
                self.retry_at = now + backoff(self.busy);
                self.busy += 1;
                Taken::Later
            }
            // A hub that lost its memory offers it again.
            UpdateFault::UnknownJob => {
                self.rest();
                Taken::Later
            }
            UpdateFault::Malformed
            | UpdateFault::Signature
            | UpdateFault::AnchorChain
            | UpdateFault::WrongModel
            | UpdateFault::Rollback
            | UpdateFault::Expired
            | UpdateFault::TooLarge
            | UpdateFault::ChunkHash
            | UpdateFault::ImageHash
            | UpdateFault::Range
            | UpdateFault::Stalled
            | UpdateFault::SlotWrite
            | UpdateFault::NoBoot
            | UpdateFault::Health
            | UpdateFault::Cancelled
            | UpdateFault::Prerequisite
            | UpdateFault::Policy
            | UpdateFault::Internal => Taken::Failed(fault),
        }
    }

    /// Puts a block where it belongs and checks what became whole by it.
    fn place(&mut self, offset: u32, data: &[u8], slot: &mut Slot) -> io::Result<Taken> {
        match self.object {
            UpdateObject::Chunks => {
                let from = offset as usize;
                self.list[from..from + data.len()].copy_from_slice(data);
            }
            UpdateObject::Image => slot.write_image(offset, data)?,
        }
        if offset != self.frontier {
            self.early.insert(offset);
            return Ok(Taken::Kept);
        }
        self.hash.update(data);
        let mut taken = self.passed(data.len(), slot)?;
        // Blocks that came before this one follow it now.
        while !matches!(taken, Taken::List | Taken::Again | Taken::Failed(_))
            && self.early.remove(&self.frontier)
        {
            let length = self.length_at(self.frontier);
            let mut again = vec![0; length];
            match self.object {
                UpdateObject::Chunks => {
                    again.copy_from_slice(&self.list[self.frontier as usize..][..length]);
                }
                UpdateObject::Image => slot.read_image(self.frontier, &mut again)?,
            }
            self.hash.update(&again);
            let more = self.passed(length, slot)?;
            taken = if more == Taken::Kept { taken } else { more };
        }
        Ok(taken)
    }

    /// The frontier moves on; at the end of a chunk its digest decides.
    fn passed(&mut self, length: usize, slot: &mut Slot) -> io::Result<Taken> {
        let (start, end) = self.chunk();
        self.frontier += u32::try_from(length).map_err(io::Error::other)?;
        if self.frontier < end {
            return Ok(Taken::Kept);
        }
        let found = finished(std::mem::replace(&mut self.hash, Context::new(&SHA256)));
        if found.0 != *self.wanted(start) {
            return Ok(self.wrong(start, end));
        }
        self.strikes = 0;
        match self.object {
            UpdateObject::Chunks => {
                self.go_on(0);
                Ok(Taken::List)
            }
            UpdateObject::Image => {
                slot.sync()?;
                Ok(Taken::Chunks(self.frontier.div_ceil(self.manifest.chunk)))
            }
        }
    }

    fn wrong(&mut self, start: u32, end: u32) -> Taken {
        self.strikes += 1;
        if self.strikes == STRIKES {
            return Taken::Failed(UpdateFault::ChunkHash);
        }
        self.frontier = start;
        self.early.retain(|offset| *offset >= end);
        Taken::Again
    }

    /// On to the image, from this chunk on.
    fn go_on(&mut self, next: u32) {
        self.object = UpdateObject::Image;
        self.frontier = next.saturating_mul(self.manifest.chunk).min(self.manifest.size);
        self.hash = Context::new(&SHA256);
        self.early.clear();
        self.expected.clear();
    }

    /// Begin and end of the chunk at the frontier; the list counts as one.
    fn chunk(&self) -> (u32, u32) {
        match self.object {
            UpdateObject::Chunks => (0, self.manifest.list_size()),
            UpdateObject::Image => {
                let index = self.frontier / self.manifest.chunk;
                let (from, length) = self.manifest.chunk_at(index).unwrap_or((self.frontier, 0));
                (from, from + length)
            }
        }
    }

    /// The digest that the chunk which begins here must have.
    fn wanted(&self, start: u32) -> &[u8] {
        match self.object {
            UpdateObject::Chunks => &self.manifest.chunks.0,
            UpdateObject::Image => {
                let at = (start / self.manifest.chunk) as usize * 32;
                self.list.get(at..at + 32).unwrap_or_default()
            }
        }
    }

    fn end(&self) -> u32 {
        match self.object {
            UpdateObject::Chunks => self.manifest.list_size(),
            UpdateObject::Image => self.manifest.size,
        }
    }

    /// Bytes that the block at this offset must have.
    fn length_at(&self, offset: u32) -> usize {
        self.end().saturating_sub(offset).min(self.length.get()) as usize
    }

    /// The first blocks that are neither there nor asked for, as many as the window still takes. It looks
    /// no further ahead than two windows, so what came early is bounded.
    fn gap(&self) -> Option<(u32, Window)> {
        let room = self.window.saturating_sub(self.expected.len());
        let step = self.length.get();
        let wanted = |offset: &u32| !self.early.contains(offset) && !self.expected.contains(offset);
        let ahead = (self.frontier..self.end()).step_by(step as usize).take(2 * self.window);
        let mut missing = ahead.skip_while(|offset| !wanted(offset));
        let first = missing.next()?;
        let more = missing.take_while(wanted).take(room.checked_sub(1)?).count();
        Some((first, Window::new(u8::try_from(1 + more).ok()?)?))
    }
}

/// How long to wait after so many waits.
fn backoff(waits: u32) -> u64 {
    (PATIENCE.0 << waits.min(4)).min(PATIENCE.1)
}
