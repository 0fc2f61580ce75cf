//! A component that was taken over, and what it tries.

use super::{Executable, Fleet, FleetPlan, Hub, PATIENCE};
use anyhow::Context;
use serde_json::Value;
use std::{path::Path, process::Command};

/// Enrols one more component, switches it off and attacks with its memory. The answer is what was
/// tried, and the component's id.
///
/// # Errors
/// When the component cannot be enrolled, or nothing was tried.
pub fn attack(
    executable: &Executable,
    hub: &Hub,
    folder: &Path,
    seed: u64,
    victim: &str,
) -> anyhow::Result<(Vec<Value>, String)> {
    let plan = FleetPlan {
        count: 1,
        seed,
        folder: folder.join("hostile"),
        maker: folder.join("maker"),
        codes: Vec::new(),
        interval: 10,
        stream: 0,
        log: 0,
        mischief: None,
        flaky: 0,
        temper: "willing",
        definitions: Vec::new(),
        anchor: None,
    };
    let mut own = Fleet::start(executable, hub, plan)?;
    own.bring_up(hub, PATIENCE, |_| {})?;
    let mine = own.truth()?.into_iter().next().context("the hostile component")?;
    let state = own.state();
    own.stop()?;
    let output = Command::new(&executable.0)
        .args(["device-sim", "attack"])
        .arg(format!("--mqtt-port={}", hub.mqtt_port))
        .arg(format!("--est-port={}", hub.est_port))
        .arg(format!("--ca={}", hub.fingerprint))
        .arg(format!("--state={}", state.display()))
        .arg(format!("--serial={}", mine.serial))
        .arg(format!("--victim={victim}"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let attempts: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    let attempts = attempts?;
    anyhow::ensure!(
        !attempts.is_empty(),
        "no attempt was made: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((attempts, mine.id.context("its id")?))
}
