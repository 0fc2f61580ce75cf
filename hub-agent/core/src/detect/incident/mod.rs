//! Incidents: opened, updated, acknowledged and closed with a reason.
//!
//! Every change is a value to be written down, and the state is what the written changes say: there is no way
//! to edit or delete an incident, for nobody. Equal things are one incident until it was closed or quiet for
//! its time; then the next one is a new incident.

use super::{
    engine::{Hit, MAX_COMPONENTS, MAX_EVIDENCE, Scope},
    rules::{IncidentRule, Response},
};
use crate::record::{Record, RecordKind, Severity, Text, Word};
use protocol::{id::ComponentId, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr, time::Duration};

/// Incidents remembered; beyond it the oldest closed one leaves memory, never the written changes.
pub const MAX_INCIDENTS: usize = 1024;

/// Open incidents of one rule that are told apart; further ones are one incident of the whole product, so
/// that invented identities cannot fill the list.
pub const MAX_APART: usize = 16;

/// Changes by mere repetition are told at most so often.
const UPDATE_EVERY: Duration = Duration::from_secs(60);

/// An incident as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// Its number; incidents of one hub are counted on for ever.
    pub number: u64,
    /// The rule it came of, such as HUB-01.
    pub rule: Word,
    /// Its name.
    pub title: Word,
    /// How grave it became.
    pub severity: Severity,
    /// Whom it is about.
    pub about: About,
    /// Components that took part.
    pub components: Vec<ComponentId>,
    /// When it began.
    pub first: Timestamp,
    /// When it was last true.
    pub last: Timestamp,
    /// How often it was true.
    pub count: u32,
    /// Numbers of records that prove it: the first ones and the newest.
    pub evidence: Vec<u64>,
    /// What to do, in plain words.
    pub advice: Text,
    /// ATT&CK techniques.
    pub attack: Vec<Word>,
    /// Who looked at it, and when.
    pub acknowledged: Option<Act>,
    /// Who or what closed it, when and why.
    pub closed: Option<Act>,
}

/// What somebody did with an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Who.
    pub by: Word,
    /// When.
    pub at: Timestamp,
    /// Why, in their words.
    pub reason: Text,
}

/// Whom an incident is about, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// The whole product.
    Product,
    /// A component.
    Component(ComponentId),
    /// An account.
    Account(Word),
    /// An address.
    Source(IpAddr),
}

impl From<&Scope> for About {
    fn from(scope: &Scope) -> Self {
        match scope {
            Scope::Product => Self::Product,
            Scope::Component(id) => Self::Component(*id),
            Scope::Actor(name) => Self::Account(name.clone()),
            Scope::Source(ip) => Self::Source(*ip),
        }
    }
}

/// What became of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    /// It began.
    Opened,
    /// It goes on, or became graver.
    Updated,
    /// Somebody looked at it.
    Acknowledged,
    /// It is over.
    Closed,
}

impl Became {
    /// The word in records.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Acknowledged => "acknowledged",
            Self::Closed => "closed",
        }
    }
}

/// A change to be written down: what became of an incident, and the whole incident as it is then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentChange {
    /// What became of it.
    pub became: Became,
    /// The incident.
    pub incident: Incident,
    /// What the hub may do by itself now, where policy lets it. Of a change read back: nothing.
    #[serde(skip, default = "nothing")]
    pub response: Response,
}

fn nothing() -> Response {
    Response::None
}

impl IncidentChange {
    /// The record of the change.
    #[must_use]
    pub fn record(&self, at: Timestamp) -> Record {
        let incident = &self.incident;
        let act = match self.became {
            Became::Acknowledged => incident.acknowledged.as_ref(),
            Became::Closed => incident.closed.as_ref(),
            Became::Opened | Became::Updated => None,
        };
        let mut record = Record::new(at, RecordKind::Incident)
            .because(self.became.word())
            .on(&incident.rule)
            .saying(act.map_or(&incident.title, |act| &act.reason));
        record.severity = incident.severity;
        record.related = Some(incident.number);
        record.counters.count = Some(incident.count);
        record.actor = act.map(|act| act.by.clone());
        record.component = match &incident.about {
            About::Component(id) => Some(*id),
            About::Product | About::Account(_) | About::Source(_) => None,
        };
        record
    }
}

