//! Acts and what they promise. First a marker that a pass begins, then the act, committed, then what it says; the
//! marker goes last. So whatever interrupts it, opening the log knows what is left to do, and no record is gone before
//! the log says so.

use super::Log;
use crate::{
    act::{Act, Range, merge},
    disk,
    error::{Error, Refusal},
    frame::{ACT, Frame},
    hash::{CHECK, check},
    note::Checkpoint,
    segment,
};

impl Log {
    /// Logs acts, then does what they say. The answer is the number of the first act, and the checkpoint that covers
    /// them all.
    pub(super) fn pass(&mut self, acts: &[Act], now: u64) -> Result<(u64, Checkpoint), Error> {
        self.finish_commit()?;
        if !self.pending.is_empty() {
            return Err(Refusal::Uncommitted.into());
        }
        // One that failed before goes first: its marker names acts that are committed.
        self.finish_pass()?;
        self.release_reserve()?;
        let done = self.logged(acts, now).and_then(|logged| {
            self.perform(acts)?;
            self.end_pass()?;
            Ok(logged)
        });
        self.reserve();
        done
    }

    fn logged(&mut self, acts: &[Act], now: u64) -> Result<(u64, Checkpoint), Error> {
        let first = self.size();
        let mut marker = first.to_le_bytes().to_vec();
        marker.extend(check(&marker));
        disk::replace(&self.pass_path(), &marker)?;
        let mut checkpoint = self.head.clone();
        for act in acts {
            self.append_act(act, now);
            checkpoint = self.commit()?;
        }
        Ok((first, checkpoint))
    }

    fn perform(&mut self, acts: &[Act]) -> Result<(), Error> {
        let ranges = merge(acts.iter().flat_map(|act| act.ranges().to_vec()).collect());
        if !ranges.is_empty() {
            self.take_out(&ranges)?;
        }
        let slots: Vec<u32> = acts.iter().flat_map(|act| self.slots_of(act)).collect();
        if slots.is_empty() {
            return Ok(());
        }
        // Half an erasure is finished from what is on disk, not from what is in memory.
        let destroyed = self.keys.destroy(&slots, self.vault.as_mut());
        destroyed.inspect_err(|_| self.broken = true)
    }

    /// Slots that an act destroys and that are still there.
    fn slots_of(&self, act: &Act) -> Vec<u32> {
        match act {
            Act::Retained(_) | Act::Deleted(_) => Vec::new(),
            Act::Erased(slots) => {
                slots.iter().copied().filter(|slot| self.keys.key(*slot).is_some()).collect()
            }
            Act::ErasedAll => self.keys.slots().collect(),
        }
    }

    fn end_pass(&mut self) -> Result<(), Error> {
        disk::remove(&self.pass_path())?;
        disk::sync_dir(&self.dir)
    }

    /// Finishes what was interrupted; says whether there was anything.
    pub(super) fn finish_pass(&mut self) -> Result<bool, Error> {
        let Some(marker) = disk::read(&self.pass_path(), 64)? else { return Ok(false) };
        let (said, sum) = marker.split_at(marker.len().saturating_sub(CHECK));
        // A marker that cannot be read means any act may be unfinished; doing one twice changes nothing.
        let whole = said.len() == 8 && check(said) == sum;
        let first = if whole { crate::frame::u64_at(said, 0).unwrap_or(0) } else { 0 };
        self.release_reserve()?;
        let acts = self.acts_since(first)?;
        self.perform(&acts)?;
        self.end_pass()?;
        Ok(!acts.is_empty())
    }

    fn acts_since(&self, first: u64) -> Result<Vec<Act>, Error> {
        let mut acts = Vec::new();
        let mut bytes = Vec::new();
        let bases = self.sealed.iter().map(|one| one.base).chain([self.active.base]);
        let bases: Vec<_> = bases.collect();
        for (position, base) in bases.iter().enumerate() {
            if self.end_of(position).max(*base) < first && *base != self.active.base {
                continue;
            }
            segment::read_into(&segment::path(&self.dir, *base), &mut bytes)?;
            for (_, frame) in segment::frames(&bytes, *base) {
                if let Frame::Record(record) = frame
                    && record.flags & ACT != 0
                    && record.index >= first
                {
                    acts.extend(Act::decode(record.main));
                }
            }
        }
        Ok(acts)
    }

    /// Takes ranges out of every segment they touch.
    fn take_out(&mut self, ranges: &[Range]) -> Result<(), Error> {
        for position in 0..self.sealed.len() {
            let (base, end) = (self.sealed[position].base, self.end_of(position));
            if ranges.iter().any(|(first, stop)| *first < end && *stop > base) {
                self.rewrite(position, ranges)?;
            }
        }
        Ok(())
    }
}
