//! Rules against records: finds the detections of a record's kind, and what correlations become true.
//!
//! Time is the engine's own, an argument in milliseconds that never goes back; what components say of the
//! time is not looked at. A record from a backlog says nothing about rates: only detections and sequences see it.

mod groups;
mod seed;
mod window;

pub use groups::GUESTS;
pub(crate) use seed::{Mixer, Seed};

use super::rules::{Field, Raises, RuleSet, Value, Wants};
use crate::record::{Lane, Record, Severity, Word};
use groups::{Group, Groups, PRODUCT};
use protocol::id::ComponentId;
use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher},
    net::IpAddr,
};
use window::{Mark, Seen, Window};

/// Components and accounts with places of their own; further ones are guests.
pub const MAX_KNOWN: usize = 8192;

/// Records named as evidence of one hit.
pub const MAX_EVIDENCE: usize = 32;

/// Components named by one hit.
pub const MAX_COMPONENTS: usize = 16;

/// Whom a hit is about: equal ones are the same incident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole product.
    Product,
    /// A component.
    Component(ComponentId),
    /// An account.
    Actor(Word),
    /// An address.
    Source(IpAddr),
}

/// A rule became true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which incident comes of it, in the order of the rule set.
    pub incident: u16,
    /// How grave.
    pub severity: Severity,
    /// Whom it is about.
    pub scope: Scope,
    /// Components that took part, at most [`MAX_COMPONENTS`].
    pub components: Vec<ComponentId>,
    /// Records that made it true, at most [`MAX_EVIDENCE`], newest last.
    pub evidence: Vec<u64>,
}

/// The rules in force and what they have seen.
#[derive(Debug)]
pub struct Engine {
    rules: RuleSet,
    seen: Seenings,
}

/// What was seen; apart from the rules, so that both can be used at the same time.
#[derive(Debug)]
struct Seenings {
    groups: Groups,
    slots: HashMap<ComponentId, u16, Seed>,
    accounts: HashMap<Word, u16, Seed>,
    who: Vec<Option<ComponentId>>,
    free: Vec<u16>,
    seed: u64,
}

/// The record at hand.
#[derive(Clone, Copy)]
struct Now<'r> {
    record: &'r Record,
    mark: Mark,
}

