//! A record as an entry of the log, and back.

use hub_core::record::{Destination, Keep, Record, rfc3339};
use protocol::time::Timestamp;
use serde_json::{Value, json};
use state_log::{Act, Content, Entry, Part};

/// What the log keeps of a record: what is about a component is sealed under a key of its own, which can be erased.
/// Incidents are the hub's: nobody erases them with a component.
pub(super) fn of(record: &Record) -> Entry {
    let own = record.keep() != Keep::Incident;
    Entry {
        at: record.at.0,
        subject: record.component.filter(|_| own).map(|id| *id.as_bytes()),
        kind: record.kind as u16,
        severity: record.severity as u8,
        class: record.keep().number(),
        body: record.encode(),
        personal: None,
        open: false,
    }
}

/// The record of an entry, if it can be read and this version knows it.
pub(super) fn back(stored: &state_log::Record) -> Option<(u64, Record)> {
    match &stored.content {
        Content::Readable { body, .. } => Some((stored.index, Record::decode(body).ok()?)),
        Content::Act(_) | Content::Erased => None,
    }
}

/// An entry as people and programs are shown it.
#[must_use]
pub fn view(stored: &state_log::Record) -> Value {
    let class = Keep::ALL.iter().find(|keep| keep.number() == stored.class);
    let mut shown = match &stored.content {
        Content::Readable { body, .. } => match Record::decode(body) {
            Ok(record) => shown(&record),
            Err(_) => json!({ "text": "a newer version of the hub wrote it" }),
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
