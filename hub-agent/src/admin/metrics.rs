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
    let (at, size) = (cell.at_cloud(), cell.log_size());
    let one = |value: u64| vec![(String::new(), value)];
    family("hub_log_records", "Records in the state log", "gauge", one(size));
    let waiting = one(at.waiting(size));
    family("hub_uplink_waiting", "Records that the cloud does not have", "gauge", waiting);
    let witnessed = one(at.witnessed.map_or(0, |(size, _)| size));
    family("hub_uplink_witnessed", "Records that the cloud witnessed", "gauge", witnessed);
    let (frames, records) = (one(at.frames), one(at.records));
    family("hub_uplink_frames_total", "Frames of the log sent to the cloud", "counter", frames);
    family("hub_uplink_records_total", "Records in these frames", "counter", records);
    let refusals = at.refusals.iter().map(|(word, count)| (*word, *count)).collect();
    let help = "Frames of the log that were refused, and what else is wrong at the cloud";
    family("hub_uplink_refusals_total", help, "counter", labelled("reason", refusals));
    drop(at);
    for (name, help, value) in cell.handle().stats() {
        family(&format!("hub_mqtt_{name}_total"), help, "counter", vec![(String::new(), value)]);
    }
    out
}
