//! What a component shall be and what it says it is.

use protocol::{
    definition::{Definition, Risk, SettingValue},
    id::{Note, Slug},
    message::{ConfigOutcome, ConfigPurpose, Reported, Settings},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far beyond what it was told a component's claim is believed. It may have belonged to a hub before; it
/// must not use up the numbers, or the change of a whole group would fail for one member's lie.
const CLAIM: u32 = 1 << 16;

/// The configuration of one component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configured {
    /// What it shall be.
    pub desired: Desired,
    /// What it said last that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Seen>,
    /// The greatest security version it ever reported: a smaller one is a rollback.
    #[serde(default)]
    pub security: u32,
}

/// What a component shall be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Counts on with each change.
    pub revision: u32,
    /// Whether it is set or restored.
    pub purpose: ConfigPurpose,
    /// What people changed; the rest is the secure default.
    pub changes: BTreeMap<Slug, SettingValue>,
    /// Every setting, as it is sent.
    pub settings: BTreeMap<Slug, SettingValue>,
    /// The interfaces that may be open.
    pub open: Vec<Slug>,
    /// Since when.
    pub since: Timestamp,
    /// Who wanted it.
    pub by: String,
}

/// What a component said it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Which configuration it was last given.
    pub revision: u32,
    /// What it did with it.
    pub outcome: ConfigOutcome,
    /// Every setting.
    pub settings: BTreeMap<Slug, SettingValue>,
    /// The interfaces that are open.
    pub open: Vec<Slug>,
    /// Why it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Note>,
    /// When it said so.
    pub at: Timestamp,
}

/// How what a component is compares with what it shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Proof {
    /// It is what it shall be.
    InForce,
    /// It has not answered yet to what it was told.
    Waiting,
    /// It refused.
    Refused {
        /// Why, in its words.
        why: String,
    },
    /// It is something else.
    Drifted {
        /// What differs, in words.
        differs: Vec<String>,
        /// Whether safety, security or privacy hang on it.
        high: bool,
    },
}

impl Desired {
    /// The secure default with these changes, as far as the definition takes them.
    pub(crate) fn of(
        definition: &Definition,
        revision: u32,
        purpose: ConfigPurpose,
        mut changes: BTreeMap<Slug, SettingValue>,
        (since, by): (Timestamp, &str),
    ) -> Self {
        changes.retain(|name, value| {
            definition.setting(name).is_some_and(|setting| setting.kind.check(value).is_ok())
        });
        let mut settings = definition.baseline();
        settings.extend(changes.clone());
        let open = definition.open(&settings);
        Self { revision, purpose, changes, settings, open, since, by: by.to_owned() }
    }

    /// Whether there is anything that a component of this kind would have to be told.
    pub(crate) fn is_vacuous(definition: &Definition) -> bool {
        definition.settings.is_empty()
            && definition.interfaces.has.len() == definition.interfaces.needs.len()
    }
}

impl Configured {
    /// Compares what it is with what it shall be.
    #[must_use]
    pub fn proof(&self, definition: &Definition) -> Proof {
        if Desired::is_vacuous(definition) {
            return Proof::InForce;
        }
        let Some(seen) = self.reported.as_ref() else { return Proof::Waiting };
        if seen.revision > self.desired.revision {
            let (claimed, told) = (seen.revision, self.desired.revision);
            let differs = vec![format!("it claims revision {claimed}, it was told {told}")];
            return Proof::Drifted { differs, high: true };
        }
        if seen.revision != self.desired.revision {
            return Proof::Waiting;
        }
        if seen.outcome == ConfigOutcome::Refused {
            let why = seen.why.as_ref().map_or("no reason given", Note::as_str).to_owned();
            return Proof::Refused { why };
        }
        let Differences { words, high } = self.differences(seen, definition);
        if words.is_empty() { Proof::InForce } else { Proof::Drifted { differs: words, high } }
    }

    fn differences(&self, seen: &Seen, definition: &Definition) -> Differences {
        let mut found = Differences { words: Vec::new(), high: false };
        let names = self.desired.settings.keys().chain(seen.settings.keys());
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let (shall, is) = (self.desired.settings.get(name), seen.settings.get(name));
            if shall != is {
                let word = |value: Option<&SettingValue>| {
                    value.map_or("nothing".to_owned(), ToString::to_string)
                };
                found.words.push(format!("{name} is {}, shall be {}", word(is), word(shall)));
                let risk = definition.setting(name).map(|setting| setting.risk);
                found.high |= risk != Some(Risk::Normal);
            }
        }
        let open = |all: &[Slug], other: &[Slug]| {
            all.iter().filter(|name| !other.contains(name)).cloned().collect::<Vec<_>>()
        };
        for name in open(&seen.open, &self.desired.open) {
            found.words.push(format!("interface {name} is open, shall be closed"));
            found.high = true;
        }
        for name in open(&self.desired.open, &seen.open) {
            found.words.push(format!("interface {name} is closed, shall be open"));
        }
        found
    }

    /// What of it protects and is weaker than it shall be: settings that are neither what people wanted nor the
    /// secure default, and interfaces that shall be closed; with words for each.
    pub(crate) fn weakened(&self, definition: &Definition) -> Vec<(Slug, String)> {
        let Some(seen) = self.reported.as_ref() else { return Vec::new() };
        let declared = definition.settings.iter().filter(|setting| setting.risk != Risk::Normal);
        let settings = declared.filter_map(|setting| {
            let Some(is) = seen.settings.get(&setting.name) else {
                return Some((setting.name.clone(), format!("{} is told no more", setting.name)));
            };
            let shall = self.desired.settings.get(&setting.name);
            let weaker = Some(is) != shall && *is != setting.default;
            weaker.then(|| (setting.name.clone(), format!("{} became {is}", setting.name)))
        });
        let closed = |name: &&Slug| !self.desired.open.contains(name);
        let opened = seen.open.iter().filter(closed);
        let opened = opened.map(|name| (name.clone(), format!("interface {name} was opened")));
        settings.chain(opened).collect()
    }

    /// Whether safety, security or privacy may hang on what is not as it shall be.
    pub(crate) fn may_do_harm(&self, definition: &Definition) -> bool {
        self.reported.as_ref().is_none_or(|seen| {
            seen.revision > self.desired.revision || self.differences(seen, definition).high
        })
    }

    /// The number of the next configuration.
    pub(crate) fn next_revision(&self, announced: u32) -> Option<u32> {
        let claimed = self.reported.as_ref().map_or(0, |seen| seen.revision);
        next_revision(self.desired.revision, claimed.max(announced))
    }
}

/// The number of the next configuration: greater than any that the component was told, and than what it claims
/// as far as a claim is believed.
pub(crate) fn next_revision(told: u32, claimed: u32) -> Option<u32> {
    told.max(claimed.min(told.saturating_add(CLAIM))).checked_add(1)
}

struct Differences {
    words: Vec<String>,
    high: bool,
}

impl Seen {
    pub(crate) fn new(reported: &Reported, at: Timestamp) -> Self {
        Self {
            revision: reported.revision,
            outcome: reported.outcome,
            settings: reported.settings.values().clone(),
            open: reported.open.items().to_vec(),
            why: reported.why.clone(),
            at,
        }
    }

    /// Whether this says the same as a newer report.
    pub(crate) fn says(&self, reported: &Reported) -> bool {
        *self == Self::new(reported, self.at)
    }
}

/// Settings as they travel.
pub(crate) fn on_the_wire(settings: &BTreeMap<Slug, SettingValue>) -> Settings {
    Settings::new(settings.clone()).expect("a definition's settings are bounded and numbers")
}
