//! The demo's executable starts itself again as hub, fleet, cloud or a load of the store, from the same libraries as their
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
        "store-load" => Some(crate::power_loss::load::main_with_args(&rest)),
        _ => None,
    }
}
