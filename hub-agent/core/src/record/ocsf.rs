//! Records as OCSF 1.8.0 JSON, the schema that security people's tools share.
//!
//! The ten classes in use are written here by hand: their required attributes always, the recommended ones
//! where the record knows them. What a class has no place for stands under `unmapped`, by the same name if
//! other classes have a place for it. Rules name the same paths.

use super::{Class, Destination, Peer, Record, RecordKind, Status, when::rfc3339};
use protocol::id::ComponentId;
use serde_json::{Map, Value, json};

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

/// The name of the product and of its state log.
const PRODUCT: &str = "hub-agent";
const LOG: &str = "state";

/// What stands for a device that is a thing, and for an activity without a number.
const IOT: u32 = 7;
const OTHER: u32 = 99;

/// What stands for somebody or something whose name nobody knows.
const UNKNOWN: &str = "unknown";

/// Which hub a record is from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The hub's id.
    pub hub: ComponentId,
    /// The version of its software.
    pub version: &'a str,
}

/// The record with this number in the log, as OCSF has it.
#[must_use]
pub fn event(record: &Record, number: u64, origin: &Origin<'_>) -> Value {
    let (class, activity) = class_and_activity(record);
    let mut event = base(record, class, activity);
    event.insert("metadata".into(), metadata(record, number, origin));
    put(&mut event, "device", record.component.map(device));
    put(
        &mut event,
        "src_endpoint",
        record.peer.as_ref().filter(|_| has_source(record)).map(source),
    );
    put(&mut event, "dst_endpoint", destination(record).filter(|_| has_destination(record)));
    put(&mut event, "traffic", traffic(record).filter(|_| has_traffic(record)));
    if let Some(actor) = &record.actor {
        event.insert("actor".into(), json!({ "user": { "name": actor } }));
    }
    for (name, value) in required(record, class, number, origin) {
        event.entry(name).or_insert(value);
    }
    put(&mut event, "unmapped", Some(unmapped(record)));
    Value::Object(event)
}

/// OCSF class and activity of a record; those of an incident follow what became of it.
#[must_use]
pub fn class_and_activity(record: &Record) -> (Class, u32) {
    let (class, activity) = record.kind.ocsf();
    match (record.kind, record.code.as_deref()) {
        (RecordKind::Incident, Some("closed")) => (class, 3),
        (RecordKind::Incident, Some("updated" | "acknowledged")) => (class, 2),
        _ => (class, activity),
    }
}

fn base(record: &Record, class: Class, activity: u32) -> Map<String, Value> {
    let mut event = Map::new();
    event.insert("class_uid".into(), class.uid().into());
    event.insert("category_uid".into(), class.category().into());
    event.insert("activity_id".into(), activity.into());
    event.insert("type_uid".into(), (class.uid() * 100 + activity).into());
    event.insert("severity_id".into(), (record.severity as u32).into());
    event.insert("status_id".into(), status(record, class).into());
    event.insert("status_detail".into(), record.status.word().into());
    event.insert("time".into(), long(record.at.0).into());
    put(&mut event, "activity_name", (activity == OTHER).then(|| record.kind.word().into()));
    put(&mut event, "status_code", record.code.as_deref().map(Value::from));
    put(&mut event, "message", record.text.as_deref().map(Value::from));
    put(&mut event, "count", record.counters.count.map(Value::from));
    event
}

/// Findings have a state of their own: new, in progress or resolved.
fn status(record: &Record, class: Class) -> u32 {
    match (class, record.code.as_deref(), record.status) {
        (Class::Finding, Some("closed"), _) => 4,
        (Class::Finding, Some("acknowledged"), _) => 2,
        (Class::Finding, _, _) | (_, _, Status::Success) => 1,
        (_, _, Status::Failure | Status::Denied) => 2,
    }
}

fn metadata(record: &Record, number: u64, origin: &Origin<'_>) -> Value {
    let mut metadata = json!({
        "version": VERSION,
        "product": { "name": PRODUCT, "vendor_name": PRODUCT, "version": origin.version },
        "profiles": ["host"],
        "log_name": LOG,
        "event_code": record.kind.word(),
        "uid": format!("{}:{number}", origin.hub),
        "sequence": long(number),
    });
    if let Some(original) = record.original {
        metadata["original_time"] = rfc3339(original).into();
    }
    metadata
}

fn device(uid: ComponentId) -> Value {
    json!({ "uid": uid, "type_id": IOT })
}

/// Whether the other end of its connection is the source that the record's class knows.
pub(crate) fn has_source(record: &Record) -> bool {
    record.kind.ocsf().0.has_source()
}

/// Whether its class knows a destination, and the record names one: a port alone is no endpoint.
pub(crate) fn has_destination(record: &Record) -> bool {
    let is_named = |to: &Destination| to.host.is_some() || to.ip.is_some();
    record.kind.ocsf().0.has_destination() && record.destination.as_ref().is_some_and(is_named)
}

/// OCSF knows traffic of network activity only.
pub(crate) fn has_traffic(record: &Record) -> bool {
    record.kind.ocsf().0 == Class::Network
}

