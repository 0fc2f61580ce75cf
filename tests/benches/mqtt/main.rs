//! The hub beside mosquitto: the same certificates, the same load, interleaved rounds on one machine.
//! Trust the ratios and the CPU per message; single rates belong to the machine. Needs mosquitto.
//!
//! `cargo bench -p tests --bench mqtt`, with `-- relays` for messages between clients alone, `-- idle` for starts alone

mod bare;
mod client;
mod definitions;
mod idle;
mod relay;
mod report;
mod server;

use client::Client;
use report::Report;
use server::{Kind, Server};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tests::{
    harness::{Executable, Fleet, FleetPlan, Hub, HubPlan, maker},
    roles,
};

/// Rounds of each load; the median counts.
const ROUNDS: usize = 3;

/// Components that are known, and that connect one after the other.
const COMPONENTS: usize = 1000;

/// How long each load lasts.
const LOAD: Duration = Duration::from_secs(4);

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args_os().collect();
    if args.get(1).is_some_and(|role| role == "bare-rustls") {
        return bare::serve(&args[2..]);
    }
    if roles::act(&args).is_some() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let own = Executable::own()?;
    let clients = enrolled(&own, folder.path(), COMPONENTS)?;
    definitions::write(&folder.path().join("definitions"), &folder.path().join("maker"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::default();
    let only = |part: &str| args.iter().any(|arg| arg == part);
    if !only("relays") {
        idle(&mut report, folder.path())?;
    }
    if !only("idle") {
        relays(&mut report, &runtime, &own, folder.path(), &clients)?;
    }
    if only("relays") || only("idle") {
        report.print();
        return Ok(());
    }
    for count in [50, 500] {
        for _ in 0..ROUNDS {
            for kind in Kind::LOADED {
                let server = Server::start(kind, &own, folder.path())?;
                let load = runtime.block_on(load(
                    &server,
                    &clients[..count],
                    kind == Kind::MosquittoForwarding,
                ))?;
                report.load(count, kind, load);
            }
        }
    }
    for _ in 0..ROUNDS {
        for kind in Kind::ANSWERING {
            let server = Server::start(kind, &own, folder.path())?;
            report.latency(kind, runtime.block_on(latency(&server, &clients[0]))?);
        }
        for kind in Kind::CONNECTED {
            let server = Server::start(kind, &own, folder.path())?;
            report.connects(kind, runtime.block_on(connects(&server, &clients))?);
        }
    }
    report.print();
    Ok(())
}

/// Starts with nobody and with everybody known.
fn idle(report: &mut Report, folder: &Path) -> anyhow::Result<()> {
    let executable = idle::executable()?;
    report.policy(definitions::memory(&folder.join("maker"))?);
    for _ in 0..ROUNDS {
        for known in [0, COMPONENTS] {
            let data = folder.join("hub/data");
            report.start(known, idle::start(&executable, folder, &data, known)?);
        }
    }
    Ok(())
}

/// Messages from one client to another, and definitions that change.
fn relays(
    report: &mut Report,
    runtime: &tokio::runtime::Runtime,
    own: &Executable,
    folder: &Path,
    clients: &[device_sim::flash::Flash],
) -> anyhow::Result<()> {
    for _ in 0..ROUNDS {
        for kind in Kind::ANSWERING {
            let server = Server::start(kind, own, folder)?;
            let load = runtime.block_on(relay::load(&server, kind, &clients[..50], LOAD))?;
            report.relayed(kind, load);
            drop(server);
            let server = Server::start(kind, own, folder)?;
            let times = runtime.block_on(relay::latency(&server, kind, &clients[..2]))?;
            report.relay_latency(kind, times);
        }
        report.compiling(definitions::compiling(&folder.join("maker"))?);
    }
    Ok(())
}

/// What one load gave: messages per second and CPU microseconds of the server per message.
pub(crate) struct Load {
    pub(crate) rate: f64,
    pub(crate) cpu: f64,
}

/// Enrols components with a hub and stops both; their memories are the load's identities.
fn enrolled(
    own: &Executable,
    folder: &Path,
    count: usize,
) -> anyhow::Result<Vec<device_sim::flash::Flash>> {
    let root = maker(&folder.join("maker"))?;
    let mut hub = Hub::start(HubPlan {
        executable: own.clone(),
        folder: folder.join("hub"),
        maker: Some(root),
        cloud: None,
        set: vec![
            ("mqtt.per_address".into(), "1000".into()),
            ("est.per_address".into(), "200".into()),
        ],
    })?;
    let plan = FleetPlan {
        count,
        seed: 1,
        folder: folder.join("fleet"),
        maker: folder.join("maker"),
        codes: Vec::new(),
        interval: 3600,
        stream: 0,
        log: 0,
        mischief: None,
        flaky: 0,
        temper: "willing",
        definitions: Vec::new(),
        anchor: None,
    };
    let mut fleet = Fleet::start(own, &hub, plan)?;
    fleet.bring_up(&hub, Duration::from_secs(300), |_| {})?;
    fleet.stop()?;
    hub.stop()?;
    let kinds = device_sim::profile::Kinds::built_in()?;
    (0..count)
        .map(|index| {
            let flash =
                device_sim::flash::Flash::read(&fleet.state(), &kinds.at(index).serial(1, index))?;
            flash.ok_or_else(|| anyhow::anyhow!("a component has no memory"))
        })
        .collect()
}

async fn load(
    server: &Server,
    who: &[device_sim::flash::Flash],
    subscribe: bool,
) -> anyhow::Result<Load> {
    let mut clients = Vec::new();
    for flash in who {
        clients.push(Client::connect(server.port, flash).await?);
    }
    let subscriber = match subscribe {
        true => Some(Client::subscribe_all(server.port, &who[0]).await?),
        false => None,
    };
    let (before, started) = (server.cpu(), Instant::now());
    let until = started + LOAD;
    let sending = futures_of(clients, until);
    let total: u64 = match subscriber {
        None => sending.await?,
        Some(mut subscriber) => tokio::select! {
            total = sending => total?,
            error = subscriber.swallow() => anyhow::bail!("the subscriber ended: {error:?}"),
        },
    };
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), server.cpu() - before);
    Ok(Load { rate: total as f64 / seconds, cpu: cpu.as_secs_f64() * 1e6 / total as f64 })
}

