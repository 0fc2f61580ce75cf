use super::{ocsf::Origin, *};
use protocol::id::Digest;
use serde_json::Value;
use std::{collections::BTreeSet, net::SocketAddr};

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

/// Criterion: T3.CSA.1 (positive)
#[test]
fn every_kind_is_valid_ocsf() {
    let rules: Value = serde_json::from_str(include_str!("ocsf-1.8.0.json")).unwrap();
    let mut classes = BTreeSet::new();
    for kind in RecordKind::ALL {
        for code in ["opened", "updated", "acknowledged", "closed", "signature"] {
            for record in [sparse(*kind), full(*kind)].map(|record| record.because(code)) {
                let event = ocsf::event(&record, 42, &origin());
                classes.insert(event["class_uid"].as_u64());
                assert_eq!(faults(&event, &rules), Vec::<String>::new(), "{kind}: {event:#}");
            }
        }
    }
    assert_eq!(classes.len(), 10);
}

#[test]
fn an_event_without_a_required_attribute_is_found_out() {
    let rules: Value = serde_json::from_str(include_str!("ocsf-1.8.0.json")).unwrap();
    let mut event = ocsf::event(&sparse(RecordKind::CommandIssued), 1, &origin());
    event.as_object_mut().unwrap().remove("api");
    event["activity_id"] = 12.into();
    assert_eq!(faults(&event, &rules).len(), 3, "the missing one, the enum, and the type");
}

/// What an event lacks of what the schema wants.
fn faults(event: &Value, rules: &Value) -> Vec<String> {
    let class = &rules["classes"][event["class_uid"].to_string()];
    let mut faults = lacking("", event, &rules["base"]);
    faults.extend(lacking("", event, class));
    for (path, object) in rules["objects"].as_object().unwrap() {
        let pointer = format!("/{}", path.replace('.', "/"));
        faults.extend(event.pointer(&pointer).into_iter().flat_map(|at| lacking(path, at, object)));
    }
    let enums = [
        ("activity_id", &class["activity_id"]),
        ("severity_id", &rules["base"]["enums"]["severity_id"]),
        ("status_id", class.get("status_id").unwrap_or(&rules["base"]["enums"]["status_id"])),
    ];
    for (name, values) in enums {
        if event.get(name).is_some_and(|value| !values.as_array().unwrap().contains(value)) {
            faults.push(format!("{name} is {}", event[name]));
        }
    }
    let number = |name: &str| event[name].as_u64().unwrap_or_default();
    if number("type_uid") != number("class_uid") * 100 + number("activity_id") {
        faults.push("type_uid".into());
    }
    faults
}

fn lacking(path: &str, object: &Value, rule: &Value) -> Vec<String> {
    let names = |list: &str| {
        let list = rule[list].as_array().cloned().unwrap_or_default();
        list.iter().map(|name| name.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let absent = |name: &String| object.get(name).is_none();
    let mut faults: Vec<_> =
        names("required").into_iter().filter(absent).map(|name| format!("{path} {name}")).collect();
    let choice = names("at_least_one");
    if !choice.is_empty() && choice.iter().all(absent) {
        faults.push(format!("{path} none of {choice:?}"));
    }
    faults
}

#[test]
fn a_syslog_line_is_one_line_whatever_a_component_says() {
    let record = sparse(RecordKind::AuthFailure).on("a\"]\n<13>1 forged").saying("x\r\n<13>1 y");
    let line = syslog::line(&record, 5, &origin());
    assert_eq!(line.lines().count(), 1);
    assert!(line.starts_with("<109>1 2023-11-14T22:13:20.123Z "), "{line}");
    assert!(line.contains(r#"subject="a\"\] <13>1 forged""#), "{line}");
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
