//! `cloud-stub log …`: what is kept of hubs' logs, read from the files while the cloud runs or not.

use super::{
    Copy, WITNESS,
    rows::{Rows, Tag},
};
use anyhow::Context;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Subcommand;
use protocol::id::ComponentId;
use serde_json::{Value, json};
use state_log::{Act, Cosigned, Verifier};
use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Logs that are kept, and how far
    List {
        #[command(flatten)]
        of: Of,
    },
    /// The newest head that was witnessed of a hub's log, and with whose key: what `hub-agent log verify` takes
    Heads {
        #[command(flatten)]
        of: Of,
        /// Write head, log.pub and witness.pub into this folder
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Records of a hub's newest log, oldest first, one JSON object a line
    Export {
        #[command(flatten)]
        of: Of,
        /// From this number on
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
}

#[derive(clap::Args)]
pub(crate) struct Of {
    /// Folder that `init` made
    folder: PathBuf,
    /// Logical id of the hub
    #[arg(long)]
    hub: Option<ComponentId>,
    /// Name of the log; else the one that was begun last
    #[arg(long)]
    log: Option<String>,
    /// JSON instead of lines for people
    #[arg(long)]
    json: bool,
}

/// One log as it lies there.
struct Kept {
    hub: String,
    dir: PathBuf,
    log: Verifier,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { of } => {
            let all = kept(&of)?;
            let all: Vec<Value> = all.iter().map(|one| told(one, &of)).collect::<Result<_, _>>()?;
            show(of.json, &Value::Array(all.clone()), &all.iter().map(line).collect::<String>())
        }
        Command::Heads { of, output } => {
            let one = newest(&of)?;
            let head = head(&one, &of)?.context("nothing of this log was witnessed yet")?;
            let witness = fs::read_to_string(of.folder.join(WITNESS))?;
            if let Some(output) = output {
                fs::create_dir_all(&output)?;
                fs::write(output.join("head"), head.note())?;
                fs::copy(one.dir.join("log.pub"), output.join("log.pub"))?;
                fs::write(output.join("witness.pub"), &witness)?;
            }
            let answer = json!({
                "hub": one.hub, "log": one.log.name(), "size": head.checkpoint.size,
                "root": STANDARD.encode(head.checkpoint.root), "time": head.time,
                "head": head.note(), "witness": witness.trim(),
            });
            show(of.json, &answer, &format!("{witness}\n{}", head.note()))
        }
        Command::Export { of, from } => export(&newest(&of)?, from),
    }
}

fn show(as_json: bool, answer: &Value, text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{answer:#}")?
    } else {
        write!(out, "{text}")?
    }
    Ok(out.flush()?)
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut found: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn kept(of: &Of) -> anyhow::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for hub in folders(&of.folder.join("logs")) {
        let name = hub.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if of.hub.is_some_and(|wanted| wanted.to_string() != name) {
            continue;
        }
        for dir in folders(&hub) {
            let log = Copy::public(&dir).with_context(|| dir.display().to_string())?;
            if of.log.as_deref().is_none_or(|wanted| wanted == log.name()) {
                all.push(Kept { hub: name.clone(), dir, log });
            }
        }
    }
    Ok(all)
}

fn newest(of: &Of) -> anyhow::Result<Kept> {
    let begun =
        |one: &Kept| fs::metadata(one.dir.join("log.pub")).and_then(|file| file.modified()).ok();
    kept(of)?.into_iter().max_by_key(begun).context("no such log is kept here")
}

fn head(one: &Kept, of: &Of) -> anyhow::Result<Option<Cosigned>> {
    let Ok(note) = fs::read_to_string(one.dir.join("head")) else { return Ok(None) };
    let text = fs::read_to_string(of.folder.join(WITNESS))?;
    let (name, key) = text.trim().rsplit_once(' ').context("the witness's name and key")?;
    let key = STANDARD.decode(key)?.try_into().ok().context("an Ed25519 key")?;
    Ok(Some(Cosigned::parse(&note, &one.log, &Verifier::witness(name, key)?)?))
}

fn told(one: &Kept, of: &Of) -> anyhow::Result<Value> {
    let rows = Rows(File::open(one.dir.join("rows"))?);
    let (mut records, mut readable, mut end) = (0_u64, 0_u64, 0);
    rows.each((0, rows.end()?), |number, row| {
        if let Some(row) = row {
            records += 1;
            readable += u64::from(row.tag == Tag::Record);
            end = number + 1;
        }
        Ok(())
    })?;
    let head = head(one, of)?;
    Ok(json!({
        "hub": one.hub, "log": one.log.name(), "records": records, "readable": readable, "end": end,
        "witnessed": head.as_ref().map(|head| head.checkpoint.size),
        "since": head.map(|head| head.time),
    }))
}

fn line(one: &Value) -> String {
    let word = |key: &str| one[key].to_string().trim_matches('"').to_owned();
    format!(
        "{}: {} records up to {}, {} readable; witnessed {}\n",
        word("log"),
        word("records"),
        word("end"),
        word("readable"),
        word("witnessed")
    )
}

fn export(one: &Kept, from: u64) -> anyhow::Result<()> {
    let rows = Rows(File::open(one.dir.join("rows"))?);
    let bodies = File::open(one.dir.join("bodies"))?;
    let mut out = std::io::stdout().lock();
    rows.each((from, rows.end()?), |number, row| {
        let Some(row) = row.filter(|row| row.tag != Tag::Within) else { return Ok(()) };
        let mut body = vec![0; row.length as usize];
        bodies.read_exact_at(&mut body, row.offset)?;
        let mut shown = json!({ "number": number, "hash": STANDARD.encode(row.hash) });
        match row.tag {
            Tag::Record => shown["body"] = STANDARD.encode(&body).into(),
            Tag::Act => shown["act"] = Act::decode(&body).map(|act| format!("{act:?}")).into(),
            Tag::Tile => shown["records"] = protocol::message::UPLINK_TILE.into(),
            Tag::Bare | Tag::Within => {}
        }
        writeln!(out, "{shown}")
    })?;
    Ok(out.flush()?)
}
