//! The simulated network: how long packets take, in which order they come, and connections with their two ends.

use super::file::Network;
use device_sim::device::Token;
use protocol::{id::ComponentId, topic::Down};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use std::net::SocketAddr;

/// A lost packet is sent again after this time, and each time later.
const AGAIN: u64 = 200;

/// Losses of one packet in a row that are simulated.
const MOST_LOST: u32 = 6;

/// From a component to the hub.
#[derive(Debug)]
pub(super) enum Upward {
    /// It wants what is said on a topic.
    Subscribe(String),
    /// It says something.
    Publish { token: Token, topic: String, payload: Vec<u8>, qos: u8 },
    /// It closes the connection: in order, or without a word.
    Close { in_order: bool },
}

/// From the hub to a component.
#[derive(Debug)]
pub(super) enum Downward {
    /// The session is there.
    Connected,
    /// A subscription was taken, or refused.
    Subscribed(bool),
    /// A message was acknowledged, or refused.
    Answered(Token, bool),
    /// Something is said.
    Message(Down, Vec<u8>),
    /// The hub closed the connection.
    Closed,
}

/// One connection. Each end learns in its own time that the other is gone.
#[derive(Debug)]
pub(super) struct Link {
    /// Whose identity it has.
    pub(super) id: ComponentId,
    /// The component behind it; nothing for somebody who only has its identity.
    pub(super) actor: Option<usize>,
    /// From where.
    pub(super) from: SocketAddr,
    /// Whether the hub's end is open.
    pub(super) at_hub: bool,
    /// Whether the component's end is open.
    pub(super) at_component: bool,
    /// Whether nothing passes any more.
    pub(super) broken: bool,
    /// When the hub heard something last.
    pub(super) heard: u64,
    /// What the component subscribed to.
    pub(super) topics: Vec<Down>,
    /// When the last packet of each way comes: none overtakes another.
    pub(super) last: [u64; 2],
}

impl Link {
    pub(super) fn new(id: ComponentId, actor: Option<usize>, from: SocketAddr, now: u64) -> Self {
        Self {
            id,
            actor,
            from,
            at_hub: true,
            at_component: true,
            broken: false,
            heard: now,
            topics: Vec::new(),
            last: [now; 2],
        }
    }

    /// When a packet comes that leaves now: 0 upward, 1 downward.
    pub(super) fn arrival(&mut self, way: usize, now: u64, latency: u64) -> u64 {
        let at = self.last[way].max(now + latency);
        self.last[way] = at;
        at
    }
}

/// A whole number from the least to the most, as the seed draws it.
pub(super) fn between(random: &mut ChaCha8Rng, least: u64, most: u64) -> u64 {
    least + random.next_u64() % (most.saturating_sub(least) + 1)
}

impl Network {
    /// Milliseconds that a packet takes, with what is lost and sent again.
    pub(super) fn latency(&self, random: &mut ChaCha8Rng) -> u64 {
        let (least, most) = (self.latency.0.as_millis() as u64, self.latency.1.as_millis() as u64);
        let mut taken = between(random, least, most);
        let mut tries = 0;
        while tries < MOST_LOST && random.next_u32() % 10_000 < self.loss {
            taken += AGAIN << tries;
            tries += 1;
        }
        taken
    }
}
