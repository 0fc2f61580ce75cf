//! `WALKTHROUGH.md` against the vectors, and the example's parts against each other.

use crate::{example_id, hex, json, kinds, list, read, text, unhex};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use protocol::topic::Route;
use serde_json::Value;
use std::collections::BTreeSet;

/// Blocks fenced as ```` ```<kind> <name> ````: name and content.
fn blocks(kind: &str) -> Vec<(String, String)> {
    let page = read("WALKTHROUGH.md");
    let fence = format!("\n```{kind} ");
    let block = |rest: &str| {
        let (name, rest) = rest.split_once('\n').expect("a line end after the fence");
        let (content, _) = rest.split_once("\n```").expect("the end of the block");
        (name.to_owned(), content.to_owned())
    };
    page.split(&fence).skip(1).map(block).collect()
}

/// The hexadecimal digits or text that a block's name stands for.
fn named(name: &str) -> String {
    let (file, rest) = name.split_once('/').unwrap_or_else(|| panic!("{name} has no file"));
    let vectors = json(&format!("vectors/{file}.json"));
    let among = |items: &Value, name: &str, field: &str| {
        let found = list(items).iter().find(|item| item["name"] == name);
        text(&found.unwrap_or_else(|| panic!("no vector {name}"))[field]).to_owned()
    };
    match (file, rest.split_once('/')) {
        ("ids", Some((key, field))) => among(&vectors["from_key"], key, field),
        ("enrolment", None) => text(&vectors[rest]).to_owned(),
        ("mqtt", None) => among(&vectors["packets"], rest, "hex"),
        (_, None) => among(&vectors["valid"], rest, "hex"),
        (_, Some(_)) => panic!("no vector {name}"),
    }
}

fn without_remarks(block: &str) -> String {
    let bare = block.lines().map(|line| line.split('#').next().unwrap_or_default());
    bare.flat_map(str::split_whitespace).collect()
}

#[test]
fn every_block_of_the_walk_through_equals_its_vector() {
    let hexadecimal = blocks("hex");
    for (name, block) in &hexadecimal {
        assert_eq!(without_remarks(block), named(name), "{name}");
    }
    let base64 = blocks("base64");
    for (name, block) in &base64 {
        assert_eq!(block.lines().collect::<String>(), named(name), "{name}");
    }
    assert!(hexadecimal.len() >= 30 && base64.len() == 3);
}

#[test]
fn the_walk_through_shows_every_packet_of_the_3_1_1_connection_and_every_message_in_it() {
    let shown: BTreeSet<_> = blocks("hex").into_iter().map(|(name, _)| name).collect();
    for packet in list(&json("vectors/mqtt.json")["packets"]) {
        let name = text(&packet["name"]);
        let on_page = packet["version"] != "3.1.1" || shown.contains(&format!("mqtt/{name}"));
        assert!(on_page, "{name}");
        let payload = packet["payload"].as_str().filter(|payload| *payload != "lost/walkthrough");
        assert!(payload.is_none_or(|payload| shown.contains(payload)), "{payload:?}");
    }
}

#[test]
fn packets_carry_the_messages_and_topics_they_say() {
    for packet in list(&json("vectors/mqtt.json")["packets"]) {
        let (name, bytes) = (text(&packet["name"]), unhex(text(&packet["hex"])));
        let version_5 = packet["version"] == "5.0";
        let body = body(&bytes);
        if bytes[0] >> 4 == 3 {
            let (topic, rest) = prefixed(body);
            let skipped = if bytes[0] & 0b110 == 0 { 0 } else { 2 } + usize::from(version_5);
            let topic = std::str::from_utf8(topic).expect("a topic");
            assert_published(name, topic, &rest[skipped..], bytes[0], &packet["payload"]);
        } else if let Some(payload) = packet["payload"].as_str() {
            assert!(body.ends_with(&unhex(&named(payload))), "{name}");
        }
    }
}

/// What follows the remaining length, which must be true.
fn body(packet: &[u8]) -> &[u8] {
    let wide = packet[1] & 0x80 != 0;
    let length = usize::from(packet[1] & 0x7f) + if wide { usize::from(packet[2]) << 7 } else { 0 };
    let body = &packet[if wide { 3 } else { 2 }..];
    assert_eq!(body.len(), length, "{}", hex(packet));
    body
}

fn prefixed(bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = usize::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    bytes[2..].split_at(length)
}

fn assert_published(name: &str, topic: &str, payload: &[u8], first: u8, vector: &Value) {
    let route = Route::parse(topic).unwrap_or_else(|error| panic!("{topic}: {error}"));
    let (limits, qos) = (route.limits(), first >> 1 & 0b11);
    assert_eq!(route.owner(), example_id(), "{name}");
    assert!((limits.qos.0..=limits.qos.1).contains(&qos), "{name}");
    assert!(limits.retain || first & 1 == 0, "{name}");
    let kind = kinds().into_iter().find(|kind| {
        std::mem::discriminant(&kind.route) == std::mem::discriminant(&route)
            && kind.route.limits() == limits
            && vector.as_str().is_none_or(|vector| vector.starts_with(kind.name))
    });
    let accepted = kind.unwrap_or_else(|| panic!("no kind for {topic}")).recode(payload).is_ok();
    match vector.as_str() {
        Some(vector) => assert_eq!(hex(payload), named(vector), "{name}"),
        None => assert!(!accepted, "{name} is shown as refused"),
    }
}

/// Criterion: T3.LA.1c (positive)
#[test]
fn the_parts_of_the_enrolment_belong_together() {
    let all = json("vectors/enrolment.json");
    let bytes = |field: &str| unhex(text(&all[field]));
    let decoded = |field: &str| BASE64_STANDARD.decode(text(&all[field])).expect("base64");
    let holds = |whole: &[u8], part: &[u8]| whole.windows(part.len()).any(|some| some == part);

    let authority = bytes("ca_certificate");
    let fingerprint = hex(digest(&SHA256, &authority).as_ref());
    assert_eq!(text(&all["ca_fingerprint"]), fingerprint);
    assert!(holds(&decoded("cacerts_response"), &authority));
    assert_eq!(decoded("simpleenroll_request"), bytes("csr"));
    assert!(holds(&bytes("csr"), &bytes("spki")) && holds(&bytes("ldevid"), &bytes("spki")));
    assert!(holds(&decoded("simpleenroll_response"), &bytes("ldevid")));
    let name = format!("urn:uuid:{}", example_id());
    assert!(holds(&bytes("ldevid"), name.as_bytes()));

    let code = text(&all["code"]);
    let authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("pair:{code}")));
    assert_eq!(text(&all["authorization"]), authorization);
    assert!(text(&all["link"]).contains(&format!("?code={code}&ca={fingerprint}&mqtt=")));
    let page = read("WALKTHROUGH.md");
    for part in ["key_pem", "id", "code", "authorization", "link"] {
        assert!(page.contains(text(&all[part]).trim()), "{part}");
    }
}