async fn futures_of(clients: Vec<Client>, until: Instant) -> anyhow::Result<u64> {
    let mut tasks = tokio::task::JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move { client.publish_until(until).await });
    }
    let mut total = 0;
    while let Some(done) = tasks.join_next().await {
        total += done??;
    }
    Ok(total)
}

/// Milliseconds from publish to acknowledgement with one message in flight: p50 and p99.
async fn latency(server: &Server, who: &device_sim::flash::Flash) -> anyhow::Result<(f64, f64)> {
    let mut client = Client::connect(server.port, who).await?;
    let mut times = Vec::new();
    for _ in 0..2000 {
        let started = Instant::now();
        client.publish_one().await?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], times[times.len() * 99 / 100]))
}

/// Connects per second, CPU milliseconds of the server each, and its memory in KiB each.
async fn connects(
    server: &Server,
    who: &[device_sim::flash::Flash],
) -> anyhow::Result<(f64, f64, f64)> {
    let (before, memory, started) = (server.cpu(), server.resident(), Instant::now());
    let mut open = Vec::new();
    for flash in who {
        open.push(Client::connect(server.port, flash).await?);
    }
    let count = who.len() as f64;
    let cpu = (server.cpu() - before).as_secs_f64() * 1e3 / count;
    let grown = server.resident().saturating_sub(memory) as f64 / count;
    Ok((count / started.elapsed().as_secs_f64(), cpu, grown))
}
