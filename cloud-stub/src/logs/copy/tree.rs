//! The tree over the copy, and what is witnessed of it. A hash that was taken is never replaced by another, and a
//! checkpoint is witnessed only when its root is the one over these hashes: so every log that is witnessed grew from
//! what was witnessed before.

use super::Copy;
use crate::logs::{Witness, disk, rows::Tag};
use protocol::message::{UPLINK_TILE, UplinkRefusal};
use state_log::{Checkpoint, Frontier};
use std::io;

/// What the tree says about checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// The pending one has the root of these records.
    pub(super) fits: bool,
    /// The pending one has another.
    pub(super) contradicts: bool,
}

impl Copy {
    /// Remembers a checkpoint until all records below it are there.
    pub(super) fn expect(&mut self, checkpoint: Checkpoint) {
        let older = self.pending.as_ref().is_some_and(|held| held.size > checkpoint.size);
        if !older {
            self.pending = Some(checkpoint);
        }
    }

    /// Takes the tree as far as nothing is missing, and compares it with checkpoints on the way.
    pub(super) fn extend(&mut self) -> io::Result<Judged> {
        let (from, to) = (self.tree.size(), self.held.prefix());
        let mut judged = Judged::default();
        let (mut tree, mut damaged) = (self.tree.clone(), self.damaged);
        let head = self.head.as_ref().map(|head| &head.checkpoint);
        let mut look = |tree: &Frontier| {
            let of = |one: &&Checkpoint| one.size == tree.size();
            if let Some(pending) = self.pending.as_ref().filter(of) {
                judged.fits = tree.root() == pending.root;
                judged.contradicts = !judged.fits;
            }
            damaged |= head.filter(of).is_some_and(|head| head.root != tree.root());
        };
        if from > 0 {
            look(&tree);
        }
        self.rows.each((from, to), |_, row| {
            match row {
                Some(row) if row.tag == Tag::Tile => tree.push(8, row.hash, |_, _| ()),
                Some(row) if row.tag == Tag::Within => return Ok(()),
                Some(row) => tree.push(0, row.hash, |_, _| ()),
                None => return Err(io::Error::other("a row is gone")),
            }
            look(&tree);
            Ok(())
        })?;
        (self.tree, self.damaged) = (tree, damaged);
        Ok(judged)
    }

    /// Witnesses the pending checkpoint, whose root was compared. Seconds since 1970.
    pub(super) fn witness(&mut self, witness: &Witness, time: u64) -> io::Result<bool> {
        let Some(checkpoint) = self.pending.take() else { return Ok(false) };
        if checkpoint.size <= self.witnessed() {
            return Ok(false);
        }
        let signed = witness.cosign(&checkpoint, &self.log, time).map_err(io::Error::other)?;
        disk::replace(&self.dir.join(super::open::HEAD), signed.note().as_bytes())?;
        self.head = Some(signed);
        Ok(true)
    }

    /// A tile instead of leaves: the tree begins anew before it, unless something within was witnessed.
    pub(super) fn makes_way(&mut self, tile: u64) -> Result<(), (UplinkRefusal, String)> {
        if self.witnessed() > tile && self.tree.size() > tile {
            let text = format!("records from {tile} on were witnessed and come as one hash");
            return Err((UplinkRefusal::Contradiction, text));
        }
        if self.tree.size() > tile {
            self.tree = Frontier::new();
        }
        debug_assert!(tile.is_multiple_of(UPLINK_TILE));
        Ok(())
    }
}
