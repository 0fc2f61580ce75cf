//! What detection remembers over a restart: how far it looked at the log, and what is usual for components.
//!
//! How far it looked is written in the same commit as what it found. So a record whose findings were lost with
//! the power is looked at again after the start, and no other is.

use super::Hub;
use crate::{persist, record::Record};
use protocol::id::ComponentId;
use std::{collections::BTreeSet, time::Duration};

/// How often what is usual for a component is written.
const REMEMBER_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Components whose habits are written in one turn.
const MEMORIES_PER_TURN: usize = 16;

/// How far detection looked, and whose habits are to be written.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The number after that of the newest record that was looked at; unknown until the log was recalled.
    looked_at: Option<u64>,
    /// What the store says of that.
    written: Option<u64>,
    /// Whose turn to be written has come.
    due: BTreeSet<ComponentId>,
    /// When it comes again.
    next: Duration,
}

impl Memory {
    pub(super) fn new(mono: Duration) -> Self {
        Self { next: mono + REMEMBER_EVERY, ..Self::default() }
    }

    pub(super) fn restored(&mut self, looked_at: u64) {
        (self.looked_at, self.written) = (Some(looked_at), Some(looked_at));
    }
}

impl Hub {
    /// Records were made durable under numbers from this one on.
    pub(super) fn recorded(&mut self, first: u64, records: &[Record]) {
        for (number, record) in (first..).zip(records) {
            let findings = self.detector.observe(record, number, self.now);
            self.found(findings);
            self.memory.looked_at = Some(number.saturating_add(1));
        }
        let found_something = !self.out.records.is_empty() || !self.out.writes.is_empty();
        if found_something {
            self.remember_how_far();
        }
    }

    /// How far detection looked goes along with whatever is written.
    pub(super) fn remember_how_far(&mut self) {
        if let Some(number) =
            self.memory.looked_at.filter(|_| self.memory.looked_at != self.memory.written)
        {
            self.memory.written = Some(number);
            self.write(persist::put_looked_at(number));
        }
    }

    /// Whether detection looked at this record before this start.
    #[must_use]
    pub fn has_looked_at(&self, number: u64) -> bool {
        self.memory.looked_at.is_none_or(|until| number < until)
    }

    /// A record from before this start: what was usual and what was under way is known again. The answer is
    /// whether it was looked at then; one that was not is to come again as [`crate::Input::Recorded`].
    #[must_use]
    pub fn recall(&mut self, number: u64, record: &Record) -> bool {
        self.recall_log(record);
        let is_known = self.has_looked_at(number);
        if is_known {
            self.detector.restore(record, number, self.now);
        }
        is_known
    }

    /// That was all of it.
    pub fn recalled(&mut self) {
        self.detector.restored(self.now);
    }

    /// Another log begins, with numbers of its own.
    pub(super) fn log_replaced(&mut self) {
        self.memory.looked_at = Some(0);
        self.detector.renumbered();
        self.remember_how_far();
    }

    /// What is usual for components is written once a day, in small portions.
    pub(super) fn tick_memories(&mut self) {
        if self.now.mono >= self.memory.next {
            self.memory.next = self.now.mono + REMEMBER_EVERY;
            self.memory.due = self.detector.members();
        }
        for _ in 0..MEMORIES_PER_TURN {
            let Some(id) = self.memory.due.pop_first() else { return };
            self.remember(id);
        }
    }

    /// What is still to be remembered before the program ends.
    pub(super) fn last_memories(&mut self) {
        for id in self.detector.members() {
            self.remember(id);
        }
        self.remember_how_far();
    }

    fn remember(&mut self, id: ComponentId) {
        if let Some(learnt) = self.detector.learnt(id) {
            self.write(persist::put_habits(id, learnt));
        }
    }
}
