//! What is due: by age for each class, by what the disk may hold, or because somebody asks for it. Records of protected
//! classes go by their own age only, acts of the log never.

use super::Log;
use crate::{
    act::{Act, MAX_RANGES, Range, merge},
    entry::Subject,
    error::{Error, Refusal},
    frame::{ACT, Frame, RecordFrame},
    keys::Purpose,
    note::Checkpoint,
    segment,
};
use std::collections::BTreeMap;

/// How long records stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds for each class; a class that is not named stays until space runs out.
    pub ages: BTreeMap<u8, u64>,
    /// The most bytes of segments and their indexes. Above it the oldest records of unprotected classes go.
    pub bytes: Option<u64>,
}

/// Records somebody asks to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Which.
    pub what: What,
    /// Times from the first up to, not including, the second.
    pub times: (u64, u64),
}

/// Whose records, or which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Those of a subject.
    Subject(Subject),
    /// Those of a class.
    Class(u8),
}

/// What a pass did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassReceipt {
    /// Records taken out.
    pub records: u64,
    /// Bytes the segments and indexes became smaller.
    pub freed: u64,
    /// Matching records that stayed because their class is protected.
    pub protected: u64,
    /// The number of the first act that says so; nothing when nothing was due.
    pub act: Option<u64>,
    /// The checkpoint that covers the acts.
    pub checkpoint: Checkpoint,
}

/// Collects ranges.
#[derive(Default)]
struct Due {
    ranges: Vec<Range>,
    records: u64,
    bytes: u64,
    protected: u64,
}

impl Due {
    fn add(&mut self, record: &RecordFrame<'_>) {
        self.records += 1;
        self.bytes += freed_by(record);
        match self.ranges.last_mut() {
            Some(last) if last.1 == record.index => last.1 += 1,
            Some(_) | None => self.ranges.push((record.index, record.index + 1)),
        }
    }
}

/// What a record's going frees at least: its hash may stay, its place in the index goes.
fn freed_by(record: &RecordFrame<'_>) -> u64 {
    (record.bytes.len() as u64 + 12).saturating_sub(33)
}

impl Log {
    /// Takes out what is due at `now` (milliseconds since 1970). Also works on a full disk.
    ///
    /// # Errors
    /// When records wait for a commit, or the disk fails; an interrupted pass is finished at the next opening.
    pub fn retain(&mut self, rules: &Retention, now: u64) -> Result<PassReceipt, Error> {
        let mut due = Due::default();
        let old = |record: &RecordFrame<'_>| {
            let age = rules.ages.get(&record.class);
            age.is_some_and(|age| now.saturating_sub(record.at) > *age)
        };
        let youngest = rules.ages.values().min().map_or(0, |age| now.saturating_sub(*age));
        self.each_record(
            |times| times.0 < youngest,
            |_, record| {
                if old(record) {
                    due.add(record);
                }
                true
            },
        )?;
        if let Some(most) = rules.bytes {
            self.make_room(&mut due, most)?;
        }
        self.take_out_due(due, Act::Retained, now)
    }

    /// Deletes records because somebody asks for it.
    ///
    /// # Errors
    /// When the class is protected, the subject has nothing readable, or as for retention.
    pub fn delete(&mut self, deletion: &Deletion, now: u64) -> Result<PassReceipt, Error> {
        let slot = match deletion.what {
            What::Class(class) if self.settings.protected.contains(&class) => {
                return Err(Refusal::Protected(class).into());
            }
            What::Class(_) => None,
            What::Subject(subject) => {
                let slot = self.keys.find(Purpose::Records, subject);
                Some(slot.ok_or(Refusal::UnknownSubject)?)
            }
        };
        let (from, to) = deletion.times;
        let meant = |record: &RecordFrame<'_>| match deletion.what {
            What::Class(class) => record.class == class,
            What::Subject(_) => Some(record.slot) == slot,
        };
        let mut due = Due::default();
        self.each_record(
            |times| times.0 < to && times.1 >= from,
            |log, record| {
                if meant(record) && (from..to).contains(&record.at) {
                    if log.settings.protected.contains(&record.class) {
                        due.protected += 1;
                    } else {
                        due.add(record);
                    }
                }
                true
            },
        )?;
        self.take_out_due(due, Act::Deleted, now)
    }

    /// The oldest unprotected records until the rest fits.
    fn make_room(&mut self, due: &mut Due, most: u64) -> Result<(), Error> {
        let (bytes, aged) = (self.bytes(), merge(due.ranges.clone()));
        let mut freed = due.bytes;
        if bytes.saturating_sub(freed) <= most {
            return Ok(());
        }
        self.each_record(
            |_| true,
            |log, record| {
                let counted = crate::act::covering(&aged, record.index).is_some();
                if !counted && !log.settings.protected.contains(&record.class) {
                    due.add(record);
                    freed += freed_by(record);
                }
                bytes.saturating_sub(freed) > most
            },
        )
    }

    fn take_out_due(
        &mut self,
        due: Due,
        act: fn(Vec<Range>) -> Act,
        now: u64,
    ) -> Result<PassReceipt, Error> {
        let ranges = merge(due.ranges);
        let Due { records, protected, .. } = due;
        let Some(last) = ranges.last() else {
            let checkpoint = self.head.clone();
            return Ok(PassReceipt { records, freed: 0, protected, act: None, checkpoint });
        };
        let before = self.bytes();
        if last.1 > self.active.base {
            self.roll_for_pass()?;
        }
        let acts: Vec<Act> = ranges.chunks(MAX_RANGES).map(|part| act(part.to_vec())).collect();
        let (first, checkpoint) = self.pass(&acts, now)?;
        let freed = before.saturating_sub(self.bytes());
        Ok(PassReceipt { records, freed, protected, act: Some(first), checkpoint })
    }

    /// Only older segments are rewritten: what is due in the newest makes it an older one.
    fn roll_for_pass(&mut self) -> Result<(), Error> {
        self.finish_commit()?;
        if !self.pending.is_empty() {
            return Err(Refusal::Uncommitted.into());
        }
        self.release_reserve()?;
        self.roll()
    }

    /// Shows every record of the segments whose times are wanted, but for acts, the oldest first, until told to stop.
    fn each_record(
        &mut self,
        wanted: impl Fn((u64, u64)) -> bool,
        mut show: impl FnMut(&Self, &RecordFrame<'_>) -> bool,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for position in 0..=self.sealed.len() {
            if !wanted(self.index(position)?.times) {
                continue;
            }
            let base = self.sealed.get(position).map_or(self.active.base, |one| one.base);
            segment::read_into(&segment::path(&self.dir, base), &mut bytes)?;
            for (_, frame) in segment::frames(&bytes, base) {
                if let Frame::Record(record) = frame
                    && record.flags & ACT == 0
                    && !show(self, &record)
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
