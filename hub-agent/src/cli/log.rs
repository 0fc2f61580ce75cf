//! `hub-agent log …`

use super::{
    Failure,
    client::Hub,
    component::{self, escaped},
    show::{self, Output},
};
use crate::journal::PUBLIC;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use state_log::{Checkpoint, Inclusion, Outside, Verdict, Verifier};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often the log is looked at while it is followed.
const EVERY: Duration = Duration::from_millis(500);

/// Records asked for at once.
const PAGE: u64 = 1000;

#[derive(Subcommand)]
pub(super) enum Log {
    /// The newest records, and what follows them
    Tail {
        #[command(flatten)]
        which: Which,
        /// Stop after the newest ones
        #[arg(long)]
        once: bool,
    },
    /// Records that match, newest first
    Query {
        #[command(flatten)]
        which: Which,
    },
    /// Verify the log, or a copy of its folder: needs no daemon and no secret but the public key
    Verify {
        /// The folder [default: log in the data folder]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// File with the log's origin and public key [default: pki/log.pub in the data folder]
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// File with a witness's name and public key
        #[arg(long, value_name = "FILE", requires = "heads")]
        witness: Option<PathBuf>,
        /// Files with heads that the witness cosigned, kept elsewhere
        #[arg(long = "head", value_name = "FILE")]
        heads: Vec<PathBuf>,
    },
    /// Write records for other tools, oldest first
    Export {
        #[command(flatten)]
        which: Which,
        /// ocsf (1.8.0, a JSON object a line) or syslog (RFC 5424)
        #[arg(long, value_parser = ["ocsf", "syslog"], default_value = "ocsf")]
        format: String,
        /// Into this file instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Ask a component for its newest records now
    Pull {
        /// Id, its beginning, or name
        id: String,
    },
    /// Prove that a record is in the log
    Prove {
        /// Its number
        number: u64,
    },
}

#[derive(Args)]
pub(super) struct Which {
    /// Only of this component: id, its beginning, or name
    #[arg(long)]
    component: Option<String>,
    /// Only these kinds, such as policy.denied, with commas
    #[arg(long)]
    kind: Option<String>,
    /// Only at least so grave
    #[arg(long, value_parser = ["informational", "low", "medium", "high", "critical"])]
    severity: Option<String>,
    /// Only from this time on: milliseconds since 1970
    #[arg(long, value_name = "MS")]
    from: Option<u64>,
    /// Only before this time
    #[arg(long, value_name = "MS")]
    to: Option<u64>,
    /// At most so many [default: 100; an export has no limit]
    #[arg(long)]
    limit: Option<u64>,
}

impl Which {
    fn most(&self) -> u64 {
        self.limit.unwrap_or(100)
    }

