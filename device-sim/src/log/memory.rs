//! The part of a component's log that survives a power cut.

use super::{Draft, MAX_BATCH_BYTES};
use crate::update::crypto::AwsLc;
use protocol::{
    id::{ComponentId, Digest, LogLife},
    log::{begin, encode, link},
    message::{LogClass, LogRecord, MAX_LOG_RECORDS},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Records that are kept at most; the oldest make room.
pub const MAX_KEPT: usize = 4096;

/// Acknowledged records that are kept all the same: a hub that was set back a little asks for them again.
pub const KEPT_ACKNOWLEDGED: usize = 64;

/// The log as it is in flash. The records kept are those with the numbers `oldest` to `last`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Which log, once there is one.
    pub life: Option<LogLife>,
    /// Number of the last record; 0 for none.
    pub last: u64,
    /// Number of the last one that the hub acknowledged.
    pub acknowledged: u64,
    /// The chain's value before the oldest record that is kept.
    before: Digest,
    /// The chain's value after the last record.
    chain: Digest,
    /// The records, oldest first, at most [`MAX_KEPT`].
    records: VecDeque<Vec<u8>>,
    /// What the owner does not want to be recorded.
    pub quiet: Vec<LogClass>,
    /// Records that made room before they were acknowledged.
    pub lost: u64,
}

impl Default for Memory {
    fn default() -> Self {
        let nothing = Digest([0; 32]);
        Self {
            life: None,
            last: 0,
            acknowledged: 0,
            before: nothing,
            chain: nothing,
            records: VecDeque::new(),
            quiet: Vec::new(),
            lost: 0,
        }
    }
}

impl Memory {
    /// Begins a log, unless there is one.
    pub fn open(&mut self, own: ComponentId, life: LogLife) {
        if self.life.is_none() {
            let chain = begin(own, life, &AwsLc);
            let quiet = std::mem::take(&mut self.quiet);
            *self = Self { life: Some(life), before: chain, chain, quiet, ..Self::default() };
        }
    }

    /// The log was set back: another begins with the next record.
    pub fn abandon(&mut self) {
        self.life = None;
    }

    /// Appends a record; the answer is whether it is in the log.
    pub fn append(&mut self, record: &LogRecord) -> bool {
        let unwanted = record.kind.class().is_some_and(|class| self.quiet.contains(&class));
        let Some(bytes) = encode(record).filter(|_| self.life.is_some() && !unwanted) else {
            return false;
        };
        if self.records.len() >= MAX_KEPT {
            self.drop_oldest();
        }
        self.chain = link(&self.chain, &bytes, &AwsLc);
        self.last += 1;
        self.records.push_back(bytes);
        true
    }

    fn drop_oldest(&mut self) {
        self.lost += u64::from(self.oldest() > self.acknowledged);
        if let Some(record) = self.records.pop_front() {
            self.before = link(&self.before, &record, &AwsLc);
        }
    }

