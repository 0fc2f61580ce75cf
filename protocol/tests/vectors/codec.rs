//! The codec against the vectors.

use crate::{Kind, hex, json, kebab, kinds, list, read, reasons, refused_as, text, unhex};
use protocol::topic::Route;
use serde_cbor::Value as Cbor;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Criterion: T3.LA.1b (positive)
/// Criterion: T1.LA.3 (positive)
#[test]
fn every_valid_vector_is_read_and_written_again_as_the_same_bytes() {
    for kind in kinds() {
        for vector in list(&kind.vectors()["valid"]) {
            let bytes = unhex(text(&vector["hex"]));
            let again = kind.recode(&bytes);
            let name = &vector["name"];
            assert_eq!(again.as_deref().map(hex), Ok(hex(&bytes)), "{} {name}", kind.name);
        }
    }
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn every_invalid_vector_is_refused_for_the_reason_it_states() {
    for kind in kinds() {
        for vector in list(&kind.vectors()["invalid"]) {
            let (name, why) = (text(&vector["name"]), text(&vector["why"]));
            let error = kind.recode(&unhex(text(&vector["hex"])));
            let error = error.expect_err(&format!("{} {name} was accepted", kind.name));
            assert!(
                reasons(&error).iter().any(|reason| reason == why),
                "{} {name}: refused with {error}, not as {why}",
                kind.name
            );
            assert_eq!(text(&vector["refused_as"]), refused_as(&error).slug(), "{name}");
        }
    }
}

#[test]
fn diagnostic_notation_says_what_the_bytes_say() {
    for kind in kinds() {
        for vector in list(&kind.vectors()["valid"]) {
            let value: Cbor = serde_cbor::from_slice(&unhex(text(&vector["hex"]))).expect("CBOR");
            assert_eq!(diagnostic(&value), text(&vector["diagnostic"]), "{}", vector["name"]);
        }
    }
}

/// RFC 8949 section 8, as far as our messages need it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the enum of another crate, which may grow")]
pub(crate) fn diagnostic(value: &Cbor) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        Cbor::Bytes(bytes) => format!("h'{}'", hex(bytes)),
        Cbor::Text(text) => serde_json::to_string(text).expect("a text"),
        Cbor::Array(items) => format!("[{}]", joined(items.iter().map(diagnostic).collect())),
        Cbor::Map(pairs) => {
            let pair = |(key, value)| format!("{}: {}", diagnostic(key), diagnostic(value));
            format!("{{{}}}", joined(pairs.iter().map(pair).collect()))
        }
        Cbor::Float(number) if number.is_nan() => "NaN".into(),
        Cbor::Float(number) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        Cbor::Float(number) => format!("{number:?}"),
        Cbor::Integer(number) => number.to_string(),
        Cbor::Bool(truth) => truth.to_string(),
        Cbor::Null => "null".into(),
        _ => panic!("no message holds {value:?}"),
    }
}

#[test]
fn every_message_type_has_vectors_and_no_vectors_are_of_another() {
    let mut types = BTreeSet::from(["stream-value".to_owned()]);
    for file in [
        "src/message/component.rs",
        "src/message/config.rs",
        "src/message/assertion.rs",
        "src/message/cloud.rs",
        "src/message/log.rs",
        "src/message/update.rs",
        "src/message/uplink.rs",
    ] {
        let source = read(file);
        let names = source.lines().filter_map(|line| line.trim().strip_prefix("pub struct "));
        // Structs of one line are parts of messages.
        let names = names.filter_map(|rest| rest.strip_suffix(" {"));
        let names = names.filter_map(|rest| rest.split(' ').next());
        types.extend(names.map(kebab));
    }
    let covered: BTreeSet<_> = kinds().iter().map(|kind| kind.name.to_owned()).collect();
    assert_eq!(types, covered);
    for kind in kinds() {
        let vectors = kind.vectors();
        assert_eq!(text(&vectors["message"]), kind.name);
        assert!(list(&vectors["valid"]).len() >= 2 && list(&vectors["invalid"]).len() >= 10);
    }
}

#[test]
fn every_fault_and_every_error_of_shape_has_a_vector() {
    let source = read("src/cbor/check.rs");
    let (_, rest) = source.split_once("pub enum Fault {").expect("the list of faults");
    let (body, _) = rest.split_once("\n}").expect("its end");
    let mut wanted: BTreeSet<_> = body
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
        .filter(|line| line.bytes().all(|b| b.is_ascii_alphanumeric()))
        .map(kebab)
        .collect();
    assert_eq!(wanted.len(), 11, "{wanted:?}");
    wanted.extend(
        "too-large missing-key unknown-key wrong-version bad-date bad-id bad-text unknown-value \
         out-of-range list-order list-twice list-too-long map-too-long no-number wrong-length wrong-type \
         contradiction"
            .split(' ')
            .map(str::to_owned),
    );
    let mut found = BTreeSet::new();
    for kind in kinds() {
        let vectors = kind.vectors();
        found.extend(list(&vectors["invalid"]).iter().map(|v| text(&v["why"]).to_owned()));
    }
    assert_eq!(found, wanted);
}

#[test]
fn vectors_carry_the_topic_and_the_limits_of_their_route() {
    for kind in kinds() {
        let vectors = kind.vectors();
        let limits = kind.route.limits();
        let head = [&vectors["qos"], &vectors["retain"], &vectors["max_bytes"]];
        let says = [
            &json!([limits.qos.0, limits.qos.1]),
            &json!(limits.retain),
            &json!(limits.max_payload),
        ];
        assert_eq!(head, says, "{}", kind.name);
        for vector in list(&vectors["valid"]) {
            assert_carried(&kind, vector);
        }
    }
}

fn assert_carried(kind: &Kind, vector: &Value) {
    let route = Route::parse(text(&vector["topic"])).expect("a topic");
    let limits = route.limits();
    let qos = vector["qos"].as_u64().expect("a number");
    assert!((u64::from(limits.qos.0)..=u64::from(limits.qos.1)).contains(&qos), "{vector}");
    assert_eq!(vector["retain"], limits.retain, "{vector}");
    assert_eq!(limits, kind.route.limits(), "{vector}");
}

#[test]
fn topic_vectors_are_routes_with_these_limits_and_the_others_are_none() {
    let topics = json("vectors/topics.json");
    for valid in list(&topics["valid"]) {
        let topic = text(&valid["topic"]);
        let route = Route::parse(topic).unwrap_or_else(|error| panic!("{topic}: {error}"));
        let limits = route.limits();
        assert_eq!(route.to_string(), topic);
        assert_eq!(valid["qos"], json!([limits.qos.0, limits.qos.1]), "{topic}");
        assert_eq!(valid["retain"], limits.retain, "{topic}");
        assert_eq!(valid["max_bytes"], limits.max_payload, "{topic}");
        let direction = match route {
            Route::Up(..) => "component to hub",
            Route::Down(..) => "hub to component",
            Route::ToCloud(..) => "hub to cloud",
            Route::FromCloud(..) => "cloud to hub",
        };
        assert_eq!(text(&valid["direction"]), direction, "{topic}");
    }
    for invalid in list(&topics["invalid"]) {
        let topic = text(&invalid["topic"]);
        let error = Route::parse(topic).expect_err(topic);
        assert_eq!(format!("{error:?}").to_lowercase(), text(&invalid["why"]), "{topic:?}");
    }
}
