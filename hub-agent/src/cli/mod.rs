//! The command line: what can be asked, and how answers look. Everything but `run`, `settings`,
//! `doctor` and `completions` is asked of the running daemon over its local socket.

mod account;
mod boot;
mod client;
mod component;
mod config;
mod definition;
mod dispose;
mod doctor;
mod incident;
mod log;
mod pairing;
mod policy;
mod rules;
mod show;
mod update;

use crate::{
    run::{Ended, Reread},
    settings::{self, Raw, Settings, Sources},
};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use client::{ClientError, Hub};
use serde_json::Value;
use show::Output;
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// How a command failed, by exit code.
#[derive(Debug)]
pub enum Failure {
    /// 1: it could not be done.
    Failed(String),
    /// 2: it was asked wrongly.
    Usage(String),
    /// 3: the hub refused it.
    Refused(String),
    /// 4: something is not as it should be.
    Verification(String),
    /// 75: nothing failed; the service must start the other slot.
    Again(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Failed(why)
        | Self::Usage(why)
        | Self::Refused(why)
        | Self::Verification(why)
        | Self::Again(why)) = self;
        f.write_str(why)
    }
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::Verification(_) => 4,
            Self::Again(_) => 75,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { refusal, advice } if refusal == "bad-definition" => {
                Self::Verification(advice)
            }
            ClientError::Refused { .. } => Self::Refused(error.to_string()),
            ClientError::NotRunning(_) | ClientError::Broken(_) => Self::Failed(error.to_string()),
        }
    }
}

#[derive(Parser)]
#[command(
    name = "hub-agent",
    version,
    about = "Security hub of a multi-component IoT product",
    after_help = "Exit codes: 0 ok, 1 failure, 2 usage, 3 refused by policy, 4 verification failed, 75 start me again"
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: What,
}

