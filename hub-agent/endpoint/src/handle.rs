//! What the rest of the program may do to the endpoint's sessions, also from inside the gate.

use crate::{
    codec::{ReasonCode, packet::Qos},
    gate::{CommitId, LinkId, Refused},
    limits::Limits,
    registry::{Client, Close, Live, Registry, outgoing},
    session::Outcome,
    stats::Stats,
};
use bytes::Bytes;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
};
use tokio::sync::{Notify, futures::Notified};

/// The endpoint's shared state; cheap to clone, single-threaded.
#[derive(Clone)]
pub struct Handle(pub(crate) Rc<Shared>);

pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) stats: Stats,
    pub(crate) registry: RefCell<Registry>,
    pub(crate) outcome: RefCell<Outcome>,
    /// Clients with acknowledgements that wait for a commit; at most one entry per client.
    pub(crate) waiting: RefCell<Vec<Rc<Client>>>,
    /// Connections by address; bounded by the total of connections.
    pub(crate) addresses: RefCell<HashMap<IpAddr, u32>>,
    pub(crate) connections: Cell<u32>,
    pub(crate) unauthenticated: Cell<u32>,
    pub(crate) delayed_wills: Cell<u32>,
    pub(crate) next_link: Cell<u64>,
    pub(crate) draining: Cell<bool>,
    pub(crate) drained: Notify,
    /// Some client took what waited for it, or left.
    pub(crate) room: Notify,
    /// One read buffer for all connections: a read and its processing never interleave.
    pub(crate) scratch: Cell<Vec<u8>>,
}

/// A live session as shown to people.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Client identifier.
    pub client_id: String,
    /// Its connection, if it has one.
    pub link: Option<LinkId>,
    /// Where that comes from.
    pub from: Option<SocketAddr>,
}

impl Handle {
    /// The state of an endpoint that does not serve yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Rc::new(Shared {
            limits,
            stats: Stats::default(),
            registry: RefCell::default(),
            outcome: RefCell::default(),
            waiting: RefCell::default(),
            addresses: RefCell::default(),
            connections: Cell::new(0),
            unauthenticated: Cell::new(0),
            delayed_wills: Cell::new(0),
            next_link: Cell::new(1),
            draining: Cell::new(false),
            drained: Notify::new(),
            room: Notify::new(),
            scratch: Cell::default(),
        }))
    }

    /// Delivers a message to every subscriber, and keeps it when `retain` is set. The answer is how
    /// many clients got it or will.
    pub fn publish(&self, topic: &str, payload: Bytes, qos: Qos, retain: bool) -> usize {
        let message = outgoing(topic, payload, qos, retain);
        let mut registry = self.0.registry.borrow_mut();
        if retain {
            registry.retain(message.clone(), &self.0.limits);
        }
        registry.route(&message, &self.0.stats)
    }

    /// Forgets what is retained for a topic.
    pub fn clear_retained(&self, topic: &str) {
        let nothing = outgoing(topic, Bytes::new(), Qos::AtMostOnce, true);
        self.0.registry.borrow_mut().retain(nothing, &self.0.limits);
    }

    /// Delivers a message to one client if it subscribes to the topic; the answer is whether it does.
    pub fn send(&self, client_id: &str, topic: &str, payload: Bytes, qos: Qos) -> bool {
        let message = outgoing(topic, payload, qos, false);
        self.0.registry.borrow().send(client_id, &message, &self.0.stats)
    }

    /// Bytes that wait for a client, if it is connected.
    #[must_use]
    pub fn backlog(&self, client_id: &str) -> Option<usize> {
        let registry = self.0.registry.borrow();
        let client = registry.find(client_id).filter(|client| client.live.get().is_some())?;
        Some(client.session.borrow().backlog())
    }

    /// Waits until some client took what waited for it, or left.
    pub fn room(&self) -> Notified<'_> {
        self.0.room.notified()
    }

    /// Closes a client's connection within this turn of the loop and forgets its session; the answer
    /// is whether it was connected.
    pub fn cut(&self, client_id: &str, why: Refused) -> bool {
        let mut registry = self.0.registry.borrow_mut();
        let live = registry.find(client_id).is_some_and(|client| tell(client, Close::Cut(why)));
        registry.forget(client_id);
        live
    }

    /// All commits up to `id` are durable: releases the acknowledgements that waited for them.
    pub fn committed(&self, id: CommitId) {
        self.0.outcome.borrow_mut().committed(id);
        self.wake_waiting();
    }

    /// This commit failed: its messages are refused.
    pub fn commit_failed(&self, id: CommitId, why: Refused) {
        self.0.outcome.borrow_mut().failed(id, why);
        self.wake_waiting();
    }

    fn wake_waiting(&self) {
        for client in self.0.waiting.take() {
            client.listed.set(false);
            client.wake.notify_one();
        }
    }

    /// All sessions, for people.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        let registry = self.0.registry.borrow();
        let info = |client: &Rc<Client>| SessionInfo {
            client_id: client.id.to_string(),
            link: client.live.get().map(|live| live.link),
            from: client.live.get().map(|live| live.from),
        };
        registry.clients().map(info).collect()
    }

    /// Connections now.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.0.connections.get()
    }

    /// Name, help text and value of every counter.
    #[must_use]
    pub fn stats(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.0.stats.all()
    }

    /// Takes no new connections, tells the present ones to go and waits for them, but not for ever.
    pub async fn drain(&self) {
        self.0.draining.set(true);
        self.0.drained.notify_waiters();
        for client in self.0.registry.borrow().clients() {
            tell(client, Close::Draining);
        }
        let deadline = tokio::time::Instant::now() + self.0.limits.drain;
        while self.0.connections.get() > 0 {
            if tokio::time::timeout_at(deadline, self.0.drained.notified()).await.is_err() {
                return;
            }
        }
    }
}

fn tell(client: &Client, close: Close) -> bool {
    let live = client.live.get();
    if let Some(live) = live {
        client.live.set(Some(Live { close: Some(close), ..live }));
        client.wake.notify_one();
    }
    live.is_some()
}

/// What a shut-down store or another fault of this side looks like to clients.
#[must_use]
pub fn unavailable(word: &'static str) -> Refused {
    Refused { reason: ReasonCode::ServerBusy, word }
}
