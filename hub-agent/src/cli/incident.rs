//! `hub-agent incident …`

use super::{
    Failure,
    client::Hub,
    show::{self, Output},
};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub(super) enum Incident {
    /// What is open, newest first
    List {
        /// The closed ones too
        #[arg(long)]
        all: bool,
    },
    /// One incident with its evidence
    Show {
        /// Its number
        number: u64,
    },
    /// Note that you looked at it
    Acknowledge {
        /// Its number
        number: u64,
        /// What you found
        #[arg(long)]
        reason: String,
    },
    /// It is over
    Close {
        /// Its number
        number: u64,
        /// Why
        #[arg(long)]
        reason: String,
    },
}

pub(super) fn obey(hub: &Hub, output: &Output, command: Incident) -> Result<(), Failure> {
    match command {
        Incident::List { all } => list(hub, output, all),
        Incident::Show { number } => one(hub, output, number),
        Incident::Acknowledge { number, reason } => act(hub, output, number, &reason, false),
        Incident::Close { number, reason } => act(hub, output, number, &reason, true),
    }
}

fn list(hub: &Hub, output: &Output, all: bool) -> Result<(), Failure> {
    let answer = hub.get("/v1/incidents")?;
    let mut shown: Vec<_> = answer.as_array().into_iter().flatten().cloned().collect();
    shown.retain(|one| all || one["state"] != "closed");
    shown.reverse();
    output.answer(&Value::Array(shown), |shown| {
        let keys = ["number", "state", "severity", "rule", "title", "count", "first", "last"];
        let rows: Vec<_> = shown
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| keys.map(|key| show::text(&one[key])).to_vec())
            .collect();
        output.table(&keys, &rows);
    });
    Ok(())
}

fn one(hub: &Hub, output: &Output, number: u64) -> Result<(), Failure> {
    let answer = hub.get(&format!("/v1/incidents/{number}"))?;
    output.answer(&answer, |one| {
        let word = |key: &str| show::text(&one[key]);
        output.raw(&format!(
            "incident {number}, {}, {}: {} {}\n{}\n\nfrom {} to {}, {} times; about {}\n",
            word("state"),
            word("severity"),
            word("rule"),
            word("title"),
            word("advice"),
            word("first"),
            word("last"),
            word("count"),
            word("about"),
        ));
        for act in ["acknowledged", "closed"] {
            if !one[act].is_null() {
                let said = |key: &str| show::text(&one[act][key]);
                output.raw(&format!(
                    "{act} by {} at {}: {}\n",
                    said("by"),
                    said("at"),
                    said("reason")
                ));
            }
        }
        let evidence = one["evidence"].as_array().into_iter().flatten().map(show::text);
        let evidence = evidence.collect::<Vec<_>>().join(", ");
        output.raw(&format!("evidence: records {evidence}; prove each: hub-agent log prove N\n"));
    });
    Ok(())
}

fn act(hub: &Hub, output: &Output, number: u64, reason: &str, close: bool) -> Result<(), Failure> {
    let body = json!({ "reason": reason, "close": close });
    let answer = hub.post(&format!("/v1/incidents/{number}"), &body)?;
    let done = if close { "closed" } else { "acknowledged" };
    output.answer(&answer, |_| output.raw(&format!("incident {number} is {done}\n")));
    Ok(())
}
