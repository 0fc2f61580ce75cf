//! Valid values of every simulated kind, spoiled in every way there is: none passes unless it is still
//! what its definition declares, by an evaluator that shares nothing with the gate's.

use crate::world::{World, facts, id, label};
use protocol::{
    cbor,
    definition::{Definition, Stream},
    id::Slug,
    message::{List, TrustState},
    refusal::Refusal,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const DOCUMENTS: [&str; 6] = [
    include_str!("../../../../device-sim/definitions/camera.toml"),
    include_str!("../../../../device-sim/definitions/lamp.toml"),
    include_str!("../../../../device-sim/definitions/leak-sensor.toml"),
    include_str!("../../../../device-sim/definitions/lock.toml"),
    include_str!("../../../../device-sim/definitions/thermostat.toml"),
    include_str!("../../../../device-sim/definitions/wall-switch.toml"),
];

/// Mutants of each stream.
const EACH: u64 = 10_000;

/// Reproducible draws (SplitMix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize].clone()
    }
}

/// The property that every simulated stream has, and its schema.
fn property(stream: &Stream) -> (&str, &Value) {
    let properties = stream.traffic.schema["properties"].as_object().unwrap();
    assert_eq!(properties.len(), 1, "the evaluator below knows simple schemas only");
    let (name, schema) = properties.iter().next().unwrap();
    (name, schema)
}

fn bounds(schema: &Value) -> (i64, i64) {
    let bound = |key: &str, default| schema[key].as_i64().unwrap_or(default);
    (bound("minimum", i64::MIN), bound("maximum", i64::MAX))
}

fn valid(stream: &Stream, draw: &mut Draw) -> Value {
    let (name, schema) = property(stream);
    if schema["type"] == "boolean" {
        return json!({ name: draw.below(2) == 1 });
    }
    let (least, most) = bounds(schema);
    let span = most.saturating_sub(least).min(1_000_000) as u64 + 1;
    json!({ name: least + draw.below(span) as i64 })
}

/// Whether a payload is what the definition declares, judged from its bytes' own JSON.
fn declared(stream: &Stream, payload: &[u8]) -> bool {
    let (name, schema) = property(stream);
    let Ok(Value::Object(map)) = cbor::to_json(payload) else { return false };
    let good = match (&map.get(name), schema["type"].as_str().unwrap()) {
        (Some(Value::Bool(_)), "boolean") => true,
        (Some(Value::Number(number)), "integer") => {
            let (least, most) = bounds(schema);
            let whole = number.as_f64().unwrap();
            whole.fract() == 0.0 && whole >= least as f64 && whole <= most as f64
        }
        _ => false,
    };
    good && map.len() == 1 && payload.len() <= stream.traffic.max_bytes
}

/// One spoiled payload.
fn mutant(stream: &Stream, draw: &mut Draw) -> Vec<u8> {
    let good = valid(stream, draw);
    let bytes = cbor::from_json(&good);
    let (name, schema) = property(stream);
    let with = |value: Value| cbor::from_json(&json!({ name: value }));
    match draw.below(14) {
        0 => with(draw.one_of(&[
            json!(null),
            json!("1"),
            json!([1]),
            json!({ "a": 1 }),
            json!(0.5),
            json!(""),
        ])),
        1 => match bounds(schema) {
            (least, _) if schema["type"] == "integer" && draw.below(2) == 0 && least > i64::MIN => {
                with(json!(least.saturating_sub(1 + draw.below(1 << 40) as i64)))
            }
            (_, most) if schema["type"] == "integer" && most < i64::MAX => {
                with(json!(most.saturating_add(1 + draw.below(1 << 40) as i64)))
            }
            _ => with(json!(-1.5)),
        },
        2 => cbor::from_json(&json!({})),
        3 => {
            let mut more: Map<String, Value> = good.as_object().unwrap().clone();
            more.insert(format!("k{}", draw.below(1000)), json!(draw.below(1000)));
            cbor::from_json(&Value::Object(more))
        }
        4 => cbor::from_json(&json!({ format!("{name}x"): good[name] })),
        // The same key twice, in both orders of value.
        5 => [&[0xa2][..], &bytes[1..], &bytes[1..]].concat(),
        // An indefinite map.
        6 => [&[0xbf][..], &bytes[1..], &[0xff]].concat(),
        // The number one byte longer than needed.
        7 => [&bytes[..bytes.len() - 1], &[0x18, bytes[bytes.len() - 1] & 0x0f]].concat(),
        // Deep nesting.
        8 => {
            let depth = 2 + draw.below(12) as usize;
            let key = [&[0xa1, 0x60 + name.len() as u8][..], name.as_bytes()].concat();
            [key, vec![0x81; depth], vec![0x00]].concat()
        }
        9 => bytes[..draw.below(bytes.len() as u64) as usize].to_vec(),
        10 => [&bytes[..], &vec![draw.next() as u8; 1 + draw.below(20) as usize]].concat(),
        11 => with(json!("x".repeat(40 + draw.below(8000) as usize))),
        // Random damage, which may happen to leave a valid value.
        12 => {
            let mut damaged = bytes;
            for _ in 0..=draw.below(3) {
                let at = draw.below(damaged.len() as u64) as usize;
                damaged[at] ^= 1 << draw.below(8);
            }
            damaged
        }
        _ => (0..draw.below(32)).map(|_| draw.next() as u8).collect(),
    }
}

