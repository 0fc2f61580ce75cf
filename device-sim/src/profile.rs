//! The simulated kinds, as data, and what is true of each device made of them.

use protocol::{
    id::{Digest, Label, Slug, Uri},
    message::{Announcement, Interval, List, V1},
    time::Date,
};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use serde::{Deserialize, Serialize};

/// One kind of component.
#[derive(Debug)]
pub struct Profile {
    /// Kind.
    pub kind: &'static str,
    /// Maker.
    pub maker: &'static str,
    /// Model.
    pub model: &'static str,
    /// Beginning of its serial numbers.
    pub prefix: &'static str,
    /// Hardware revision.
    pub hardware: u32,
    /// Firmware version.
    pub firmware: &'static str,
    /// Interfaces.
    pub interfaces: &'static [&'static str],
    /// Streams, each with the kind of value it carries.
    pub streams: &'static [(&'static str, Value)],
    /// Classes of data it holds.
    pub data: &'static [&'static str],
    /// Last day of support.
    pub support_end: &'static str,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// `{"on": bool}`
    Switch,
    /// `{"value": n}` between two bounds, in tenths of the unit.
    Tenths(i64, i64),
    /// `{"count": n}`, only growing.
    Count,
}

/// Every simulated kind.
pub const PROFILES: &[Profile] = &[
    Profile {
        kind: "lamp",
        maker: "Lumen Works",
        model: "Glow 2",
        prefix: "LW",
        hardware: 3,
        firmware: "1.4.0",
        interfaces: &["button", "wifi"],
        streams: &[("power", Value::Tenths(0, 90)), ("state", Value::Switch)],
        data: &["usage"],
        support_end: "2031-12-31",
    },
    Profile {
        kind: "lock",
        maker: "Bolt & Sons",
        model: "Guard 1",
        prefix: "BS",
        hardware: 1,
        firmware: "2.0.3",
        interfaces: &["ble", "keypad", "wifi"],
        streams: &[("battery", Value::Tenths(0, 1000)), ("bolt", Value::Switch)],
        data: &["access-log", "usage"],
        support_end: "2033-06-30",
    },
    Profile {
        kind: "camera",
        maker: "Ocular",
        model: "Eye 4K",
        prefix: "OC",
        hardware: 7,
        firmware: "5.11.2",
        interfaces: &["ethernet", "wifi"],
        streams: &[("frames", Value::Count), ("motion", Value::Switch)],
        data: &["images", "usage"],
        support_end: "2030-03-31",
    },
    Profile {
        kind: "thermostat",
        maker: "Evenheat",
        model: "Steady",
        prefix: "EH",
        hardware: 2,
        firmware: "3.2.1",
        interfaces: &["display", "wifi", "zigbee"],
        streams: &[("temperature", Value::Tenths(150, 260)), ("valve", Value::Tenths(0, 1000))],
        data: &["presence", "usage"],
        support_end: "2032-09-30",
    },
    Profile {
        kind: "leak-sensor",
        maker: "Dryad",
        model: "Drop",
        prefix: "DR",
        hardware: 1,
        firmware: "1.0.9",
        interfaces: &["zigbee"],
        streams: &[("battery", Value::Tenths(0, 1000)), ("wet", Value::Switch)],
        data: &[],
        support_end: "2029-12-31",
    },
];

/// The makers' definitions of the simulated kinds.
pub const DEFINITIONS: &[(&str, &str)] = &[
    ("lamp", include_str!("../definitions/lamp.toml")),
    ("lock", include_str!("../definitions/lock.toml")),
    ("camera", include_str!("../definitions/camera.toml")),
    ("thermostat", include_str!("../definitions/thermostat.toml")),
    ("leak-sensor", include_str!("../definitions/leak-sensor.toml")),
    ("wall-switch", include_str!("../definitions/wall-switch.toml")),
];

/// What is true of one device; the hub's inventory must say the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroundTruth {
    /// Serial number.
    pub serial: String,
    /// Logical id, once it has one.
    pub id: Option<String>,
    /// Kind.
    pub kind: String,
    /// Maker.
    pub maker: String,
    /// Model.
    pub model: String,
    /// Hardware revision.
    pub hardware: u32,
    /// Firmware version.
    pub firmware: String,
    /// SHA-256 of the firmware.
    pub firmware_digest: String,
    /// Interfaces.
    pub interfaces: Vec<String>,
    /// Streams.
    pub streams: Vec<String>,
    /// Classes of data.
    pub data: Vec<String>,
    /// SBOM.
    pub sbom: String,
    /// Last day of support.
    pub support_end: String,
}

