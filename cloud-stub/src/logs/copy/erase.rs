//! What a hub erased is erased here: the bodies are overwritten, the hashes stay, so that the tree still verifies.

use super::{Copy, Erased, MOST_ERASED};
use crate::logs::{
    disk,
    rows::{Row, Tag},
};
use state_log::Act;
use std::{io, os::unix::fs::FileExt};

impl Erased {
    /// An act of the log. What retention took out at the hub stays here: a sink may keep more.
    pub(super) fn add(&mut self, number: u64, act: &Act) {
        match act {
            Act::Erased(slots) => self.slots.extend(slots),
            Act::Deleted(ranges) => ranges.iter().for_each(|range| self.ranges.insert(*range)),
            Act::ErasedAll => self.below = self.below.max(number),
            Act::Retained(_) => {}
        }
    }

    /// Whether this act leads beyond what can be remembered.
    pub(super) fn is_full(&self, act: &Act) -> bool {
        let more = match act {
            Act::Erased(slots) => slots.len(),
            Act::Deleted(ranges) => ranges.len(),
            Act::ErasedAll | Act::Retained(_) => 0,
        };
        more > 0 && self.slots.len() + self.ranges.len() + more > MOST_ERASED
    }

    pub(super) fn covers(&self, number: u64, slot: u32) -> bool {
        number < self.below
            || self.slots.contains(&slot)
            || self.ranges.covers((number, number + 1))
    }
}

impl Copy {
    /// Overwrites what was erased, and says so in its row; the answer is how many records that were.
    pub(super) fn sweep(&mut self) -> io::Result<u64> {
        let mut gone = Vec::new();
        for range in self.held.as_slice() {
            self.rows.each(*range, |number, row| {
                let body = row.filter(|row| row.tag == Tag::Record);
                if let Some(row) = body.filter(|row| self.erased.covers(number, row.slot)) {
                    self.overwrite(&row)?;
                    gone.push(number);
                }
                Ok(())
            })?;
        }
        if gone.is_empty() {
            return Ok(0);
        }
        disk::sync(&self.bodies)?;
        gone.iter().try_for_each(|number| self.rows.erase(*number))?;
        disk::sync(&self.rows.0)?;
        Ok(gone.len() as u64)
    }

    /// Overwrites a body.
    pub(super) fn overwrite(&self, row: &Row) -> io::Result<()> {
        disk::write_at(&self.bodies, &vec![0; row.length as usize], row.offset)
    }

    /// What a record says.
    pub(super) fn body(&self, row: &Row) -> io::Result<Vec<u8>> {
        let mut body = vec![0; row.length as usize];
        self.bodies.read_exact_at(&mut body, row.offset)?;
        Ok(body)
    }
}
