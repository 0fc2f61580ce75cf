//! Configuration between the hub and a component: what it shall be, and what it is.

use super::field::{ConfigOutcome, ConfigPurpose, List, V1};
use crate::{
    cbor::int_map,
    definition::{MOST, SettingValue},
    id::{Note, Slug},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use std::{collections::BTreeMap, fmt};

int_map! {
    /// What a component's configuration shall be.
    pub struct Config {
        /// Wire version.
        1 => version: V1,
        /// Counts the configurations the hub wanted of this component; never goes back.
        2 => revision: u32,
        /// Whether the component is set or restored.
        3 => purpose: ConfigPurpose,
        /// Every setting its definition declares.
        4 => settings: Settings,
        /// The interfaces that may be open; it closes all others.
        5 => open: List<Slug, 16>,
    }
}

int_map! {
    /// What a component's configuration is: read back from where it takes effect.
    pub struct Reported {
        /// Wire version.
        1 => version: V1,
        /// Revision of the configuration it was last given; 0 for none since its factory state.
        2 => revision: u32,
        /// What it did with that configuration.
        3 => outcome: ConfigOutcome,
        /// Every setting its definition declares, as it is now.
        4 => settings: Settings,
        /// The interfaces that are open now.
        5 => open: List<Slug, 16>,
        /// Security version of its firmware; never falls.
        6 => security: u32,
        /// Why it refused.
        7 => why [?]: Note,
    }
}

/// Values by the names of settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(BTreeMap<Slug, SettingValue>);

/// Numbers that are no numbers are refused when they are read, so equality is total.
impl Eq for Settings {}

impl Settings {
    /// Checks the number of settings and their numbers.
    #[must_use]
    pub fn new(values: BTreeMap<Slug, SettingValue>) -> Option<Self> {
        (values.len() <= MOST.settings && values.values().all(is_value)).then_some(Self(values))
    }

    /// The values by name.
    #[must_use]
    pub fn values(&self) -> &BTreeMap<Slug, SettingValue> {
        &self.0
    }

    /// The names of settings that are not the same in both, in alphabetical order.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<Slug> {
        let names: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differs = |name: &&&Slug| self.0.get(**name) != other.0.get(**name);
        names.iter().filter(differs).map(|name| (*name).clone()).collect()
    }
}

fn is_value(value: &SettingValue) -> bool {
    !matches!(value, SettingValue::Number(number) if !number.is_finite())
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // Bytewise order of the encoded keys: the shorter text has the smaller head.
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(name, _)| (name.as_str().len(), name.as_str()));
        let mut map = s.serialize_map(Some(entries.len()))?;
        for (name, value) in entries {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(Entries)
    }
}

/// Stops at the first setting too many, before memory is spent on it.
struct Entries;

impl<'de> de::Visitor<'de> for Entries {
    type Value = Settings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of at most {} settings", MOST.settings)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(name) = map.next_key::<Slug>()? {
            if values.len() == MOST.settings {
                let most = MOST.settings;
                return Err(de::Error::custom(format_args!("a map must hold at most {most}")));
            }
            let value = map.next_value()?;
            if !is_value(&value) {
                return Err(de::Error::custom("not a valid value: no number"));
            }
            values.insert(name, value);
        }
        Ok(Settings(values))
    }
}
