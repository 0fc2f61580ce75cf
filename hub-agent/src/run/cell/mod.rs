//! The hub with everything around it that one loop shares: every input goes through [`HubCell::apply`].
//!
//! | module | holds |
//! |---|---|
//! | `work` | the loop: ticks, commits, the end |
//! | `log` | what is asked of the log |

mod log;
mod work;

use super::{
    at_cloud::AtCloud,
    batch::{Batches, Deferred},
    clock::Clock,
    events::EventRing,
};
use crate::{
    journal::Size,
    pki::{PkiError, ca::HubCa, maker::Maker, signer::Signer, verify::Revoked},
    settings::Settings,
    store::{ASKS, Committer, SHIPPED},
    telemetry,
    updates::{BlockServer, Repository},
};
use bytes::Bytes;
use hub_core::access::pairing::code_text;
use hub_core::update::OwnOrder;
use hub_core::{
    Actor, Answer, Cut, Disposal, Effects, Hub, Input, Now, Outbound, Permitted, Write,
};
use mqtt_endpoint::{CommitId, Handle, Qos, ReasonCode, Refused};
use protocol::{
    id::Digest,
    message::{Action, Assertion},
    refusal::Refusal,
    topic::{Down, Route},
};
use std::{
    cell::{Cell, RefCell},
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

/// How MQTT 5 is told that the owner or a rule ended a connection.
pub const CUT_OFF: ReasonCode = ReasonCode::AdministrativeAction;

/// Why the daemon ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Other software is to start.
    Switched,
    /// It is new and could not prove itself.
    Unproved,
}

/// How the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// The service must start it again, from the other slot.
    Again,
}

/// What a daemon is made of.
pub struct Parts {
    /// The decisions.
    pub hub: Hub,
    /// The newest events.
    pub events: EventRing,
    /// The CA.
    pub ca: HubCa,
    /// The key that vouches for what is relayed.
    pub signer: Signer,
    /// Trusted makers.
    pub makers: Vec<Maker>,
    /// The store's thread.
    pub committer: Committer,
    /// The components' sessions.
    pub handle: Handle,
    /// What serves blocks of updates.
    pub blocks: BlockServer,
    /// The clock.
    pub clock: Clock,
    /// The settings.
    pub settings: Settings,
    /// Tells how large the log is.
    pub log_size: Size,
}

/// The running daemon's state.
pub struct HubCell {
    hub: RefCell<Hub>,
    ca: HubCa,
    signer: RefCell<Signer>,
    makers: Vec<Maker>,
    committer: RefCell<Committer>,
    handle: Handle,
    blocks: BlockServer,
    repository: RefCell<Option<Repository>>,
    own: RefCell<Option<mpsc::Sender<OwnOrder>>>,
    leave: Cell<Option<Leave>>,
    leaving: Notify,
    clock: Clock,
    settings: Settings,
    batches: RefCell<Batches>,
    events: RefCell<EventRing>,
    revoked: Revoked,
    /// The code that makes the first owner's account, until it did.
    setup_code: Cell<Option<[u8; 10]>>,
    /// Passwords are compared one at a time.
    passwords: Arc<Semaphore>,
    /// Places for questions about the log.
    questions: Arc<Semaphore>,
    /// The place of the one who reads it for the cloud.
    shipping: Arc<Semaphore>,
    log_size: Size,
    /// There may be more in the log.
    recorded: Notify,
    at_cloud: RefCell<AtCloud>,
    /// There may be something to commit.
    dirty: Notify,
    /// An event was added.
    happened: Notify,
    addresses: Cell<(SocketAddr, Option<SocketAddr>)>,
}

impl HubCell {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Rc<Self> {
        let Parts { hub, events, ca, signer, makers, committer, .. } = parts;
        let Parts { handle, blocks, clock, settings, log_size, .. } = parts;
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let cell = Rc::new(Self {
            hub: RefCell::new(hub),
            ca,
            signer: RefCell::new(signer),
            makers,
            committer: RefCell::new(committer),
            handle,
            blocks,
            repository: RefCell::new(None),
            own: RefCell::new(None),
            leave: Cell::new(None),
            leaving: Notify::new(),
            clock,
            settings,
            batches: RefCell::new(Batches::new()),
            events: RefCell::new(events),
            revoked: Revoked::default(),
            setup_code: Cell::new(None),
            passwords: Arc::new(Semaphore::new(1)),
            questions: Arc::new(Semaphore::new(ASKS)),
            shipping: Arc::new(Semaphore::new(SHIPPED)),
            log_size,
            recorded: Notify::new(),
            at_cloud: RefCell::default(),
            dirty: Notify::new(),
            happened: Notify::new(),
            addresses: Cell::new((nowhere, None)),
        });
        cell.refresh_revoked();
        cell
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The CA.
    #[must_use]
    pub fn ca(&self) -> &HubCa {
        &self.ca
    }

