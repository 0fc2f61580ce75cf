//! The simulated kinds: whatever a maker's definition declares can be simulated, and what is true of each
//! device is known.

use crate::update::{self, Behaviour, Factory, Updater};
use anyhow::Context;
use protocol::{
    definition::{Definition, Stream},
    id::{Digest, Label, ModelId, Slug},
    message::{Announcement, Interval, List, V1},
};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The makers' definitions of the built-in kinds.
pub const DEFINITIONS: &[(&str, &str)] = &[
    ("lamp", include_str!("../definitions/lamp.toml")),
    ("lock", include_str!("../definitions/lock.toml")),
    ("camera", include_str!("../definitions/camera.toml")),
    ("thermostat", include_str!("../definitions/thermostat.toml")),
    ("leak-sensor", include_str!("../definitions/leak-sensor.toml")),
    ("wall-switch", include_str!("../definitions/wall-switch.toml")),
];

/// Counter and bytes of the image that devices leave the factory with.
pub const FACTORY: (u32, u32) = (1, 65_536);

/// One kind of component.
#[derive(Debug)]
pub struct Profile {
    definition: Definition,
    /// Beginning of its serial numbers.
    prefix: String,
    /// Hardware revision.
    hardware: u32,
    /// Firmware version.
    firmware: Label,
    /// Its board as it leaves the factory, if it takes part in updates.
    factory: Option<Factory>,
}

/// Kinds that a fleet is made of, in turn.
#[derive(Clone, Debug)]
pub struct Kinds(Vec<Arc<Profile>>);

impl Kinds {
    /// The built-in kinds.
    ///
    /// # Errors
    /// Never: a test reads them all.
    pub fn built_in() -> anyhow::Result<Self> {
        Self::of(DEFINITIONS.iter().map(|(_, document)| *document))
    }

