//! A component's log on its way to the hub: batches of records, each part of one chain whose head the component
//! signs, and what the hub answers. [`crate::log`] says how the chain is made.

use super::{
    field::{List, V1},
    log_field::{LogClass, LogCounters, LogEnd, LogKind, LogOrder},
    octets::{Blob, Sequence},
};
use crate::{
    cbor::int_map,
    id::{ComponentId, Digest, Label, LogLife, Slug},
    time::Timestamp,
};

/// Most records in one batch.
pub const MAX_LOG_RECORDS: usize = 64;

/// Longest encoding of one record in bytes.
pub const MAX_LOG_RECORD: usize = 512;

/// Longest signed head in bytes.
pub const MAX_LOG_HEAD: usize = 1024;

int_map! {
    /// Records of a component, one after the other.
    pub struct LogBatch checked by LogBatch::check {
        /// Wire version.
        1 => version: V1,
        /// Which log of the component.
        2 => life: LogLife,
        /// Number of the first record; the first of a life is 1.
        3 => first: u64,
        /// Number of the oldest record that the component still has.
        4 => oldest: u64,
        /// The chain's value before the first record.
        5 => before: Digest,
        /// The records, each a [`LogRecord`] in its one encoding.
        6 => records: Sequence<Blob<MAX_LOG_RECORD>, MAX_LOG_RECORDS>,
        /// The signed [`LogHead`] after the last record.
        7 => head: Blob<MAX_LOG_HEAD>,
        /// By the component's clock, when it sends this.
        8 => time [?]: Timestamp,
        /// Milliseconds since its start, when it sends this.
        9 => uptime: u64,
    }
}

int_map! {
    /// Where a component's log stands; travels signed, see [`crate::log::HEAD`].
    pub struct LogHead {
        /// Wire version.
        1 => version: V1,
        /// Whose log it is.
        2 => component: ComponentId,
        /// Which log of the component.
        3 => life: LogLife,
        /// Number of the last record.
        4 => last: u64,
        /// The chain's value after it.
        5 => chain: Digest,
    }
}

int_map! {
    /// Something that happened to a component, in its own words.
    pub struct LogRecord {
        /// When, by the component's clock.
        1 => time [?]: Timestamp,
        /// Milliseconds between its start and what happened.
        2 => uptime: u64,
        /// What.
        3 => kind: LogKind,
        /// Why, in a stable word.
        4 => code [?]: Slug,
        /// Where the component talks to.
        5 => to [?]: LogEnd,
        /// Who talked to the component, at its own interface.
        6 => from [?]: LogEnd,
        /// Who did it: an account at its own interface.
        7 => actor [?]: Label,
        /// What it was about: a setting, a command.
        8 => subject [?]: Label,
        /// How much.
        9 => counters [?]: LogCounters,
        /// In plain words.
        10 => text [?]: Label,
    }
}

int_map! {
    /// What the hub says about a component's log.
    pub struct LogControl checked by LogControl::check {
        /// Wire version.
        1 => version: V1,
        /// What it wants.
        2 => order: LogOrder,
        /// Which log of the component; absent where the hub knows none.
        3 => life [?]: LogLife,
        /// Acknowledged: the number of the last record that is durable. Pulled: that of the first one wanted.
        4 => seq [?]: u64,
        /// Acknowledged: the chain's value after that record.
        5 => chain [?]: Digest,
        /// Acknowledged: how many records of the batch were not taken. Pulled: how many are wanted at most.
        6 => count [?]: u32,
        /// Quiet: what the owner does not want to be recorded.
        7 => classes [?]: List<LogClass, 8>,
    }
}

impl LogRecord {
    /// A record that says nothing but what happened and when.
    #[must_use]
    pub fn new(kind: LogKind, time: Option<Timestamp>, uptime: u64) -> Self {
        let (code, to, from) = (None, None, None);
        let (actor, subject, counters, text) = (None, None, None, None);
        Self { time, uptime, kind, code, to, from, actor, subject, counters, text }
    }
}

impl LogBatch {
    fn check(&self) -> Result<(), &'static str> {
        let records = self.records.items().len() as u64;
        match () {
            () if records == 0 => Err("contradiction: a batch has at least one record"),
            () if self.first == 0 || self.oldest == 0 => {
                Err("out of range: the first record of a log has the number 1")
            }
            () if self.oldest > self.first => {
                Err("contradiction: what it sends it has, so oldest is at most first")
            }
            () if self.first.checked_add(records).is_none() => {
                Err("contradiction: numbers of records end below 2^64")
            }
            () => Ok(()),
        }
    }

    /// The number of the last record.
    #[must_use]
    pub fn last(&self) -> u64 {
        // `check` saw to it that this cannot overflow and that there is a record.
        self.first.saturating_add(self.records.items().len() as u64).saturating_sub(1)
    }
}

impl LogControl {
    /// What is durable of this log: everything up to this record, whose chain has this value.
    #[must_use]
    pub fn ack(life: LogLife, seq: u64, chain: Digest, refused: u32) -> Self {
        let (life, seq, chain, count) = (Some(life), Some(seq), Some(chain), Some(refused));
        Self { version: V1, order: LogOrder::Ack, life, seq, chain, count, classes: None }
    }

    /// The hub wants records from this one on.
    #[must_use]
    pub fn pull(life: Option<LogLife>, from: u64, count: u32) -> Self {
        let (seq, count) = (Some(from), Some(count));
        Self { version: V1, order: LogOrder::Pull, life, seq, chain: None, count, classes: None }
    }

    /// The owner wants nothing of these classes.
    #[must_use]
    pub fn quiet(classes: List<LogClass, 8>) -> Self {
        let (life, seq, chain, count) = (None, None, None, None);
        let classes = Some(classes);
        Self { version: V1, order: LogOrder::Quiet, life, seq, chain, count, classes }
    }

    fn check(&self) -> Result<(), &'static str> {
        let Self { life, seq, chain, count, classes, .. } = self;
        let has = (seq.is_some(), chain.is_some(), count.is_some(), classes.is_some());
        let fits = match self.order {
            LogOrder::Ack => life.is_some() && has == (true, true, true, false),
            LogOrder::Pull => has == (true, false, true, false),
            LogOrder::Quiet => life.is_none() && has == (false, false, false, true),
        };
        if fits { Ok(()) } else { Err("contradiction: the order has other fields") }
    }
}
