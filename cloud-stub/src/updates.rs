//! The commands that make and change the repository of updates.

use crate::repository::{
    Fault, Release, Repository, Rotation, Security, faults,
    metadata::{date, seconds},
};
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use protocol::id::{Label, ModelId, Note, Slug};
use serde_json::{Value, json};
use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// Smallest image that has a progress bar.
const SLOW: u64 = 4 * 1024 * 1024;

/// What every command takes.
#[derive(Args)]
pub(crate) struct At {
    /// Folder of the cloud
    #[arg(long)]
    folder: PathBuf,
    /// A key that must not sign, such as targets-2; may be given again
    #[arg(long, value_name = "KEY")]
    without: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The time, for tests
    #[arg(long, hide = true, value_parser = seconds)]
    now: Option<u64>,
}

/// Commands about updates.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make all keys, anchor 1 and the repository; a further vendor is added to one there is
    Ceremony {
        /// Whose components are updated
        vendor: Slug,
        #[command(flatten)]
        at: At,
    },
    /// Make a release and publish it
    Release(Box<ReleaseArgs>),
    /// Take a release back
    Revoke {
        /// Vendor and model, as in acme.lamp
        model: ModelId,
        /// Its counter
        counter: u32,
        #[command(flatten)]
        at: At,
    },
    /// Change how many of a hundred hubs take part in a release
    Rollout {
        /// Vendor and model, as in acme.lamp
        model: ModelId,
        /// Its counter
        counter: u32,
        /// Hubs of a hundred
        #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
        percent: u8,
        #[command(flatten)]
        at: At,
    },
    /// Make new keys and say that they are in force
    Rotate {
        /// Whose
        whose: Whose,
        /// Which vendor, for vendor and anchors
        name: Option<Slug>,
        #[command(flatten)]
        at: At,
    },
    /// Sign timestamp and snapshot anew; to be done at least once a day
    Refresh {
        #[command(flatten)]
        at: At,
    },
    /// Copy the repository to a USB stick
    Export {
        /// Folder on it
        to: PathBuf,
        #[command(flatten)]
        at: At,
    },
    /// List what is published
    Releases {
        #[command(flatten)]
        at: At,
    },
    /// Show the version of each role and when it expires
    Status {
        #[command(flatten)]
        at: At,
    },
    /// Serve the repository wrongly from now on; without a fault, rightly again
    Fault {
        /// Such as {"fault":"slow","rate":100,"only":"/targets/"}
        faults: Vec<String>,
        #[command(flatten)]
        at: At,
    },
}

/// What a release takes.
#[derive(Args)]
pub(crate) struct ReleaseArgs {
    /// Vendor and model, as in acme.lamp
    model: ModelId,
    /// What people call it, as in 2.1.0
    version: Label,
    /// File of the image
    image: PathBuf,
    /// Its counter; the next one if none is given
    #[arg(long)]
    counter: Option<u32>,
    /// Hardware revisions that may run it
    #[arg(long, value_delimiter = ',', default_value = "1")]
    hardware: Vec<u32>,
    /// Nothing below this counter boots any more once it is confirmed
    #[arg(long, default_value_t = 0)]
    floor: u32,
    /// Size of a chunk in bytes, a power of two
    #[arg(long, default_value_t = 65_536)]
    chunk: u32,
    /// MODEL=COUNTER that another model must have before; may be given again
    #[arg(long, value_parser = need)]
    needs: Vec<(ModelId, u32)>,
    /// Not to be installed after this date
    #[arg(long, value_parser = seconds)]
    expires: Option<u64>,
    /// Seconds that it has to prove that it works
    #[arg(long, default_value_t = 120)]
    health: u16,
    /// Hubs of a hundred that take part
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100))]
    rollout: u8,
    /// How much it matters for security
    #[arg(long, value_enum, default_value = "none")]
    security: SecurityName,
    /// What people are told
    #[arg(long)]
    notes: Option<Note>,
    /// File of the signed definition that comes with it
    #[arg(long)]
    definition: Option<PathBuf>,
    #[command(flatten)]
    at: At,
}

/// Whose keys change.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Whose {
    Root,
    Targets,
    Snapshot,
    Timestamp,
    /// Snapshot and timestamp
    Online,
    Vendor,
    Anchors,
}

#[derive(Clone, Copy, ValueEnum)]
enum SecurityName {
    None,
    Low,
    Medium,
    High,
    Critical,
}

impl From<SecurityName> for Security {
    fn from(name: SecurityName) -> Self {
        match name {
            SecurityName::None => Self::None,
            SecurityName::Low => Self::Low,
            SecurityName::Medium => Self::Medium,
            SecurityName::High => Self::High,
            SecurityName::Critical => Self::Critical,
        }
    }
}

/// Does what a command says.
///
/// # Errors
/// What is wrong, and what to do.
pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Ceremony { vendor, at } => ceremony(&vendor, &at),
        Command::Release(args) => release(*args),
        Command::Revoke { model, counter, at } => {
            at.open()?.revoke(&model, counter, at.now())?;
            at.tell(&format!("{model} {counter} is no target any more"))
        }
        Command::Rollout { model, counter, percent, at } => {
            at.open()?.rollout(&model, counter, percent, at.now())?;
            at.tell(&format!("{percent} of 100 hubs take part in {model} {counter}"))
        }
        Command::Rotate { whose, name, at } => {
            at.open()?.rotate(&rotation(whose, name)?, at.now())?;
            at.tell("the new keys are in force; keep the former ones until every hub has followed")
        }
        Command::Refresh { at } => {
            at.open()?.refresh(at.now())?;
            at.tell("timestamp and snapshot are signed anew")
        }
        Command::Export { to, at } => {
            let copied = at.open()?.export(&to)?;
            at.tell(&format!("{copied} files were copied to {}", to.display()))
        }
        Command::Releases { at } => releases(&at),
        Command::Status { at } => status(&at),
        Command::Fault { faults, at } => {
            let parsed: Result<Vec<Fault>, _> =
                faults.iter().map(|fault| serde_json::from_str(fault)).collect();
            let parsed =
                parsed.context("a fault is JSON such as {\"fault\":\"stale\",\"back\":1}")?;
            faults::set(&at.folder, &parsed)?;
            at.tell(&format!("{} faults are on", parsed.len()))
        }
    }
}

