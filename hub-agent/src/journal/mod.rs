//! The state log in the daemon: what the hub records becomes sealed entries of `state-log`, on the store's thread,
//! in the same commit as what it changed.

mod entry;
mod key;
mod open;
mod questions;

pub use entry::view;
pub use key::{LogKey, PUBLIC};
pub use open::{Journal, JournalSettings, aside, head_of, set_aside};
pub use questions::{Ask, Question};

use crate::store::StoreError;
use hub_core::record::Record;
use state_log::Query;

/// Records read at once while the hub learns again.
const RECALLED: usize = 1000;

impl Journal {
    /// Makes records durable; the answer is the number of the first.
    ///
    /// # Errors
    /// When they are not durable: none of them is in the log then.
    pub fn write(&mut self, records: &[Record]) -> Result<u64, StoreError> {
        let entries: Vec<_> = records.iter().map(entry::of).collect();
        self.with(|log| {
            let mut first = None;
            for batch in entries.chunks(state_log::MAX_BATCH) {
                first.get_or_insert(log.append(batch)?.start);
            }
            log.commit()?;
            Ok(first.unwrap_or_else(|| log.size()))
        })
    }

    /// Tells the records since this time, oldest first, with their numbers; at most the newest `most`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn recall(
        &mut self,
        from: u64,
        most: u64,
        mut tell: impl FnMut(u64, &Record),
    ) -> Result<(), StoreError> {
        let size = self.with(|log| Ok(log.size()))?;
        let mut next = size.saturating_sub(most);
        while next < size {
            let times = Some((from, u64::MAX));
            let on = state_log::From::On(next);
            let query = Query { times, from: on, limit: RECALLED, ..Query::default() };
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
