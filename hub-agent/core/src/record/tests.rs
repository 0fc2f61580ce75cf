mod ocsf_schema;
mod schema;
mod syslog_lines;

use super::{ocsf::Origin, *};
use protocol::id::Digest;
use std::net::SocketAddr;

fn origin() -> Origin<'static> {
    Origin { hub: ComponentId::from_key_digest(&Digest([7; 32])), version: "0.1.0" }
}

fn sparse(kind: RecordKind) -> Record {
    Record::new(Timestamp(1_700_000_000_123), kind)
}

/// Every field at its longest.
pub(crate) fn full(kind: RecordKind) -> Record {
    let from: SocketAddr = "[2001:db8::1]:65535".parse().unwrap();
    let mut record = sparse(kind)
        .about(ComponentId::from_key_digest(&Digest([9; 32])))
        .because(&"c".repeat(99))
        .on(&"s".repeat(99))
        .by(&"a".repeat(99))
        .seen_from(from)
        .saying(&"t".repeat(999));
    record.original = Some(Timestamp(u64::MAX));
    record.related = Some(u64::MAX);
    record.age = Some(u64::MAX);
    record.peer.as_mut().unwrap().fingerprint = Some(Digest([1; 32]));
    record.destination = Some(Destination {
        host: Some(Word::clip(&"h".repeat(99))),
        ip: Some(Address(from.ip())),
        port: 65535,
    });
    record.counters = Counters {
        count: Some(u32::MAX),
        bytes_in: Some(u64::MAX),
        bytes_out: Some(u64::MAX),
        connections: Some(u32::MAX),
        cpu: Some(100),
        memory: Some(100),
        battery: Some(100),
        value: Some(u64::MAX),
        bound: Some(u64::MAX),
    };
    record
}

/// What a record may have or lack, each taken over from another record.
const PARTS: &[fn(&mut Record, &Record)] = &[
    |to, from| to.original = from.original,
    |to, from| to.component = from.component,
    |to, from| to.code = from.code.clone(),
    |to, from| to.peer = from.peer.clone(),
    |to, from| {
        if let Some(peer) = &mut to.peer {
            peer.fingerprint = from.peer.as_ref().and_then(|peer| peer.fingerprint);
        }
    },
    |to, from| to.destination = from.destination.clone(),
    |to, from| {
        if let Some(there) = &mut to.destination {
            there.host = from.destination.as_ref().and_then(|there| there.host.clone());
        }
    },
    |to, from| {
        if let Some(there) = &mut to.destination {
            there.ip = from.destination.as_ref().and_then(|there| there.ip);
        }
    },
    |to, from| to.actor = from.actor.clone(),
    |to, from| to.subject = from.subject.clone(),
    |to, from| to.text = from.text.clone(),
    |to, from| to.related = from.related,
    |to, from| to.counters.count = from.counters.count,
    |to, from| to.counters.bytes_in = from.counters.bytes_in,
    |to, from| to.counters.bytes_out = from.counters.bytes_out,
    |to, from| to.counters.connections = from.counters.connections,
    |to, from| to.counters.cpu = from.counters.cpu,
    |to, from| to.counters.memory = from.counters.memory,
    |to, from| to.counters.battery = from.counters.battery,
    |to, from| to.counters.value = from.counters.value,
    |to, from| to.counters.bound = from.counters.bound,
];

/// Records of a kind with nothing, with everything, and with one or two parts more or less than that.
fn variants(kind: RecordKind) -> Vec<Record> {
    let (sparse, full) = (sparse(kind), full(kind));
    let mut records = vec![sparse.clone(), full.clone()];
    for (number, one) in PARTS.iter().enumerate() {
        for other in &PARTS[number..] {
            for (of, from) in [(&sparse, &full), (&full, &sparse)] {
                let mut record = of.clone();
                one(&mut record, from);
                other(&mut record, from);
                records.push(record);
            }
        }
    }
    records
}

#[test]
fn every_record_reads_back_from_its_one_encoding_and_keeps_its_bound() {
    for kind in RecordKind::ALL {
        for record in [sparse(*kind), full(*kind)] {
            let bytes = record.encode();
            assert!(bytes.len() <= MAX_RECORD, "{} bytes", bytes.len());
            assert_eq!(Record::decode(&bytes), Ok(record));
        }
    }
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn damaged_bytes_are_never_read_as_the_same_record() {
    let record = full(RecordKind::Tamper);
    let bytes = record.encode();
    for at in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        assert_ne!(Record::decode(&damaged), Ok(record.clone()), "bit {at}");
    }
}

#[test]
fn what_the_hub_tells_of_itself_becomes_a_record() {
    let event = StateEvent {
        at: Timestamp(5),
        kind: crate::EventKind::UpdateConfirmed,
        severity: event::Severity::Info,
        component: None,
        refusal: Some(protocol::refusal::Refusal::Replayed),
        peer: None,
        actor: None,
        subject: None,
        code: None,
        failed: false,
        text: "runs 2.0".into(),
        times: 3,
    };
    let record = Record::from(&event);
    assert_eq!(record.kind, RecordKind::UpdateInstalled);
    assert_eq!(record.code.as_deref(), Some("replayed"));
    assert_eq!(record.counters.count, Some(3));
}

#[test]
fn times_beyond_any_calendar_are_exported_all_the_same() {
    assert_eq!(when::rfc3339(Timestamp(u64::MAX)), "9999-12-31T23:59:59.999Z");
    assert_eq!(when::rfc3339(Timestamp(0)), "1970-01-01T00:00:00.000Z");
}
