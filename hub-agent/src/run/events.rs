//! The newest state events: in memory for people, in the store as a ring. Everything is in the
//! state log (`journal`).

use hub_core::{StateEvent, Table};
use serde_json::Value;
use std::collections::VecDeque;

/// Events kept; the oldest is forgotten.
const KEPT: u64 = 1024;

/// The newest events, each as JSON with its number since the first start.
#[derive(Debug, Default)]
pub struct EventRing {
    events: VecDeque<(u64, Value)>,
    next: u64,
}

impl EventRing {
    /// The ring that a store holds; what cannot be read is left out, it is not the evidence.
    #[must_use]
    pub fn restore(values: impl Iterator<Item = Vec<u8>>) -> Self {
        let read = |value: Vec<u8>| {
            let event: Value = serde_json::from_slice(&value).ok()?;
            Some((event["number"].as_u64()?, event))
        };
        let mut events: Vec<_> = values.filter_map(read).collect();
        events.sort_by_key(|(number, _)| *number);
        let next = events.last().map_or(0, |(number, _)| number + 1);
        Self { events: events.into(), next }
    }

    /// Adds an event; the answer is the key and value for the store's ring.
    pub fn push(&mut self, event: &StateEvent) -> (Vec<u8>, Vec<u8>) {
        let number = self.next;
        self.next += 1;
        let mut event = serde_json::to_value(event).expect("events have no failing cases");
        event["number"] = number.into();
        let (key, value) = ((number % KEPT).to_be_bytes().to_vec(), event.to_string().into_bytes());
        if self.events.len() as u64 >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back((number, event));
        (key, value)
    }

    /// Events from this number on.
    #[must_use]
    pub fn since(&self, number: u64) -> Vec<Value> {
        let newer = self.events.iter().filter(|(own, _)| *own >= number);
        newer.map(|(_, event)| event.clone()).collect()
    }

    /// Forgets those that `about` says; the answer is their keys in the store's ring.
    pub fn forget(&mut self, about: impl Fn(&Value) -> bool) -> Vec<Vec<u8>> {
        let (gone, kept): (Vec<_>, Vec<_>) =
            self.events.drain(..).partition(|(_, event)| about(event));
        self.events = kept.into();
        gone.iter().map(|(number, _)| (number % KEPT).to_be_bytes().to_vec()).collect()
    }

    /// The table of the ring.
    #[must_use]
    pub fn table() -> &'static str {
        Table::Events.name()
    }
}
