//! What detection costs: typed events per second on one core beside rsigma-eval with the same rules and the
//! same events in turns, memory for each component, and memory under a flood of invented identities. Trust
//! the ratio; rates belong to the machine.
//!
//! `cargo bench -p tests --bench detect`. Targets that are missed are named at its end.

mod events;

use comfy_table::{Table, presets};
use events::{events, id};
use hub_core::{
    detect::{Detector, Engine, Profile, RuleSet, rules::shipped},
    input::Now,
    record::{Record, ocsf},
};
use protocol::time::Timestamp;
use rsigma_eval::{CorrelationConfig, CorrelationEngine, JsonEvent};
use std::{
    hint::black_box,
    io::Write,
    time::{Duration, Instant},
};

/// Events of one round, rounds, and how many fewer the slower engine gets.
const EVENTS: usize = 200_000;
const ROUNDS: usize = 7;
const FEWER: usize = 20;

/// Members of the product, and identities of the flood.
const MEMBERS: u8 = 100;
const FLOOD: u32 = 200_000;

/// What is wanted.
const WANTED_RATE: f64 = 5e6;
const WANTED_BYTES: usize = 1024;
const WANTED_FLOOD: usize = 1024 * 1024;

fn main() -> anyhow::Result<()> {
    let events = events(EVENTS, MEMBERS);
    let origin = ocsf::Origin { hub: id(200), version: "1" };
    let exported: Vec<_> = events
        .iter()
        .take(EVENTS / FEWER)
        .enumerate()
        .map(|(number, record)| ocsf::event(record, number as u64, &origin))
        .collect();
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        rates[0].push(engine(&events));
        rates[1].push(detector(&events));
        rates[2].push(other(&exported)?);
    }
    let [engine, detector, other] = rates.map(median);
    let (each, flood) = (memory(), flooded());
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["", "measured", "wanted"]);
    table.add_row(["engine, million events/s".into(), million(engine), million(WANTED_RATE)]);
    table.add_row(["whole detector, million events/s".into(), million(detector), String::new()]);
    table.add_row(["rsigma-eval, million events/s".into(), million(other), String::new()]);
    table.add_row([
        "engine to rsigma-eval".into(),
        format!("{:.1}", engine / other),
        String::new(),
    ]);
    table.add_row(["bytes for each component".into(), each.to_string(), WANTED_BYTES.to_string()]);
    table.add_row([
        format!("KiB of windows under {FLOOD} identities"),
        (flood / 1024).to_string(),
        (WANTED_FLOOD / 1024).to_string(),
    ]);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{table}")?;
    let missed = [
        ("events per second", engine < WANTED_RATE),
        ("bytes for each component", each > WANTED_BYTES),
        ("memory under a flood", flood > WANTED_FLOOD),
    ];
    for (name, _) in missed.iter().filter(|(_, is_missed)| *is_missed) {
        writeln!(out, "missed: {name}")?;
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn million(rate: f64) -> String {
    format!("{:.2}", rate / 1e6)
}

fn per_second(events: usize, since: Instant) -> f64 {
    events as f64 / since.elapsed().as_secs_f64()
}

/// Rules alone.
fn engine(events: &[Record]) -> f64 {
    let mut engine = Engine::new(RuleSet::shipped(), 1);
    (0..MEMBERS).for_each(|n| engine.enrolled(id(n)));
    let since = Instant::now();
    for (number, record) in events.iter().enumerate() {
        black_box(engine.observe(record, number as u64, record.at.0));
    }
    per_second(events.len(), since)
}

/// Rules, baselines, native detectors and incidents.
fn detector(events: &[Record]) -> f64 {
    let mut detector = Detector::new(RuleSet::shipped(), 1);
    let now = |at: Timestamp| Now { wall: at, mono: Duration::from_millis(at.0) };
    (0..MEMBERS).for_each(|n| detector.enrolled(id(n), Profile::default(), now(Timestamp(0))));
    let since = Instant::now();
    for (number, record) in events.iter().enumerate() {
        black_box(detector.observe(record, number as u64, now(record.at)));
    }
    per_second(events.len(), since)
}

/// The other engine, on events that were made JSON before.
fn other(events: &[serde_json::Value]) -> anyhow::Result<f64> {
    let mut engine = CorrelationEngine::new(CorrelationConfig::default());
    for file in shipped() {
        engine.add_collection(&rsigma_parser::parse_sigma_yaml(file.text)?)?;
    }
    let since = Instant::now();
    for event in events {
        let second = event["time"].as_i64().unwrap_or_default() / 1000;
        black_box(engine.process_event_at(&JsonEvent::borrow(event), second));
    }
    Ok(per_second(events.len(), since))
}

/// Bytes that one more component takes.
fn memory() -> usize {
    let mut detector = Detector::new(RuleSet::shipped(), 1);
    let now = Now { wall: Timestamp(0), mono: Duration::ZERO };
    let before = detector.bytes();
    (0..MEMBERS).for_each(|n| detector.enrolled(id(n), Profile::default(), now));
    (detector.bytes() - before) / usize::from(MEMBERS)
}

/// Bytes of all windows when all that come are strangers.
fn flooded() -> usize {
    let mut engine = Engine::new(RuleSet::shipped(), 1);
    for n in 0..FLOOD {
        for record in events::strange(n) {
            engine.observe(&record, u64::from(n), 1_000_000 + u64::from(n));
        }
    }
    engine.bytes()
}
