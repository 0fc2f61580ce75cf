//! The demo's executable starts itself again as hub, fleet, cloud or a load of the store or the log, from the same libraries as their
//! own executables.

use std::{ffi::OsString, process::ExitCode};

/// Runs as another program when the first argument names one.
#[must_use]
pub fn act(args: &[OsString]) -> Option<ExitCode> {
    let role = args.get(1)?.to_str()?;
    let rest = args[1..].to_vec();
    match role {
        "hub-agent" => Some(hub_agent::main_with_args(rest)),
        "device-sim" => Some(device_sim::main_with_args(rest)),
        "cloud-stub" => Some(cloud_stub::main_with_args(rest)),
        "hub-without-commit" => Some(without_commit(rest)),
        "store-load" => Some(crate::power_loss::load::main_with_args(&rest)),
        "log-load" => Some(crate::power_loss::log_load::main_with_args(&rest)),
        _ => None,
    }
}

/// A hub that makes nothing durable, for benches that show what durability costs. `hub-agent` itself has
/// no way to run like this.
fn without_commit(args: Vec<OsString>) -> ExitCode {
    let file = args.into_iter().next_back().map(std::path::PathBuf::from);
    let sources = hub_agent::settings::Sources { file, overrides: Vec::new() };
    let run = || -> anyhow::Result<()> {
        let (settings, _) = hub_agent::settings::read(&sources, std::iter::empty())?;
        hub_agent::telemetry::start(&settings)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let daemon = hub_agent::run::daemon(
            settings,
            hub_agent::store::Durability::Off,
            Box::new(|| Err("a bench reads its settings once".into())),
        );
        tokio::task::LocalSet::new().block_on(&runtime, daemon).map(|_| ())
    };
    if run().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
