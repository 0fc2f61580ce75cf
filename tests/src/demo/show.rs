//! What the demo prints.

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;

pub(super) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever reads may be gone; the exit code still tells.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

pub(super) fn title(text: &str) {
    line(&format!("\n{text}\n{}", "─".repeat(text.chars().count())));
}

pub(super) fn table(head: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head.to_vec()).add_rows(rows);
    line(&table.to_string());
}

pub(super) fn progress(total: u64, what: &str) -> ProgressBar {
    let template = format!("{{bar:40}} {{pos}}/{{len}} {what}  {{msg}}");
    let style = ProgressStyle::with_template(&template);
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