/// What became of mutants.
#[derive(Default)]
struct Tally {
    total: u64,
    still: u64,
    reasons: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Spoils values of a stream, or arguments of a command written as one.
    fn spoil(&mut self, world: &World, n: u16, leaf: &str, stream: &Stream) {
        let mut draw = Draw(u64::from(n) << 32);
        for seed in 0..crate::damage::inputs(EACH as usize) as u64 {
            let good = cbor::from_json(&valid(stream, &mut draw));
            assert!(declared(stream, &good), "the evaluator knows {good:x?}");
            assert!(world.permit(n, leaf, &good).is_ok(), "{leaf}: {good:x?}");
            let payload = mutant(stream, &mut draw);
            self.total += 1;
            match world.permit(n, leaf, &payload) {
                Ok(_) => {
                    assert!(declared(stream, &payload), "{seed}: {leaf} took {payload:x?}");
                    self.still += 1;
                }
                Err(why) => {
                    // The gate is stricter only where a number must be written as an integer.
                    let strict = stream.rises.is_some() && why == Refusal::WrongContent;
                    assert!(strict || !declared(stream, &payload), "{seed}: {leaf} {payload:x?}");
                    *self.reasons.entry(why.slug()).or_default() += 1;
                }
            }
        }
    }
}

/// Criterion: T3.LA.1b (negative)
/// Criterion: T1.LA.3 (negative)
#[test]
fn no_mutant_of_a_valid_value_or_command_passes_unless_it_is_still_valid() {
    let mut world = World::new();
    let (mut tally, mut lamp) = (Tally::default(), None);
    for (n, document) in (1..).zip(DOCUMENTS) {
        world.define(document);
        let definition = Definition::parse(document).unwrap();
        let certificate = world.enrol(n);
        world.connect(n, &certificate);
        let mut facts = facts(n, 1);
        facts.kind = definition.kind.clone();
        facts.maker = label(definition.maker.as_str());
        facts.model = definition.models[0].clone();
        let names: Vec<Slug> = definition.streams.iter().map(|s| s.name.clone()).collect();
        facts.streams = List::new(names).unwrap();
        world.announce(n, &facts);
        if world.hold(n) == Some(hub_core::access::trust::Hold::Baseline) {
            world.obey(n);
        }
        assert_eq!(world.state(n), TrustState::Active);
        for stream in &definition.streams {
            tally.spoil(&world, n, &format!("stream/{}", stream.name), stream);
        }
        if definition.kind.as_str() == "lamp" {
            lamp = Some((n, definition));
        }
    }
    // The wall switch is the last of them.
    let (receiver, lamp) = lamp.unwrap();
    let switch = lamp.commands.iter().find(|command| command.name.as_str() == "switch").unwrap();
    let like_a_stream = Stream { traffic: switch.traffic.clone(), ..lamp.streams[0].clone() };
    let leaf = format!("command/{}/switch", id(receiver));
    tally.spoil(&world, DOCUMENTS.len() as u16, &leaf, &like_a_stream);
    let Tally { total, still, reasons } = tally;
    println!("{total} mutants, {still} still valid, refused: {reasons:?}");
    assert!(total >= 100_000 && still < total / 50, "{total} {still}");
    for expected in [Refusal::Malformed, Refusal::WrongContent, Refusal::TooLarge] {
        assert!(reasons[expected.slug()] > 1000, "{expected:?}");
    }
}