impl At {
    fn open(&self) -> anyhow::Result<Repository> {
        Ok(Repository::open(&self.folder)?.without(&self.without))
    }

    fn now(&self) -> u64 {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.now.unwrap_or_else(clock)
    }

    /// What was done, in words or with what is in force now.
    fn tell(&self, done: &str) -> anyhow::Result<()> {
        if !self.json {
            return print(done);
        }
        let repository = Repository::open(&self.folder);
        let roles =
            repository.map_or(Ok(Value::Null), |all| all.standing().map(|roles| json!(roles)));
        print(&json!({ "done": done, "roles": roles? }).to_string())
    }
}

fn ceremony(vendor: &Slug, at: &At) -> anyhow::Result<()> {
    let repository = match Repository::open(&at.folder) {
        Ok(repository) => {
            let repository = repository.without(&at.without);
            repository.add_vendor(vendor, at.now())?;
            repository
        }
        Err(_) => Repository::create(&at.folder, vendor, at.now())?,
    };
    let (root, keys) = (repository.pinned_root(), repository.keys());
    let anchor = at.folder.join(format!("anchors/{vendor}/1.cose"));
    if at.json {
        return print(
            &json!({ "vendor": vendor, "root": root, "anchor": anchor, "keys": keys }).to_string(),
        );
    }
    print(&format!(
        "hubs pin        {}\ncomponents pin  {}\nkeys            {}\n\nOnly snapshot-1 and timestamp-1 are needed every \
         day. Keep the others on different media\nthat are not connected; two of three sign.",
        root.display(),
        anchor.display(),
        keys.display()
    ))
}

fn release(args: ReleaseArgs) -> anyhow::Result<()> {
    let release = Release {
        model: args.model,
        name: args.version,
        image: args.image,
        counter: args.counter,
        hardware: args.hardware,
        floor: args.floor,
        chunk: args.chunk,
        needs: args.needs,
        expires: args.expires,
        health: args.health,
        rollout: args.rollout,
        security: args.security.into(),
        notes: args.notes,
        definition: args.definition,
    };
    let at = args.at;
    let bar = progress(&release);
    let released =
        at.open()?.release_watched(&release, at.now(), &mut |done| bar.set_position(done));
    bar.finish_and_clear();
    let released = released?;
    if at.json {
        return print(&json!(released).to_string());
    }
    let about = &released.about;
    print(&format!(
        "{} {} has counter {}: {} bytes, SHA-256 {}",
        about.model, about.name, about.counter, released.size, released.sha256
    ))
}

/// A bar for images that take a while, if somebody watches.
fn progress(release: &Release) -> ProgressBar {
    let size = std::fs::metadata(&release.image).map_or(0, |file| file.len());
    if size < SLOW || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}");
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn releases(at: &At) -> anyhow::Result<()> {
    let releases = at.open()?.releases()?;
    if at.json {
        return print(&json!(releases).to_string());
    }
    if releases.is_empty() {
        return print("nothing is published: see `cloud-stub release --help`");
    }
    for found in releases {
        let about = found.about;
        print(&format!(
            "{} {} {} {} bytes, {} of 100 hubs, security {:?}",
            about.model, about.counter, about.name, found.size, about.rollout, about.security
        ))?;
    }
    Ok(())
}

fn status(at: &At) -> anyhow::Result<()> {
    let standing = at.open()?.standing()?;
    if at.json {
        return print(&json!(standing).to_string());
    }
    let now = date(at.now());
    for (role, standing) in standing {
        // Dates of this form sort as texts.
        let late = if standing.expires < now { ", EXPIRED" } else { "" };
        print(&format!("{role} {} until {}{late}", standing.version, standing.expires))?;
    }
    Ok(())
}

fn rotation(whose: Whose, name: Option<Slug>) -> anyhow::Result<Rotation> {
    let vendor = || name.clone().context("which vendor? name it after the word");
    let rotation = match whose {
        Whose::Root => Rotation::Root,
        Whose::Targets => Rotation::Targets,
        Whose::Snapshot => Rotation::Snapshot,
        Whose::Timestamp => Rotation::Timestamp,
        Whose::Online => Rotation::Online,
        Whose::Vendor => return Ok(Rotation::Vendor(vendor()?)),
        Whose::Anchors => return Ok(Rotation::Anchors(vendor()?)),
    };
    anyhow::ensure!(name.is_none(), "only vendor and anchors take a name");
    Ok(rotation)
}

fn need(text: &str) -> Result<(ModelId, u32), String> {
    let (model, counter) = text.split_once('=').ok_or("write it as acme.hub=7")?;
    let model = ModelId::new(model).map_err(|why| why.to_string())?;
    Ok((model, counter.parse().map_err(|_| "the counter is a whole number below 2^32")?))
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}