    fn path(&self) -> String {
        let Self { component, kind, severity, from, to, .. } = self;
        let mut path = "/v1/log?".to_owned();
        let texts = [("component", component), ("kind", kind), ("severity", severity)];
        for (name, value) in texts {
            if let Some(value) = value {
                path += &format!("{name}={}&", escaped(value));
            }
        }
        for (name, value) in [("from", from), ("to", to)] {
            if let Some(value) = value {
                path += &format!("{name}={value}&");
            }
        }
        path
    }
}

pub(super) fn obey(
    hub: &Hub,
    output: &Output,
    data_dir: &Path,
    command: Log,
) -> Result<(), Failure> {
    match command {
        Log::Tail { which, once } => tail(hub, output, &which, once),
        Log::Query { which } => query(hub, output, &which),
        Log::Verify { dir, key, witness, heads } => {
            let dir = dir.unwrap_or_else(|| data_dir.join("log"));
            let key = key.unwrap_or_else(|| data_dir.join("pki").join(PUBLIC));
            verify(output, &dir, &key, witness.as_deref(), &heads)
        }
        Log::Export { which, format, output: file } => export(hub, output, &which, &format, file),
        Log::Pull { id } => {
            let done = hub.post(&component::path(&id, "/pull-log"), &json!({}))?;
            component::say(output, &done, "asked")
        }
        Log::Prove { number } => {
            let answer = hub.get(&format!("/v1/log/prove/{number}"))?;
            proved(&data_dir.join("pki").join(PUBLIC), number, &answer)?;
            output.answer(&answer, |answer| {
                let hashes = answer["hashes"].as_array().map_or(0, Vec::len);
                let note = show::text(&answer["checkpoint"]);
                output.raw(&format!(
                    "record {number} is in the log: {hashes} hashes lead to this checkpoint\n\n{note}"
                ));
            });
            Ok(())
        }
    }
}

/// What the daemon says is not believed: the proof is checked here, with the public key.
fn proved(key: &Path, number: u64, answer: &Value) -> Result<(), Failure> {
    let wrong = |why: String| {
        Failure::Verification(format!(
            "record {number} is not proved: {why}; see: hub-agent log verify"
        ))
    };
    let bytes = |text: &Value| STANDARD.decode(text.as_str().unwrap_or_default()).ok();
    let (origin, key) = named_key(key)?;
    let log = Verifier::log(&origin, key).map_err(|error| wrong(error.to_string()))?;
    let checkpoint = Checkpoint::parse(answer["checkpoint"].as_str().unwrap_or_default(), &log)
        .map_err(|error| wrong(error.to_string()))?;
    let hashes = answer["hashes"].as_array().into_iter().flatten();
    let hashes = hashes.map(|hash| bytes(hash).and_then(|hash| hash.try_into().ok()));
    let hashes: Option<Vec<[u8; 32]>> = hashes.collect();
    let (Some(hashes), Some(stored)) = (hashes, bytes(&answer["stored"])) else {
        return Err(wrong("the daemon's answer is no proof".into()));
    };
    let proof = Inclusion { index: number, stored, hashes, checkpoint };
    proof.check().map_err(|error| wrong(error.to_string()))
}

fn query(hub: &Hub, output: &Output, which: &Which) -> Result<(), Failure> {
    let mut found = Vec::new();
    let mut place = String::new();
    while (found.len() as u64) < which.most() {
        let most = PAGE.min(which.most() - found.len() as u64);
        let answer = hub.get(&format!("{}limit={most}{place}", which.path()))?;
        warn(&answer);
        found.extend(answer["records"].as_array().into_iter().flatten().cloned());
        match answer["next"]["below"].as_u64() {
            Some(below) => place = format!("&below={below}"),
            None => break,
        }
    }
    output.answer(&Value::Array(found), |found| table(output, found));
    Ok(())
}

/// Records that were changed on disk are named, whatever else is found.
fn warn(answer: &Value) {
    let damaged = answer["damaged"].as_array().filter(|damaged| !damaged.is_empty());
    if let Some(damaged) = damaged {
        show::complain(&format!(
            "{} records were changed on disk and are not shown; see: hub-agent log verify",
            damaged.len()
        ));
    }
}

fn table(output: &Output, records: &Value) {
    let row = |record: &Value| {
        let keys = ["number", "at", "severity", "kind", "component", "code", "text"];
        keys.map(|key| show::text(&record[key])).to_vec()
    };
    let rows: Vec<_> = records.as_array().into_iter().flatten().map(row).collect();
    let head = ["number", "at", "severity", "kind", "component", "code", "text"];
    output.table(&head, &rows);
}

fn tail(hub: &Hub, output: &Output, which: &Which, once: bool) -> Result<(), Failure> {
    // What is added meanwhile comes with the next look.
    let mut next = hub.get("/v1/log/heads")?["size"].as_u64().unwrap_or(0);
    let newest =
        hub.get(&format!("{}limit={}&below={next}", which.path(), which.most().min(PAGE)))?;
    let mut records: Vec<_> = newest["records"].as_array().cloned().unwrap_or_default();
    records.reverse();
    records.iter().for_each(|record| line(output, record));
    if once {
        return Ok(());
    }
    loop {
        std::thread::sleep(EVERY);
        let answer = hub.get(&format!("{}limit={PAGE}&on={next}", which.path()))?;
        warn(&answer);
        let records = answer["records"].as_array().into_iter().flatten();
        records.for_each(|record| line(output, record));
        next = answer["next"]["on"].as_u64().unwrap_or(next);
    }
}

fn line(output: &Output, record: &Value) {
    if output.json {
        return output.raw(&format!("{record}\n"));
    }
    let word = |key: &str| show::text(&record[key]);
    let (number, at, kind) = (word("number"), word("at"), word("kind"));
    let (severity, component, text) = (word("severity"), word("component"), word("text"));
    output.raw(&format!("{number:>8} {at} {severity:13} {kind:20} {component} {text}\n"));
}

fn export(
    hub: &Hub,
    output: &Output,
    which: &Which,
    format: &str,
    file: Option<PathBuf>,
) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(error.to_string());
    let mut sink = match &file {
        Some(path) => Some(fs::File::create(path).map_err(failed)?),
        None => None,
    };
    let size = hub.get("/v1/log/heads")?["size"].as_u64().unwrap_or(0);
    let bar = progress(size, file.is_some());
    let (mut on, mut left) = (0, which.limit.unwrap_or(u64::MAX));
    while on < size && left > 0 {
        let most = PAGE.min(left);
        let path = format!("{}limit={most}&on={on}&format={format}", which.path());
        let answer = hub.get(&path)?;
        warn(&answer);
        left -= answer["events"].as_array().map_or(0, |events| events.len() as u64).min(left);
        let mut text = String::new();
        for event in answer["events"].as_array().into_iter().flatten() {
            // A line is a text already, an event is an object.
            text += &show::text(event);
            text.push('\n');
        }
        match &mut sink {
            Some(file) => std::io::Write::write_all(file, text.as_bytes()).map_err(failed)?,
            None => output.raw(&text),
        }
        on = answer["next"]["on"].as_u64().filter(|next| *next > on).unwrap_or(size);
        bar.set_position(on.min(size));
    }
    bar.finish_and_clear();
    Ok(())
}