impl Profile {
    /// The profile of the device with this number in a fleet.
    #[must_use]
    pub fn of(index: usize) -> &'static Self {
        &PROFILES[index % PROFILES.len()]
    }

    /// The profile of a kind.
    #[must_use]
    pub fn of_kind(kind: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.kind == kind)
    }

    /// The serial number of a fleet's device; the seed keeps fleets apart.
    #[must_use]
    pub fn serial(&self, seed: u64, index: usize) -> String {
        format!("{}-{seed:04x}-{index:05}", self.prefix)
    }

    /// SHA-256 of the firmware this profile is said to run.
    #[must_use]
    pub fn firmware_digest(&self) -> Digest {
        let text = format!("{} {} {}", self.maker, self.model, self.firmware);
        let mut digest = [0; 32];
        digest.copy_from_slice(
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref(),
        );
        Digest(digest)
    }

    fn sbom(&self) -> String {
        let model = self.model.to_lowercase().replace(' ', "-");
        format!(
            "https://sbom.example/{}/{model}-{}.cdx.json",
            self.prefix.to_lowercase(),
            self.firmware
        )
    }

    /// What is true of the device with this serial number.
    #[must_use]
    pub fn truth(&self, serial: &str, id: Option<String>) -> GroundTruth {
        let texts = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        GroundTruth {
            serial: serial.to_owned(),
            id,
            kind: self.kind.into(),
            maker: self.maker.into(),
            model: self.model.into(),
            hardware: self.hardware,
            firmware: self.firmware.into(),
            firmware_digest: self.firmware_digest().to_string(),
            interfaces: texts(self.interfaces),
            streams: self.streams.iter().map(|(name, _)| (*name).to_owned()).collect(),
            data: texts(self.data),
            sbom: self.sbom(),
            support_end: self.support_end.into(),
        }
    }

    /// The announcement of a device of this profile.
    ///
    /// # Panics
    /// Never: a test makes the announcement of every profile.
    #[must_use]
    pub fn announcement(
        &self,
        serial: &str,
        seq: u64,
        boot: protocol::id::BootId,
        interval: Interval,
        config: u32,
    ) -> Announcement {
        const TABLE: &str = "the table of profiles holds valid texts";
        let label = |text: &str| Label::new(text).expect(TABLE);
        let slugs = |items: Vec<&str>| {
            List::new(items.into_iter().map(|item| Slug::new(item).expect(TABLE)).collect())
                .expect(TABLE)
        };
        Announcement {
            version: V1,
            seq,
            boot,
            kind: Slug::new(self.kind).expect(TABLE),
            maker: label(self.maker),
            model: label(self.model),
            serial: label(serial),
            hardware: self.hardware,
            firmware: label(self.firmware),
            firmware_digest: self.firmware_digest(),
            interfaces: slugs(self.interfaces.to_vec()),
            streams: slugs(self.streams.iter().map(|(name, _)| *name).collect()),
            data: slugs(self.data.to_vec()),
            interval,
            config,
            sbom: Some(Uri::new(&self.sbom()).expect(TABLE)),
            support_end: Some(self.support_end.parse::<Date>().expect(TABLE)),
        }
    }
}

impl Value {
    /// A value as deterministic CBOR with text keys.
    #[must_use]
    pub fn sample(self, random: &mut ChaCha8Rng, count: u64) -> Vec<u8> {
        let mut map = std::collections::BTreeMap::new();
        match self {
            Self::Switch => {
                return protocol::cbor::encode(&std::collections::BTreeMap::from([(
                    "on",
                    random.next_u32() & 1 == 1,
                )]));
            }
            Self::Tenths(from, to) => {
                let span = u32::try_from(to - from + 1).unwrap_or(1);
                map.insert("value", from + i64::from(random.next_u32() % span));
            }
            Self::Count => drop(map.insert("count", i64::try_from(count).unwrap_or(i64::MAX))),
        }
        protocol::cbor::encode(&map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{cbor, id::BootId};

    #[test]
    fn every_profile_is_what_its_makers_definition_says() {
        for profile in PROFILES {
            let document = DEFINITIONS.iter().find(|(kind, _)| *kind == profile.kind).unwrap().1;
            let definition = protocol::definition::Definition::parse(document).unwrap();
            let streams: Vec<_> =
                definition.streams.iter().map(|stream| stream.name.as_str()).collect();
            let texts = |items: &[Slug]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(definition.maker.as_str(), profile.maker);
            assert_eq!(streams, profile.streams.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            assert_eq!(texts(&definition.interfaces.has), profile.interfaces);
            assert_eq!(texts(&definition.data), profile.data);
            assert_eq!(definition.support_end.to_string(), profile.support_end);
            assert_eq!(definition.sbom.as_str(), profile.sbom());
        }
    }

    #[test]
    fn every_profile_makes_a_valid_announcement_equal_to_its_truth() {
        for (index, profile) in PROFILES.iter().enumerate() {
            let serial = profile.serial(7, index);
            let interval = Interval::new(30).unwrap();
            let facts = profile.announcement(&serial, 1, BootId([0; 8]), interval, 1);
            let bytes = cbor::encode(&facts);
            assert!(bytes.len() < 512, "{}", bytes.len());
            assert_eq!(cbor::decode::<Announcement>(&bytes, 2048), Ok(facts.clone()));
            let truth = profile.truth(&serial, None);
            assert_eq!(
                (facts.serial.as_str(), facts.sbom.unwrap().as_str()),
                (&*truth.serial, &*truth.sbom)
            );
            assert!(
                profile.interfaces.is_sorted()
                    && profile.data.is_sorted()
                    && profile.streams.is_sorted_by_key(|s| s.0)
            );
        }
    }
}
