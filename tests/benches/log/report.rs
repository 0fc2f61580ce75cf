//! The tables: medians, ratios in the same run, and which targets are missed.

use comfy_table::{Table, presets};
use std::{collections::BTreeMap, io::Write};

/// Targets: share of a plain file's rate, seconds to verify, seconds of a query.
const SHARE: f64 = 0.8;
const VERIFY: f64 = 2.0;
const QUERY: f64 = 0.005;

#[derive(Default)]
pub(crate) struct Report {
    append: BTreeMap<usize, Vec<[f64; 3]>>,
    verify: Vec<(f64, f64)>,
    open: Vec<f64>,
    queries: BTreeMap<String, Vec<f64>>,
    whole_search: Option<f64>,
}

impl Report {
    /// Records per second: a plain file with the records' bytes, one with the bytes the log writes, the log.
    pub(crate) fn append(&mut self, batch: usize, rates: [f64; 3]) {
        self.append.entry(batch).or_default().push(rates);
    }

    pub(crate) fn verify(&mut self, usual: f64, every_signature: f64) {
        self.verify.push((usual, every_signature));
    }

    pub(crate) fn open(&mut self, seconds: f64) {
        self.open.push(seconds);
    }

    pub(crate) fn query(&mut self, name: &str, seconds: f64) {
        self.queries.entry(name.to_owned()).or_default().push(seconds);
    }

    pub(crate) fn whole_search(&mut self, seconds: f64) {
        self.whole_search = Some(seconds);
    }

    pub(crate) fn print(&self) {
        let mut missed = Vec::new();
        let text = [self.appends(&mut missed), self.times(&mut missed)].join("\n\n");
        let missed =
            if missed.is_empty() { "every target is met".to_owned() } else { missed.join("\n") };
        let mut out = std::io::stdout().lock();
        // Nobody is left to tell when the output is gone.
        let _ = writeln!(out, "{text}\n\n{missed}");
    }

    fn appends(&self, missed: &mut Vec<String>) -> String {
        let mut table = table(&[
            "records in a batch",
            "plain file, records/s",
            "the log's bytes in a plain file",
            "log",
            "log / plain",
            "log / its bytes in a plain file",
        ]);
        for (batch, rounds) in &self.append {
            let rate = |which: usize| median(rounds.iter().map(|round| round[which]));
            let share = |to: usize| median(rounds.iter().map(|round| round[2] / round[to]));
            if share(0) < SHARE {
                missed.push(format!(
                    "missed: append at {batch}: {:.2} of a plain file, target {SHARE}",
                    share(0)
                ));
            }
            table.add_row([
                batch.to_string(),
                format!("{:.0}", rate(0)),
                format!("{:.0}", rate(1)),
                format!("{:.0}", rate(2)),
                format!("{:.2}", share(0)),
                format!("{:.2}", share(1)),
            ]);
        }
        table.to_string()
    }

    fn times(&self, missed: &mut Vec<String>) -> String {
        let mut rows = Vec::new();
        if !self.verify.is_empty() {
            let usual = median(self.verify.iter().map(|times| times.0));
            rows.push(("verify a million records".to_owned(), usual, Some(VERIFY)));
            let every = median(self.verify.iter().map(|times| times.1));
            rows.push(("the same with every signature".to_owned(), every, None));
            rows.push(("open that log".to_owned(), median(self.open.iter().copied()), None));
        }
        let queries = self.queries.iter();
        rows.extend(
            queries.map(|(name, times)| (name.clone(), median(times.iter().copied()), Some(QUERY))),
        );
        let whole = self.whole_search.iter();
        rows.extend(
            whole.map(|time| ("a kind that never came, in all records".to_owned(), *time, None)),
        );
        let mut table = table(&["what", "ms", "target, ms"]);
        for (name, time, target) in rows {
            if target.is_some_and(|target| time > target) {
                missed.push(format!("missed: {name}: {:.1} ms", time * 1e3));
            }
            let target = target.map_or(String::new(), |target| format!("{:.0}", target * 1e3));
            table.add_row([name, format!("{:.2}", time * 1e3), target]);
        }
        table.to_string()
    }
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(head);
    table
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