#[derive(Args, Clone)]
struct Common {
    /// Settings file [default: /etc/hub-agent/hub.toml when it exists]
    #[arg(long, global = true, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Folder of keys and state; stands for the setting data_dir
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The daemon's local socket; stands for the setting admin.socket
    #[arg(long, global = true, value_name = "FILE")]
    socket: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum What {
    /// Run the daemon
    Run {
        /// Any setting, as `key=value`; see `settings check --show`
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// What the launcher found wrong
        #[arg(long, hide = true, value_name = "WORDS")]
        booted: Option<String>,
    },
    /// Run the daemon from the slot that is to start; services start this
    Boot {
        /// Any setting, as `key=value`
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// The hub at a glance
    Status,
    /// The product's components
    #[command(subcommand)]
    Component(component::Component),
    /// What each kind of component may do
    #[command(subcommand)]
    Definition(definition::Definition),
    /// Rules of detection: check, try and explain them; needs no daemon
    #[command(subcommand)]
    Rules(rules::Rules),
    /// What the gate decides, and why
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Settings of components
    #[command(subcommand)]
    Config(config::Config),
    /// Groups of components, for settings that several shall have
    #[command(subcommand)]
    Group(config::Group),
    /// People's accounts
    #[command(subcommand)]
    Account(account::Account),
    /// Log in: the password is the first line of standard input; prints HUB_TOKEN for other commands
    Login {
        /// The account
        name: String,
    },
    /// End the login of HUB_TOKEN
    Logout,
    /// Releases for components, and how they get there
    #[command(subcommand)]
    Update(update::Update),
    /// Let new components in with one-time codes
    #[command(subcommand)]
    Pair(pairing::Pair),
    /// The inventory for other tools
    #[command(subcommand)]
    Inventory(Inventory),
    /// The state log: what happened, so that nobody can quietly edit it
    #[command(subcommand)]
    Log(log::Log),
    /// What was found in it
    #[command(subcommand)]
    Incident(incident::Incident),
    /// Make what the log holds of a component, or everything, unreadable for good
    Dispose(dispose::Dispose),
    /// The newest events, in short
    #[command(subcommand)]
    Event(EventCommand),
    /// The daemon's counters, in Prometheus' text format
    Metrics,
    /// The daemon's settings
    #[command(subcommand)]
    Settings(SettingsCommand),
    /// Undo what people made of the hub: accounts, logins, names, groups, trials, and settings of components;
    /// identities, definitions, events and counters stay
    Reset {
        /// Must be given: this cannot be undone
        #[arg(long, required = true)]
        to_default: bool,
    },
    /// Look for what is wrong on this machine
    Doctor,
    /// Completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Subcommand)]
enum Inventory {
    /// Write the whole inventory
    Export {
        /// json (schema/inventory.schema.json), cyclonedx (1.6), or nftables: the channels of those
        /// connected now, for the network's gateway
        #[arg(long, value_enum, default_value = "json")]
        format: Format,
        /// Into this file instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Cyclonedx,
    Nftables,
}

#[derive(Subcommand)]
enum EventCommand {
    /// The newest events, oldest first
    List {
        /// Only events from this number on
        #[arg(long, default_value_t = 0)]
        since: u64,
        /// Go on with what happens from now on
        #[arg(long)]
        follow: bool,
    },
}

#[derive(Subcommand)]
enum SettingsCommand {
    /// Check the settings without starting anything
    Check {
        /// Show every setting in force, where it comes from and what it means
        #[arg(long)]
        show: bool,
    },
}

/// Runs one command line, the program's name first.
pub fn main_with_args(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<_> = args.into_iter().collect();
    let given = args.len();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not failures.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output { json: cli.common.json };
    match obey(cli, given, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.code();
            show::complain(&failure.to_string());
            ExitCode::from(code)
        }
    }
}

fn obey(cli: Cli, given: usize, output: &Output) -> Result<(), Failure> {
    if let What::Boot { set } = &cli.command {
        return Err(boot::boot(&cli.common, set, given));
    }
    if let What::Completions { shell } = cli.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "hub-agent", &mut script);
        output.raw(&String::from_utf8_lossy(&script));
        return Ok(());
    }
    if let What::Rules(command) = &cli.command {
        return rules::obey(output, command);
    }
    let set = if let What::Run { set, .. } = &cli.command { set.as_slice() } else { &[] };
    let (mut settings, raw) = read_settings(&cli.common, set)?;
    let hub = Hub::new(&settings.socket);
    match cli.command {
        What::Run { set, booted } => {
            if let Some(own) = settings.own.as_mut() {
                own.booted = booted;
            }
            let common = cli.common.clone();
            let reread = move || {
                let read = read_settings(&common, &set);
                read.map(|(settings, _)| settings).map_err(|failure| failure.to_string())
            };
            run(settings, Box::new(reread))
        }
        What::Reset { to_default: _ } => {
            let answer = hub.post("/v1/reset", &serde_json::json!({}))?;
            let text =
                "the hub is at its secure default; components follow: hub-agent config list\n";
            output.answer(&answer, |_| output.raw(text));
            Ok(())
        }
        What::Status => status(&hub, output),
        What::Component(command) => component::obey(&hub, output, command),
        What::Definition(command) => definition::obey(&hub, output, command),
        What::Policy(command) => policy::obey(&hub, output, command),
        What::Config(command) => config::obey(&hub, output, command),
        What::Group(command) => config::regroup(&hub, output, &command),
        What::Account(command) => account::obey(&hub, output, command),
        What::Login { name } => account::login(&hub, output, &name),
        What::Logout => account::logout(&hub, output),
        What::Update(command) => update::obey(&hub, output, command),
        What::Pair(command) => pairing::obey(&hub, output, &settings, command),
        What::Inventory(Inventory::Export { format, output: file }) => {
            export(&hub, output, format, file)
        }
        What::Event(EventCommand::List { since, follow }) => events(&hub, output, since, follow),
        What::Log(command) => log::obey(&hub, output, &settings.data_dir, command),
        What::Incident(command) => incident::obey(&hub, output, command),
        What::Dispose(what) => dispose::obey(&hub, output, &what),
        What::Metrics => {
            output.raw(&hub.text("/v1/metrics")?);
            Ok(())
        }
        What::Settings(SettingsCommand::Check { show }) => {
            show_settings(output, &settings, &raw, show);
            Ok(())
        }
        What::Doctor => doctor::look(&hub, output, &settings),
        What::Completions { .. } | What::Boot { .. } | What::Rules(_) => Ok(()),
    }
}

fn read_settings(common: &Common, set: &[String]) -> Result<(Settings, Raw), Failure> {
    let sources = sources(common, set)?;
    settings::read(&sources, std::env::vars()).map_err(|error| Failure::Usage(error.to_string()))
}

fn sources(common: &Common, set: &[String]) -> Result<Sources, Failure> {
    let mut sources = Sources { file: common.settings.clone(), overrides: Vec::new() };
    let mut path = |key: &str, path: &Option<PathBuf>| {
        if let Some(path) = path {
            sources.overrides.push((key.to_owned(), path.display().to_string()));
        }
    };
    path("data_dir", &common.data_dir);
    path("admin.socket", &common.socket);
    for pair in set {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("`{pair}` is not KEY=VALUE")))?;
        sources.overrides.push((key.to_owned(), value.to_owned()));
    }
    Ok(sources)
}

fn run(settings: Settings, reread: Reread) -> Result<(), Failure> {
    let failed = |error: anyhow::Error| Failure::Failed(format!("{error:#}"));
    crate::telemetry::start(&settings).map_err(failed)?;
    match crate::run::run(settings, reread).map_err(failed)? {
        Ended::Asked => Ok(()),
        Ended::Again => Err(Failure::Again("new software is to start: start the hub again".into())),
    }
}