    /// Trusted makers.
    #[must_use]
    pub fn makers(&self) -> &[Maker] {
        &self.makers
    }

    /// The list the TLS verifiers look at.
    #[must_use]
    pub fn revoked(&self) -> Revoked {
        self.revoked.clone()
    }

    /// The components' sessions.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Looks at the hub.
    pub fn look<T>(&self, look: impl FnOnce(&Hub) -> T) -> T {
        look(&self.hub.borrow())
    }

    /// Whose token it is.
    #[must_use]
    pub fn holder(&self, token: &Digest) -> Option<Actor> {
        let mono = self.now().mono;
        self.hub.borrow_mut().holder(token, mono)
    }

    /// The place of the one who compares or hashes a password.
    #[must_use]
    pub fn passwords(&self) -> Arc<Semaphore> {
        self.passwords.clone()
    }

    /// The code that makes the first owner's account.
    #[must_use]
    pub fn setup_code(&self) -> Option<[u8; 10]> {
        self.setup_code.get()
    }

    /// Prints a new code to make the first owner's account with, while there is none.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn announce_setup(&self) -> Result<(), PkiError> {
        if self.look(Hub::needs_setup) {
            let mut code = [0; 10];
            aws_lc_rs::rand::fill(&mut code).map_err(|_| PkiError::Randomness)?;
            self.setup_code.set(Some(code));
            let code = code_text(&code);
            tracing::warn!(
                "nobody can log in yet; whoever has this code makes the first owner's account: hub-agent account setup NAME --code {code}"
            );
        }
        Ok(())
    }

    /// What the code was for failed: it is good again.
    pub fn restore_setup_code(&self, code: [u8; 10]) {
        self.setup_code.set(Some(code));
    }

    /// The code was used.
    pub fn forget_setup_code(&self) {
        self.setup_code.set(None);
    }

    /// Remembers where the daemon listens.
    pub fn listens(&self, mqtt: SocketAddr, est: Option<SocketAddr>) {
        self.addresses.set((mqtt, est));
    }

    /// Where components connect.
    #[must_use]
    pub fn mqtt_address(&self) -> SocketAddr {
        self.addresses.get().0
    }

    /// Where components enrol, unless that is off.
    #[must_use]
    pub fn est_address(&self) -> Option<SocketAddr> {
        self.addresses.get().1
    }

    /// Events from this number on.
    #[must_use]
    pub fn events_since(&self, number: u64) -> Vec<serde_json::Value> {
        self.events.borrow().since(number)
    }

    /// Events in short go with what they tell of, but for those of incidents and of the disposal itself.
    pub fn forget_events(&self, what: &Disposal) {
        let whose = match what {
            Disposal::All => None,
            Disposal::Component(id) => Some(("component", id.to_string())),
            Disposal::Person(name) => Some(("actor", name.to_string())),
            Disposal::Times(..) => return,
        };
        let about = |event: &serde_json::Value| {
            let stays = event["kind"] == "incident" || event["subject"] == format!("erase {what}");
            let is_theirs = whose.as_ref().is_none_or(|(field, who)| {
                let named = event[*field].as_str().unwrap_or_default();
                named.split(" (").next() == Some(who)
            });
            is_theirs && !stays
        };
        let keys = self.events.borrow_mut().forget(about);
        let mut batches = self.batches.borrow_mut();
        keys.iter().for_each(|key| batches.put(EventRing::table(), key, None));
        self.dirty.notify_one();
    }

    /// Waits for the next event.
    pub async fn next_event(&self) {
        self.happened.notified().await;
    }

    /// Gives the hub an input; the answer is its answer, and the commit that must be durable before
    /// anybody may learn of it.
    pub fn apply(&self, input: Input) -> (Answer, Option<CommitId>) {
        let now = self.now();
        let effects = self.hub.borrow_mut().handle(input, now);
        self.carry_out(effects)
    }

    /// Gives the hub an input and waits until its effects are durable. What changes nothing waits for its record,
    /// but is not refused when there is no room for one: people must be able to log in and look.
    ///
    /// # Errors
    /// When they cannot be made durable.
    pub async fn apply_durably(&self, input: Input) -> Result<Answer, Refusal> {
        let (answer, commit) = self.apply(input);
        let waiter = {
            let mut batches = self.batches.borrow_mut();
            if commit.is_none() && (batches.failing || !batches.collects_records()) {
                return Ok(answer);
            }
            let (done, waiter) = oneshot::channel();
            batches.defer(Deferred::Waiter(done));
            waiter
        };
        match waiter.await {
            Ok(true) => Ok(answer),
            Ok(false) | Err(_) if commit.is_none() => Ok(answer),
            Ok(false) | Err(_) => Err(Refusal::StoreUnavailable),
        }
    }