/// OCSF's widest numbers have a sign.
pub(crate) fn long(number: u64) -> u64 {
    number.min(i64::MAX.unsigned_abs())
}

fn source(peer: &Peer) -> Value {
    json!({ "ip": peer.ip.0.to_string(), "port": peer.port })
}

fn destination(record: &Record) -> Option<Value> {
    let to = record.destination.as_ref()?;
    let mut endpoint = Map::new();
    put(&mut endpoint, "hostname", to.host.as_deref().map(Value::from));
    put(&mut endpoint, "ip", to.ip.map(|ip| ip.0.to_string().into()));
    put(&mut endpoint, "port", Some(to.port.into()));
    Some(endpoint.into())
}

fn traffic(record: &Record) -> Option<Value> {
    let mut traffic = Map::new();
    put(&mut traffic, "bytes_in", record.counters.bytes_in.map(|bytes| long(bytes).into()));
    put(&mut traffic, "bytes_out", record.counters.bytes_out.map(|bytes| long(bytes).into()));
    (!traffic.is_empty()).then(|| traffic.into())
}

/// What a class requires beyond what all have, where the record did not already say it.
fn required(
    record: &Record,
    class: Class,
    number: u64,
    origin: &Origin<'_>,
) -> Vec<(&'static str, Value)> {
    let who = record.component.unwrap_or(origin.hub);
    match class {
        Class::EventLog => vec![("log_name", LOG.into())],
        Class::Finding => vec![("finding_info", finding(record, number))],
        Class::Authentication => {
            let user = match (&record.actor, record.component) {
                (Some(actor), _) => json!({ "name": actor }),
                (None, Some(component)) => json!({ "uid": component }),
                (None, None) => json!({ "name": UNKNOWN }),
            };
            vec![("user", user), ("service", json!({ "name": PRODUCT }))]
        }
        Class::Entity => vec![("entity", entity(record))],
        Class::Network => vec![("src_endpoint", json!({ "uid": who }))],
        Class::Inventory | Class::DeviceState => vec![("device", device(who))],
        Class::Lifecycle => {
            let app = record.subject.as_deref().unwrap_or("firmware");
            let mut product = json!({ "name": app });
            if let Some((maker, _)) = app.split_once('.') {
                product["vendor_name"] = maker.into();
            }
            vec![("app", product)]
        }
        Class::Api => vec![
            ("actor", json!({ "app_name": PRODUCT })),
            (
                "api",
                json!({ "operation": record.subject.as_deref().unwrap_or(record.kind.word()) }),
            ),
            ("src_endpoint", json!({ "uid": who })),
        ],
        Class::Remediation => vec![
            ("command_uid", record.related.unwrap_or(number).to_string().into()),
            ("connection_info", json!({ "direction_id": 0 })),
        ],
    }
}

fn finding(record: &Record, number: u64) -> Value {
    let rule = record.subject.as_deref().unwrap_or(UNKNOWN);
    json!({
        "uid": format!("incident-{}", record.related.unwrap_or(number)),
        "title": record.text.as_deref().unwrap_or(rule),
        "analytic": { "type_id": 1, "uid": rule },
    })
}

/// A component or, where definitions come and go, a policy: OCSF names both twice.
fn entity(record: &Record) -> Value {
    let name = record.subject.as_deref().unwrap_or(UNKNOWN);
    match (record.kind, record.component) {
        (RecordKind::DefinitionInForce | RecordKind::DefinitionRefused, _) => {
            json!({ "type_id": 5, "type": "Policy", "name": name, "policy": { "name": name } })
        }
        (_, Some(uid)) => {
            json!({ "type_id": 1, "type": "Device", "uid": uid, "device": device(uid) })
        }
        (_, None) => json!({ "type_id": 1, "type": "Device", "name": name }),
    }
}

fn unmapped(record: &Record) -> Value {
    let counters = &record.counters;
    let mut rest = Map::new();
    put(&mut rest, "source", Some(record.source.word().into()));
    put(&mut rest, "lane", Some(record.lane.word().into()));
    put(&mut rest, "subject", record.subject.as_deref().map(Value::from));
    put(&mut rest, "related", record.related.map(Value::from));
    put(&mut rest, "connections", counters.connections.map(Value::from));
    put(&mut rest, "cpu", counters.cpu.map(Value::from));
    put(&mut rest, "memory", counters.memory.map(Value::from));
    put(&mut rest, "battery", counters.battery.map(Value::from));
    put(&mut rest, "value", counters.value.map(Value::from));
    put(&mut rest, "bound", counters.bound.map(Value::from));
    put(
        &mut rest,
        "src_endpoint",
        record.peer.as_ref().filter(|_| !has_source(record)).map(source),
    );
    put(&mut rest, "dst_endpoint", destination(record).filter(|_| !has_destination(record)));
    put(&mut rest, "traffic", traffic(record).filter(|_| !has_traffic(record)));
    let fingerprint = record.peer.as_ref().and_then(|peer| peer.fingerprint);
    put(&mut rest, "fingerprint", fingerprint.map(|digest| digest.to_string().into()));
    rest.into()
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(name.into(), value);
    }
}
