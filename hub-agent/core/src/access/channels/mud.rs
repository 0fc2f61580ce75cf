//! A definition's channels as a Manufacturer Usage Description (RFC 8520): what is not accepted there
//! is to be dropped by the network. The hub is the device's controller.

use crate::inventory::export::rfc3339;
use protocol::{
    definition::{Definition, Destination, Transport},
    time::Timestamp,
};
use serde_json::{Value, json};

/// Class of controllers that components of this contract talk to (RFC 8520 section 3.7).
const CONTROLLER: &str = "urn:ietf:params:mud:gateway";

/// MQTT and enrolment on the hub, as components reach it.
const HUB_PORTS: [u16; 2] = [8883, 8884];

/// Hours a file may be cached.
const CACHE: u8 = 48;

/// Longest text of `systeminfo` (RFC 8520 section 3.9 recommends short ones; 60 is the model's bound).
const SYSTEM_INFO: usize = 60;

/// The MUD file of a kind.
#[must_use]
pub fn mud(definition: &Definition, now: Timestamp) -> Value {
    let Definition { kind, maker, models, title, mud, destinations, .. } = definition;
    let name = |way: &str| format!("{way}-{kind}");
    let list = |way: &str| json!({ "access-lists": { "access-list": [{ "name": name(way) }] } });
    let acl = |way: &str| {
        let aces: Vec<_> = HUB_PORTS
            .iter()
            .map(|port| ace(way, &format!("hub-{port}"), hub_matches(way, *port)))
            .chain(destinations.iter().map(|one| {
                let label = format!("{}-{}", one.host.as_str(), one.port);
                ace(way, &label, outside_matches(way, one))
            }))
            .collect();
        json!({ "name": name(way), "type": "ipv4-acl-type", "aces": { "ace": aces } })
    };
    let info: String = title.as_str().chars().take(SYSTEM_INFO).collect();
    json!({
        "ietf-mud:mud": {
            "mud-version": 1,
            "mud-url": mud,
            "last-update": rfc3339(now),
            "cache-validity": CACHE,
            "is-supported": true,
            "systeminfo": info,
            "mfg-name": maker,
            "model-name": models.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            "from-device-policy": list("from"),
            "to-device-policy": list("to"),
        },
        "ietf-access-control-list:acls": { "acl": [acl("from"), acl("to")] },
    })
}

fn ace(way: &str, label: &str, matches: Value) -> Value {
    json!({ "name": format!("{way}-{label}"), "matches": matches, "actions": { "forwarding": "accept" } })
}

fn port(way: &str, port: u16) -> (&'static str, Value) {
    let side = if way == "from" { "destination-port" } else { "source-port" };
    (side, json!({ "operator": "eq", "port": port }))
}

/// Connections that the device opens; nothing may open one to it.
fn hub_matches(way: &str, number: u16) -> Value {
    let (side, port) = port(way, number);
    json!({
        "ietf-mud:mud": { "controller": CONTROLLER },
        "ipv4": { "protocol": 6 },
        "tcp": { "ietf-mud:direction-initiated": "from-device", side: port },
    })
}

fn outside_matches(way: &str, destination: &Destination) -> Value {
    let (side, port) = port(way, destination.port);
    let name = if way == "from" { "ietf-acldns:dst-dnsname" } else { "ietf-acldns:src-dnsname" };
    let host = destination.host.as_str();
    match destination.transport {
        Transport::Tcp => json!({
            "ipv4": { "protocol": 6, name: host },
            "tcp": { "ietf-mud:direction-initiated": "from-device", side: port },
        }),
        Transport::Udp => json!({ "ipv4": { "protocol": 17, name: host }, "udp": { side: port } }),
    }
}
