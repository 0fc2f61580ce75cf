//! Crypto-erase: without its data key a record is noise, wherever copies of it are; the wrapping key changes, so that
//! copies of the old key file stay closed. The log still verifies, because the tree is over sealed bytes.

use super::Log;
use crate::{
    act::Act,
    entry::Subject,
    error::{Error, Refusal},
    keys::Purpose,
    note::Checkpoint,
};

/// What to make unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Records and personal data of a subject.
    Subject(Subject),
    /// Only the personal data of a subject; the rest of the records that hold it stays.
    Personal(Subject),
    /// Everything that is sealed, the hub's own records as well.
    All,
}

/// What was erased, for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseReceipt {
    /// What.
    pub what: Erasure,
    /// When, as the caller said: milliseconds since 1970.
    pub at: u64,
    /// Keys destroyed.
    pub keys: usize,
    /// The number of the act that says so.
    pub act: u64,
    /// The checkpoint that covers the act.
    pub checkpoint: Checkpoint,
}

impl Log {
    /// Makes records unreadable for everyone, for ever, those of protected classes as well.
    ///
    /// # Errors
    /// When there is no such key, when records wait for a commit, or the disk or the vault fails; an interrupted
    /// erasure is finished at the next opening.
    pub fn erase(&mut self, what: Erasure, now: u64) -> Result<EraseReceipt, Error> {
        let find = |purpose, subject| self.keys.find(purpose, subject);
        let slots: Vec<u32> = match what {
            Erasure::Subject(subject) => [Purpose::Records, Purpose::Personal]
                .into_iter()
                .filter_map(|purpose| find(purpose, subject))
                .collect(),
            Erasure::Personal(subject) => find(Purpose::Personal, subject).into_iter().collect(),
            Erasure::All => self.keys.slots().collect(),
        };
        if slots.is_empty() {
            return Err(Refusal::UnknownSubject.into());
        }
        let keys = slots.len();
        let act = if what == Erasure::All { Act::ErasedAll } else { Act::Erased(slots) };
        let (act, checkpoint) = self.pass(&[act], now)?;
        Ok(EraseReceipt { what, at: now, keys, act, checkpoint })
    }
}
