//! A device's configuration: it applies what the hub wants as a whole or not at all, and reports what it
//! reads back from where it takes effect.

use super::{Device, Now, Output, Token};
use crate::flash::Flash;
use protocol::{
    cbor,
    definition::{SettingType, SettingValue},
    id::{Note, Slug},
    message::{Config, ConfigOutcome, ConfigPurpose, List, Reported, Settings, V1},
    topic::Up,
};
use std::{collections::BTreeMap, str::FromStr};

/// How a device takes what it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temper {
    /// It does as it is told.
    #[default]
    Willing,
    /// It refuses.
    Refuses,
    /// It says that it applied what it was told, and did not.
    Pretends,
    /// It does as it is told, and changes a setting by itself at every heartbeat.
    Drifts,
    /// It goes back to an older security version when it is restored.
    RollsBack,
}

impl Temper {
    /// Every temper with its word.
    pub const ALL: [(&'static str, Self); 5] = [
        ("willing", Self::Willing),
        ("refuses", Self::Refuses),
        ("pretends", Self::Pretends),
        ("drifts", Self::Drifts),
        ("rolls-back", Self::RollsBack),
    ];
}

impl FromStr for Temper {
    type Err = &'static str;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(known, _)| *known == word);
        found.map(|(_, temper)| *temper).ok_or("no such temper")
    }
}

/// A value that is not the secure default: how devices leave a careless factory.
fn careless(kind: &SettingType, default: &SettingValue) -> SettingValue {
    match (kind, default) {
        (SettingType::Integer { min, max, .. }, _) => {
            let greatest = SettingValue::Integer(*max);
            if greatest == *default { SettingValue::Integer(*min) } else { greatest }
        }
        (SettingType::Number { min, max, .. }, _) => {
            let greatest = SettingValue::Number(*max);
            if greatest == *default { SettingValue::Number(*min) } else { greatest }
        }
        (SettingType::Text { .. }, _) => SettingValue::Text("admin".into()),
        (SettingType::Choice { values }, _) => {
            let mut words = values.iter().map(|word| SettingValue::Text(word.to_string()));
            words.find(|word| word != default).unwrap_or_else(|| default.clone())
        }
        (SettingType::Boolean, SettingValue::Boolean(on)) => SettingValue::Boolean(!on),
        (SettingType::Boolean, _) => default.clone(),
    }
}

impl Device {
    /// The same device with this temper.
    #[must_use]
    pub fn with_temper(self, temper: Temper) -> Self {
        Self { temper, ..self }
    }

    /// From now on it has this temper.
    pub fn becomes(&mut self, temper: Temper) {
        self.temper = temper;
    }

    /// What the hub wants it to be.
    pub(super) fn configure(&mut self, payload: &[u8], now: Now) -> Vec<Output> {
        let Ok(config) = cbor::decode::<Config>(payload, payload.len()) else { return Vec::new() };
        if config.revision < self.flash.config {
            // Older than what it was told before: a replay.
            return Vec::new();
        }
        if let Err(why) = self.judge(&config) {
            return self.refuse(config.revision, &why);
        }
        match self.temper {
            Temper::Refuses => self.refuse(config.revision, "I like my own settings better"),
            Temper::Pretends => {
                self.flash.config = config.revision;
                self.told(ConfigOutcome::Applied, None)
            }
            Temper::Willing | Temper::Drifts | Temper::RollsBack => self.apply(&config, now),
        }
    }

    /// Its own bounds hold whatever the hub says.
    fn judge(&self, config: &Config) -> Result<(), String> {
        let definition = self.profile.definition();
        let values = config.settings.values();
        for setting in &definition.settings {
            let value = values.get(&setting.name);
            let value = value.ok_or_else(|| format!("{} is missing", setting.name))?;
            setting.kind.check(value).map_err(|error| format!("{} {error}", setting.name))?;
        }
        if values.len() > definition.settings.len() {
            return Err("a setting that it does not have".into());
        }
        Ok(())
    }

    fn refuse(&mut self, revision: u32, why: &str) -> Vec<Output> {
        self.flash.config = revision;
        self.told(ConfigOutcome::Refused, Note::new(why).ok())
    }

    fn apply(&mut self, config: &Config, now: Now) -> Vec<Output> {
        let again = config.revision == self.flash.config;
        if config.purpose == ConfigPurpose::Restore && !again {
            self.flash.user_data = 0;
            if self.temper == Temper::RollsBack {
                self.flash.security -= 1;
            }
        }
        self.flash.config = config.revision;
        self.flash.settings = config.settings.values().clone();
        self.flash.open = config.open.items().to_vec();
        if !again {
            self.note_config(config.revision, now);
        }
        self.told(ConfigOutcome::Applied, None)
    }

    fn told(&mut self, outcome: ConfigOutcome, why: Option<Note>) -> Vec<Output> {
        self.outcome = (outcome, why);
        [Output::Save].into_iter().chain(self.report()).collect()
    }

    /// Its configuration as it is.
    pub(super) fn report(&self) -> Option<Output> {
        let Flash { config, settings, open, security, .. } = &self.flash;
        let reported = Reported {
            version: V1,
            revision: *config,
            outcome: self.outcome.0,
            settings: Settings::new(settings.clone())?,
            open: List::new(open.clone())?,
            security: *security,
            why: self.outcome.1.clone(),
        };
        self.publish(Token::Report(*config), Up::Reported, cbor::encode(&reported), 1)
    }

    /// A device that drifts changes its first setting, as somebody at its buttons would.
    pub(super) fn drift(&mut self) -> Vec<Output> {
        if self.temper != Temper::Drifts {
            return Vec::new();
        }
        let Some(setting) = self.profile.definition().settings.first() else { return Vec::new() };
        let value = careless(&setting.kind, &setting.default);
        self.flash.settings.insert(setting.name.clone(), value);
        [Output::Save].into_iter().chain(self.report()).collect()
    }
}

impl crate::profile::Profile {
    /// How a device leaves the factory: every setting is something else than its secure default and every
    /// interface is open.
    #[must_use]
    pub fn factory(&self) -> (BTreeMap<Slug, SettingValue>, Vec<Slug>) {
        let definition = self.definition();
        let value = |one: &protocol::definition::Setting| {
            (one.name.clone(), careless(&one.kind, &one.default))
        };
        let mut open = definition.interfaces.has.clone();
        open.sort_unstable();
        (definition.settings.iter().map(value).collect(), open)
    }
}
