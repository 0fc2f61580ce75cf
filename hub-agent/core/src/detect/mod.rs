//! Incidents out of the product's records: rules, what is usual, what was seen, and what comes of it.
//!
//! | module | holds |
//! |---|---|
//! | [`rules`] | Sigma rules, compiled; samples; explanations |
//! | [`engine`] | what rules have seen, bounded |
//! | [`incident`] | incidents and their changes |
//! | `baseline`, `native` | what is usual for a component, silence, clocks, floods |
//!
//! One way in: [`Detector::observe`]. What comes out are records to be written like any others, and then told
//! to the detector in their turn, and changes of incidents.

mod baseline;
pub mod engine;
pub mod incident;
mod native;
pub mod rules;

pub use engine::{Engine, Hit, Scope};
pub use incident::{About, Act, Became, Incident, IncidentChange, IncidentError, Incidents};
pub use native::Profile;
pub use rules::{IncidentRule, Response, RuleError, RuleFile, RuleSet};

use crate::{
    input,
    record::{Lane, Record, RecordKind, Source, Word},
};
use baseline::When;
use engine::Seed;
use native::{Member, Product};
use protocol::{id::ComponentId, time::Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The engine's time at which the daemon starts: all that is restored lies before it.
const START_MS: u64 = rules::MAX_SPAN_MS;

/// Time as detection needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    wall: Timestamp,
    /// Counted on from the start of the daemon; never goes back.
    engine_ms: u64,
}

impl From<input::Now> for Now {
    fn from(now: input::Now) -> Self {
        let mono = u64::try_from(now.mono.as_millis()).unwrap_or(u64::MAX);
        Self { wall: now.wall, engine_ms: START_MS.saturating_add(mono) }
    }
}

/// What came of a record, or of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// To be written like any record, and told to [`Detector::observe`] with their numbers.
    pub records: Vec<Record>,
    /// To be written; each has a record of its own ([`IncidentChange::record`]).
    pub changes: Vec<IncidentChange>,
}

/// Finds incidents in records.
#[derive(Debug)]
pub struct Detector {
    engine: Engine,
    incidents: Incidents,
    /// Looked up for each record, and gone through in order of the ids only.
    members: HashMap<ComponentId, Box<Member>, Seed>,
    product: Product,
    /// The number after that of the newest record it was told.
    next: u64,
    /// While the log is recalled: below which number records are in a member's baseline already.
    learnt_until: BTreeMap<ComponentId, u64>,
}

impl Detector {
    /// A detector that has seen nothing. The seed should be drawn at random once and kept secret.
    #[must_use]
    pub fn new(rules: RuleSet, seed: u64) -> Self {
        Self {
            engine: Engine::new(rules, seed),
            incidents: Incidents::default(),
            members: HashMap::with_hasher(Seed(seed)),
            product: Product::new(),
            next: 0,
            learnt_until: BTreeMap::new(),
        }
    }

    /// Takes a record that was written under this number.
    pub fn observe(&mut self, record: &Record, number: u64, now: input::Now) -> Findings {
        let now = Now::from(now);
        let mut findings = Findings::default();
        self.learn(record, number, now, &mut findings.records);
        let hits = self.engine.observe(record, number, now.engine_ms);
        self.raise(&hits, now.wall, &mut findings.changes);
        let evicted = self.engine.take_evicted();
        if evicted > 0 {
            findings.records.extend(self.product.evicted(evicted, now));
        }
        findings
    }

    /// Time has passed. Call it every second or so.
    pub fn tick(&mut self, now: input::Now) -> Findings {
        let now = Now::from(now);
        let mut findings = Findings::default();
        let is_uplink_up = self.product.is_uplink_up;
        let mut members: Vec<_> = self.members.iter_mut().collect();
        members.sort_unstable_by_key(|(id, _)| **id);
        for (id, member) in members {
            findings.records.extend(member.tick(*id, now, is_uplink_up));
        }
        let hits = self.engine.tick(now.engine_ms);
        self.raise(&hits, now.wall, &mut findings.changes);
        findings.changes.extend(self.incidents.tick(now.wall));
        findings
    }

    /// A component gave a sign of life that is no record: any message of it.
    pub fn alive(&mut self, id: ComponentId, now: input::Now) {
        if let Some(member) = self.members.get_mut(&id) {
            member.alive(Now::from(now).engine_ms);
        }
    }

