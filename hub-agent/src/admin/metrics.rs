//! All counters in the Prometheus text format.

use crate::run::HubCell;
use std::fmt::Write;

pub(super) fn text(cell: &HubCell) -> String {
    let now = cell.now().wall;
    let status = cell.look(|hub| hub.status(now));
    let mut out = String::new();
    let mut family = |name: &str, help: &str, kind: &str, values: Vec<(String, u64)>| {
        // Writing into a String has no failing case.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let labelled = |label: &str, values: Vec<(&'static str, u64)>| {
        values.into_iter().map(|(word, count)| (format!("{{{label}=\"{word}\"}}"), count)).collect()
    };
    let states = status.components.iter().map(|(word, count)| (*word, *count as u64)).collect();
    family("hub_components", "Components by trust state", "gauge", labelled("state", states));
    let refusals = status.refusals.iter().map(|(word, count)| (*word, *count)).collect();
    family("hub_refusals_total", "Refusals by reason", "counter", labelled("reason", refusals));
    family(
        "hub_messages_total",
        "Messages of components taken",
        "counter",
        vec![(String::new(), status.messages)],
    );
    let open = cell.look(|hub| hub.incidents().open()) as u64;
    family(
        "hub_incidents_open",
        "Incidents that are not closed",
        "gauge",
        vec![(String::new(), open)],
    );
    let connected = u64::from(cell.handle().connections());
    family(
        "hub_mqtt_connections",
        "MQTT connections now",
        "gauge",
        vec![(String::new(), connected)],
    );
    for (name, help, value) in cell.handle().stats() {
        family(&format!("hub_mqtt_{name}_total"), help, "counter", vec![(String::new(), value)]);
    }
    out
}