impl Engine {
    /// An engine that has seen nothing. The seed should be drawn at random once and kept secret.
    #[must_use]
    pub fn new(rules: RuleSet, seed: u64) -> Self {
        let groups = Groups::new(rules.correlations.len(), seed);
        Self { rules, seen: Seenings::new(groups, seed) }
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Puts other rules in force. Windows begin anew: they belong to rules.
    pub fn reload(&mut self, rules: RuleSet) {
        self.seen.groups = Groups::new(rules.correlations.len(), self.seen.seed);
        self.rules = rules;
    }

    /// Gives a component places of its own.
    pub fn enrolled(&mut self, id: ComponentId) {
        if !self.seen.slots.contains_key(&id)
            && let Some(slot) = self.seen.slot()
        {
            self.seen.slots.insert(id, slot);
            self.seen.who[usize::from(slot)] = Some(id);
        }
    }

    /// Takes a component's places back.
    pub fn forgotten(&mut self, id: ComponentId) {
        if let Some(slot) = self.seen.slots.remove(&id) {
            self.seen.give_back(slot);
        }
    }

    /// Gives an account places of its own.
    pub fn account_known(&mut self, account: &Word) {
        if !self.seen.accounts.contains_key(account)
            && let Some(slot) = self.seen.slot()
        {
            self.seen.accounts.insert(account.clone(), slot);
        }
    }

    /// Takes an account's places back.
    pub fn account_removed(&mut self, account: &Word) {
        if let Some(slot) = self.seen.accounts.remove(account) {
            self.seen.give_back(slot);
        }
    }

    /// Takes a record with its number in the log, at a time of the engine in milliseconds.
    #[inline]
    pub fn observe(&mut self, record: &Record, number: u64, at: u64) -> Vec<Hit> {
        let mut hits = Vec::new();
        let matching = self.rules.detections_of(record.kind);
        if matching.is_empty() {
            return hits;
        }
        let who = record.component.and_then(|id| self.seen.slots.get(&id).copied());
        let now = Now { record, mark: Mark { at, number, who: who.unwrap_or(PRODUCT) } };
        for rule in matching {
            let rule = &self.rules.detections[usize::from(*rule)];
            if rule.expr.holds(record) {
                if let Some(raises) = rule.links.raises {
                    hits.push(single(raises, now));
                }
                for (correlation, part) in &rule.links.feeds {
                    self.seen.feed(&self.rules, *correlation, usize::from(*part), now, &mut hits);
                }
            }
        }
        hits
    }

    /// Time has passed: tells of absences, and forgets what is over.
    pub fn tick(&mut self, at: u64) -> Vec<Hit> {
        let span = |correlation: u16| self.rules.correlations[usize::from(correlation)].span_ms;
        let absent = self.seen.groups.absent(at, span);
        self.seen.groups.sweep(at, span);
        let hits = absent.into_iter().filter_map(|(correlation, slot, last)| {
            let raises = self.rules.correlations[usize::from(correlation)].links.raises?;
            let id = self.seen.who.get(usize::from(slot)).copied().flatten()?;
            Some(Hit {
                incident: raises.incident,
                severity: raises.severity,
                scope: Scope::Component(id),
                components: vec![id],
                evidence: vec![last.number],
            })
        });
        hits.collect()
    }

    /// How many unknown groups made room before their windows were over, since this was asked last.
    pub fn take_evicted(&mut self) -> u64 {
        self.seen.groups.take_evicted()
    }

    /// Bytes of what was seen, without the rules.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let known = self.seen.slots.capacity() * (size_of::<(ComponentId, u16)>() + 1)
            + self.seen.accounts.capacity() * (size_of::<(Word, u16)>() + 1)
            + self.seen.who.capacity() * size_of::<Option<ComponentId>>();
        self.seen.groups.bytes() + known
    }
}

impl Seenings {
    fn new(groups: Groups, seed: u64) -> Self {
        Self {
            groups,
            slots: HashMap::with_hasher(Seed(seed)),
            accounts: HashMap::with_hasher(Seed(seed)),
            who: Vec::new(),
            free: Vec::new(),
            seed,
        }
    }

    fn slot(&mut self) -> Option<u16> {
        self.free.pop().or_else(|| {
            (self.who.len() < MAX_KNOWN).then(|| {
                self.who.push(None);
                (self.who.len() - 1) as u16
            })
        })
    }

    fn give_back(&mut self, slot: u16) {
        self.groups.forget(slot);
        self.who[usize::from(slot)] = None;
        self.free.push(slot);
    }

    /// Tells a correlation that one of its parts matched, and goes on to those above it.
    fn feed(
        &mut self,
        rules: &RuleSet,
        correlation: u16,
        part: usize,
        now: Now<'_>,
        hits: &mut Vec<Hit>,
    ) {
        let rule = &rules.correlations[usize::from(correlation)];
        if now.record.lane == Lane::Backlog && !rule.in_backlog {
            return;
        }
        let group = self.group(&rule.group, now.record);
        if rule.wants == Wants::Absence {
            if let Group::Known(slot) = group {
                self.groups.present(correlation, slot, now.mark);
            }
            return;
        }
        let value = match &rule.wants {
            Wants::Distinct(_, fields) => self.value(fields, now.record),
            Wants::Count(_) | Wants::Together(_) | Wants::Ordered(_) | Wants::Absence => Some(0),
        };
        // A record without the counted value adds none.
        let Some(value) = value else { return };
        let times = now.record.counters.count.unwrap_or(1);
        let seen = Seen { mark: now.mark, part, value, times };
        let (span, wants) = (rule.span_ms, &rule.wants);
        let is_over = |window: &Window| window.is_over(now.mark.at, span);
        let window = self.groups.window(correlation, group, || Window::new(wants), is_over);
        if !window.push(wants, span, seen) {
            return;
        }
        if let Some(raises) = rule.links.raises {
            let marks = window.evidence(now.mark.at, span, MAX_EVIDENCE);
            hits.push(self.hit(raises, &rule.group, now.record, &marks));
        }
        for (above, part) in &rule.links.feeds {
            self.feed(rules, *above, usize::from(*part), now, hits);
        }
    }

