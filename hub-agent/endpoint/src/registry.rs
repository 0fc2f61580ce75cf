//! Every session by client id, who subscribes to what, what is retained, and wills that are due later.

use crate::{
    codec::{
        packet::{Qos, Version},
        topic,
    },
    gate::{LinkId, Refused, TakenOver},
    limits::Limits,
    session::{Enqueued, Outgoing, Parcel, Session},
    stats::Stats,
};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    rc::Rc,
};
use tokio::{sync::Notify, time::Instant};

/// One client: its session, its live connection if any, and how to wake that.
pub(crate) struct Client {
    pub(crate) id: Box<str>,
    pub(crate) session: RefCell<Session>,
    pub(crate) live: Cell<Option<Live>>,
    pub(crate) wake: Notify,
    /// Whether it already stands in the list of those who wait for a commit.
    pub(crate) listed: Cell<bool>,
    expires: Cell<Option<Instant>>,
}

/// The connection a client has now.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    pub(crate) link: LinkId,
    pub(crate) from: SocketAddr,
    /// Set when the connection must close.
    pub(crate) close: Option<Close>,
}

/// Why a live connection is told to close.
#[derive(Clone, Copy)]
pub(crate) enum Close {
    Cut(Refused),
    Overflow,
    Draining,
}

#[derive(Default)]
pub(crate) struct Registry {
    clients: HashMap<Box<str>, Rc<Client>>,
    /// Subscribers by exact filter.
    exact: HashMap<Box<str>, Vec<Rc<Client>>>,
    /// Subscribers by filter with wildcards.
    wild: BTreeMap<Box<str>, Vec<Rc<Client>>>,
    retained: BTreeMap<Box<str>, Outgoing>,
    retained_bytes: usize,
}

/// What a connection gets when it begins.
pub(crate) struct Opened {
    pub(crate) client: Rc<Client>,
    pub(crate) present: bool,
    pub(crate) took_over: Option<TakenOver>,
}

impl Registry {
    /// Finds or makes the client's session and gives it to this connection.
    pub(crate) fn open(
        &mut self,
        id: &str,
        clean: bool,
        version: Version,
        live: Live,
        limits: &Limits,
    ) -> Opened {
        let former = self.clients.get(id).cloned();
        let took_over = former
            .as_ref()
            .and_then(|client| client.live.replace(None))
            .map(|live| TakenOver { link: live.link, from: live.from });
        if let Some(client) = &former {
            client.wake.notify_one();
        }
        if clean {
            self.forget(id);
        }
        let kept = self.clients.get(id).cloned();
        let present = kept.is_some();
        let client = kept.unwrap_or_else(|| self.add(id, version, limits));
        client.live.set(Some(live));
        client.expires.set(None);
        Opened { client, present, took_over }
    }

    fn add(&mut self, id: &str, version: Version, limits: &Limits) -> Rc<Client> {
        if self.clients.len() >= limits.sessions {
            self.evict();
        }
        let client = Rc::new(Client {
            id: id.into(),
            session: RefCell::new(Session::new(version, limits)),
            live: Cell::new(None),
            wake: Notify::new(),
            listed: Cell::new(false),
            expires: Cell::new(None),
        });
        self.clients.insert(id.into(), client.clone());
        client
    }

    /// The absent client that would expire first makes room.
    fn evict(&mut self) {
        let absent = self.clients.values().filter(|client| client.live.get().is_none());
        let first =
            absent.min_by_key(|client| client.expires.get()).map(|client| client.id.clone());
        if let Some(id) = first {
            self.forget(&id);
        }
    }

    /// A connection ended; the session lives on until `expires`, or ends now.
    pub(crate) fn close(&mut self, client: &Rc<Client>, link: LinkId, expires: Option<Instant>) {
        if client.live.get().is_none_or(|live| live.link != link) {
            return;
        }
        client.live.set(None);
        match expires {
            Some(at) => {
                client.expires.set(Some(at));
                client.session.borrow_mut().rest();
            }
            None if self.clients.get(&client.id).is_some_and(|known| Rc::ptr_eq(known, client)) => {
                self.forget(&client.id);
            }
            None => {}
        }
    }

    /// Ends a session and its subscriptions.
    pub(crate) fn forget(&mut self, id: &str) {
        let Some(client) = self.clients.remove(id) else { return };
        let filters: Vec<_> = client.session.borrow().subscriptions().keys().cloned().collect();
        for filter in filters {
            self.unlink(&client, &filter);
        }
    }