    /// Makes rows of the shell's own durable.
    ///
    /// # Errors
    /// When they cannot be.
    pub async fn make_durable(&self, rows: Vec<Write>) -> Result<(), Refusal> {
        let (done, waiter) = oneshot::channel();
        {
            let mut batches = self.batches.borrow_mut();
            batches.add(rows);
            batches.defer(Deferred::Waiter(done));
        }
        self.dirty.notify_one();
        match waiter.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Refusal::StoreUnavailable),
        }
    }

    /// Where updates come from, if they do.
    #[must_use]
    pub fn repository(&self) -> Option<Repository> {
        self.repository.borrow().clone()
    }

    /// Updates come from there.
    pub fn has_repository(&self, repository: Repository) {
        self.repository.replace(Some(repository));
    }

    /// What the hub wants of its own software goes there.
    pub fn takes_own_orders(&self, orders: mpsc::Sender<OwnOrder>) {
        self.own.replace(Some(orders));
    }

    /// Ends the daemon.
    pub fn leave(&self, why: Leave) {
        self.leave.set(Some(why));
        self.leaving.notify_one();
    }

    fn order_own(&self, order: OwnOrder) {
        let sent = self.own.borrow().as_ref().is_some_and(|orders| orders.try_send(order).is_ok());
        if !sent {
            tracing::error!("nobody takes orders for the hub's own software");
        }
    }

    /// The next status for the cloud.
    #[must_use]
    pub fn next_status(&self) -> Vec<u8> {
        let (status, writes) = self.hub.borrow_mut().next_status(self.now());
        self.batches.borrow_mut().add(writes);
        self.dirty.notify_one();
        status
    }

    fn carry_out(&self, effects: Effects) -> (Answer, Option<CommitId>) {
        let Effects { writes, sends, cuts, own, events, records, answer } = effects;
        let mut batches = self.batches.borrow_mut();
        let commit = (!writes.is_empty()).then(|| batches.add(writes));
        if !records.is_empty() {
            batches.record(records);
            self.dirty.notify_one();
        }
        if !events.is_empty() {
            let mut ring = self.events.borrow_mut();
            for event in events {
                telemetry::log(&event);
                let (key, value) = ring.push(&event);
                batches.put(EventRing::table(), &key, Some(value));
            }
            self.happened.notify_waiters();
            self.dirty.notify_one();
        }
        if !cuts.is_empty() {
            self.refresh_revoked();
        }
        if commit.is_some() {
            sends.into_iter().for_each(|send| batches.defer(Deferred::Send(send)));
            cuts.into_iter().for_each(|cut| batches.defer(Deferred::Cut(cut)));
            own.into_iter().for_each(|order| batches.defer(Deferred::Own(order)));
            self.dirty.notify_one();
        } else {
            drop(batches);
            sends.iter().for_each(|send| self.send(send));
            cuts.into_iter().for_each(|cut| self.cut(cut));
            own.into_iter().for_each(|order| self.order_own(order));
        }
        (answer, commit)
    }

    fn send(&self, send: &Permitted<Outbound>) {
        let id = send.principal();
        match send.message() {
            Outbound::Message { down, payload } => {
                let route = Route::Down(id, *down);
                let payload = Bytes::copy_from_slice(payload);
                let retain = route.limits().retain;
                self.handle.publish(&route.to_string(), payload, Qos::AtLeastOnce, retain);
            }
            Outbound::Blocks(blocks) => self.blocks.serve(id, *blocks),
            Outbound::Relayed(assertion) => match self.vouch(assertion) {
                // A value that comes too late for a slow reader may be dropped, a command may not.
                Ok(signed) => {
                    let qos = match assertion.action {
                        Action::Stream => Qos::AtMostOnce,
                        Action::Command => Qos::AtLeastOnce,
                    };
                    let topic = Route::Down(id, Down::Relayed).to_string();
                    self.handle.send(&id.to_string(), &topic, signed.into(), qos);
                }
                Err(error) => tracing::error!("nothing can be relayed: {error}"),
            },
        }
    }

    fn vouch(&self, assertion: &Assertion) -> Result<Vec<u8>, PkiError> {
        let now = self.now().wall;
        if self.signer.borrow().is_old(now) {
            self.signer.replace(self.ca.signer(now)?);
        }
        self.signer.borrow().sign(assertion)
    }

    fn cut(&self, Cut { who, why }: Cut) {
        self.handle.clear_retained(&format!("p/{who}/trust"));
        self.handle.cut(&who.to_string(), Refused { reason: CUT_OFF, word: why.slug() });
    }

    fn refresh_revoked(&self) {
        let revoked = self.hub.borrow().revoked_certificates(self.now().wall);
        self.revoked.set(revoked.into_iter().map(|revoked| revoked.serial));
    }
}
