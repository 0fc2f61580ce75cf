//! A component's own log, without I/O: a bounded ring in flash with its chain, batches of it, and what the hub says
//! about it.
//!
//! | module | holds |
//! |---|---|
//! | [`memory`] | what survives: the records, the chain, what is acknowledged |
//! | [`mischief`] | how a taken-over component abuses its log |
//! | `vitals` | what a simulated component measures of itself |

pub mod memory;
pub mod mischief;
mod vitals;

pub use memory::Memory;
pub use mischief::Mischief;
pub(crate) use vitals::Vitals;

use protocol::{
    id::{ComponentId, Digest, LogLife},
    message::{
        Blob, LogBatch, LogHead, MAX_LOG_HEAD, MAX_LOG_RECORD, MAX_LOG_RECORDS, Sequence, V1,
    },
    time::Timestamp,
    topic::MAX_PAYLOAD,
};

/// Bytes of records in one batch: what a payload leaves beside the head and the other fields.
pub const MAX_BATCH_BYTES: usize = MAX_PAYLOAD - MAX_LOG_HEAD - 192;

/// A batch whose head is not signed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Which log.
    pub life: LogLife,
    /// Number of the first record.
    pub first: u64,
    /// Number of the oldest record there is.
    pub oldest: u64,
    /// The chain's value before the first record.
    pub before: Digest,
    /// The records, encoded.
    pub records: Vec<Vec<u8>>,
    /// The chain's value after the last record.
    pub chain: Digest,
    /// When it is sent, by the own clock.
    pub time: Option<Timestamp>,
    /// Milliseconds since the start, when it is sent.
    pub uptime: u64,
}

impl Draft {
    /// Number of the last record.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }

    /// What is to be signed.
    #[must_use]
    pub fn head(&self, component: ComponentId) -> LogHead {
        let (life, last, chain) = (self.life, self.last(), self.chain);
        LogHead { version: V1, component, life, last, chain }
    }

    /// The batch with its signed head; `None` when a part of it is too long.
    #[must_use]
    pub fn sealed(&self, head: Vec<u8>) -> Option<LogBatch> {
        let records = self.records.iter().cloned().map(Blob::<MAX_LOG_RECORD>::new);
        Some(LogBatch {
            version: V1,
            life: self.life,
            first: self.first,
            oldest: self.oldest,
            before: self.before,
            records: Sequence::<_, MAX_LOG_RECORDS>::new(records.collect::<Option<_>>()?)?,
            head: Blob::new(head)?,
            time: self.time,
            uptime: self.uptime,
        })
    }
}

/// What is under way with a log in this life of the component.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// When the next batch is due, in milliseconds since the start.
    pub(crate) next: u64,
    /// The last record of the batch on its way.
    pub(crate) on_its_way: Option<u64>,
    /// Whether this start is in the log.
    pub(crate) start_noted: bool,
    /// The update whose end was noted last.
    pub(crate) update: Option<(protocol::id::JobId, protocol::message::UpdateStep)>,
    /// How its clock differed from its uptime at the last sign of life.
    pub(crate) clock: Option<u64>,
    /// What it measures.
    pub(crate) vitals: Vitals,
    /// How it abuses its log, if it does.
    pub(crate) mischief: Option<Mischief>,
}
