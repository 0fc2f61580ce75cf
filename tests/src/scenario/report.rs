//! What comes of runs: a table for people, JSON lines, and JUnit XML.

use super::{judge::words, run::Outcomes};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;
use std::{collections::BTreeMap, fmt::Write, time::Duration};

/// Whether every run of a scenario is as expected.
#[must_use]
pub fn holds(outcomes: &Outcomes<'_>) -> bool {
    outcomes.runs.iter().all(|run| run.as_ref().is_ok_and(|run| run.verdict.holds()))
}

/// One row for each scenario, what is wrong below, and how fast it went.
#[must_use]
pub fn table(all: &[Outcomes<'_>], verbose: bool) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["scenario", "expected", "found", "time to detect", "seeds", "result"]);
    for outcomes in all {
        table.add_row(row(outcomes));
    }
    let mut text = format!("{table}\n");
    for outcomes in all {
        for trouble in troubles(outcomes) {
            let _ = writeln!(text, "{}: {trouble}", outcomes.scenario.file);
        }
        if verbose {
            for run in outcomes.runs.iter().flatten() {
                let found = run.verdict.found.join("; ");
                let _ = writeln!(text, "{} seed {}: {found}", outcomes.scenario.name, run.seed);
            }
        }
    }
    text + &pace(all)
}

fn row(outcomes: &Outcomes<'_>) -> [String; 6] {
    let scenario = outcomes.scenario;
    let mut expected: Vec<_> = scenario.expect.iter().map(|one| one.incident.clone()).collect();
    expected.dedup();
    if let Some(quiet) = scenario.quiet {
        expected.push(format!("nothing {quiet} or above"));
    }
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for run in outcomes.runs.iter().flatten() {
        let rules = run.verdict.found.iter().filter_map(|one| one.split(' ').next());
        for rule in rules.map(str::to_owned).collect::<std::collections::BTreeSet<_>>() {
            *found.entry(rule).or_default() += 1;
        }
    }
    let found: Vec<_> = found.into_iter().map(|(rule, runs)| format!("{rule} in {runs}")).collect();
    let good = outcomes.runs.iter().flatten().filter(|run| run.verdict.holds()).count();
    let result = if holds(outcomes) { "ok" } else { "FAILED" };
    [
        scenario.name.clone(),
        expected.join(", "),
        if found.is_empty() { "nothing".into() } else { found.join(", ") },
        times(outcomes),
        format!("{good}/{}", outcomes.runs.len()),
        result.into(),
    ]
}

/// The median and the slowest time to detect what was expected.
fn times(outcomes: &Outcomes<'_>) -> String {
    let took = outcomes.runs.iter().flatten().filter_map(|run| run.verdict.took());
    let mut took: Vec<_> = took.collect();
    took.sort_unstable();
    match (took.get(took.len() / 2), took.last()) {
        (Some(median), Some(most)) if took.len() > 1 => {
            format!("{}, at most {}", words(*median), words(*most))
        }
        (Some(one), _) => words(*one),
        (None, _) => "-".into(),
    }
}

fn troubles(outcomes: &Outcomes<'_>) -> Vec<String> {
    let trouble = |run: &anyhow::Result<super::run::Outcome>| match run {
        Ok(run) => {
            run.verdict.troubles().iter().map(|one| format!("seed {}: {one}", run.seed)).collect()
        }
        Err(error) => vec![format!("{error:#}")],
    };
    outcomes.runs.iter().flat_map(trouble).collect()
}

/// How much faster than life it went.
fn pace(all: &[Outcomes<'_>]) -> String {
    let mut lived = Duration::ZERO;
    let (mut took, mut records, mut runs) = (Duration::ZERO, 0, 0);
    for outcomes in all {
        for run in outcomes.runs.iter().flatten() {
            lived += outcomes.scenario.lasts + outcomes.scenario.settle;
            (took, records, runs) = (took + run.took, records + run.records, runs + 1);
        }
    }
    let ratio = lived.as_secs_f64() / took.as_secs_f64().max(1e-9);
    format!(
        "{runs} runs, {:.0} h of life in {:.1} s of one core: {ratio:.0} times as fast; {records} records\n",
        lived.as_secs_f64() / 3600.0,
        took.as_secs_f64(),
    )
}

/// One line of JSON for each run.
#[must_use]
pub fn json(all: &[Outcomes<'_>]) -> String {
    let mut text = String::new();
    for outcomes in all {
        let scenario = outcomes.scenario;
        for run in &outcomes.runs {
            let line = match run {
                Ok(run) => json!({
                    "scenario": scenario.name, "file": scenario.file, "criteria": scenario.criteria,
                    "seed": run.seed, "holds": run.verdict.holds(), "found": run.verdict.found,
                    "troubles": run.verdict.troubles(),
                    "detected_after_s": run.verdict.took().map(|took| took.as_secs_f64()),
                    "records": run.records, "messages": run.messages,
                    "digest": run.digest.to_string(), "took_s": run.took.as_secs_f64(),
                }),
                Err(error) => json!({
                    "scenario": scenario.name, "file": scenario.file, "holds": false,
                    "troubles": [format!("{error:#}")],
                }),
            };
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// JUnit XML: a suite for each scenario, a case for each seed.
#[must_use]
pub fn junit(all: &[Outcomes<'_>]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for outcomes in all {
        suite(&mut xml, outcomes);
    }
    xml + "</testsuites>\n"
}

fn suite(xml: &mut String, outcomes: &Outcomes<'_>) {
    let good = outcomes.runs.iter().flatten().filter(|run| run.verdict.holds()).count();
    let (name, tests) = (escaped(&outcomes.scenario.name), outcomes.runs.len());
    let failures = tests - good;
    let took: f64 = outcomes.runs.iter().flatten().map(|run| run.took.as_secs_f64()).sum();
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" time=\"{took:.3}\">"
    );
    for run in &outcomes.runs {
        let (seed, took, troubles) = match run {
            Ok(run) => (run.seed.to_string(), run.took.as_secs_f64(), run.verdict.troubles()),
            Err(error) => ("?".into(), 0.0, vec![format!("{error:#}")]),
        };
        let case =
            format!("    <testcase classname=\"{name}\" name=\"seed {seed}\" time=\"{took:.3}\"");
        if troubles.is_empty() {
            let _ = writeln!(xml, "{case}/>");
            continue;
        }
        let message = escaped(&troubles.join("; "));
        let _ = writeln!(xml, "{case}>\n      <failure message=\"{message}\"/>\n    </testcase>");
    }
    xml.push_str("  </testsuite>\n");
}

/// Text as it may stand in an attribute; what XML cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\n' | '\t' | '\r' => safe.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_breaks_out_of_an_attribute() {
        assert_eq!(escaped("a<b> & \"c\"'\u{1}\n"), "a&lt;b&gt; &amp; &quot;c&quot;&apos; ");
    }
}