/// Why an act on an incident is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncidentError {
    /// There is none with this number.
    #[error("no incident has this number")]
    Unknown,
    /// It is closed already; what was written stays.
    #[error("the incident is closed; what happens anew becomes an incident of its own")]
    Closed,
    /// Closing needs a reason.
    #[error("say why the incident is closed")]
    NoReason,
}

/// All incidents that are remembered.
#[derive(Clone, Debug, Default)]
pub struct Incidents {
    all: BTreeMap<u64, Kept>,
    /// Open ones by rule and whom they are about.
    open: BTreeMap<(Word, About), u64>,
    newest: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    incident: Incident,
    quiet: Duration,
    told: Timestamp,
    told_count: u32,
}

impl Incidents {
    /// A rule became true: opens an incident, or adds to the one that is open.
    pub fn raise(&mut self, hit: &Hit, rule: &IncidentRule, at: Timestamp) -> Vec<IncidentChange> {
        let mut changes = Vec::new();
        let about = self.apart(rule, About::from(&hit.scope));
        let key = (rule.id.clone(), about);
        if let Some(number) = self.open.get(&key).copied() {
            let is_quiet = |kept: &Kept| at.since(kept.incident.last) >= rule.quiet;
            match self.all.get(&number) {
                Some(kept) if is_quiet(kept) => changes.extend(self.over(number, at)),
                Some(_) => return self.repeat(number, hit, rule, at),
                None => {}
            }
        }
        changes.push(self.begin(key, hit, rule, at));
        changes
    }

    /// Somebody looked at an incident.
    ///
    /// # Errors
    /// When there is none, or it is closed.
    pub fn acknowledge(&mut self, number: u64, act: Act) -> Result<IncidentChange, IncidentError> {
        let kept = self.all.get_mut(&number).ok_or(IncidentError::Unknown)?;
        if kept.incident.closed.is_some() {
            return Err(IncidentError::Closed);
        }
        kept.incident.acknowledged.get_or_insert(act);
        Ok(kept.change(Became::Acknowledged, Response::None))
    }

    /// Somebody closes an incident.
    ///
    /// # Errors
    /// When there is none, it is closed already, or no reason is given.
    pub fn close(&mut self, number: u64, act: Act) -> Result<IncidentChange, IncidentError> {
        if act.reason.trim().is_empty() {
            return Err(IncidentError::NoReason);
        }
        let kept = self.all.get_mut(&number).ok_or(IncidentError::Unknown)?;
        if kept.incident.closed.is_some() {
            return Err(IncidentError::Closed);
        }
        kept.incident.closed = Some(act);
        let change = kept.change(Became::Closed, Response::None);
        self.open.remove(&(change.incident.rule.clone(), change.incident.about.clone()));
        Ok(change)
    }

    /// Time has passed: what somebody acknowledged and was quiet since is closed. What nobody looked at stays.
    pub fn tick(&mut self, at: Timestamp) -> Vec<IncidentChange> {
        let is_over = |kept: &&Kept| {
            kept.incident.acknowledged.is_some() && at.since(kept.incident.last) >= kept.quiet
        };
        let open = self.open.values().filter_map(|number| self.all.get(number));
        let over: Vec<u64> = open.filter(is_over).map(|kept| kept.incident.number).collect();
        over.into_iter().filter_map(|number| self.over(number, at)).collect()
    }

    /// Takes a change that was written down. Changes are taken in the order they were written.
    pub fn restore(&mut self, change: IncidentChange, rules: &[IncidentRule]) {
        let incident = change.incident;
        let (key, number) = ((incident.rule.clone(), incident.about.clone()), incident.number);
        self.newest = self.newest.max(number);
        if incident.closed.is_some() {
            self.open.remove(&key);
        } else {
            self.open.insert(key, number);
        }
        let rule = rules.iter().find(|rule| rule.id == incident.rule);
        let quiet = rule.map_or(Duration::from_secs(3600), |rule| rule.quiet);
        let (told, told_count) = (incident.last, incident.count);
        self.all.insert(number, Kept { incident, quiet, told, told_count });
        self.make_room();
    }