    /// Number of the oldest record that is kept; one more than the last when there is none.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.last + 1 - self.records.len() as u64
    }

    /// Records that the hub has not acknowledged.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let kept = self.records.len() as u64;
        usize::try_from((self.last - self.acknowledged).min(kept)).unwrap_or(usize::MAX)
    }

    /// The hub has everything up to here. The answer is whether that can be true: if not, this log was set back.
    pub fn acknowledge(&mut self, seq: u64, chain: Digest) -> bool {
        if seq > self.last || self.value_at(seq).is_some_and(|own| own != chain) {
            return false;
        }
        self.acknowledged = self.acknowledged.max(seq);
        let spare = (self.acknowledged + 1).saturating_sub(self.oldest());
        let spare = usize::try_from(spare).unwrap_or(usize::MAX);
        for _ in KEPT_ACKNOWLEDGED..spare {
            self.drop_oldest();
        }
        true
    }

    /// The chain's value after this record, as far as the records are kept.
    fn value_at(&self, seq: u64) -> Option<Digest> {
        let steps = (seq + 1).checked_sub(self.oldest())?;
        let steps = usize::try_from(steps).ok().filter(|steps| *steps <= self.records.len())?;
        let through = |value: Digest, record: &Vec<u8>| link(&value, record, &AwsLc);
        Some(self.records.iter().take(steps).fold(self.before, through))
    }

    /// A batch from this record on, or from the oldest one there is.
    #[must_use]
    pub fn draft(
        &self,
        from: u64,
        most: usize,
        time: Option<Timestamp>,
        uptime: u64,
    ) -> Option<Draft> {
        let life = self.life?;
        let first = from.max(self.oldest());
        let before = self.value_at(first - 1)?;
        let skip = usize::try_from(first - self.oldest()).ok()?;
        let mut records: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0;
        for record in self.records.iter().skip(skip).take(most.min(MAX_LOG_RECORDS)) {
            // Each record has a head of three bytes at most.
            bytes += record.len() + 3;
            if bytes > MAX_BATCH_BYTES {
                break;
            }
            records.push(record.clone());
        }
        let chain = records.iter().fold(before, |value, record| link(&value, record, &AwsLc));
        let oldest = self.oldest();
        let draft = Draft { life, first, oldest, before, records, chain, time, uptime };
        (!draft.records.is_empty()).then_some(draft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::message::LogKind;

    fn own() -> ComponentId {
        ComponentId::from_key_digest(&Digest([3; 32]))
    }

    fn filled(count: u64) -> Memory {
        let mut memory = Memory::default();
        memory.open(own(), LogLife([7; 8]));
        for uptime in 1..=count {
            assert!(memory.append(&LogRecord::new(LogKind::Restart, None, uptime)));
        }
        memory
    }

    /// Criterion: T3.CSA.1 (positive)
    #[test]
    fn batches_follow_each_other_and_their_chain_is_the_logs() {
        let mut memory = filled(150);
        let mut batches = Vec::new();
        while let Some(draft) = memory.draft(memory.acknowledged + 1, 64, None, 1000) {
            assert!(memory.acknowledge(draft.last(), draft.chain));
            batches.push(draft);
        }
        let spans: Vec<_> = batches.iter().map(|draft| (draft.first, draft.last())).collect();
        assert_eq!(spans, [(1, 64), (65, 128), (129, 150)]);
        assert_eq!(batches[0].before, begin(own(), LogLife([7; 8]), &AwsLc));
        assert!(batches.windows(2).all(|two| two[0].chain == two[1].before));
        assert_eq!(batches[2].chain, memory.chain);
        assert_eq!((memory.waiting(), memory.lost), (0, 0));
    }

    /// Criterion: T1.CSA.1 (negative)
    #[test]
    fn a_full_ring_drops_the_oldest_says_so_and_keeps_its_chain() {
        let mut memory = filled(MAX_KEPT as u64 + 10);
        assert_eq!((memory.oldest(), memory.lost, memory.waiting()), (11, 10, MAX_KEPT));
        let draft = memory.draft(1, 64, None, 0).unwrap();
        assert_eq!((draft.first, draft.oldest), (11, 11), "it does not pretend to have more");
        let whole = filled(10);
        assert_eq!(draft.before, whole.chain);
        assert!(memory.acknowledge(5, Digest([9; 32])), "too old to be compared");
    }

    #[test]
    fn a_log_that_was_set_back_is_found_out_by_what_the_hub_acknowledges() {
        let mut memory = filled(5);
        assert!(!memory.acknowledge(6, Digest([0; 32])), "a record that it never had");
        assert!(!memory.acknowledge(3, Digest([0; 32])), "another record");
        let value = memory.value_at(3).unwrap();
        assert!(memory.acknowledge(3, value));
        memory.abandon();
        memory.open(own(), LogLife([8; 8]));
        assert_eq!((memory.last, memory.waiting()), (0, 0));
    }

    #[test]
    fn long_records_make_short_batches() {
        let mut memory = filled(0);
        let mut record = LogRecord::new(LogKind::Tamper, None, 1);
        record.text = protocol::id::Label::new(&"€".repeat(64)).ok();
        record.subject = protocol::id::Label::new(&"€".repeat(64)).ok();
        (0..64).for_each(|_| assert!(memory.append(&record)));
        let draft = memory.draft(1, 64, None, 0).unwrap();
        assert!(draft.records.len() < 64);
        let batch = draft.sealed(vec![0; 1024]).unwrap();
        assert!(protocol::cbor::encode(&batch).len() <= protocol::topic::MAX_PAYLOAD);
    }

    /// Criterion: T3.CSA.1 (negative)
    #[test]
    fn what_the_owner_switched_off_is_not_recorded() {
        let mut memory = filled(0);
        memory.quiet = vec![LogClass::Health];
        assert!(!memory.append(&LogRecord::new(LogKind::Health, None, 1)));
        assert!(memory.append(&LogRecord::new(LogKind::Tamper, None, 1)));
        assert_eq!(memory.last, 1);
    }
}
