//! The hub: composes the capabilities, which do not know each other.
//!
//! One turn is one input: it changes the state in memory and collects effects. The shell makes the
//! writes durable before it lets anything else of the turn be seen.

mod clock;
mod commands;
mod config;
mod definitions;
mod dispose;
mod enrolment;
mod explain;
mod log;
mod memory;
mod messages;
mod people;
mod relay;
mod reset;
pub(crate) mod state;
mod updates;
mod views;

pub use messages::LEFT;

use crate::{
    access::{
        audience::Audience,
        credential,
        flow::Flow,
        gate::{self, Carriage, Denied, Inbound, Permitted, Standing},
        pairing::Pairing,
        people::{Accounts, Tokens, Tries},
        policy::{Kind, Policy},
        trust::{Hold, Trust, may_connect, may_go},
    },
    config::Configs,
    decision::Decision,
    detect::Detector,
    effect::{Answer, Cut, Effects, Write},
    event::{Coalescer, EventKind},
    input::{ComponentCertificate, Input, Now, StoreState, Uplink},
    inventory::{Inventory, presence::Presence, record::Record},
    log::Logs,
    persist::{self, Counters, RestoreError, Restored, Table},
    settings::HubSettings,
    update::Updates,
};
use protocol::{
    cbor,
    id::{ComponentId, Digest, Label, Note},
    message::{CloudHello, TrustNotice, TrustState, V1},
    refusal::Refusal,
    time::Timestamp,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

pub use explain::Explanation;
use memory::Memory;
pub use views::{CloudView, DefinitionView, HubView, StatusView};

/// Who the hub itself is.
#[derive(Clone, Debug)]
pub struct OwnIdentity {
    /// Logical id, made of the key of its CA.
    pub id: ComponentId,
    /// Version of its software.
    pub software: Label,
    /// SHA-256 of its CA certificate, which people compare when they pair.
    pub fingerprint: Digest,
}

/// The hub's whole state.
pub struct Hub {
    settings: HubSettings,
    own: OwnIdentity,
    inventory: Inventory,
    presence: Presence,
    pairing: Pairing,
    policy: Policy,
    empty_policy_told: bool,
    accounts: Accounts,
    tokens: Tokens,
    tries: Tries,
    configs: Configs,
    updates: Updates,
    logs: Logs,
    audience: Audience,
    /// Number of the next assertion.
    next_relay: u64,
    /// What was relayed, newest last.
    decisions: VecDeque<Decision>,
    /// What each component did lately.
    flows: BTreeMap<ComponentId, Flow>,
    counters: Counters,
    /// Connections now, by component.
    links: BTreeMap<ComponentId, Link>,
    /// Members whose last sign of life is not on disk yet.
    unsaved: BTreeSet<ComponentId>,
    /// Those of them whose turn to be written has come.
    saving: BTreeSet<ComponentId>,
    save_due: Duration,
    /// For which key and from where each component asked for a certificate that is not signed yet; one entry at most of
    /// each that may have one.
    asked_from: BTreeMap<ComponentId, (Digest, IpAddr)>,
    uplink: UplinkState,
    store: StoreState,
    coalescer: Coalescer,
    detector: Detector,
    memory: Memory,
    /// Refusals by reason: as many entries as there are reasons.
    refusals: BTreeMap<&'static str, u64>,
    messages: u64,
    now: Now,
    out: Effects,
}

#[derive(Clone, Copy)]
struct Link {
    number: u64,
    from: SocketAddr,
    /// Whether the component said on this connection what it is.
    announced: bool,
}

#[derive(Clone, Debug)]
struct UplinkState {
    state: Uplink,
    key: Option<Digest>,
    hello: Option<CloudHello>,
}

impl Hub {
    /// A hub with what the store holds; every member counts as heard just now.
    ///
    /// # Errors
    /// When the store holds something this version did not write.
    pub fn restore(
        settings: HubSettings,
        own: OwnIdentity,
        stored: impl IntoIterator<Item = (Table, Vec<u8>, Vec<u8>)>,
        now: Now,
    ) -> Result<Self, RestoreError> {
        let seed = u64::from_be_bytes(settings.seed[..8].try_into().expect("there are 32"));
        let mut hub = Self {
            detector: Detector::new(settings.detection.rules.clone(), seed),
            settings,
            own,
            inventory: Inventory::default(),
            presence: Presence::default(),
            pairing: Pairing::default(),
            policy: Policy::default(),
            empty_policy_told: false,
            accounts: Accounts::default(),
            tokens: Tokens::default(),
            tries: Tries::default(),
            configs: Configs::default(),
            updates: Updates::default(),
            logs: Logs::default(),
            audience: Audience::default(),
            next_relay: 1,
            decisions: VecDeque::new(),
            flows: BTreeMap::new(),
            counters: Counters::default(),
            links: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            asked_from: BTreeMap::new(),
            saving: BTreeSet::new(),
            save_due: now.mono,
            uplink: UplinkState { state: Uplink::NotConfigured, key: None, hello: None },
            store: StoreState::Ok,
            coalescer: Coalescer::default(),
            memory: Memory::new(now.mono),
            refusals: BTreeMap::new(),
            messages: 0,
            now,
            out: Effects::default(),
        };
        let mut habits = Vec::new();
        for (table, key, value) in stored {
            match persist::restore(table, &key, &value)? {
                Restored::Record(record) => hub.adopt(*record),
                Restored::Counters(counters) => {
                    hub.next_relay = counters.relays_reserved.max(1);
                    hub.counters = counters;
                }
                Restored::LookedAt(number) => hub.memory.restored(number),
                Restored::Definition(at, envelope) => hub.restore_definition(&envelope, at),
                Restored::Account(account) => drop(hub.accounts.put(account)),
                Restored::Decision(decision) => hub.decisions.push_back(decision),
                Restored::Config(id, configured) => hub.configs.put(id, *configured),
                Restored::Campaign(campaign) => {
                    drop(hub.updates.campaigns.insert(campaign.number, *campaign));
                }
                Restored::Job(job) => drop(hub.updates.jobs.insert(job.component, job)),
                Restored::Firmware(id, firmware) => {
                    drop(hub.updates.firmware.insert(id, firmware));
                }
                Restored::Ended(ended) => hub.updates.history.push_back(ended),
                Restored::Habits(id, learnt) => habits.push((id, learnt)),
                Restored::Book(id, book) => drop(hub.logs.books.insert(id, book)),
                Restored::Incident(change) => hub.detector.restore_incident(*change),
                Restored::Quiet(who, id) => drop(hub.updates.quiet.insert((who, id))),
                Restored::Nothing => {}
            }
        }
        hub.updates.history.make_contiguous().sort_by_key(|ended| ended.number);
        hub.decisions.make_contiguous().sort_by_key(|decision| decision.number);
        hub.judge_kinds();
        hub.known_to_detection();
        for (id, learnt) in habits {
            // What another version learnt is learnt anew.
            let _: bool = hub.detector.restore_learnt(id, &learnt);
        }
        Ok(hub)
    }

    fn adopt(&mut self, record: Record) {
        let (id, state) = (record.id, record.trust.state);
        self.inventory.insert(record);
        if state == TrustState::Active {
            self.watch(id);
        }
    }

    /// Takes one input and returns what follows from it.
    pub fn handle(&mut self, input: Input, now: Now) -> Effects {
        self.now = now;
        match input {
            Input::Message(permitted) => self.message(permitted),
            Input::Denied { who, from, refusal, about } => self.denied(who, from, refusal, &about),
            Input::Connected { who, link, from, serial, took_over } => {
                self.connected(who, link, from, &serial, took_over);
            }
            Input::Disconnected { who, link, why } => self.disconnected(who, link, why),
            Input::EndpointRefused { who, from, word, detail } => {
                self.endpoint_refused(who, from, word, &detail);
            }
            Input::Enrol(request) => self.enrol(&request),
            Input::Reenrol(request) => self.reenrol(&request),
            Input::Issued { id, certificate, occasion } => self.issued(id, certificate, occasion),
            Input::Login { name, right, token, from } => self.login(&name, right, token, &from),
            Input::WrongSetupCode { from } => self.wrong_setup_code(&from),
            Input::Command { by, command } => self.command(&by, command),
            Input::Released { image, note, definition, rollout } => {
                self.released(*image, note, definition.as_deref(), rollout);
            }
            Input::Withdrawn { model, counter } => self.withdrawn(&model, counter),
            Input::Rehashed { image, clean } => self.rehashed(image, clean),
            Input::Own(news) => self.own_news(news),
            Input::Repository(state) => self.repository(state),
            Input::Recorded { first, records } => self.recorded(first, &records),
            Input::LogDamaged(why) => {
                self.log_replaced();
                self.event(EventKind::LogDamaged, None, None, why);
            }
            Input::LogForked(why) => self.event(EventKind::LogDamaged, None, None, why),
            Input::StoreBehind(why) => self.event(EventKind::StoreBehind, None, None, why),
            Input::Undelivered(why) => {
                self.count("notice-undelivered");
                self.event(EventKind::NoticeUndelivered, None, None, why);
            }
            Input::Exported { by } => self.exported(&by),
            Input::Unrecorded(count) => self.unrecorded(count),
            Input::SettingsRead(refused) => self.settings_read(refused),
            Input::CloudAsk(ask) => self.cloud_asks(ask),
            Input::Uplink(uplink) => self.uplink(uplink),
            Input::LogAtCloud(found) => self.log_at_cloud(found),
            Input::Store(state) => self.store_changed(state),
            Input::Tick => self.tick(),
        }
        if !self.out.writes.is_empty() {
            self.remember_how_far();
        }
        std::mem::take(&mut self.out)
    }

    /// Asks the gate about a component's message.
    ///
    /// # Errors
    /// When the gate refuses; the shell reports it with `Input::Denied`.
    pub fn authorize(
        &self,
        who: ComponentId,
        topic: &str,
        payload: &[u8],
        carriage: Carriage,
    ) -> Result<Permitted<Inbound>, Denied> {
        let record = self.inventory.get(who).ok_or(Refusal::Unknown)?;
        let streams = record.facts.as_ref().map_or(&[][..], |facts| facts.streams.items());
        let kind = self.kind_of(record).map(|kind| &**kind);
        let state = record.trust.state;
        let (hold, is_proved) = (record.trust.hold, record.is_proved());
        let standing = Standing { id: who, state, hold, streams, kind, is_proved };
        if self.store == StoreState::Unavailable && carriage.qos > 0 {
            return Err(Refusal::StoreUnavailable.into());
        }
        let judged = gate::authorize(&standing, topic, payload, carriage, |id| self.receiver(id));
        judged.or_else(|denied| {
            let trial =
                record.on_trial.then(|| gate::permit_on_trial(&standing, topic, payload, &denied));
            trial.flatten().ok_or(denied)
        })
    }

    /// Asks the gate about a last will.
    ///
    /// # Errors
    /// When the gate refuses it.
    pub fn authorize_will(
        &self,
        who: ComponentId,
        topic: &str,
        payload: &[u8],
        carriage: Carriage,
    ) -> Result<(), Denied> {
        gate::authorize_will(who, topic, payload, carriage)
    }

    /// Asks the gate about a subscription.
    ///
    /// # Errors
    /// When the gate refuses it.
    pub fn authorize_subscription(&self, who: ComponentId, filter: &str) -> Result<(), Denied> {
        let state = self.inventory.get(who).map_or(TrustState::Seen, |record| record.trust.state);
        gate::authorize_subscription(who, state, filter).map(|_| ())
    }

    /// Whether a component with a certificate of the hub's CA may connect; asked on every connection.
    ///
    /// # Errors
    /// When it may not.
    pub fn admit(
        &self,
        id: ComponentId,
        shown: &ComponentCertificate,
        wall: Timestamp,
    ) -> Result<(), Refusal> {
        let record = self.inventory.get(id).ok_or(Refusal::Unknown)?;
        credential::admit(record.trust.state, &record.credentials, shown, wall)
    }

    /// The inventory.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The definition that covers a component: of the maker and kind it announced, vouched for by the
    /// roots that its IDevID comes from, if it has one.
    fn kind_of(&self, record: &Record) -> Option<&Arc<Kind>> {
        let facts = record.facts.as_ref()?;
        let kind = self.policy.of(&facts.maker, &facts.kind)?;
        if !kind.definition().models.contains(&facts.model) {
            return None;
        }
        let proved = record.origin.maker().is_none_or(|maker| maker == kind.anchor());
        proved.then_some(kind)
    }

    fn write(&mut self, write: Write) {
        self.out.writes.push(write);
    }

    fn save(&mut self, id: ComponentId) {
        if let Some(record) = self.inventory.get(id) {
            let write = persist::put_record(record);
            self.unsaved.remove(&id);
            self.saving.remove(&id);
            self.write(write);
        }
    }

    fn refuse(&mut self, why: Refusal, retry_after: Option<Duration>) {
        self.out.answer = Answer::Refused { why, detail: String::new(), retry_after };
    }

    fn count(&mut self, word: &'static str) {
        *self.refusals.entry(word).or_default() += 1;
    }

    fn watch(&mut self, id: ComponentId) {
        let interval = self
            .inventory
            .get(id)
            .and_then(|record| record.facts.as_ref())
            .map(|f| f.interval.get());
        let Some(interval) = interval else { return };
        let allowed = Duration::from_secs(u64::from(interval)) * self.settings.missed_intervals;
        self.presence.watch(id, allowed, self.now.mono);
    }

    /// Changes how the hub regards a component: history, event, presence, notice. The answer is
    /// whether the way is allowed.
    fn set_trust(
        &mut self,
        id: ComponentId,
        state: TrustState,
        hold: Option<Hold>,
        reason: &str,
    ) -> bool {
        let now = self.now.wall;
        let Some(record) = self.inventory.get_mut(id) else { return false };
        let former = record.trust.state;
        if !may_go(former, state) {
            return false;
        }
        record.trust = Trust { state, hold, since: now, reason: reason.to_owned() };
        record.note(now, "trust", former, format_args!("{state}: {reason}"));
        self.inventory.index(id);
        self.seat(id);
        if state == TrustState::Active {
            self.watch(id);
        } else {
            self.presence.forget(id);
        }
        self.event(
            EventKind::TrustChanged,
            Some(id),
            None,
            format!("{former} to {state}: {reason}"),
        );
        if may_connect(state) {
            self.notify(id);
        } else {
            self.flows.remove(&id);
        }
        self.profile(id);
        self.save(id);
        true
    }

    /// Tells a component how the hub regards it.
    fn notify(&mut self, id: ComponentId) {
        let Some(record) = self.inventory.get(id) else { return };
        let short: String = record.trust.reason.chars().take(160).collect();
        let notice = TrustNotice {
            version: V1,
            state: record.trust.state,
            since: record.trust.since,
            reason: Note::new(&short)
                .unwrap_or_else(|_| Note::new("unspecified").expect("a plain word")),
            renew_at: record
                .credentials
                .current
                .as_ref()
                .map(|current| current.renew_at().seconds()),
        };
        self.out.sends.push(gate::permit_notice(id, &notice));
    }

    fn cut(&mut self, who: ComponentId, why: Refusal) {
        self.out.cuts.push(Cut { who, why });
    }

    /// The status the cloud is told; counts on with each.
    #[must_use]
    pub fn next_status(&mut self, now: Now) -> (Vec<u8>, Vec<Write>) {
        self.now = now;
        self.counters.status_seq += 1;
        let active = self.inventory.count(TrustState::Active) as u32;
        let stale = self.inventory.count(TrustState::Stale) as u32;
        let quarantined = self.inventory.count(TrustState::Quarantined) as u32;
        let status = protocol::message::HubStatus {
            version: V1,
            seq: self.counters.status_seq,
            time: now.wall,
            software: self.own.software.clone(),
            members: active + stale + quarantined,
            active,
            quarantined,
        };
        (cbor::encode(&status), vec![persist::put_counters(&self.counters)])
    }
}
