//! How far the cloud has the hub's log, for people and for counters.

use hub_core::record::rfc3339;
use protocol::{ranges::Ranges, time::Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What the cloud said last, and what was sent since the start.
#[derive(Debug, Default)]
pub struct AtCloud {
    /// What is durable there.
    pub held: Ranges,
    /// Records that the cloud witnessed, and when: seconds since 1970.
    pub witnessed: Option<(u64, u64)>,
    /// Why nothing is sent, in a stable word.
    pub refused: Option<&'static str>,
    /// What was refused or told of, and how often.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Frames sent.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
}

impl AtCloud {
    /// Records that are not there yet, of a log of this size.
    #[must_use]
    pub fn waiting(&self, size: u64) -> u64 {
        size.saturating_sub(self.held.count_below(size))
    }

    /// For people and programs.
    #[must_use]
    pub fn view(&self, size: u64) -> Value {
        json!({
            "records": size,
            "waiting": self.waiting(size),
            "held": self.held.as_slice(),
            "witnessed": self.witnessed.map(|(size, _)| size),
            "since": self.witnessed.map(|(_, time)| rfc3339(Timestamp(time.saturating_mul(1000)))),
            "refused": self.refused,
            "refusals": self.refusals,
            "frames": self.frames,
            "sent": self.records,
        })
    }
}
