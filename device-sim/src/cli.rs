//! The command line of the simulator.

use crate::{
    device::{Pace, Temper},
    est::{Proof, Service},
    flash::Flash,
    fleet::{Fleet, Plan},
    hostile::Target,
    identity::MakerCa,
    link::HubAddress,
    log::Mischief,
    profile::Kinds,
};
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use protocol::{
    id::{ComponentId, Digest},
    message::Interval,
};
use std::{ffi::OsString, io::Write, path::PathBuf, process::ExitCode, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::LocalSet,
};

#[derive(Parser)]
#[command(name = "device-sim", version, about = "Simulated components of an IoT product")]
struct Cli {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Run a fleet until it is told to stop
    Run(Box<Run>),
    /// Let a taken-over component of a fleet attack the hub
    Attack {
        #[command(flatten)]
        hub: Hub,
        /// The fleet's state folder
        #[arg(long)]
        state: PathBuf,
        /// Serial number of the component that was taken over
        #[arg(long)]
        serial: String,
        /// Logical id of the component it is after
        #[arg(long)]
        victim: ComponentId,
    },
    /// Make a maker's certificate authority
    Maker {
        /// Its folder: root.pem and definitions/ for the hub, maker.key for the fleet
        folder: PathBuf,
        /// Its name
        #[arg(long, default_value = "Simulated Maker")]
        name: String,
    },
    /// Sign a component definition as its maker would
    Sign {
        /// The document, TOML; check it first with: hub-agent definition check
        document: PathBuf,
        /// The maker's folder
        #[arg(long)]
        maker: PathBuf,
        /// Where the signed definition goes
        #[arg(short, long)]
        output: PathBuf,
    },
}

#[derive(Args)]
struct Hub {
    /// Host name or address
    #[arg(long, default_value = "localhost")]
    host: String,
    /// Port for MQTT
    #[arg(long)]
    mqtt_port: u16,
    /// Port for enrolment
    #[arg(long)]
    est_port: u16,
    /// SHA-256 of the hub's CA certificate
    #[arg(long)]
    ca: Digest,
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    hub: Hub,
    /// How many components
    #[arg(long, default_value_t = 50)]
    count: usize,
    /// Makes serial numbers, timing and values reproducible
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the components' memories
    #[arg(long)]
    state: PathBuf,
    /// Definitions of the kinds to simulate, TOML, instead of the built-in ones; may be given again
    #[arg(long, value_name = "FILE")]
    definition: Vec<PathBuf>,
    /// How many of each hundred components are flaky: they hang up, restart, repeat and lose messages
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    flaky: u8,
    /// How components take what they are told: willing, refuses, pretends, drifts or rolls-back
    #[arg(long, default_value = "willing")]
    temper: Temper,
    /// The signed anchor that the components' factory images pin; without it they refuse all updates
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
    /// Folder of a maker's authority: components enrol with its IDevIDs
    #[arg(long)]
    maker: Option<PathBuf>,
    /// File with pairing codes, one a line, for the first components
    #[arg(long)]
    codes: Option<PathBuf>,
    /// Seconds between heartbeats
    #[arg(long, default_value_t = 30)]
    interval: u16,
    /// Milliseconds between values of a component; 0 for none
    #[arg(long, default_value_t = 1000)]
    stream: u64,
    /// Seconds between batches of a component's log; 0 for no log
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    log: u64,
    /// How components abuse their logs: floods, skips, edits, replays, stamps or forges
    #[arg(long, value_name = "MISCHIEF")]
    log_mischief: Option<Mischief>,
    /// Where acknowledged messages are noted
    #[arg(long)]
    ack_log: Option<PathBuf>,
    /// Where the fleet's ground truth is written when all are active, and at the end
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Ends after so many seconds
    #[arg(long)]
    seconds: Option<u64>,
}

