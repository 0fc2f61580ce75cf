//! The hub with everything around it that one loop shares: every input goes through [`HubCell::apply`].

use super::{
    at_cloud::AtCloud,
    batch::{Batches, Deferred},
    clock::Clock,
    events::EventRing,
    shutdown,
};
use crate::{
    journal::{Ask, Journal, Question, Shipment, Size},
    pki::{PkiError, ca::HubCa, maker::Maker, signer::Signer, verify::Revoked},
    settings::Settings,
    store::{ASKS, Committer, Completion, Job, SHIPPED, StoreError},
    telemetry,
    updates::{BlockServer, Repository},
};
use bytes::Bytes;
use hub_core::access::pairing::code_text;
use hub_core::update::OwnOrder;
use hub_core::{
    Actor, Answer, Cut, Disposal, Effects, Hub, Input, Now, Outbound, Permitted, StoreState, Write,
};
use mqtt_endpoint::{CommitId, Handle, Qos, ReasonCode, Refused};
use protocol::{
    id::Digest,
    message::{Action, Assertion},
    refusal::Refusal,
    topic::{Down, Route},
};
use std::{
    cell::{Cell, RefCell, RefMut},
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Duration,
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

/// Longest time the last commit may take when the daemon ends.
const LAST_COMMIT: Duration = Duration::from_secs(3);

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

    /// The loop: ticks, commits, and the end.
    ///
    /// # Errors
    /// When the last state cannot be made durable.
    pub async fn work(
        self: Rc<Self>,
        mut completions: mpsc::Receiver<Completion>,
        tick: Duration,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<Ended> {
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                completion = completions.recv() => match completion {
                    Some(completion) => self.completed(completion),
                    // Without its thread nothing would ever be acknowledged again: better start anew.
                    None => anyhow::bail!("the store's thread ended by itself; restart the hub"),
                },
                () = self.dirty.notified() => self.commit(false),
                _ = ticks.tick() => self.tick(),
                () = self.leaving.notified() => break,
                () = &mut stop => break,
            }
        }
        shutdown::stopping();
        self.finish(completions).await?;
        match self.leave.get() {
            None => Ok(Ended::Asked),
            Some(Leave::Switched) => Ok(Ended::Again),
            Some(Leave::Unproved) => anyhow::bail!("the new software did not prove itself"),
        }
    }

    fn tick(&self) {
        self.apply(Input::Tick);
        self.commit(true);
        shutdown::alive();
    }

    /// Starts the next commit. While commits fail, only a tick tries again.
    fn commit(&self, trial: bool) {
        let mut batches = self.batches.borrow_mut();
        if batches.failing && !trial {
            return;
        }
        let Some(job) = batches.next() else { return };
        if let Err(job) = self.committer.borrow().submit(job) {
            tracing::error!("the store's thread takes no commit");
            if let Job::Commit { batch, records, .. } = *job {
                let deferred = batches.ended(Some((batch, records)));
                deferred.into_iter().for_each(|waiting| batches.defer(waiting));
            }
        }
    }

    fn completed(&self, completion: Completion) {
        let Completion { id, recorded, result } = completion;
        let (failure, returned) = match result {
            Ok(()) => (None, None),
            Err((error, batch, records)) => (Some(error), Some((batch, records))),
        };
        let mut batches = self.batches.borrow_mut();
        batches.failing = failure.is_some();
        let deferred = batches.ended(returned);
        let lost = if failure.is_none() { std::mem::take(&mut batches.dropped) } else { 0 };
        drop(batches);
        let unavailable =
            Refused { reason: ReasonCode::ServerBusy, word: Refusal::StoreUnavailable.slug() };
        match (id, &failure) {
            (Some(id), None) => self.handle.committed(id),
            (Some(id), Some(_)) => self.handle.commit_failed(id, unavailable),
            (None, _) => {}
        }
        for waiting in deferred {
            match waiting {
                Deferred::Send(send) if failure.is_none() => self.send(&send),
                Deferred::Own(order) if failure.is_none() => self.order_own(order),
                Deferred::Send(_) | Deferred::Own(_) => {}
                Deferred::Cut(cut) => self.cut(cut),
                // Whoever waited may be gone.
                Deferred::Waiter(done) => drop(done.send(failure.is_none())),
            }
        }
        let state = if failure.is_none() { StoreState::Ok } else { StoreState::Unavailable };
        if let Some(error) = failure {
            tracing::warn!("{error}");
        }
        self.apply(Input::Store(state));
        if lost > 0 {
            self.apply(Input::Unrecorded(lost));
        }
        if let Some((first, records)) = recorded {
            self.apply(Input::Recorded { first, records });
            self.recorded.notify_one();
        }
        self.commit(false);
    }

    /// Asks the log something.
    ///
    /// # Errors
    /// When the log cannot answer, or too many questions wait.
    pub async fn ask_log(&self, question: Question) -> Result<serde_json::Value, StoreError> {
        let answer = self.with_log(&self.questions, move |log| log.answer(question)).await;
        // The log may have written an act of its own.
        self.recorded.notify_one();
        answer
    }

    /// Reads records for the cloud, in a place of their own: nobody's question waits for it, and it for nobody's.
    ///
    /// # Errors
    /// When the log cannot be read, or is being read already.
    pub async fn ship_log(&self, from: u64, most: usize) -> Result<Shipment, StoreError> {
        self.with_log(&self.shipping, move |log| log.shipment(from, most)).await
    }

    /// Keeps a head that the cloud witnessed.
    ///
    /// # Errors
    /// When it contradicts the log, or cannot be written.
    pub async fn keep_head(
        &self,
        note: String,
        witness: state_log::Verifier,
    ) -> Result<(), StoreError> {
        self.with_log(&self.questions, move |log| log.keep_head(&note, &witness)).await
    }

    /// The largest size of the log that a cloud witnessed, as far as the log remembers.
    ///
    /// # Errors
    /// When too many questions wait.
    pub async fn witnessed(&self) -> Result<u64, StoreError> {
        self.with_log(&self.questions, |log| log.witnessed()).await
    }

    /// Records in the log.
    #[must_use]
    pub fn log_size(&self) -> u64 {
        self.log_size.get()
    }

    /// Waits until records were added, or may have been.
    pub async fn recorded(&self) {
        self.recorded.notified().await;
    }

    /// How far the log is at the cloud.
    pub fn at_cloud(&self) -> RefMut<'_, AtCloud> {
        self.at_cloud.borrow_mut()
    }

    async fn with_log<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        work: impl FnOnce(&mut Journal) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, waiter) = oneshot::channel();
        let busy = || StoreError::Log("it is busy; ask again".into());
        let place = places.clone().try_acquire_owned().map_err(|_| busy())?;
        // Whoever asked may be gone.
        let work = Box::new(move |log: &mut Journal| drop(answer.send(work(log))));
        let job = Job::Ask(Box::new(Ask { work, place }));
        self.committer.borrow().submit(job).map_err(|_| busy())?;
        waiter.await.map_err(|_| StoreError::Log("the store's thread ended".into()))?
    }

    /// Takes no more, commits what there is and ends.
    async fn finish(&self, mut completions: mpsc::Receiver<Completion>) -> anyhow::Result<()> {
        let drain = self.handle.drain();
        tokio::pin!(drain);
        loop {
            tokio::select! {
                Some(completion) = completions.recv() => self.completed(completion),
                () = self.dirty.notified() => self.commit(false),
                () = &mut drain => break,
            }
        }
        let last = self.hub.borrow_mut().last_writes();
        self.batches.borrow_mut().add(last);
        let deadline = tokio::time::Instant::now() + LAST_COMMIT;
        self.commit(true);
        while !self.batches.borrow().is_idle() {
            match tokio::time::timeout_at(deadline, completions.recv()).await {
                Ok(Some(completion)) => self.completed(completion),
                Ok(None) | Err(_) => {
                    anyhow::bail!("the last state could not be made durable; look at the disk")
                }
            }
            if self.batches.borrow().failing {
                anyhow::bail!("the last state could not be made durable; free disk space");
            }
        }
        self.committer.borrow_mut().stop();
        Ok(())
    }
}