    /// The kinds of these definitions.
    ///
    /// # Errors
    /// When a document has mistakes or there is none.
    pub fn of<'d>(documents: impl Iterator<Item = &'d str>) -> anyhow::Result<Self> {
        let kinds: Vec<_> = documents
            .map(|document| Ok(Arc::new(Profile::new(Definition::parse(document)?)?)))
            .collect::<anyhow::Result<_>>()?;
        anyhow::ensure!(!kinds.is_empty(), "a fleet needs at least one kind");
        Ok(Self(kinds))
    }

    /// The kind of the device with this number in a fleet.
    #[must_use]
    pub fn at(&self, index: usize) -> &Arc<Profile> {
        &self.0[index % self.0.len()]
    }

    /// The kind of this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn named(&self, kind: &str) -> anyhow::Result<&Arc<Profile>> {
        let found = self.0.iter().find(|profile| profile.kind() == kind);
        found.with_context(|| format!("no kind {kind} is simulated here"))
    }

    /// Every kind.
    #[must_use]
    pub fn all(&self) -> &[Arc<Profile>] {
        &self.0
    }
}

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
    /// A kind as its maker defines it. What a definition does not say (hardware and firmware) follows from
    /// the kind's name, so it is the same every time.
    ///
    /// # Errors
    /// When the definition covers no model.
    pub fn new(definition: Definition) -> anyhow::Result<Self> {
        definition.models.first().context("the definition covers no model")?;
        let drawn = crate::identity::sha256(definition.kind.as_str().as_bytes()).0;
        let firmware = format!("{}.{}.{}", 1 + drawn[1] % 5, drawn[2] % 10, drawn[3] % 20);
        let firmware = Label::new(&firmware)?;
        let factory = definition.update_model.as_ref().map(|model| {
            let made = update::image(model, FACTORY.0, FACTORY.1, Behaviour::Good);
            Factory::new(&made, FACTORY.0, firmware.clone())
        });
        Ok(Self {
            factory: factory.transpose()?,
            prefix: initials(definition.maker.as_str()),
            hardware: u32::from(1 + drawn[0] % 9),
            firmware,
            definition,
        })
    }

    /// Its maker's definition.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.definition.kind.as_str()
    }

    /// Who makes it.
    #[must_use]
    pub fn maker(&self) -> &str {
        self.definition.maker.as_str()
    }

    /// The first of its models, which is the one simulated.
    #[must_use]
    pub fn model(&self) -> &Label {
        &self.definition.models[0]
    }

    /// Hardware revision.
    #[must_use]
    pub fn hardware(&self) -> u32 {
        self.hardware
    }

    /// Its line of releases, if it takes part in updates.
    #[must_use]
    pub fn update_model(&self) -> Option<&ModelId> {
        self.definition.update_model.as_ref()
    }

    /// Its board as it leaves the factory, if it takes part in updates.
    #[must_use]
    pub fn factory_board(&self) -> Option<&Factory> {
        self.factory.as_ref()
    }

    /// The updates of a device fresh from the factory, in memory.
    #[must_use]
    pub fn updater(&self) -> Option<Updater> {
        let (model, factory) = (self.update_model()?, self.factory.as_ref()?);
        Some(Updater::new(model.clone(), self.hardware, factory.board()))
    }

    /// Its streams.
    #[must_use]
    pub fn streams(&self) -> &[Stream] {
        &self.definition.streams
    }

    /// The serial number of a fleet's device; the seed keeps fleets apart.
    #[must_use]
    pub fn serial(&self, seed: u64, index: usize) -> String {
        format!("{}-{seed:04x}-{index:05}", self.prefix)
    }

    /// SHA-256 of the firmware that its devices leave the factory with; made up where there is no image.
    #[must_use]
    pub fn firmware_digest(&self) -> Digest {
        if let Some(factory) = &self.factory {
            return factory.header().image;
        }
        let text = format!("{} {} {}", self.maker(), self.model(), self.firmware);
        crate::identity::sha256(text.as_bytes())
    }

    /// What is true of the device with this serial number.
    #[must_use]
    pub fn truth(&self, serial: &str, id: Option<String>) -> GroundTruth {
        let texts = |items: &[Slug]| items.iter().map(ToString::to_string).collect();
        let Definition { kind, maker, interfaces, data, sbom, support_end, .. } = &self.definition;
        GroundTruth {
            serial: serial.to_owned(),
            id,
            kind: kind.to_string(),
            maker: maker.to_string(),
            model: self.model().to_string(),
            hardware: self.hardware,
            firmware: self.firmware.to_string(),
            firmware_digest: self.firmware_digest().to_string(),
            interfaces: texts(&interfaces.has),
            streams: self.stream_names().iter().map(ToString::to_string).collect(),
            data: texts(data),
            sbom: sbom.to_string(),
            support_end: support_end.to_string(),
        }
    }

    fn stream_names(&self) -> Vec<Slug> {
        let mut names: Vec<_> = self.streams().iter().map(|stream| stream.name.clone()).collect();
        names.sort();
        names
    }

    /// The announcement of a device of this profile.
    ///
    /// # Panics
    /// Never: a definition's lists are bounded as an announcement's are.
    #[must_use]
    pub fn announcement(
        &self,
        serial: &Label,
        seq: u64,
        boot: protocol::id::BootId,
        interval: Interval,
        config: u32,
    ) -> Announcement {
        let list = |items: &[Slug]| {
            List::new(items.to_vec()).expect("a definition's lists are sets of at most 16")
        };
        let definition = &self.definition;
        Announcement {
            version: V1,
            seq,
            boot,
            kind: definition.kind.clone(),
            maker: definition.maker.clone(),
            model: self.model().clone(),
            serial: serial.clone(),
            hardware: self.hardware,
            firmware: self.firmware.clone(),
            firmware_digest: self.firmware_digest(),
            interfaces: list(&definition.interfaces.has),
            streams: list(&self.stream_names()),
            data: list(&definition.data),
            interval,
            config,
            sbom: Some(definition.sbom.clone()),
            support_end: Some(definition.support_end),
        }
    }
}

