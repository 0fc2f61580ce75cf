//! The detection engine beside another one for the same rules: random streams, and each record of them is
//! judged by both. Where they differ on purpose, the test says so by name.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints its counts"
)]

use hub_core::{
    detect::{Engine, RuleFile, RuleSet, rules::shipped},
    record::{Class, Destination, Peer, Record, RecordKind, Word, ocsf},
};
use protocol::{
    id::{ComponentId, Digest},
    time::Timestamp,
};
use rsigma_eval::{CorrelationConfig, CorrelationEngine, JsonEvent};
use rsigma_parser::parse_sigma_yaml;
use std::{collections::BTreeMap, net::SocketAddr};

/// Numbers that look random, from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

fn id(n: u64) -> ComponentId {
    ComponentId::from_key_digest(&Digest([n as u8 + 1; 32]))
}

const CODES: &[&str] = &[
    "rollback",
    "signature",
    "foreign-topic",
    "replayed",
    "pairing-closed",
    "undeclared",
    "new-place",
    "jump",
    "expired",
    "rate",
    "bytes-out",
    "cpu",
    "beacon",
    "network",
    "authorised",
    "too-large",
    "mass",
];

fn random(chance: &mut Chance, members: u64) -> Record {
    let mut record = Record::new(Timestamp(0), chance.of(RecordKind::ALL));
    if chance.below(10) > 0 {
        record = record.about(id(chance.below(members)));
    }
    if chance.below(2) == 0 {
        record = record.because(chance.of(CODES));
    }
    if chance.below(4) == 0 {
        record = record.by(chance.of(&["owner", "guest"]));
    }
    if chance.below(2) == 0 {
        let ip = [10, 0, 0, chance.below(3) as u8];
        record = record.seen_from(Peer::from(SocketAddr::from((ip, 1000))));
    }
    if chance.below(2) == 0 {
        record = record.on(chance.of(&["a", "b", "c", "d", "e", "f"]));
    }
    if chance.below(2) == 0 {
        let ip = std::net::IpAddr::from([192, 0, 2, chance.below(40) as u8]);
        let ip = Some(hub_core::record::Address(ip));
        record.destination =
            Some(Destination { host: None, ip, port: chance.of(&[23, 443, 2323]) });
    }
    record
}

/// The incidents that each title stands for.
fn titles(files: &[RuleFile<'_>]) -> BTreeMap<String, String> {
    let mut titles = BTreeMap::new();
    for file in files {
        let rules = parse_sigma_yaml(file.text).unwrap();
        let detections = rules.rules.iter().map(|one| (&one.title, &one.custom_attributes));
        let correlations =
            rules.correlations.iter().map(|one| (&one.title, &one.custom_attributes));
        for (title, own) in detections.chain(correlations) {
            if let Some(incident) = own.get("incident").and_then(|value| value.as_str()) {
                titles.insert(title.clone(), incident.to_owned());
            }
        }
    }
    titles
}

/// Records that raised each incident, by both engines, and those where they differ.
type Counts = BTreeMap<String, [usize; 3]>;

/// Sequences come true for us with their last record; for the other engine with any further record of
/// theirs while the window lasts.
const ORDERED: &[&str] = &["HUB-03", "HUB-05"];

fn compare(kinds: &[RecordKind], seed: u64, events: usize) -> Counts {
    let files = shipped();
    let titles = titles(&files);
    let rules = RuleSet::compile(&files).unwrap();
    let ids: Vec<_> = rules.incidents().iter().map(|one| one.id.to_string()).collect();
    let mut ours = Engine::new(rules, seed);
    (0..6).for_each(|n| ours.enrolled(id(n)));
    ours.account_known(&Word::clip("owner"));
    let mut theirs = CorrelationEngine::new(CorrelationConfig::default());
    for file in &files {
        theirs.add_collection(&parse_sigma_yaml(file.text).unwrap()).unwrap();
    }
    let origin = ocsf::Origin { hub: id(99), version: "1" };
    let (mut chance, mut second, mut counts) = (Chance(seed), 1_000_000, Counts::new());
    for number in 0..events as u64 {
        // No span is a multiple of seven seconds: what is just as old as a span is judged differently.
        second += 7 * (1 + chance.below(2));
        let mut record = random(&mut chance, if seed.is_multiple_of(2) { 6 } else { 1 });
        let kind = chance.of(kinds);
        (record.kind, record.severity, record.status) = (kind, kind.severity(), kind.status());
        // OCSF wants a device in these classes: the hub stands there when no component is meant.
        if matches!(kind.ocsf().0, Class::Inventory | Class::DeviceState) {
            record.component.get_or_insert(id(0));
        }
        let event = ocsf::event(&record, number, &origin);
        let mut found: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
        for hit in ours.observe(&record, number, second * 1000) {
            found.entry(&ids[usize::from(hit.incident)]).or_default()[0] += 1;
        }
        for hit in theirs.process_event_at(&JsonEvent::borrow(&event), second as i64) {
            if let Some(incident) = titles.get(&hit.header.rule_title) {
                found.entry(incident).or_default()[1] += 1;
            }
        }
        for (incident, [one, other]) in found {
            let count = counts.entry(incident.to_owned()).or_default();
            count[0] += one;
            count[1] += other;
            let is_same = one == other || (ORDERED.contains(&incident) && one < other);
            count[2] += usize::from(!is_same);
        }
    }
    counts
}

/// Kinds that belong to each other, so that correlations come about.
const STREAMS: &[&[RecordKind]] = &[
    &[RecordKind::AuthFailure, RecordKind::AuthSuccess],
    &[RecordKind::SessionTakeover, RecordKind::CloneDetected],
    &[RecordKind::NetFirstSeen, RecordKind::PolicyDenied, RecordKind::BaselineDeviation],
    &[RecordKind::UpdateRefused, RecordKind::UpdateFailed],
    &[RecordKind::NetCounters, RecordKind::NetFirstSeen],
    &[RecordKind::ConnUp, RecordKind::ConnRefused, RecordKind::EnrolRefused],
    &[RecordKind::PolicyDenied, RecordKind::CommandRefused, RecordKind::PayloadMalformed],
    &[RecordKind::ClockJump, RecordKind::AuthFailure, RecordKind::Restart],
    &[RecordKind::PayloadMalformed],
    RecordKind::ALL,
];

#[test]
fn both_engines_find_the_same_in_random_streams() {
    let mut sum = Counts::new();
    for (number, kinds) in STREAMS.iter().enumerate() {
        for seed in 0..4 {
            for (incident, count) in compare(kinds, seed + 4 * number as u64, 3000) {
                let entry = sum.entry(incident).or_default();
                (0..3).for_each(|at| entry[at] += count[at]);
            }
        }
    }
    println!("incident, ours, theirs, records judged differently: {sum:#?}");
    let differ: Vec<_> =
        sum.iter().filter(|(_, count)| count[2] > 0).map(|(id, _)| id.as_str()).collect();
    assert_eq!(differ, [""; 0]);
    assert!(sum.len() >= 24, "the streams raise nearly all: {:?}", sum.keys());
}
