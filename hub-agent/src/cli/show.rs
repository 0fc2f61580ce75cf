//! How answers look: JSON when asked for, tables on a terminal, aligned text elsewhere.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use std::io::{IsTerminal, Write};

pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    /// Shows an answer as it is, or as `people` like it.
    pub(super) fn answer(&self, answer: &Value, people: impl FnOnce(&Value)) {
        if self.json { self.raw(&format!("{answer:#}\n")) } else { people(answer) }
    }

    /// Writes text. A reader that went away ends nothing badly.
    pub(super) fn raw(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    pub(super) fn table(&self, head: &[&str], rows: &[Vec<String>]) {
        let mut table = Table::new();
        if std::io::stdout().is_terminal() {
            table
                .load_preset(presets::UTF8_HORIZONTAL_ONLY)
                .set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            table.load_preset(presets::NOTHING);
        }
        if head.iter().any(|title| !title.is_empty()) {
            table.set_header(head);
        }
        table.add_rows(rows);
        let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        self.raw(&format!("{}\n", lines.join("\n")));
    }

    /// A QR code, where people can see it.
    pub(super) fn qr(&self, content: &str) {
        if !std::io::stdout().is_terminal() {
            return;
        }
        if let Ok(code) = qrcode::QrCode::new(content) {
            let picture = code.render::<qrcode::render::unicode::Dense1x2>().build();
            self.raw(&format!("{picture}\n"));
        }
    }
}

/// A question on a terminal, on standard error.
pub(super) fn ask(question: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(question.as_bytes()).and_then(|()| out.flush());
}

/// What went wrong, on standard error.
pub(super) fn complain(why: &str) {
    let _ = writeln!(std::io::stderr(), "hub-agent: {why}");
}

/// A value without quotes; nothing for null.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// An object as `key value, key value`.
pub(super) fn pairs(object: &Value) -> String {
    let pairs = object
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{} {key}", text(value)));
    pairs.collect::<Vec<_>>().join(", ")
}
