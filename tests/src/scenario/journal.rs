//! The log of a simulated hub: numbers, a digest over all records, and the newest ones for when the hub starts anew.

use aws_lc_rs::digest::{Context, SHA256};
use hub_core::record::Record;
use protocol::id::Digest;
use std::collections::VecDeque;

/// Records that are kept.
const MOST: usize = 65_536;

pub(super) struct Journal {
    next: u64,
    newest: VecDeque<Record>,
    digest: Context,
}

impl Default for Journal {
    fn default() -> Self {
        Self { next: 0, newest: VecDeque::new(), digest: Context::new(&SHA256) }
    }
}

impl Journal {
    /// Takes records; the answer is the number of the first.
    pub(super) fn append(&mut self, records: &[Record]) -> u64 {
        let first = self.next;
        for record in records {
            self.digest.update(&record.encode());
            if self.newest.len() == MOST {
                self.newest.pop_front();
            }
            self.newest.push_back(record.clone());
        }
        self.next += records.len() as u64;
        first
    }

    /// The newest records with their numbers.
    pub(super) fn kept(&self) -> impl Iterator<Item = (u64, &Record)> {
        (self.next - self.newest.len() as u64..).zip(&self.newest)
    }

    /// How many records there were.
    pub(super) fn count(&self) -> u64 {
        self.next
    }

    /// SHA-256 over all records in their order.
    pub(super) fn digest(&self) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.digest.clone().finish().as_ref());
        Digest(digest)
    }
}
