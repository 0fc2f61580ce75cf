//! Group commit: what is to be written next, and what waits for it.
//!
//! One batch is under way at most; while it is, the next collects. Whatever a failed batch held goes
//! back beneath the next one, so nothing the hub believes is ever missing from the store for good.

use crate::store::{Batch, Job, whole_key};
use hub_core::{Cut, Outbound, Permitted, Write, record::Record, update::OwnOrder};
use mqtt_endpoint::CommitId;
use tokio::sync::oneshot;

/// Records that wait for a disk that takes none; further ones are counted and lost, the oldest stay.
const MOST_RECORDS: usize = 65_536;

/// Something that may be seen only when its commit is durable.
pub(super) enum Deferred {
    /// A message to a component.
    Send(Permitted<Outbound>),
    /// A connection that must end, also when the commit fails: that is the safe side.
    Cut(Cut),
    /// Something of the hub's own software.
    Own(OwnOrder),
    /// Somebody waits for the end of the commit.
    Waiter(oneshot::Sender<bool>),
}

#[derive(Default)]
pub(super) struct Batches {
    /// Number of the batch that collects.
    number: CommitId,
    writes: Batch,
    /// What happened, for the log.
    records: Vec<Record>,
    deferred: Vec<Deferred>,
    under_way: Option<Vec<Deferred>>,
    /// Records that were lost because the disk took none for too long.
    pub(super) dropped: u64,
    /// Whether the last commit failed, so that the next is a trial.
    pub(super) failing: bool,
}

impl Batches {
    pub(super) fn new() -> Self {
        Self { number: 1, ..Self::default() }
    }

    /// Adds writes; the answer is the number of the commit that will hold them.
    pub(super) fn add(&mut self, writes: Vec<Write>) -> CommitId {
        for write in writes {
            self.put(write.table.name(), &write.key, write.value);
        }
        self.number
    }

    pub(super) fn put(&mut self, table: &str, key: &[u8], value: Option<Vec<u8>>) {
        self.writes.insert(whole_key(table, key), value);
    }

    /// Adds records; the answer is the number of the commit that will hold them.
    pub(super) fn record(&mut self, records: Vec<Record>) -> CommitId {
        self.records.extend(records);
        self.dropped += self.records.len().saturating_sub(MOST_RECORDS) as u64;
        self.records.truncate(MOST_RECORDS);
        self.number
    }

    /// Whether the batch that collects has records: a waiter of it learns when they are durable.
    pub(super) fn collects_records(&self) -> bool {
        !self.records.is_empty()
    }

    pub(super) fn defer(&mut self, deferred: Deferred) {
        self.deferred.push(deferred);
    }

    /// The next job, unless one is under way or there is nothing to do.
    pub(super) fn next(&mut self) -> Option<Job> {
        if self.under_way.is_some() || (self.writes.is_empty() && self.records.is_empty()) {
            return None;
        }
        let id = self.number;
        self.number += 1;
        self.under_way = Some(std::mem::take(&mut self.deferred));
        let (batch, records) =
            (std::mem::take(&mut self.writes), std::mem::take(&mut self.records));
        Some(Job::Commit { id, batch, records })
    }

    /// A job ended; the answer is what waited for it.
    pub(super) fn ended(&mut self, returned: Option<(Batch, Vec<Record>)>) -> Vec<Deferred> {
        if let Some((returned, mut records)) = returned {
            records.append(&mut self.records);
            self.dropped += records.len().saturating_sub(MOST_RECORDS) as u64;
            records.truncate(MOST_RECORDS);
            self.records = records;
            for (key, value) in returned {
                self.writes.entry(key).or_insert(value);
            }
        }
        self.under_way.take().unwrap_or_default()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.writes.is_empty() && self.records.is_empty()
    }
}