fn status(hub: &Hub, output: &Output) -> Result<(), Failure> {
    let answer = hub.get("/v1/status")?;
    output.answer(&answer, |answer| {
        let status = &answer["status"];
        let states = show::pairs(&status["components"]);
        let refusals = show::pairs(&status["refusals"]);
        output.table(
            &["", ""],
            &[
                vec!["hub".into(), show::text(&status["hub"]["id"])],
                vec!["software".into(), show::text(&status["hub"]["software"])],
                vec!["CA fingerprint".into(), show::text(&status["hub"]["ca_fingerprint"])],
                vec![
                    "listens".into(),
                    format!(
                        "MQTT {}, EST {}",
                        show::text(&answer["listens"]["mqtt"]),
                        show::text(&answer["listens"]["est"])
                    ),
                ],
                vec!["components".into(), if states.is_empty() { "none".into() } else { states }],
                vec!["connected".into(), show::text(&status["connected"])],
                vec!["wait for you".into(), show::text(&status["waiting"])],
                vec!["own release".into(), own_words(&status["own"])],
                vec!["store".into(), show::text(&status["store"])],
                vec![
                    "cloud".into(),
                    [show::text(&status["cloud"]["state"]), show::text(&status["cloud"]["why"])]
                        .join(" "),
                ],
                vec!["log at the cloud".into(), log_words(&answer["log_at_cloud"])],
                vec!["messages".into(), show::text(&status["messages"])],
                vec!["refusals".into(), if refusals.is_empty() { "none".into() } else { refusals }],
            ],
        );
    });
    Ok(())
}

/// How far the cloud has the log.
fn log_words(log: &Value) -> String {
    if log.is_null() {
        return "no cloud is set".into();
    }
    let word = |key: &str| show::text(&log[key]);
    let mut words = format!("{} of {} records wait", word("waiting"), word("records"));
    words += &match log["witnessed"].as_u64() {
        Some(size) => format!("; it witnessed {size} at {}", word("since")),
        None => "; it witnessed nothing since this start".into(),
    };
    if !log["refused"].is_null() {
        words += &format!("; refused: {}", word("refused"));
    }
    words
}

fn own_words(own: &Value) -> String {
    let slot = show::text(&own["slot"]);
    match (own.is_null(), slot.as_str()) {
        (true, _) => "does not update itself".into(),
        (false, "") => "the packaged executable".into(),
        (false, slot) => {
            let trial = if own["trial"] == true { ", on trial" } else { "" };
            let (name, counter) = (show::text(&own["name"]), show::text(&own["counter"]));
            format!("{name} ({counter}), slot {slot}{trial}")
        }
    }
}

fn export(
    hub: &Hub,
    output: &Output,
    format: Format,
    file: Option<PathBuf>,
) -> Result<(), Failure> {
    let format = match format {
        Format::Json => "json",
        Format::Cyclonedx => "cyclonedx",
        Format::Nftables => "nftables",
    };
    let path = format!("/v1/inventory?format={format}");
    let text = match format {
        "nftables" => hub.text(&path)?,
        _ => format!("{:#}\n", hub.get(&path)?),
    };
    match file {
        None => output.raw(&text),
        Some(path) => std::fs::write(&path, text)
            .map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))?,
    }
    Ok(())
}

fn events(hub: &Hub, output: &Output, mut since: u64, follow: bool) -> Result<(), Failure> {
    let mut wait = "";
    loop {
        let answer = hub.get(&format!("/v1/events?since={since}{wait}"))?;
        for event in answer.as_array().into_iter().flatten() {
            since = since.max(event["number"].as_u64().unwrap_or(0) + 1);
            if output.json {
                output.raw(&format!("{event}\n"));
            } else {
                output.raw(&event_line(event));
            }
        }
        if !follow {
            return Ok(());
        }
        wait = "&wait";
    }
}

fn event_line(event: &Value) -> String {
    let text = |key: &str| show::text(&event[key]);
    let times =
        event["times"].as_u64().filter(|times| *times > 1).map(|times| format!(" ({times} times)"));
    let component: String = text("component").chars().take(8).collect();
    let line = format!(
        "{:>6}  {:6}  {:18}  {component:8}  {:22}  {}{}",
        text("number"),
        text("severity"),
        text("kind"),
        text("refusal"),
        text("text"),
        times.unwrap_or_default()
    );
    format!("{}\n", line.trim_end())
}

fn show_settings(output: &Output, settings: &Settings, raw: &Raw, show_all: bool) {
    let rows: Vec<_> = settings::keys::KEYS
        .iter()
        .map(|key| {
            let (value, source) = raw.value(key);
            vec![key.name.to_owned(), value.to_owned(), source.to_string(), key.help.to_owned()]
        })
        .collect();
    if output.json {
        let entries = rows.iter().map(|row| serde_json::json!({ "key": row[0], "value": row[1], "source": row[2], "help": row[3] }));
        output.raw(&format!("{:#}\n", Value::Array(entries.collect())));
    } else if show_all {
        output.table(&["setting", "value", "source", "meaning"], &rows);
    } else {
        output.raw(&format!("settings are good; data in {}\n", settings.data_dir.display()));
    }
}