fn progress(size: u64, shown: bool) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} records, {eta}");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A file with a name and a key in base64.
fn named_key(path: &Path) -> Result<(String, [u8; 32]), Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|e| Failure::Failed(format!("{shown}: {e}")))?;
    let (name, key) = text.trim().rsplit_once(' ').unwrap_or_default();
    let key = STANDARD.decode(key).ok().and_then(|key| key.try_into().ok());
    key.map(|key| (name.to_owned(), key))
        .ok_or_else(|| Failure::Failed(format!("{shown}: not a name and an Ed25519 key in base64")))
}

fn verify(
    output: &Output,
    dir: &Path,
    key: &Path,
    witness: Option<&Path>,
    heads: &[PathBuf],
) -> Result<(), Failure> {
    let unusable = |error: state_log::Error| Failure::Failed(error.to_string());
    let noted = |error| unusable(state_log::Error::Note(error));
    let (origin, key) = named_key(key)?;
    let log = Verifier::log(&origin, key).map_err(noted)?;
    let witness = witness.map(named_key).transpose()?;
    let witness = witness.map(|(name, key)| Verifier::witness(&name, key).map_err(noted));
    let witness = witness.transpose()?;
    let read = |path: &PathBuf| {
        fs::read_to_string(path).map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))
    };
    let heads: Vec<_> = heads.iter().map(read).collect::<Result<_, _>>()?;
    let bar = progress(0, std::io::IsTerminal::is_terminal(&std::io::stderr()));
    let outside =
        Outside { log: &log, witness: witness.as_ref(), heads: &heads, every_signature: false };
    let report = state_log::verify(dir, &outside, &mut |seen| bar.set_position(seen));
    bar.finish_and_clear();
    let report = report.map_err(unusable)?;
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|(file, what)| json!({ "file": file, "what": what.to_string() }))
        .collect();
    let verdict = match report.verdict() {
        Verdict::Intact => "intact",
        Verdict::Rebuildable => "rebuildable",
        Verdict::Unfinished => "unfinished",
        Verdict::Damaged => "damaged",
    };
    let answer = json!({
        "verdict": verdict, "records": report.records, "segments": report.segments,
        "dropped": report.dropped, "checkpoints": report.checkpoints.0, "cosigned": report.heads.0,
        "findings": findings,
    });
    output.answer(&answer, |answer| {
        output.raw(&format!(
            "{verdict}: {} records in {} segments, {} taken out by acts of the log, {} cosigned heads agree\n",
            report.records, report.segments, report.dropped, report.heads.0
        ));
        if heads.is_empty() {
            output.raw("whether it was set back as a whole was not looked at: give --witness and --head\n");
        }
        for finding in answer["findings"].as_array().into_iter().flatten() {
            let (file, what) = (show::text(&finding["file"]), show::text(&finding["what"]));
            output.raw(&format!("{file}: {what}\n"));
        }
    });
    match report.verdict() {
        Verdict::Damaged => Err(Failure::Verification("the log was changed".into())),
        Verdict::Intact | Verdict::Rebuildable | Verdict::Unfinished => Ok(()),
    }
}
