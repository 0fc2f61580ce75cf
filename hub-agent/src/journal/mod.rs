//! The state log in the daemon: what the hub records becomes sealed entries of `state-log`, on the store's thread,
//! in the same commit as what it changed.

mod entry;
mod key;
mod open;
mod questions;
mod shipment;

pub use entry::{subject_of, view};
pub use key::{LogKey, PUBLIC};
pub use open::{Journal, JournalSettings, head_of, next_origin, origin, set_aside};
pub use questions::{Ask, Gone, Question};
pub use shipment::{Shipment, Size};

use crate::store::StoreError;
use hub_core::record::Record;
use state_log::Query;

/// Records of one commit: whatever they hold, the log takes so many.
const PORTION: usize = 4096;

/// Records read at once while the hub learns again.
const RECALLED: usize = 1000;

/// How many records became durable.
#[derive(Debug)]
pub struct Written {
    /// The number of the first.
    pub first: u64,
    /// How many; the others are not in the log.
    pub count: usize,
    /// Why not all.
    pub error: Option<StoreError>,
}

impl Journal {
    /// Makes records durable, in portions that the log takes.
    pub fn write(&mut self, records: &[Record]) -> Written {
        let mut written = Written { first: 0, count: 0, error: None };
        for portion in records.chunks(PORTION) {
            let entries: Vec<_> = portion.iter().map(entry::of).collect();
            let done = self.with(|log| {
                let first = log.append(&entries)?.start;
                log.commit().map(|_| first)
            });
            match done {
                Ok(first) if written.count == 0 => written.first = first,
                Ok(_) => {}
                Err(error) => return Written { error: Some(error), ..written },
            }
            written.count += portion.len();
        }
        written
    }

    /// Ends the log in order, so that a copy of it is known to be whole.
    pub fn close(mut self) {
        if let Some(Err(error)) = self.take().map(state_log::Log::close) {
            tracing::warn!("the state log did not end in order: {error}");
        }
    }

    /// Tells the newest records, at most so many, oldest first, with their numbers.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn recall(
        &mut self,
        most: u64,
        mut tell: impl FnMut(u64, &Record),
    ) -> Result<(), StoreError> {
        let size = self.with(|log| Ok(log.size()))?;
        let mut next = size.saturating_sub(most);
        while next < size {
            let from = state_log::From::On(next);
            let query = Query { from, limit: RECALLED, ..Query::default() };
            let page = self.with(|log| log.query(&query))?;
            page.records.iter().filter_map(entry::back).for_each(|(at, one)| tell(at, &one));
            next = match page.next {
                Some(state_log::From::On(on)) if on > next => on,
                Some(_) | None => break,
            };
        }
        Ok(())
    }
}
