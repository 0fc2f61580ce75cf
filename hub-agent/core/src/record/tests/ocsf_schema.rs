//! What is exported as OCSF is as the schema wants it.

use super::{schema::Schema, *};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What became of an incident, a refusal, and a word that nothing looks for.
const CODES: &[Option<&str>] =
    &[None, Some("opened"), Some("updated"), Some("acknowledged"), Some("closed"), Some("x")];

fn export(record: &Record) -> Value {
    ocsf::event(record, 42, &origin())
}

#[track_caller]
fn assert_valid(schema: &Schema, record: &Record) -> Value {
    let event = export(record);
    assert_eq!(schema.faults(&event), Vec::<String>::new(), "{}: {event:#}", record.kind);
    event
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn every_kind_is_valid_ocsf_whatever_it_knows() {
    let schema = Schema::new();
    let mut classes = BTreeSet::new();
    for kind in RecordKind::ALL {
        for record in variants(*kind) {
            let event = assert_valid(&schema, &record);
            assert_eq!(event["time"], 1_700_000_000_123_u64, "milliseconds");
            classes.insert(event["class_uid"].as_u64());
        }
    }
    assert_eq!(classes.len(), 10);
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn every_outcome_is_valid_ocsf() {
    let schema = Schema::new();
    for kind in RecordKind::ALL {
        for mut record in [sparse(*kind), full(*kind)] {
            for code in CODES {
                record.code = code.map(Word::clip);
                for severity in Severity::ALL {
                    for status in Status::ALL {
                        for source in Source::ALL {
                            let lane = Lane::Backlog;
                            (record.severity, record.status) = (*severity, *status);
                            (record.source, record.lane) = (*source, lane);
                            assert_valid(&schema, &record);
                        }
                    }
                }
            }
        }
    }
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn numbers_beyond_those_of_ocsf_are_exported_as_the_greatest() {
    let schema = Schema::new();
    for kind in RecordKind::ALL {
        let mut record = full(*kind);
        record.at = Timestamp(u64::MAX);
        let event = ocsf::event(&record, u64::MAX, &origin());
        assert_eq!(schema.faults(&event), Vec::<String>::new(), "{event:#}");
        assert_eq!(event["time"], i64::MAX);
    }
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn nothing_of_a_record_is_lost_in_ocsf() {
    let ip = |text: &str| text.parse::<std::net::IpAddr>().unwrap();
    for kind in RecordKind::ALL {
        let mut record = full(*kind);
        record.original = Some(Timestamp(7));
        record.related = Some(70_001);
        let fingerprint = Some(Digest([1; 32]));
        record.peer = Some(Peer { ip: Address(ip("192.0.2.1")), port: 60_002, fingerprint });
        record.destination = Some(Destination {
            host: Some(Word::clip("there.example")),
            ip: Some(Address(ip("2001:db8::3"))),
            port: 60_003,
        });
        record.counters = Counters {
            count: Some(70_004),
            bytes_in: Some(70_005),
            bytes_out: Some(70_006),
            connections: Some(70_007),
            cpu: Some(71),
            memory: Some(72),
            battery: Some(73),
            value: Some(70_008),
            bound: Some(70_009),
        };
        let (mut leaves, event) = (BTreeSet::new(), export(&record));
        each_leaf(&event, &mut |leaf| {
            leaves.insert(leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned));
        });
        let numbers = (70_001..70_010).filter(|at| !matches!(at, 70_002 | 70_003));
        let numbers = numbers.chain([71, 72, 73, 60_002, 60_003]).map(|number| number.to_string());
        let texts =
            [&record.code, &record.subject, &record.actor].map(|word| word.as_ref().unwrap());
        let others = [
            when::rfc3339(Timestamp(7)),
            "192.0.2.1".into(),
            "2001:db8::3".into(),
            "there.example".into(),
            Digest([1; 32]).to_string(),
            record.component.unwrap().to_string(),
            record.text.as_ref().unwrap().to_string(),
            kind.word().into(),
            record.source.word().into(),
            record.lane.word().into(),
            record.status.word().into(),
        ];
        for value in numbers.chain(texts.map(ToString::to_string)).chain(others) {
            assert!(leaves.contains(&value), "{kind}: {value} is not in {event:#}");
        }
    }
}

/// Nobody is named who was not there.
///
/// Criterion: T3.CSA.1 (negative)
#[test]
fn the_hub_does_not_stand_for_unknown_others_in_ocsf() {
    let user = |record: &Record| export(record)["user"].clone();
    let failed = sparse(RecordKind::AuthFailure);
    assert_eq!(user(&failed), json!({ "name": "unknown" }));
    assert_eq!(user(&failed.clone().by("ann")), json!({ "name": "ann" }));
    let refused = export(&sparse(RecordKind::EnrolRefused));
    assert_eq!(refused["entity"], json!({ "name": "unknown", "type": "Device", "type_id": 1 }));
    let defined = export(&full(RecordKind::DefinitionInForce));
    assert_eq!(defined["entity"]["type"], "Policy");
    let restart = export(&sparse(RecordKind::Restart));
    assert_eq!(restart["app"], json!({ "name": "firmware" }));
}

/// One event with everything of each class.
fn one_of_each_class() -> Vec<Value> {
    let events = RecordKind::ALL.iter().map(|kind| export(&full(*kind)));
    let by_class: BTreeMap<_, _> =
        events.map(|event| (event["class_uid"].as_u64(), event)).collect();
    by_class.into_values().collect()
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn an_event_that_lacks_what_ocsf_requires_is_found_out() {
    let schema = Schema::new();
    let mut nested = vec![
        "/device/type_id",
        "/metadata/version",
        "/metadata/product",
        "/finding_info/uid",
        "/finding_info/analytic/type_id",
        "/entity/device/type_id",
        "/api/operation",
        "/connection_info/direction_id",
    ];
    for event in one_of_each_class() {
        for name in schema.required(&event) {
            let mut other = event.clone();
            other.as_object_mut().unwrap().remove(name).unwrap();
            assert_ne!(schema.faults(&other), Vec::<String>::new(), "{name}");
        }
        nested.retain(|path| {
            let (of, name) = path.rsplit_once('/').unwrap();
            let mut other = event.clone();
            let object = other.pointer_mut(of).and_then(Value::as_object_mut);
            let is_gone = object.and_then(|object| object.remove(name)).is_some();
            assert!(!is_gone || !schema.faults(&other).is_empty(), "{path}");
            !is_gone
        });
    }
    assert_eq!(nested, Vec::<&str>::new(), "never seen");
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn an_event_with_what_ocsf_does_not_know_is_found_out() {
    let schema = Schema::new();
    for event in one_of_each_class() {
        for path in paths("", &event) {
            let mut other = event.clone();
            let there = other.pointer_mut(&path).unwrap();
            if let Some(object) = there.as_object_mut() {
                object.insert("surprise".into(), 1.into());
                assert_ne!(schema.faults(&other), Vec::<String>::new(), "more in {path}");
            }
            for wrong in [Value::Null, true.into(), (-1.5).into(), json!([[]])] {
                let mut other = event.clone();
                *other.pointer_mut(&path).unwrap() = wrong;
                assert_ne!(schema.faults(&other), Vec::<String>::new(), "another type at {path}");
            }
            if path.ends_with("_id") || path.ends_with("_uid") {
                let mut other = event.clone();
                *other.pointer_mut(&path).unwrap() = 98.into();
                assert_ne!(schema.faults(&other), Vec::<String>::new(), "another number at {path}");
            }
        }
    }
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn an_event_that_breaks_a_constraint_of_ocsf_is_found_out() {
    let schema = Schema::new();
    let broken = |kind: RecordKind, change: &dyn Fn(&mut Value)| {
        let mut event = export(&full(kind));
        change(&mut event);
        schema.faults(&event).len()
    };
    let without = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        move |event: &mut Value| names.iter().for_each(|name| drop(event[name].take()))
    };
    let gone =
        |event: &mut Value| event.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    for (kind, names) in [
        (RecordKind::LogGap, &["log_name"][..]),
        (RecordKind::AuthLogin, &["service", "dst_endpoint"]),
        (RecordKind::NetCounters, &["src_endpoint", "dst_endpoint"]),
    ] {
        let change = without(names);
        let change = |event: &mut Value| (change(event), gone(event)).1;
        assert_eq!(broken(kind, &change), 1, "{kind}");
    }
    let kind = RecordKind::AuthLogin;
    for (name, value) in [
        ("dst_endpoint", json!({ "port": 1 })),
        ("src_endpoint", json!({ "ip": "1.2.3" })),
        ("src_endpoint", json!({ "ip": "1.2.3.4", "port": 65536 })),
        ("actor", json!({})),
        ("user", json!({ "uid": 1 })),
        ("type_uid", json!(300_202)),
        ("category_uid", json!(4)),
        ("activity_id", json!(99)),
        ("severity", json!("Low")),
        ("time", json!("2023-11-14T22:13:20Z")),
        ("device", json!({ "type_id": 7 })),
    ] {
        let faults = broken(kind, &|event| event[name] = value.clone());
        assert!(faults > 0, "{name} {value}");
    }
    let faults = broken(kind, &|event| event["metadata"]["profiles"] = json!([]));
    assert_eq!(faults, 1, "the device comes with the profile only");
    let typed = broken(RecordKind::CertIssued, &|event| event["entity"]["type"] = "device".into());
    assert_eq!(typed, 1);
}

/// Every place in an event but those within `unmapped`, where everything is allowed.
fn paths(at: &str, value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{at}/{name}");
        if path != "/unmapped" {
            all.extend(paths(&path, value));
            all.push(path);
        }
    }
    all
}

fn each_leaf(value: &Value, found: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(object) => object.values().for_each(|value| each_leaf(value, found)),
        Value::Array(list) => list.iter().for_each(|value| each_leaf(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found(value),
    }
}