    /// Which group a record belongs to: one that is known, if its one value is.
    fn group(&self, fields: &[Field], record: &Record) -> Group {
        if fields.is_empty() {
            return Group::Known(PRODUCT);
        }
        let mut known = None;
        let mut others = 0;
        for field in fields {
            match field.of(record) {
                None => {}
                Some(Value::Component(id)) if *field == Field::Device => {
                    known = self.slots.get(&id);
                    others += 1;
                }
                Some(Value::Text(_)) if *field == Field::Actor => {
                    known = record.actor.as_ref().and_then(|actor| self.accounts.get(actor));
                    others += 1;
                }
                Some(_) => others += 1,
            }
        }
        match known {
            Some(slot) if others == 1 => Group::Known(*slot),
            _ => Group::Guest(self.hash(fields, record)),
        }
    }

    /// A hash of the values that are counted together; nothing when one of them is not there.
    fn value(&self, fields: &[Field], record: &Record) -> Option<u64> {
        let is_there = fields.iter().all(|field| field.of(record).is_some());
        is_there.then(|| self.hash(fields, record))
    }

    fn hash(&self, fields: &[Field], record: &Record) -> u64 {
        let mut mixer = Seed(self.seed).build_hasher();
        for field in fields {
            put(&mut mixer, field.of(record));
        }
        mixer.finish()
    }

    fn hit(&self, raises: Raises, group: &[Field], record: &Record, marks: &[Mark]) -> Hit {
        let mut components: Vec<_> = marks
            .iter()
            .filter_map(|mark| self.who.get(usize::from(mark.who)).copied().flatten())
            .chain(record.component)
            .collect();
        components.sort();
        components.dedup();
        components.truncate(MAX_COMPONENTS);
        Hit {
            incident: raises.incident,
            severity: raises.severity,
            scope: scope(group, record),
            components,
            evidence: marks.iter().map(|mark| mark.number).collect(),
        }
    }
}

fn put(mixer: &mut Mixer, value: Option<Value<'_>>) {
    match value {
        None => mixer.word(0),
        Some(Value::Text(text)) => {
            mixer.word(1);
            mixer.write(text.as_bytes());
        }
        Some(Value::Number(number)) => {
            mixer.word(2);
            mixer.word(number);
        }
        Some(Value::Ip(IpAddr::V4(ip))) => mixer.word(3 << 32 | u64::from(ip.to_bits())),
        Some(Value::Ip(IpAddr::V6(ip))) => mixer.write(&ip.octets()),
        Some(Value::Component(id)) => mixer.write(id.as_bytes()),
        Some(Value::Digest(digest)) => mixer.write(&digest.0),
    }
}

/// A single record was enough.
fn single(raises: Raises, now: Now<'_>) -> Hit {
    Hit {
        incident: raises.incident,
        severity: raises.severity,
        scope: scope(
            &[Field::Device, Field::Actor, Field::SourceIp, Field::OtherSourceIp],
            now.record,
        ),
        components: now.record.component.into_iter().collect(),
        evidence: vec![now.mark.number],
    }
}

/// The first of the grouping values that says whom it is about.
fn scope(group: &[Field], record: &Record) -> Scope {
    let named = group.iter().find_map(|field| match (field, field.of(record)?) {
        (Field::Device, Value::Component(id)) => Some(Scope::Component(id)),
        (Field::Actor, Value::Text(_)) => record.actor.clone().map(Scope::Actor),
        (Field::SourceIp | Field::OtherSourceIp, Value::Ip(ip)) => Some(Scope::Source(ip)),
        _ => None,
    });
    named.unwrap_or(Scope::Product)
}

#[cfg(test)]
mod tests;
