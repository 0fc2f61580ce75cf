//! The detector in a small product: what it finds is written and told to it again, as the hub does.

mod attacks;
mod benign;
mod bounds;

use super::*;
use crate::record::{Address, Counters, Destination, Peer, Severity, Status};
use protocol::id::Digest;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// 2026-03-02, a Monday, 08:00.
const MORNING: u64 = 1_772_438_400_000;

/// Ten components, known for a week.
struct Product {
    detector: Detector,
    ms: u64,
    number: u64,
    written: Vec<Record>,
}

fn id(name: &str) -> ComponentId {
    let mut bytes = [0; 32];
    for (byte, letter) in bytes.iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    ComponentId::from_key_digest(&Digest(bytes))
}

const NAMES: [&str; 10] =
    ["lamp", "lock", "camera", "leak", "plug", "blind", "switch", "bell", "heater", "meter"];

fn profile() -> Profile {
    Profile {
        interval: Some(Duration::from_secs(60)),
        is_mute: false,
        destinations: Some(vec![
            ("*.maker.example".into(), 443),
            ("relay.maker.example".into(), 3478),
        ]),
    }
}

impl Product {
    fn new() -> Self {
        let mut product = Self {
            detector: Detector::new(RuleSet::shipped(), 5),
            ms: 0,
            number: 0,
            written: Vec::new(),
        };
        let now = product.now();
        NAMES.iter().for_each(|name| product.detector.enrolled(id(name), profile(), now));
        product.detector.account_known(&"owner".into());
        product
    }

    fn now(&self) -> input::Now {
        input::Now { wall: Timestamp(MORNING + self.ms), mono: Duration::from_millis(self.ms) }
    }

    /// Time passes; the detector is told each second.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.ms += 1000;
            let now = self.now();
            let findings = self.detector.tick(now);
            self.write(findings);
        }
    }

    /// Time passes, and the components give signs of life.
    fn live(&mut self, seconds: u64) {
        for second in 0..seconds {
            if second % 20 == 0 {
                let now = self.now();
                NAMES.iter().for_each(|name| self.detector.alive(id(name), now));
            }
            if second % 300 == 0 {
                NAMES.iter().for_each(|name| self.tell(of(name, RecordKind::Health)));
            }
            self.wait(1);
        }
    }

    /// A record is written and told.
    fn tell(&mut self, mut record: Record) {
        self.ms += 1;
        let now = self.now();
        record.at = now.wall;
        self.number += 1;
        self.written.push(record.clone());
        let findings = self.detector.observe(&record, self.number, now);
        self.write(findings);
    }

    fn write(&mut self, findings: Findings) {
        let at = self.now().wall;
        findings.records.into_iter().for_each(|record| self.tell(record));
        for change in findings.changes {
            self.tell(change.record(at));
        }
    }

    /// Incidents so far by rule, and how grave each became.
    fn raised(&self) -> BTreeMap<String, Severity> {
        let one = |incident: &Incident| (incident.rule.to_string(), incident.severity);
        self.detector.incidents().iter().map(one).collect()
    }

    /// Holds that this rule raised an incident so grave about this component, with evidence in the log.
    fn holds(&self, rule: &str, severity: Severity, component: Option<&str>) {
        let found = self.detector.incidents().iter().rev().find(|one| one.rule.as_str() == rule);
        let Some(found) = found else { panic!("no {rule} but {:?}", self.raised()) };
        assert_eq!(found.severity, severity, "{found:?}");
        if let Some(name) = component {
            assert!(found.components.contains(&id(name)), "{found:?}");
        }
        assert!(!found.evidence.is_empty(), "{found:?}");
        assert!(
            found.evidence.iter().all(|number| (1..=self.number).contains(number)),
            "{found:?}"
        );
    }

    /// Holds that nothing of medium or above was raised.
    fn is_quiet(&self) {
        let grave: Vec<_> = self
            .raised()
            .into_iter()
            .filter(|(_, severity)| *severity >= Severity::Medium)
            .collect();
        assert_eq!(grave, []);
    }
}

/// The hub's own record about a component.
fn about(name: &str, kind: RecordKind) -> Record {
    Record::new(Timestamp(0), kind).about(id(name))
}

/// A component's record of itself.
fn of(name: &str, kind: RecordKind) -> Record {
    Record { source: Source::Component, ..about(name, kind) }
}

fn from(record: Record, ip: [u8; 4], program: u8) -> Record {
    let mut peer = Peer::from(SocketAddr::from((ip, 50_000)));
    peer.fingerprint = Some(Digest([program; 32]));
    record.seen_from(peer)
}

/// What a component sent to a name or an address.
fn flow(name: &str, host: Option<&str>, ip: [u8; 4], port: u16, bytes: u64) -> Record {
    let to = Destination { host: host.map(Word::clip), ip: Some(Address(IpAddr::from(ip))), port };
    let counters = Counters { bytes_out: Some(bytes), bytes_in: Some(900), ..Counters::NONE };
    Record { destination: Some(to), counters, ..of(name, RecordKind::NetCounters) }
}

/// Usual traffic to the maker, once a minute.
fn usual(product: &mut Product, name: &str, minutes: u64) {
    for minute in 0..minutes {
        let ip = [198, 51, 100, 7];
        product.tell(flow(name, Some("cloud.maker.example"), ip, 443, 2_000 + minute % 9 * 100));
        product.live(60);
    }
}