/// The first letters of a maker's words, at least two.
fn initials(maker: &str) -> String {
    let first: String = maker.split(' ').filter_map(|word| word.chars().next()).collect();
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphabetic).take(4).collect::<String>().to_uppercase()
    };
    match letters(&first) {
        enough if enough.len() > 1 => enough,
        _ => letters(maker).chars().take(2).collect(),
    }
}

/// A value that a schema allows; the property that `rises` is `count`, which grows from value to value.
#[must_use]
pub fn sample(
    schema: &Value,
    rises: Option<&str>,
    random: &mut ChaCha8Rng,
    count: u64,
) -> Map<String, Value> {
    let mut value = Map::new();
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        let rises = rises == Some(name);
        value.insert(name.clone(), if rises { json!(count) } else { property(schema, random) });
    }
    value
}

/// A value of one property: of its list, of its type, within its bounds.
fn property(schema: &Value, random: &mut ChaCha8Rng) -> Value {
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
        return values[random.next_u32() as usize % values.len()].clone();
    }
    let bound =
        |key: &str, default: i64| schema[key].as_f64().map_or(default, |value| value as i64);
    let (least, most) = (bound("minimum", 0), bound("maximum", 1000));
    let span = u64::try_from(most - least).unwrap_or(0).saturating_add(1);
    let number = least.saturating_add_unsigned(u64::from(random.next_u32()) % span);
    match schema["type"].as_str() {
        Some("boolean") => json!(random.next_u32() & 1 == 1),
        Some("integer") => json!(number),
        Some("number") => json!(number as f64),
        Some("string") => {
            let length = bound("minLength", 1).max(1);
            json!("x".repeat(usize::try_from(length).unwrap_or(1)))
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{cbor, id::BootId};
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn every_profile_makes_a_valid_announcement_equal_to_its_truth() {
        let kinds = Kinds::built_in().unwrap();
        assert_eq!(kinds.all().len(), DEFINITIONS.len());
        for (index, profile) in kinds.all().iter().enumerate() {
            assert_eq!(profile.kind(), DEFINITIONS[index].0);
            let serial = profile.serial(7, index);
            let interval = Interval::new(30).unwrap();
            let label = Label::new(&serial).unwrap();
            let facts = profile.announcement(&label, 1, BootId([0; 8]), interval, 1);
            let bytes = cbor::encode(&facts);
            assert!(bytes.len() < 512, "{}", bytes.len());
            assert_eq!(cbor::decode::<Announcement>(&bytes, 2048), Ok(facts.clone()));
            let truth = profile.truth(&serial, None);
            assert_eq!(
                (facts.serial.as_str(), facts.sbom.unwrap().as_str()),
                (&*truth.serial, &*truth.sbom)
            );
        }
    }

    #[test]
    fn samples_are_what_the_definition_declares() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for profile in Kinds::built_in().unwrap().all() {
            for stream in profile.streams() {
                for count in 0..200 {
                    let rises = stream.rises.as_deref();
                    let value = sample(&stream.traffic.schema, rises, &mut random, count);
                    let bytes = cbor::from_json(&Value::Object(value));
                    assert!(bytes.len() <= stream.traffic.max_bytes);
                    let value = cbor::to_json(&bytes).unwrap();
                    for (name, schema) in stream.traffic.schema["properties"].as_object().unwrap() {
                        let number = value[name].as_i64();
                        let low = schema["minimum"].as_i64().is_none_or(|min| number >= Some(min));
                        let high = schema["maximum"].as_i64().is_none_or(|max| number <= Some(max));
                        assert!(low && high, "{name} of {}: {value}", profile.kind());
                    }
                }
            }
        }
    }

    #[test]
    fn serial_numbers_begin_with_the_makers_initials() {
        let all =
            [("Lumen Works", "LW"), ("Bolt & Sons", "BS"), ("Ocular", "OC"), ("É 1 x y", "XY")];
        for (maker, expected) in all {
            assert_eq!(initials(maker), expected);
        }
    }
}
