//! The command line of the simulated cloud.

use crate::{
    gate::HubGate,
    identity,
    logs::{Logs, show},
    orders,
    repository::server::{self, Limits as ServerLimits},
    updates,
};
use anyhow::Context;
use clap::{Parser, Subcommand};
use mqtt_endpoint::{Endpoint, Handle, Limits};
use protocol::id::{ComponentId, Slug};
use std::{
    ffi::OsString,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::LocalSet,
};

#[derive(Parser)]
#[command(name = "cloud-stub", version, about = "The maker's cloud, simulated")]
struct Cli {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Make the cloud's keys and certificates, and those of one hub
    Init {
        /// Folder for them
        folder: PathBuf,
    },
    /// Want something of a component: the cloud that runs in this folder asks the hub, and prints its answer
    Ask {
        /// Folder that `init` made
        folder: PathBuf,
        /// Logical id of the hub
        #[arg(long)]
        hub: ComponentId,
        /// Logical id of the component
        #[arg(long)]
        component: ComponentId,
        /// A setting as NAME=JSON; may be given again
        #[arg(long, conflicts_with = "command")]
        set: Vec<String>,
        /// A command
        #[arg(long)]
        command: Option<Slug>,
        /// Its arguments, JSON
        #[arg(long, default_value = "{}")]
        arguments: String,
        /// The number of the ask, to replay one
        #[arg(long)]
        seq: Option<u64>,
    },
    /// Serve hubs; what happens is printed as one JSON object a line, the address first
    Run {
        /// Folder that `init` made
        folder: PathBuf,
        /// Address and port
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Address and port of the repository of updates; without it there is none
        #[arg(long, value_name = "ADDR")]
        repository_listen: Option<SocketAddr>,
    },
    /// Logs of hubs that are kept and witnessed here
    #[command(subcommand)]
    Log(show::Command),
    #[command(flatten)]
    Updates(updates::Command),
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
    let result = match cli.command {
        What::Init { folder } => identity::create(&folder),
        What::Ask { folder, hub, component, set, command, arguments, seq } => {
            orders::put(&folder, hub, component, &set, command, &arguments, seq)
        }
        What::Run { folder, listen, repository_listen } => run(&folder, listen, repository_listen),
        What::Log(command) => show::run(command),
        What::Updates(command) => updates::run(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "cloud-stub: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, listen: SocketAddr, updates: Option<SocketAddr>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let (tls, id) = identity::server(folder)?;
        let listener = TcpListener::bind(listen).await?;
        let mut first = serde_json::json!({ "listens": listener.local_addr()?, "id": id });
        if let Some(address) = updates {
            let listener = TcpListener::bind(address).await.context("--repository-listen")?;
            first["repository"] = serde_json::json!(listener.local_addr()?);
            let (tls, folder) = (tls.clone(), folder.to_owned());
            tokio::task::spawn_local(async move {
                server::serve(listener, tls, &folder, ServerLimits::default()).await;
            });
        }
        tell(&first);
        let handle = Handle::new(limits());
        let logs = Logs::open(folder, id)?;
        let gate = Rc::new(HubGate::new(handle.clone(), id, logs, Box::new(|event| tell(&event))));
        let endpoint = Endpoint::new(handle.clone(), gate, tls);
        tokio::task::spawn_local(async move { endpoint.serve(listener).await });
        let folder = folder.to_owned();
        tokio::task::spawn_local(orders::carry_out(folder, handle.clone()));
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        handle.drain().await;
        Ok(())
    })
}

/// Bounds for hubs: one sends for all its components, and its log after an outage.
fn limits() -> Limits {
    Limits { bytes_per_second: 32 << 20, ..Limits::default() }
}

/// One line for whoever watches; a watcher that went away ends nothing badly.
fn tell(event: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{event}").and_then(|()| out.flush());
}