    /// Ends every session whose time is over.
    pub(crate) fn expire(&mut self, now: Instant) {
        let over = |client: &&Rc<Client>| client.expires.get().is_some_and(|at| at <= now);
        let ids: Vec<_> =
            self.clients.values().filter(over).map(|client| client.id.clone()).collect();
        ids.iter().for_each(|id| self.forget(id));
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Rc<Client>> {
        self.clients.get(id)
    }

    pub(crate) fn clients(&self) -> impl Iterator<Item = &Rc<Client>> {
        self.clients.values()
    }

    pub(crate) fn link(&mut self, client: &Rc<Client>, filter: &str, qos: Qos) -> bool {
        let new = client.session.borrow_mut().subscribe(filter, qos);
        if new {
            let list = match topic::has_wildcards(filter) {
                true => self.wild.entry(filter.into()).or_default(),
                false => self.exact.entry(filter.into()).or_default(),
            };
            list.push(client.clone());
        }
        new
    }

    pub(crate) fn unsubscribe(&mut self, client: &Rc<Client>, filter: &str) -> bool {
        let was = client.session.borrow_mut().unsubscribe(filter);
        if was {
            self.unlink(client, filter);
        }
        was
    }

    fn unlink(&mut self, client: &Rc<Client>, filter: &str) {
        let others = |list: &mut Vec<Rc<Client>>| {
            list.retain(|other| !Rc::ptr_eq(other, client));
            list.is_empty()
        };
        if self.exact.get_mut(filter).is_some_and(others) {
            self.exact.remove(filter);
        }
        if self.wild.get_mut(filter).is_some_and(others) {
            self.wild.remove(filter);
        }
    }

    /// Delivers to everyone who subscribes; the answer is how many that were.
    pub(crate) fn route(&self, outgoing: &Outgoing, stats: &Stats) -> usize {
        let name = &*outgoing.parcel.topic;
        let exact = self.exact.get(name).into_iter().flatten().map(|client| (client, name));
        let wild = self.wild.iter().filter(|(filter, _)| topic::matches(filter, name));
        let wild = wild.flat_map(|(filter, clients)| clients.iter().map(move |c| (c, &**filter)));
        let mut count = 0;
        for (client, filter) in exact.chain(wild) {
            let granted = client.session.borrow().subscriptions().get(filter).copied();
            if let Some(granted) = granted {
                let qos = outgoing.qos.min(granted);
                deliver(client, Outgoing { qos, retain: false, ..outgoing.clone() }, stats);
                count += 1;
            }
        }
        count
    }

    /// Delivers to one client if it subscribes to the topic.
    pub(crate) fn send(&self, id: &str, outgoing: &Outgoing, stats: &Stats) -> bool {
        let Some(client) = self.clients.get(id) else { return false };
        let granted = client.session.borrow().subscriptions().get(&outgoing.parcel.topic).copied();
        let Some(granted) = granted else { return false };
        deliver(client, Outgoing { qos: outgoing.qos.min(granted), ..outgoing.clone() }, stats);
        true
    }

    /// Keeps the newest message of a topic; an empty payload forgets it [MQTT-3.3.1-6].
    pub(crate) fn retain(&mut self, outgoing: Outgoing, limits: &Limits) -> bool {
        let parcel = outgoing.parcel.clone();
        if let Some(former) = self.retained.remove(&parcel.topic) {
            self.retained_bytes -= former.parcel.payload.len();
        }
        let full = self.retained.len() >= limits.retained_messages
            || self.retained_bytes + parcel.payload.len() > limits.retained_bytes;
        if parcel.payload.is_empty() || full {
            return parcel.payload.is_empty();
        }
        self.retained_bytes += parcel.payload.len();
        self.retained.insert(parcel.topic.clone(), outgoing);
        true
    }

    /// Delivers what is retained for a new subscription.
    pub(crate) fn replay(&self, client: &Rc<Client>, filter: &str, granted: Qos, stats: &Stats) {
        let matching: Vec<_> = match topic::has_wildcards(filter) {
            false => self.retained.get(filter).into_iter().collect(),
            true => self
                .retained
                .iter()
                .filter(|(t, _)| topic::matches(filter, t))
                .map(|(_, m)| m)
                .collect(),
        };
        for message in matching {
            let qos = message.qos.min(granted);
            deliver(client, Outgoing { qos, retain: true, ..message.clone() }, stats);
        }
    }
}

fn deliver(client: &Rc<Client>, outgoing: Outgoing, stats: &Stats) {
    match client.session.borrow_mut().enqueue(outgoing) {
        Enqueued::Queued => {}
        Enqueued::Dropped => stats.dropped.add(),
        Enqueued::Overflow => {
            stats.dropped.add();
            if let Some(live) = client.live.get() {
                client.live.set(Some(Live { close: Some(Close::Overflow), ..live }));
            }
        }
    }
    client.wake.notify_one();
}

/// Makes a delivery of owned parts.
pub(crate) fn outgoing(topic: &str, payload: bytes::Bytes, qos: Qos, retain: bool) -> Outgoing {
    Outgoing { parcel: Rc::new(Parcel { topic: topic.into(), payload }), qos, retain }
}
