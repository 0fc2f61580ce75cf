//! `hub-agent rules …`: works on files, without the daemon.

use super::{Failure, show::Output};
use crate::rules::{self, RuleFiles};
use clap::{Args, Subcommand};
use hub_core::detect::rules::{RuleFile, RuleSet, Sample, explain as explained, shipped};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum Rules {
    /// Find every mistake, with file and line
    Check(Which),
    /// Run the samples that stand in the rule files
    Test(Which),
    /// What raises an incident, in plain words, and what to do then
    Explain {
        /// The incident, such as HUB-01; all when none is named
        incident: Option<String>,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args)]
pub(super) struct Which {
    /// Rule files, or folders of them, besides the rules that come with the hub
    #[arg(long = "file", short, value_name = "PATH")]
    files: Vec<PathBuf>,
    /// Leave out the rules that come with the hub
    #[arg(long, requires = "files")]
    alone: bool,
}

pub(super) fn obey(output: &Output, command: &Rules) -> Result<(), Failure> {
    match command {
        Rules::Check(which) => check(output, &compile(output, which)?),
        Rules::Test(which) => test(output, &compile(output, which)?),
        Rules::Explain { incident, which } => {
            explain(output, &compile(output, which)?, incident.as_deref())
        }
    }
}

fn compile(output: &Output, which: &Which) -> Result<RuleSet, Failure> {
    let read = rules::read(&which.files).map_err(|error| match error {
        RuleFiles::NoText(_) => Failure::Verification(error.to_string()),
        RuleFiles::TooMany | RuleFiles::Unreadable { .. } => Failure::Failed(error.to_string()),
    })?;
    let mut files = if which.alone { Vec::new() } else { shipped() };
    files.extend(read.iter().map(|(name, text)| RuleFile { name, text }));
    RuleSet::compile(&files).map_err(|errors| {
        if output.json {
            let errors: Vec<_> = errors
                .iter()
                .map(|one| json!({ "file": one.file, "line": one.line, "why": one.why }))
                .collect();
            output.raw(&format!("{:#}\n", json!({ "mistakes": errors })));
        }
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        Failure::Verification(format!("the rules have mistakes:\n{}", lines.join("\n")))
    })
}

fn check(output: &Output, rules: &RuleSet) -> Result<(), Failure> {
    let answer = json!({
        "rules": rules.len(),
        "incidents": rules.incidents().len(),
        "samples": rules.samples().len(),
    });
    output.answer(&answer, |_| {
        output.raw(&format!(
            "good: {} rules for {} incidents, with {} samples\n",
            rules.len(),
            rules.incidents().len(),
            rules.samples().len()
        ));
    });
    Ok(())
}

fn test(output: &Output, rules: &RuleSet) -> Result<(), Failure> {
    let rows: Vec<_> = rules.samples().iter().map(|sample| outcome(rules, sample)).collect();
    let failed = rows.iter().filter(|row| row["holds"] == false).count();
    output.answer(&json!(rows), |_| {
        let keys = ["incident", "sample", "wanted", "raised", "at_record", "holds", "place"];
        let table: Vec<_> =
            rows.iter().map(|row| keys.map(|key| super::show::text(&row[key])).to_vec()).collect();
        output.table(
            &["incident", "sample", "wanted", "raised", "at record", "holds", "place"],
            &table,
        );
    });
    if failed > 0 {
        return Err(Failure::Verification(format!(
            "{failed} of {} samples do not hold",
            rows.len()
        )));
    }
    Ok(())
}

fn outcome(rules: &RuleSet, sample: &Sample) -> Value {
    let verdict = sample.run(rules);
    let incident = sample.incident().and_then(|at| rules.incidents().get(usize::from(at)));
    let (file, line) = sample.place();
    json!({
        "incident": incident.map(|one| one.id.as_str()),
        "sample": sample.name,
        "wanted": sample.raises.map_or("none", |level| level.word()),
        "raised": verdict.raised.map_or("none", |level| level.word()),
        "at_record": verdict.at_record,
        "holds": verdict.holds,
        "place": format!("{file}:{line}"),
    })
}

fn explain(output: &Output, rules: &RuleSet, wanted: Option<&str>) -> Result<(), Failure> {
    let all = rules.incidents().iter().enumerate();
    let is_wanted = |id: &str| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(id));
    let chosen: Vec<_> = all.filter(|(_, one)| is_wanted(&one.id)).collect();
    if chosen.is_empty() {
        let ids: Vec<_> = rules.incidents().iter().map(|one| one.id.as_str()).collect();
        return Err(Failure::Failed(format!("no such incident; there are {}", ids.join(", "))));
    }
    let answer: Vec<_> = chosen
        .iter()
        .map(|(at, one)| {
            json!({
                "incident": one.id.as_str(), "title": one.title.as_str(), "advice": one.advice.as_str(),
                "response": one.response.word(), "file": one.file,
                "attack": one.attack.iter().map(|word| word.as_str()).collect::<Vec<_>>(),
                "explained": explained(rules, *at as u16),
            })
        })
        .collect();
    output.answer(&json!(answer), |_| {
        let texts: Vec<_> = chosen.iter().map(|(at, _)| explained(rules, *at as u16)).collect();
        output.raw(&texts.join("\n"));
    });
    Ok(())
}