    /// The incident with this number.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Incident> {
        self.all.get(&number).map(|kept| &kept.incident)
    }

    /// All that are remembered, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Incident> {
        self.all.values().map(|kept| &kept.incident)
    }

    /// How many are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Whom a new incident is told apart by; too many become one.
    fn apart(&self, rule: &IncidentRule, about: About) -> About {
        let is_member = matches!(about, About::Component(_) | About::Product);
        let key = (rule.id.clone(), about);
        if is_member || self.open.contains_key(&key) {
            return key.1;
        }
        let alike = self.open.keys().filter(|(id, _)| *id == rule.id).count();
        if alike >= MAX_APART { About::Product } else { key.1 }
    }

    fn begin(
        &mut self,
        key: (Word, About),
        hit: &Hit,
        rule: &IncidentRule,
        at: Timestamp,
    ) -> IncidentChange {
        self.newest += 1;
        let incident = Incident {
            number: self.newest,
            rule: rule.id.clone(),
            title: rule.title.clone(),
            severity: hit.severity,
            about: key.1.clone(),
            components: hit.components.clone(),
            first: at,
            last: at,
            count: 1,
            evidence: hit.evidence.clone(),
            advice: rule.advice.clone(),
            attack: rule.attack.clone(),
            acknowledged: None,
            closed: None,
        };
        let kept = Kept { incident, quiet: rule.quiet, told: at, told_count: 1 };
        let change = kept.change(Became::Opened, rule.response);
        self.open.insert(key, self.newest);
        self.all.insert(self.newest, kept);
        self.make_room();
        change
    }

    /// The same is true again. That is told when it became graver, twice as often, or a minute has passed.
    fn repeat(
        &mut self,
        number: u64,
        hit: &Hit,
        rule: &IncidentRule,
        at: Timestamp,
    ) -> Vec<IncidentChange> {
        let Some(kept) = self.all.get_mut(&number) else { return Vec::new() };
        let is_graver = hit.severity > kept.incident.severity;
        kept.add(hit, at);
        let is_due = at.since(kept.told) >= UPDATE_EVERY
            || kept.incident.count >= kept.told_count.saturating_mul(2);
        if !is_graver && !is_due {
            return Vec::new();
        }
        (kept.told, kept.told_count) = (at, kept.incident.count);
        let response = if is_graver { rule.response } else { Response::None };
        vec![kept.change(Became::Updated, response)]
    }

    /// Closes what was quiet for its time.
    fn over(&mut self, number: u64, at: Timestamp) -> Option<IncidentChange> {
        let reason = Text::clip("nothing more happened");
        self.close(number, Act { by: Word::clip("hub"), at, reason }).ok()
    }

    fn make_room(&mut self) {
        if self.all.len() <= MAX_INCIDENTS {
            return;
        }
        let closed = self.all.values().find(|kept| kept.incident.closed.is_some());
        let oldest = closed.or_else(|| self.all.values().next());
        let Some(oldest) = oldest.map(|kept| kept.incident.clone()) else { return };
        self.all.remove(&oldest.number);
        self.open.retain(|_, number| *number != oldest.number);
    }
}

impl Kept {
    fn add(&mut self, hit: &Hit, at: Timestamp) {
        let incident = &mut self.incident;
        incident.severity = incident.severity.max(hit.severity);
        incident.last = incident.last.max(at);
        incident.count = incident.count.saturating_add(1);
        let known = &incident.components;
        let new: Vec<_> = hit.components.iter().filter(|id| !known.contains(id)).copied().collect();
        incident.components.extend(new);
        incident.components.truncate(MAX_COMPONENTS);
        let newest = hit.evidence.iter().filter(|number| !incident.evidence.contains(number));
        let newest: Vec<_> = newest.copied().collect();
        incident.evidence.extend(newest);
        // How it began stays, and the newest; what is between makes room.
        let surplus = incident.evidence.len().saturating_sub(MAX_EVIDENCE);
        if surplus > 0 {
            incident.evidence.drain(MAX_EVIDENCE / 2..MAX_EVIDENCE / 2 + surplus);
        }
    }

    fn change(&self, became: Became, response: Response) -> IncidentChange {
        IncidentChange { became, incident: self.incident.clone(), response }
    }
}

#[cfg(test)]
mod tests;