/// Runs one command line, the program's name first.
pub fn main_with_args(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not failures.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match obey(cli.command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "device-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn obey(command: What) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        What::Run(run) => LocalSet::new().block_on(&runtime, run_fleet(*run)),
        What::Attack { hub, state, serial, victim } => {
            let own = Flash::read(&state, &serial)?
                .context("no component of this fleet has this serial number")?;
            let target = Target {
                host: hub.host.clone(),
                mqtt: hub.mqtt_port,
                est: service(&hub),
                own,
                victim,
            };
            let attempts = runtime.block_on(target.attack());
            let mut out = std::io::stdout().lock();
            for attempt in &attempts {
                writeln!(out, "{}", serde_json::to_string(attempt)?)?;
            }
            Ok(if attempts.iter().all(|attempt| attempt.refused) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        What::Sign { document, maker, output } => {
            let text = std::fs::read_to_string(&document);
            let text = text.with_context(|| document.display().to_string())?;
            let envelope = MakerCa::read(&maker)?.sign_definition(&text)?;
            std::fs::write(&output, envelope).with_context(|| output.display().to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        What::Maker { folder, name } => {
            MakerCa::new(&name)?.write(&folder)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn service(hub: &Hub) -> Service {
    Service { host: hub.host.clone(), port: hub.est_port, fingerprint: hub.ca }
}

async fn run_fleet(run: Run) -> anyhow::Result<ExitCode> {
    let interval = Interval::new(run.interval).context("the interval is 1 to 3600 seconds")?;
    let codes =
        run.codes.as_ref().map(std::fs::read_to_string).transpose().context("the file of codes")?;
    let codes: Vec<String> = codes.unwrap_or_default().lines().map(str::to_owned).collect();
    let maker = run.maker.as_ref().map(|folder| MakerCa::read(folder)).transpose()?;
    let proofs = move |index: usize, serial: &str| match (codes.get(index), &maker) {
        (Some(code), _) => Ok(Proof::Code(code.clone())),
        (None, Some(maker)) => maker.idevid(serial).map(Proof::Idevid),
        (None, None) => anyhow::bail!("give --codes with enough codes, or --maker"),
    };
    let fleet = Fleet::start(Plan {
        hub: HubAddress {
            host: run.hub.host.clone(),
            mqtt: run.hub.mqtt_port,
            est: service(&run.hub),
        },
        kinds: kinds(&run.definition)?,
        count: run.count,
        seed: run.seed,
        state: run.state.clone(),
        pace: Pace { interval, stream: run.stream, log: run.log * 1000 },
        flaky: usize::from(run.flaky),
        temper: run.temper,
        mischief: run.log_mischief,
        ack_log: run.ack_log.clone(),
        anchor: run.anchor.as_ref().map(std::fs::read).transpose().context("the anchor")?,
        proofs: Box::new(proofs),
    })?;
    let truth = |fleet: &Fleet| match &run.truth {
        Some(path) => std::fs::write(path, serde_json::to_vec_pretty(&fleet.truth())?)
            .map_err(anyhow::Error::from),
        None => Ok(()),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let life = run.seconds.map_or(Duration::MAX, Duration::from_secs);
    let mut progress = tokio::time::interval(Duration::from_secs(1));
    let mut written = false;
    let end = tokio::time::sleep(life);
    tokio::pin!(end);
    loop {
        tokio::select! {
            _ = progress.tick() => {
                report(&fleet, run.count)?;
                if !written && fleet.progress.active.get() == run.count {
                    truth(&fleet)?;
                    written = true;
                }
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = &mut end => break,
        }
    }
    truth(&fleet)?;
    Ok(ExitCode::SUCCESS)
}

fn kinds(files: &[PathBuf]) -> anyhow::Result<Kinds> {
    if files.is_empty() {
        return Kinds::built_in();
    }
    let read =
        |file: &PathBuf| std::fs::read_to_string(file).with_context(|| file.display().to_string());
    let documents: Vec<_> = files.iter().map(read).collect::<Result<_, _>>()?;
    Kinds::of(documents.iter().map(String::as_str))
}

/// One line of JSON a second, for whoever watches.
fn report(fleet: &Fleet, count: usize) -> anyhow::Result<()> {
    let progress = &fleet.progress;
    let line = serde_json::json!({
        "components": count,
        "enrolled": progress.enrolled.get(),
        "announced": progress.announced.get(),
        "active": progress.active.get(),
        "acknowledged": progress.acknowledged.get(),
        "refused": progress.refused.get(),
        "obeyed": progress.obeyed.get(),
        "heard": progress.heard.get(),
        "disbelieved": progress.disbelieved.get(),
        "flaws": progress.flaws.get(),
        "trouble": *progress.trouble.borrow(),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
