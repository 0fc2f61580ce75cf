//! Portions of the log for somebody who keeps a copy: of each record its hash in the tree, and what it says as long as
//! that can be read. Whoever has all hashes up to a checkpoint can compute its root, and needs no key of the log.

use super::{Log, query::frame_at};
use crate::{
    act::Act,
    entry::Content,
    error::Error,
    frame::{Frame, parse},
    hash::{Hash, sha256},
    note::Checkpoint,
    proof::Nodes,
    seal, segment,
};
use std::{fs::File, path::PathBuf};

/// Leaves of a tile.
const TILE: u64 = 256;

/// What a record without its body counts for.
const OVERHEAD: usize = 64;

/// Records one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portion {
    /// Number of the first: the one that was asked for, or the first of the tile in which that was.
    pub first: u64,
    /// The first number that is not in it.
    pub end: u64,
    /// Them.
    pub copies: Vec<Copied>,
    /// The newest checkpoint of the log.
    pub checkpoint: Checkpoint,
}

/// A record for a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its hash in the tree.
    pub hash: Hash,
    /// What there is of it.
    pub what: Left,
}

/// What there is of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// It can be read.
    Readable {
        /// Which key seals it: acts name it when they erase.
        slot: u32,
        /// What it says.
        body: Vec<u8>,
    },
    /// It is an act of the log.
    Act(Act),
    /// Only the hash: it was taken out or erased, or was changed on disk.
    Hash,
    /// It is a tile: 256 records that were taken out, and their hashes with them.
    Tile,
}

/// The segment that was read last.
type Open = Option<(usize, File, PathBuf)>;

impl Log {
    /// Records from a number on: at most `most`, and about `bytes` bytes, but one at least where there is one.
    ///
    /// # Errors
    /// When files cannot be read.
    pub fn portion(&mut self, from: u64, most: usize, bytes: usize) -> Result<Portion, Error> {
        let checkpoint = self.head.clone();
        let (mut first, mut at) = (from, from);
        let (mut copies, mut spent) = (Vec::new(), 0);
        let mut open = None;
        while at < self.size() && copies.len() < most {
            let Some((copy, span)) = self.copied(at, &mut open)? else {
                if !copies.is_empty() {
                    break;
                }
                // Its tile is gone as a whole: that is what there is.
                (first, at) = (at - at % TILE, at - at % TILE);
                continue;
            };
            spent += OVERHEAD + copy.what.length();
            if spent > bytes && !copies.is_empty() {
                break;
            }
            copies.push(copy);
            at += span;
        }
        Ok(Portion { first, end: at, copies, checkpoint })
    }

    /// A record, and how many it stands for; nothing within a tile that is gone.
    fn copied(&mut self, index: u64, open: &mut Open) -> Result<Option<(Copied, u64)>, Error> {
        let position = self.position(index);
        if let Some(offset) = self.index(position)?.find(index)
            && let Some(copy) = self.readable(index, (position, offset), open)?
        {
            return Ok(Some((copy, 1)));
        }
        match self.tiles.node(0, index) {
            Ok(hash) => Ok(Some((Copied { hash, what: Left::Hash }, 1))),
            Err(Error::HashesDropped(_)) if index.is_multiple_of(TILE) => {
                let hash = self.tiles.node(8, index / TILE)?;
                Ok(Some((Copied { hash, what: Left::Tile }, TILE)))
            }
            Err(Error::HashesDropped(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// What lies on disk, unless it is not what was committed.
    fn readable(
        &mut self,
        index: u64,
        (position, offset): (usize, u32),
        open: &mut Open,
    ) -> Result<Option<Copied>, Error> {
        if open.as_ref().is_none_or(|(held, ..)| *held != position) {
            let path = segment::path(&self.dir, self.base(position));
            let file = File::open(&path).map_err(|error| Error::io(&path, error))?;
            *open = Some((position, file, path));
        }
        let Some((_, file, path)) = open else { return Ok(None) };
        let Some(bytes) = frame_at(file, path, offset)? else { return Ok(None) };
        let Ok((Frame::Record(record), _)) = parse(&bytes) else { return Ok(None) };
        let hash = sha256(&bytes);
        if record.index != index || self.tiles.node(0, index).ok() != Some(hash) {
            return Ok(None);
        }
        let what = match seal::read(&record, &self.keys) {
            Some((Content::Readable { body, .. }, _)) => Left::Readable { slot: record.slot, body },
            Some((Content::Act(act), _)) => Left::Act(act),
            Some((Content::Erased, _)) | None => Left::Hash,
        };
        Ok(Some(Copied { hash, what }))
    }
}

impl Left {
    fn length(&self) -> usize {
        match self {
            Self::Readable { body, .. } => body.len(),
            Self::Act(act) => act.encode().len(),
            Self::Hash | Self::Tile => 0,
        }
    }
}
