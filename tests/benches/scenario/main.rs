//! How fast simulated days go by: a benign day and a day under a flood, each of a hundred components with log batches
//! and values. Trust the ratio; seconds belong to the machine.
//!
//! `cargo bench -p tests --bench scenario`. Targets that are missed are named at its end.

use comfy_table::{Table, presets};
use std::io::Write;
use tests::scenario::{file, run};

/// A day must be over within so many seconds.
const WANTED: f64 = 10.0;

const DAY: &str = "\
name: a day of a hundred
about: a hundred components for a day
criteria: [T3.CSA.2]
start: 2026-03-10T00:00:00Z
lasts: 24h
components: {lamp: 40, lock: 6, camera: 6, thermostat: 20, leak-sensor: 12, wall-switch: 16}
nothing: medium
";

const FLOOD: &str = "events:
  - {from: 1h, do: refused, why: handshake-timeout, many: 1000, every: 1s, times: 200}
may: [HUB-15]
";

fn main() -> anyhow::Result<()> {
    let mut table = Table::new();
    let header = ["", "seconds", "times life", "records", "messages", "wanted seconds"];
    table.load_preset(presets::NOTHING).set_header(header);
    let mut missed = Vec::new();
    for (name, text) in
        [("a benign day", DAY.to_owned()), ("200,000 strangers", format!("{DAY}{FLOOD}"))]
    {
        let scenario = file::parse(name, &text)?;
        let outcome = run::run(&scenario, 1)?;
        anyhow::ensure!(outcome.verdict.holds(), "{:?}", outcome.verdict.troubles());
        let (took, lived) = (outcome.took.as_secs_f64(), scenario.lasts.as_secs_f64());
        table.add_row([
            name.to_owned(),
            format!("{took:.2}"),
            format!("{:.0}", lived / took),
            outcome.records.to_string(),
            outcome.messages.to_string(),
            format!("{WANTED:.0}"),
        ]);
        if took > WANTED {
            missed.push(format!("missed: {name} took {took:.1} s"));
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{table}")?;
    missed.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    Ok(())
}
