//! What was found, and whether it is what had to be found.

use super::file::{Expectation, Happened, Scenario};
use hub_core::{
    ComponentCertificate, Hub,
    detect::About,
    record::{Record, RecordKind, Severity},
};
use protocol::id::ComponentId;
use std::{collections::BTreeMap, time::Duration};

/// An incident as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its rule.
    pub rule: String,
    /// Its name.
    pub title: String,
    /// Whom it is about, as the scenario calls them.
    pub about: Vec<String>,
    /// When it reached each severity, in milliseconds of the scenario with its bringing up.
    reached: Vec<(u64, Severity)>,
}

impl Incident {
    /// How grave it became.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.reached.last().map_or(Severity::Info, |(_, severity)| *severity)
    }

    fn when(&self, severity: Severity) -> Option<u64> {
        self.reached.iter().find(|(_, reached)| *reached >= severity).map(|(at, _)| *at)
    }
}

/// What is seen while a scenario runs.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// When an attacker began.
    began: Option<u64>,
    incidents: BTreeMap<u64, Incident>,
    /// How many records of a kind there were about whom; as many entries as kinds and components.
    counts: BTreeMap<(RecordKind, Option<ComponentId>), u64>,
    /// How the scenario calls components.
    pub(super) names: BTreeMap<ComponentId, String>,
    /// Certificates that were got with stolen ones.
    pub(super) stolen: BTreeMap<ComponentId, ComponentCertificate>,
}

/// How an expectation came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What was expected.
    pub wanted: String,
    /// How long it took from the first hostile event, if it was found.
    pub took: Option<Duration>,
    /// Whether it was found in time.
    pub holds: bool,
}

/// How a scenario came out.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What was expected, in its order.
    pub checked: Vec<Checked>,
    /// What should have happened and did not.
    pub missing: Vec<String>,
    /// Incidents that were not to be found.
    pub unexpected: Vec<String>,
    /// All incidents that matter, in words.
    pub found: Vec<String>,
}

impl Verdict {
    /// Whether all is as expected.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.unexpected.is_empty()
            && self.missing.is_empty()
            && self.checked.iter().all(|one| one.holds)
    }

    /// The slowest of the expected.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.checked.iter().filter_map(|one| one.took).max()
    }

    /// What is wrong, in words.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let missed = self.checked.iter().filter(|one| !one.holds).map(|one| match one.took {
            None => format!("not found: {}", one.wanted),
            Some(took) => format!("found late, after {}: {}", words(took), one.wanted),
        });
        let missed = missed.chain(self.missing.iter().map(|one| format!("did not happen: {one}")));
        missed.chain(self.unexpected.iter().map(|one| format!("not expected: {one}"))).collect()
    }
}

impl Found {
    /// An attacker does something.
    pub(super) fn begins(&mut self, ms: u64) {
        self.began.get_or_insert(ms);
    }

    /// Looks at what is about to be detected.
    pub(super) fn look(&mut self, records: &[Record], hub: &Hub, ms: u64) {
        for record in records {
            *self.counts.entry((record.kind, record.component)).or_default() += 1;
        }
        for record in records.iter().filter(|record| record.kind == RecordKind::Incident) {
            let number = record.related.unwrap_or(0);
            let Some(now) = hub.incidents().get(number) else { continue };
            let name =
                |id: &ComponentId| self.names.get(id).cloned().unwrap_or_else(|| id.to_string());
            let mut about: Vec<_> = match &now.about {
                About::Product => vec!["product".into()],
                About::Component(id) => vec![name(id)],
                About::Account(account) => vec![account.to_string()],
                About::Source(ip) => vec![ip.to_string()],
            };
            about.extend(now.components.iter().map(name));
            about.dedup();
            let known = self.incidents.entry(number).or_insert_with(|| Incident {
                rule: now.rule.to_string(),
                title: now.title.to_string(),
                about: Vec::new(),
                reached: Vec::new(),
            });
            known.about = about;
            if known.reached.is_empty() || now.severity > known.severity() {
                known.reached.push((ms, now.severity));
            }
        }
    }

    /// Judges what was found.
    pub(super) fn verdict(&self, scenario: &Scenario) -> Verdict {
        let fits = |wanted: &Expectation, one: &Incident| {
            let about = wanted.who.as_ref().is_none_or(|who| one.about.contains(who));
            one.rule == wanted.incident && about
        };
        let check = |wanted: &Expectation| {
            let of = self.incidents.values().filter(|one| fits(wanted, one));
            let at = of.filter_map(|one| one.when(wanted.severity));
            let since = |at: u64| at.checked_sub(self.began.unwrap_or(0));
            let took = at.filter_map(since).min().map(Duration::from_millis);
            let holds = took.is_some_and(|took| took <= wanted.within);
            Checked { wanted: in_words(wanted), took, holds }
        };
        let checked = scenario.expect.iter().map(check).collect();
        let least = scenario.quiet.unwrap_or(Severity::Medium);
        let grave = |one: &&Incident| one.severity() >= least;
        // What is found before the first hostile event is a false alarm, whatever its name.
        let is_early =
            |one: &Incident| one.when(least).zip(self.began).is_some_and(|(at, began)| at < began);
        let is_known = |one: &Incident| {
            let is_wanted = scenario.expect.iter().any(|wanted| fits(wanted, one));
            scenario.may.contains(&one.rule) || (is_wanted && !is_early(one))
        };
        let word = |one: &Incident| {
            format!("{} {} ({}, {})", one.rule, one.title, one.severity(), one.about.join("+"))
        };
        let grave: Vec<_> = self.incidents.values().filter(grave).collect();
        let unexpected = grave.iter().filter(|one| !is_known(one)).map(|one| word(one)).collect();
        let missing = scenario.happened.iter().filter_map(|wanted| self.missing(wanted, scenario));
        let missing = missing.collect();
        Verdict { checked, missing, unexpected, found: grave.iter().map(|one| word(one)).collect() }
    }
}

impl Found {
    /// What is missing of what must have happened, in words.
    fn missing(&self, wanted: &Happened, scenario: &Scenario) -> Option<String> {
        let is_meant = |id: &Option<ComponentId>| {
            let Some(who) = &wanted.who else { return true };
            let Some(name) = id.and_then(|id| self.names.get(&id)) else { return false };
            let kind = scenario.components.iter().find(|one| one.name == *name);
            name == who || kind.is_some_and(|one| one.kind == *who)
        };
        let of =
            self.counts.iter().filter(|((kind, id), _)| *kind == wanted.record && is_meant(id));
        let there: u64 = of.map(|(_, count)| *count).sum();
        let who = wanted.who.as_ref().map_or(String::new(), |who| format!(" of {who}"));
        let (record, at_least) = (wanted.record.word(), wanted.at_least);
        (there < at_least).then(|| format!("{at_least} × {record}{who}, there were {there}"))
    }
}

fn in_words(wanted: &Expectation) -> String {
    let who = wanted.who.as_ref().map_or(String::new(), |who| format!(" about {who}"));
    format!("{}{who}, {} within {}", wanted.incident, wanted.severity, words(wanted.within))
}

/// A span as people read it.
#[must_use]
pub fn words(span: Duration) -> String {
    let ms = span.as_millis();
    match ms {
        0..10_000 => format!("{:.1} s", ms as f64 / 1000.0),
        10_000..600_000 => format!("{} s", ms / 1000),
        600_000..36_000_000 => format!("{} min", ms / 60_000),
        _ => format!("{:.1} h", ms as f64 / 3_600_000.0),
    }
}
