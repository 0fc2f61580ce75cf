//! A record as an entry of the log, and back.

use aws_lc_rs::digest::{SHA256, digest};
use hub_core::record::{Destination, Keep, Record, RecordKind, Source, rfc3339};
use protocol::time::Timestamp;
use serde_json::{Value, json};
use state_log::{Act, Content, Entry, Part, Personal, Subject};

/// What the log keeps of a record: what is about a component is sealed under a key of its own, which can be erased;
/// what is about a person under another. Incidents are the hub's: nobody erases them with a component.
pub(super) fn of(record: &Record) -> Entry {
    let own = record.keep() != Keep::Incident;
    let (body, personal) = apart(record);
    Entry {
        at: record.at.0,
        subject: record.component.filter(|_| own).map(|id| *id.as_bytes()),
        kind: record.kind as u16,
        severity: record.severity as u8,
        class: record.keep().number(),
        body,
        personal,
        open: false,
    }
}

/// The person who did what is recorded, as far as the hub knows people. Names that were only tried, and those that
/// components tell, are not: whoever invents names would fill the log's keys.
fn person(record: &Record) -> Option<&str> {
    let actor = record.actor.as_deref().filter(|_| record.source == Source::Hub)?;
    match actor.split_once(" (") {
        Some((name, _)) => Some(name),
        None => Some(actor).filter(|_| record.kind == RecordKind::AuthLogin),
    }
}

/// Whose data a person's is, in the log.
#[must_use]
pub fn subject_of(person: &str) -> Subject {
    let digest = digest(&SHA256, format!("person\0{person}").as_bytes());
    std::array::from_fn(|n| digest.as_ref()[n])
}

/// A record without what it says of a person, and that.
fn apart(record: &Record) -> (Vec<u8>, Option<Personal>) {
    let Some(person) = person(record) else { return (record.encode(), None) };
    let said = Record {
        actor: record.actor.clone(),
        peer: record.peer.clone(),
        subject: record.subject.clone(),
        text: record.text.clone(),
        ..Record::new(record.at, record.kind)
    };
    let rest = Record { actor: None, peer: None, subject: None, text: None, ..record.clone() };
    let personal = Personal { subject: subject_of(person), bytes: said.encode() };
    (rest.encode(), Some(personal))
}

/// A record as it was written, as far as it can be read still.
fn joined(body: &[u8], personal: &Part) -> Option<Record> {
    let record = Record::decode(body).ok()?;
    let Part::Readable(personal) = personal else { return Some(record) };
    let Record { actor, peer, subject, text, .. } = Record::decode(&personal.bytes).ok()?;
    Some(Record { actor, peer, subject, text, ..record })
}

/// The record of an entry, if it can be read and this version knows it.
pub(super) fn back(stored: &state_log::Record) -> Option<(u64, Record)> {
    match &stored.content {
        Content::Readable { body, .. } => Some((stored.index, joined(body, &stored.personal)?)),
        Content::Act(_) | Content::Erased => None,
    }
}

/// An entry as people and programs are shown it.
#[must_use]
pub fn view(stored: &state_log::Record) -> Value {
    let class = Keep::ALL.iter().find(|keep| keep.number() == stored.class);
    let mut shown = match &stored.content {
        Content::Readable { body, .. } => match joined(body, &stored.personal) {
            Some(record) => shown(&record),
            None => json!({ "text": "a newer version of the hub wrote it" }),
        },
        Content::Act(act) => act_of_the_log(act),
        Content::Erased => json!({ "kind": "erased", "text": "its key was erased" }),
    };
    shown["number"] = stored.index.into();
    shown["at"] = rfc3339(Timestamp(stored.at)).into();
    shown["class"] = class.map(|keep| keep.word()).into();
    if matches!(stored.personal, Part::Erased) {
        shown["personal"] = "erased".into();
    }
    shown
}

fn shown(record: &Record) -> Value {
    let all = json!({
        "kind": record.kind,
        "severity": record.severity.word(),
        "status": record.status.word(),
        "source": record.source.word(),
        "lane": record.lane.word(),
        "original": record.original.map(rfc3339),
        "component": record.component,
        "code": record.code,
        "from": record.peer.as_ref().map(|peer| peer.ip.0),
        "destination": record.destination.as_ref().map(to_word),
        "actor": record.actor,
        "subject": record.subject,
        "count": record.counters.count,
        "text": record.text,
        "related": record.related,
    });
    let fields = all.as_object().into_iter().flatten();
    let known = fields.filter(|(_, value)| !value.is_null());
    known.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn to_word(to: &Destination) -> String {
    let address = to.ip.map(|ip| ip.0.to_string());
    let host = to.host.as_deref().map(str::to_owned).or(address).unwrap_or_default();
    format!("{host}:{}", to.port)
}

fn act_of_the_log(act: &Act) -> Value {
    let records = act.ranges().iter().map(|(from, to)| to - from).sum::<u64>();
    let (kind, text) = match act {
        Act::Retained(_) => {
            ("log.dropped", format!("{records} records that were due were taken out"))
        }
        Act::Deleted(_) => ("log.dropped", format!("{records} records were taken out by request")),
        Act::Erased(keys) => ("log.erased", format!("{} keys were erased", keys.len())),
        Act::ErasedAll => ("log.erased", "all keys were erased".to_owned()),
    };
    json!({ "kind": kind, "source": "hub", "severity": "informational", "text": text })
}
