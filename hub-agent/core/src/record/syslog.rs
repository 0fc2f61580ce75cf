//! Records as lines of RFC 5424, for collectors that know no OCSF.

use super::{Record, Severity, ocsf::Origin, when::rfc3339};
use std::{fmt::Write, net::SocketAddr};

/// Facility 13, the audit log.
const FACILITY: u8 = 13;

/// The name of the structured data; 32473 is the number that RFC 5612 reserves for examples and documents.
const ELEMENT: &str = "record@32473";

/// The record with this number in the log as one line, without the line's end.
#[must_use]
pub fn line(record: &Record, number: u64, origin: &Origin<'_>) -> String {
    let mut line = format!(
        "<{}>1 {} {} hub-agent - {} [{ELEMENT}",
        FACILITY * 8 + level(record.severity),
        rfc3339(record.at),
        origin.hub,
        record.kind,
    );
    parameter(&mut line, "number", number);
    parameter(&mut line, "status", record.status);
    parameter(&mut line, "source", record.source);
    optional(&mut line, "component", record.component);
    optional(&mut line, "code", record.code.as_ref());
    optional(&mut line, "from", record.peer.as_ref().map(|peer| peer.ip.0));
    optional(&mut line, "to", destination(record));
    optional(&mut line, "actor", record.actor.as_ref());
    optional(&mut line, "subject", record.subject.as_ref());
    optional(&mut line, "count", record.counters.count);
    line.push(']');
    if let Some(text) = &record.text {
        // The byte order mark says that the text is UTF-8.
        line.push_str(" \u{feff}");
        line.extend(text.chars().map(of_one_line));
    }
    line
}

/// RFC 5424 counts from grave to harmless.
fn level(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 6,
        Severity::Low => 5,
        Severity::Medium => 4,
        Severity::High => 3,
        Severity::Critical => 2,
    }
}

/// A name or address and the port; an address of 16 bytes is in brackets, or its end would be unclear.
fn destination(record: &Record) -> Option<String> {
    let to = record.destination.as_ref()?;
    match (to.host.as_deref(), to.ip) {
        (Some(host), _) => Some(format!("{host}:{}", to.port)),
        (None, Some(ip)) => Some(SocketAddr::new(ip.0, to.port).to_string()),
        (None, None) => None,
    }
}

fn optional(line: &mut String, name: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        parameter(line, name, value);
    }
}

fn parameter(line: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(line, " {name}=\"");
    for character in value.to_string().chars().map(of_one_line) {
        if matches!(character, '"' | '\\' | ']') {
            line.push('\\');
        }
        line.push(character);
    }
    line.push('"');
}

/// Unicode's own ends of lines are no control characters, but some readers end a line there.
fn of_one_line(character: char) -> char {
    if matches!(character, '\u{2028}' | '\u{2029}') { ' ' } else { character }
}
