//! What a simulated component measures of itself: steady figures of its kind with a little noise, so that the same
//! seed measures the same.

use protocol::{
    id::Slug,
    message::{LogCounters, Percent},
};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

/// Bytes of one published message with its acknowledgement, about.
const PER_MESSAGE: u64 = 160;

/// What was counted since the last record of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Vitals {
    messages: u64,
    connections: u32,
    drained: u8,
}

impl Vitals {
    /// A message was sent.
    pub(crate) fn sent(&mut self) {
        self.messages += 1;
    }

    /// A connection was made.
    pub(crate) fn connected(&mut self) {
        self.connections += 1;
    }

    /// Its battery has so much charge now, in percent.
    pub(crate) fn charged(&mut self, percent: u8) {
        self.drained = 100 - percent.min(100);
    }

    /// Load and memory; the battery of kinds that have one drains slowly and is charged again.
    pub(crate) fn health(&mut self, kind: &Slug, random: &mut ChaCha8Rng) -> LogCounters {
        let noise = (random.next_u32() % 4) as u8;
        let has_battery = matches!(kind.as_str(), "leak-sensor" | "lock" | "wall-switch");
        let used = u8::from(random.next_u32().is_multiple_of(64));
        // It is charged again in time, unless something keeps it from that.
        self.drained = if self.drained == 79 { 0 } else { (self.drained + used).min(100) };
        LogCounters {
            cpu: Percent::new(8 + noise),
            memory: Percent::new(40 + noise),
            battery: has_battery.then_some(100 - self.drained).and_then(Percent::new),
            ..LogCounters::NONE
        }
    }

    /// What was sent and received since this was asked last.
    pub(crate) fn traffic(&mut self) -> LogCounters {
        let (messages, connections) = (self.messages, self.connections);
        (self.messages, self.connections) = (0, 0);
        LogCounters {
            bytes_in: Some(messages * PER_MESSAGE / 4),
            bytes_out: Some(messages * PER_MESSAGE),
            connections: Some(connections),
            ..LogCounters::NONE
        }
    }
}