    /// Why nobody need wonder that a component is silent, if nobody need.
    #[must_use]
    pub fn why_silent(&self, id: ComponentId) -> Option<&'static str> {
        self.members.get(&id)?.expected(self.product.is_uplink_up)
    }

    /// Learns from a record written before the daemon started, without finding anything. Records are told
    /// in the order of their numbers; those of the last week are enough.
    pub fn restore(&mut self, record: &Record, number: u64, now: input::Now) {
        let ago = u64::try_from(now.wall.since(record.at).as_millis()).unwrap_or(u64::MAX);
        let past = Now { wall: record.at, engine_ms: START_MS.saturating_sub(ago) };
        self.learn(record, number, past, &mut Vec::new());
        self.engine.observe(record, number, past.engine_ms);
        self.engine.take_evicted();
    }

    /// All that was written before the daemon started was told: who was silent while it was away did nothing wrong.
    pub fn restored(&mut self, now: input::Now) {
        let engine_ms = Now::from(now).engine_ms;
        self.learnt_until.clear();
        self.members.values_mut().for_each(|member| member.wake(engine_ms));
        self.product.wake();
    }

    /// Takes a change of an incident that was written before.
    pub fn restore_incident(&mut self, change: IncidentChange) {
        self.incidents.restore(change, self.engine.rules().incidents());
    }

    /// A component became a member, or its definition changed: it has places of its own.
    pub fn enrolled(&mut self, id: ComponentId, profile: Profile, now: input::Now) {
        self.engine.enrolled(id);
        match self.members.get_mut(&id) {
            Some(member) => member.profile = profile,
            None => {
                let member = Member::new(profile, Now::from(now).engine_ms);
                self.members.insert(id, Box::new(member));
            }
        }
    }

    /// What was learnt of a member, and up to which record, to be written now and then.
    #[must_use]
    pub fn learnt(&self, id: ComponentId) -> Option<Vec<u8>> {
        let mut packed = self.members.get(&id)?.baseline.pack();
        packed.extend(self.next.to_be_bytes());
        Some(packed)
    }

    /// Members, in order of their ids.
    #[must_use]
    pub fn members(&self) -> BTreeSet<ComponentId> {
        self.members.keys().copied().collect()
    }

    /// Takes what was learnt of a member before a restart; says whether it could be read. What cannot be
    /// read is learnt anew.
    pub fn restore_learnt(&mut self, id: ComponentId, packed: &[u8]) -> bool {
        let Some((packed, until)) = packed.split_last_chunk() else { return false };
        let learnt = baseline::Baseline::unpack(packed);
        match (self.members.get_mut(&id), learnt) {
            (Some(member), Some(baseline)) => {
                member.baseline = baseline;
                self.learnt_until.insert(id, u64::from_be_bytes(*until));
                true
            }
            _ => false,
        }
    }

    /// What is usual for a member is forgotten, and learnt anew.
    pub fn forget_habits(&mut self, id: ComponentId) {
        if let Some(member) = self.members.get_mut(&id) {
            member.baseline = baseline::Baseline::default();
        }
    }

    /// Another log begins, and with it the numbers of records.
    pub fn renumbered(&mut self) {
        self.next = 0;
        self.learnt_until.clear();
    }

    /// A component is no member any more.
    pub fn forgotten(&mut self, id: ComponentId) {
        self.engine.forgotten(id);
        self.members.remove(&id);
    }

    /// An account was made: guessing at it is counted in a place of its own.
    pub fn account_known(&mut self, account: &Word) {
        self.engine.account_known(account);
    }

    /// An account was removed.
    pub fn account_removed(&mut self, account: &Word) {
        self.engine.account_removed(account);
    }

    /// Puts other rules in force. Open incidents stay; what rules were waiting for begins anew.
    pub fn reload(&mut self, rules: RuleSet) {
        self.engine.reload(rules);
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        self.engine.rules()
    }

    /// The incidents.
    #[must_use]
    pub fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// Somebody looked at an incident.
    ///
    /// # Errors
    /// When there is none, or it is closed.
    pub fn acknowledge(&mut self, number: u64, act: Act) -> Result<IncidentChange, IncidentError> {
        self.incidents.acknowledge(number, act)
    }

    /// Somebody closes an incident.
    ///
    /// # Errors
    /// When there is none, it is closed already, or no reason is given.
    pub fn close(&mut self, number: u64, act: Act) -> Result<IncidentChange, IncidentError> {
        self.incidents.close(number, act)
    }

    /// Bytes of all that was learnt and seen, without rules and incidents.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let member = size_of::<Member>() + size_of::<(ComponentId, Box<Member>)>();
        self.engine.bytes()
            + self.members.len() * member
            + (self.members.capacity() - self.members.len())
                * size_of::<(ComponentId, Box<Member>)>()
    }

    fn learn(&mut self, record: &Record, number: u64, now: Now, found: &mut Vec<Record>) {
        self.next = number.saturating_add(1);
        let before = found.len();
        found.extend(self.product.observe(record, now, self.members.len()));
        if record.kind == RecordKind::UplinkChanged && self.product.is_uplink_up {
            self.members.values_mut().for_each(|member| member.network_is_back(now.engine_ms));
        }
        let until = record.component.and_then(|id| self.learnt_until.get(&id));
        let is_known = until.is_some_and(|until| number < *until);
        if let Some(member) = record.component.and_then(|id| self.members.get_mut(&id))
            && record.lane == Lane::Live
        {
            found.extend(member.observe(record, now.engine_ms));
            let is_new = !is_known && !is_derived(record);
            if is_new {
                let when = When { engine_ms: now.engine_ms, wall_ms: now.wall.0 };
                let Member { profile, baseline, .. } = &mut **member;
                found.extend(baseline.observe(record, when, |to| profile.declares(to)));
            }
        }
        for one in &mut found[before..] {
            one.related = Some(number);
        }
    }

    fn raise(&mut self, hits: &[Hit], at: Timestamp, changes: &mut Vec<IncidentChange>) {
        for hit in hits {
            if let Some(rule) = self.engine.rules().incidents().get(usize::from(hit.incident)) {
                changes.extend(self.incidents.raise(hit, rule, at));
            }
        }
    }
}

/// What detection itself found, or became of incidents, says nothing about a component's habits.
fn is_derived(record: &Record) -> bool {
    record.source == Source::Hub
        && matches!(
            record.kind,
            RecordKind::NetFirstSeen
                | RecordKind::BaselineDeviation
                | RecordKind::ComponentLost
                | RecordKind::LogStopped
                | RecordKind::ClockJump
                | RecordKind::GuestFlood
                | RecordKind::Incident
                | RecordKind::Contain
        )
}

#[cfg(test)]
mod tests;
