//! The contract as strangers get it: `wire.cddl`, `vectors/`, `README.md` and `WALKTHROUGH.md` must
//! say what the code does, and the codec must hold against whatever differs from them.

#![allow(clippy::print_stdout, reason = "a test's figures are read in its output")]

mod cddl;
mod codec;
#[path = "../damage/mod.rs"]
mod damage;
mod documents;
mod identities;
mod mutants;
mod random;
mod signed;
mod walkthrough;

use protocol::{
    cbor::{self, DecodeError},
    id::{ComponentId, Slug},
    message::{
        Announcement, Assertion, Block, BlockRequest, Bye, CloudAnswer, CloudAsk, CloudHello,
        Config, Heartbeat, HubStatus, LogBatch, LogControl, LogHead, LogRecord, Lost, Reported,
        TrustNotice, UpdateControl, UpdateOffer, UpdateReport, UpdateStatus, UplinkAck,
        UplinkFrame, UplinkRecord,
    },
    refusal::Refusal,
    topic::{Down, FromCloud, Route, ToCloud, Up},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::path::Path;

/// Reads a payload as one kind of message and writes what it read.
type Recode = fn(&[u8], usize) -> Result<Vec<u8>, DecodeError>;

/// A kind of message: its file in `vectors/`, a route it goes over, and its codec.
struct Kind {
    name: &'static str,
    route: Route,
    recode: Recode,
}

impl Kind {
    fn recode(&self, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        (self.recode)(bytes, self.route.limits().max_payload)
    }

    fn vectors(&self) -> Value {
        json(&format!("vectors/{}.json", self.name))
    }
}

fn kinds() -> Vec<Kind> {
    let id = example_id();
    let kind = |name, route, recode| Kind { name, route, recode };
    let state = Slug::new("state").expect("a name");
    vec![
        kind("announcement", Route::Up(id, Up::Announce), message::<Announcement>),
        kind("heartbeat", Route::Up(id, Up::Heartbeat), message::<Heartbeat>),
        kind("bye", Route::Up(id, Up::Bye), message::<Bye>),
        kind("lost", Route::Up(id, Up::Lost), message::<Lost>),
        kind("reported", Route::Up(id, Up::Reported), message::<Reported>),
        kind("config", Route::Down(id, Down::Config), message::<Config>),
        kind("assertion", Route::Down(id, Down::Relayed), message::<Assertion>),
        kind("trust-notice", Route::Down(id, Down::Trust), message::<TrustNotice>),
        kind("hub-status", Route::ToCloud(id, ToCloud::Status), message::<HubStatus>),
        kind("cloud-hello", Route::FromCloud(id, FromCloud::Hello), message::<CloudHello>),
        kind("cloud-ask", Route::FromCloud(id, FromCloud::Ask), message::<CloudAsk>),
        kind("cloud-answer", Route::ToCloud(id, ToCloud::Answer), message::<CloudAnswer>),
        kind("uplink-frame", Route::ToCloud(id, ToCloud::Log), message::<UplinkFrame>),
        kind("uplink-record", Route::ToCloud(id, ToCloud::Log), message::<UplinkRecord>),
        kind("uplink-ack", Route::FromCloud(id, FromCloud::LogAck), message::<UplinkAck>),
        kind("update-offer", Route::Down(id, Down::UpdateOffer), message::<UpdateOffer>),
        kind("block-request", Route::Up(id, Up::UpdateRequest), message::<BlockRequest>),
        kind("block", Route::Down(id, Down::UpdateBlock), message::<Block>),
        kind("update-status", Route::Up(id, Up::UpdateStatus), message::<UpdateStatus>),
        kind("update-control", Route::Down(id, Down::UpdateControl), message::<UpdateControl>),
        kind("update-report", Route::Up(id, Up::UpdateReport), message::<UpdateReport>),
        kind("log-batch", Route::Up(id, Up::Log), message::<LogBatch>),
        kind("log-record", Route::Up(id, Up::Log), message::<LogRecord>),
        kind("log-head", Route::Up(id, Up::Log), message::<LogHead>),
        kind("log-control", Route::Down(id, Down::LogControl), message::<LogControl>),
        kind("stream-value", Route::Up(id, Up::Stream(state)), stream_value),
    ]
}

fn message<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<Vec<u8>, DecodeError> {
    cbor::decode::<T>(bytes, limit).map(|message| cbor::encode(&message))
}

fn stream_value(bytes: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge { found: bytes.len(), limit });
    }
    cbor::check_text_map(bytes).map(|()| bytes.to_vec())
}

/// The word in `vectors/` for what is wrong; for shapes, the one of several that the text allows.
fn reasons(error: &DecodeError) -> Vec<String> {
    const SHAPES: &[(&str, &[&str])] = &[
        ("missing key", &["missing-key"]),
        ("unknown key", &["unknown-key"]),
        ("wire version", &["wrong-version"]),
        ("not a valid date", &["bad-date"]),
        ("not a valid component id", &["bad-id"]),
        ("no number", &["no-number"]),
        ("a map must hold", &["map-too-long"]),
        ("not a valid", &["bad-text"]),
        ("not a value of", &["unknown-value"]),
        ("no refusal has this", &["unknown-value"]),
        ("an interval must be", &["out-of-range"]),
        ("out of range", &["out-of-range"]),
        ("contradiction", &["contradiction"]),
        ("a sequence must hold", &["list-too-long"]),
        ("a list must hold", &["list-order", "list-twice", "list-too-long"]),
        ("invalid length", &["wrong-length"]),
        ("invalid value: integer `-1`", &["wrong-type"]),
        ("invalid value: integer", &["out-of-range"]),
        ("invalid type", &["wrong-type"]),
    ];
    match error {
        DecodeError::TooLarge { .. } => vec!["too-large".into()],
        DecodeError::NotDeterministic { fault, .. } => vec![kebab(&format!("{fault:?}"))],
        DecodeError::Shape(text) => {
            let found = SHAPES.iter().find(|(part, _)| text.contains(part));
            let (_, words) = found.unwrap_or_else(|| panic!("no word for: {text}"));
            words.iter().map(|word| (*word).to_owned()).collect()
        }
    }
}

/// What the hub says to a sender of such bytes.
fn refused_as(error: &DecodeError) -> Refusal {
    match error {
        DecodeError::TooLarge { .. } => Refusal::TooLarge,
        DecodeError::NotDeterministic { .. } | DecodeError::Shape(_) => Refusal::Malformed,
    }
}

/// `TrustNotice` as `trust-notice`, `NotATextMap` as `not-a-text-map`.
fn kebab(name: &str) -> String {
    name.char_indices().fold(String::new(), |mut text, (at, c)| {
        if c.is_ascii_uppercase() && at > 0 {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
        text
    })
}

fn example_id() -> ComponentId {
    text(&json("vectors/enrolment.json")["id"]).parse().expect("an id")
}

fn read(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&whole).unwrap_or_else(|error| panic!("{}: {error}", whole.display()))
}

fn json(path: &str) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of digits: {text}");
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_else(|_| panic!("{text}"));
    (0..text.len()).step_by(2).map(byte).collect()
}
