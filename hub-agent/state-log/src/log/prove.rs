//! Checkpoints and proofs for others: an auditor, the witness in the cloud, an incident's evidence.

use super::Log;
use crate::{
    damage::Damage,
    error::{Error, Refusal},
    frame::{Frame, parse},
    hash::Hash,
    note::{Checkpoint, Cosigned, Verifier},
    proof::{self, check_consistency, check_inclusion},
    segment,
    tiles::Tiles,
};

/// That a record is in the log, for somebody who has nothing but the log's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The record's number.
    pub index: u64,
    /// The record as it is stored, sealed: the leaf is its SHA-256 after a zero byte, which is its own first byte.
    pub stored: Vec<u8>,
    /// The hashes beside its way up, the lowest first.
    pub hashes: Vec<Hash>,
    /// The checkpoint it leads to.
    pub checkpoint: Checkpoint,
}

impl Inclusion {
    /// Whether the record is in the tree of the checkpoint; the checkpoint's signature was checked when it was read.
    ///
    /// # Errors
    /// Says why not.
    pub fn check(&self) -> Result<(), Error> {
        let named = matches!(parse(&self.stored), Ok((Frame::Record(record), length))
            if record.index == self.index && length == self.stored.len());
        if !named {
            return Err(Error::Proof(proof::ProofError::OutOfRange));
        }
        let Checkpoint { size, root, .. } = &self.checkpoint;
        let leaf = crate::hash::sha256(&self.stored);
        Ok(check_inclusion(&leaf, self.index, *size, root, &self.hashes)?)
    }
}

impl Log {
    /// Proves that a record is in the log.
    ///
    /// # Errors
    /// When it is not there, was dropped, or does not lead to the checkpoint: then it was changed.
    pub fn prove(&mut self, index: u64) -> Result<Inclusion, Error> {
        let stored = self.stored(index)?;
        let hashes = self.proved(
            |tiles, size| proof::inclusion(tiles, index, size),
            |hashes, log| {
                let leaf = crate::hash::sha256(&stored);
                check_inclusion(&leaf, index, log.head.size, &log.head.root, hashes).is_ok()
            },
        )?;
        let hashes = hashes.ok_or(Error::Damaged(Damage::Edited { first: index, last: index }))?;
        Ok(Inclusion { index, stored, hashes, checkpoint: self.head.clone() })
    }

    /// Proves that the newest checkpoint grew from the one of `old` records.
    ///
    /// # Errors
    /// When there were never so many, or when the hashes went with dropped records.
    pub fn prove_consistency(&mut self, old: u64) -> Result<Vec<Hash>, Error> {
        let size = self.size();
        if old > size {
            return Err(Refusal::NotThere { asked: old, size }.into());
        }
        let root = proof::root(&mut self.tiles, old)?;
        let made = self.proved(
            |tiles, size| proof::consistency(tiles, old, size),
            |hashes, log| {
                check_consistency(old, &root, log.head.size, &log.head.root, hashes).is_ok()
            },
        )?;
        made.ok_or(Error::Damaged(Damage::Edited { first: 0, last: size.max(1) - 1 }))
    }

    /// The consistency proof between two earlier sizes.
    ///
    /// # Errors
    /// As for the newest one.
    pub fn prove_between(&mut self, old: u64, new: u64) -> Result<Vec<Hash>, Error> {
        let size = self.size();
        if new > size || old > new {
            return Err(Refusal::NotThere { asked: new.max(old), size }.into());
        }
        proof::consistency(&mut self.tiles, old, new)
    }

    /// The root over the first `size` records.
    ///
    /// # Errors
    /// As for proofs.
    pub fn root(&mut self, size: u64) -> Result<Hash, Error> {
        if size > self.size() {
            return Err(Refusal::NotThere { asked: size, size: self.size() }.into());
        }
        proof::root(&mut self.tiles, size)
    }

    /// The log's own newest checkpoint with at most `size` records, as it was signed then. What retention took out
    /// leaves the checkpoints that a witness cosigned and those behind records that are kept.
    ///
    /// # Errors
    /// When segments cannot be read.
    pub fn checkpoint_until(&self, size: u64) -> Result<Option<Checkpoint>, Error> {
        let mut bases: Vec<u64> = self.sealed.iter().map(|one| one.base).collect();
        bases.push(self.active.base);
        let mut bytes = Vec::new();
        for base in bases.into_iter().rev().filter(|base| *base <= size) {
            segment::read_into(&segment::path(&self.dir, base), &mut bytes)?;
            let commits = segment::frames(&bytes, base).filter_map(|(_, frame)| match frame {
                Frame::Commit(commit) => Some(commit),
                Frame::Record(_) | Frame::Gap(_) => None,
            });
            let fitting = commits.take_while(|commit| commit.size <= size).last();
            if let Some(found) = fitting {
                return Ok(Some(Checkpoint::parse(
                    &Checkpoint::assemble(&self.log, found.size, found.root, &found.signature)
                        .note(),
                    &self.log,
                )?));
            }
        }
        Ok(None)
    }

    /// Keeps a head that a witness cosigned, beside the log.
    ///
    /// # Errors
    /// When the note is not one of this log and this witness, or says something else than the log does: then the log
    /// was forked.
    pub fn add_cosignature(&mut self, note: &str, witness: &Verifier) -> Result<Cosigned, Error> {
        let cosigned = Cosigned::parse(note, &self.log, witness)?;
        let Checkpoint { size, root, .. } = cosigned.checkpoint;
        if self.root(size)? != root {
            return Err(Error::Damaged(Damage::Forked { size }));
        }
        self.heads.add(&self.dir, &cosigned)?;
        Ok(cosigned)
    }

    /// The cosigned heads that are kept, the oldest first, as notes.
    pub fn cosigned(&self) -> impl Iterator<Item = &str> {
        self.heads.notes.iter().map(|(note, _)| note.as_str())
    }

    /// A proof that was checked against the head. When it does not lead there, the tiles are made anew once: they are
    /// a copy of what the segments say.
    pub(super) fn proved(
        &mut self,
        make: impl Fn(&mut Tiles, u64) -> Result<Vec<Hash>, Error>,
        holds: impl Fn(&[Hash], &Self) -> bool,
    ) -> Result<Option<Vec<Hash>>, Error> {
        let size = self.size();
        match make(&mut self.tiles, size) {
            Ok(hashes) if holds(&hashes, self) => return Ok(Some(hashes)),
            Ok(_) | Err(Error::HashesDropped(_)) => {}
            Err(other) => return Err(other),
        }
        self.rebuild_tiles()?;
        let hashes = make(&mut self.tiles, size)?;
        Ok(holds(&hashes, self).then_some(hashes))
    }

    /// Makes the tiles anew from the segments, once: segments that are damaged themselves are no help.
    fn rebuild_tiles(&mut self) -> Result<(), Error> {
        if std::mem::replace(&mut self.rebuilt, true)
            || !super::recover::are_whole(&self.dir, &self.sealed)?
        {
            return Ok(());
        }
        let mut tiles = super::recover::rebuild(&self.dir, &self.sealed)?;
        let mut bytes = Vec::new();
        segment::read_into(&self.active.path, &mut bytes)?;
        let scan = segment::scan(&bytes, self.active.base);
        let scan = scan.ok_or(Error::Damaged(Damage::Header { base: self.active.base }))?;
        scan.whole.iter().for_each(|node| tiles.add(*node));
        self.tiles = tiles;
        self.notices.push("the tiles were made anew from the segments".to_owned());
        Ok(())
    }
}
