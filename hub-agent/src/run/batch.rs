//! Group commit: what is to be written next, and what waits for it.
//!
//! One batch is under way at most; while it is, the next collects. Whatever a failed batch held goes
//! back beneath the next one, so nothing the hub believes is ever missing from the store for good.

use crate::store::{Job, whole_key};
use hub_core::{Cut, Outbound, Permitted, Write, update::OwnOrder};
use mqtt_endpoint::CommitId;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

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
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    deferred: Vec<Deferred>,
    under_way: Option<Vec<Deferred>>,
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

    pub(super) fn defer(&mut self, deferred: Deferred) {
        self.deferred.push(deferred);
    }

    /// The next job, unless one is under way or there is nothing to do.
    pub(super) fn next(&mut self) -> Option<Job> {
        if self.under_way.is_some() || self.writes.is_empty() {
            return None;
        }
        let id = self.number;
        self.number += 1;
        self.under_way = Some(std::mem::take(&mut self.deferred));
        Some(Job::Commit { id, batch: std::mem::take(&mut self.writes) })
    }

    /// A job ended; the answer is what waited for it.
    pub(super) fn ended(
        &mut self,
        returned: Option<BTreeMap<Vec<u8>, Option<Vec<u8>>>>,
    ) -> Vec<Deferred> {
        if let Some(returned) = returned {
            for (key, value) in returned {
                self.writes.entry(key).or_insert(value);
            }
        }
        self.under_way.take().unwrap_or_default()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.writes.is_empty()
    }
}
