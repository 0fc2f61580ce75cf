//! The product lives: components obey each other, settings reach them, and one that drifts is brought back.

use super::{claims::Claims, show};
use crate::harness::{Executable, Fleet, FleetPlan, Hub, PATIENCE, wait_until};
use anyhow::Context;
use device_sim::profile::DEFINITIONS;
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// Longest time for one component to become active.
const BRING_UP: Duration = Duration::from_secs(60);

pub(super) fn show_life(
    claims: &mut Claims,
    hub: &Hub,
    fleet: &Fleet,
    drifting: FleetPlan,
    executable: &Executable,
) -> anyhow::Result<()> {
    let ids = by_kind(hub)?;
    at_secure_default(claims, hub)?;
    if let (Some(lamp), Some(switch)) = (ids.get("lamp"), ids.get("wall-switch")) {
        obeys(claims, hub, fleet, switch)?;
        sets(claims, hub, fleet, lamp)?;
    }
    if let (Some(camera), Some(lock)) = (ids.get("camera"), ids.get("lock")) {
        may_not(claims, hub, camera, lock)?;
    }
    drifts(claims, hub, drifting, executable)
}

/// One component of each kind.
fn by_kind(hub: &Hub) -> anyhow::Result<BTreeMap<String, String>> {
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    Ok(hub.components()?.iter().map(|one| (text(one, "kind"), text(one, "id"))).collect())
}

fn at_secure_default(claims: &mut Claims, hub: &Hub) -> anyhow::Result<()> {
    let list = hub.json(&["config", "list"])?;
    let list = list.as_array().context("a list")?;
    let good = list.iter().filter(|one| one["state"] == "in-force").count();
    let claim = format!("{} components read back their secure default", list.len());
    claims.check(claim, good == list.len(), format!("{good} did"));
    Ok(())
}

fn obeys(claims: &mut Claims, hub: &Hub, fleet: &Fleet, switch: &str) -> anyhow::Result<()> {
    let believed = wait_until(PATIENCE, || {
        let log = fleet.believed()?;
        let obeyed = log.iter().filter(|line| line["believed"]["name"] == "switch");
        let numbers: Vec<_> =
            obeyed.filter_map(|line| line["believed"]["number"].as_u64()).collect();
        anyhow::ensure!(!numbers.is_empty(), "no lamp was switched yet");
        Ok(numbers)
    })?;
    let records = hub.json(&["policy", "decisions"])?;
    let records = records.as_array().context("a list")?;
    let known: Vec<_> = records.iter().filter_map(|one| one["number"].as_u64()).collect();
    let oldest = known.first().copied().unwrap_or(0);
    let recorded = believed.iter().all(|number| *number < oldest || known.contains(number));
    let claim = format!("lamps obeyed wall switches {} times, each with a record", believed.len());
    claims.check(claim, recorded, "a record is missing");
    let by_switch = records.iter().rfind(|one| one["sender"] == switch);
    if let Some(one) = by_switch {
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        show::line(&format!(
            "      the newest: {}, allowed by {}",
            text("name"),
            text("allowed_by")
        ));
    }
    Ok(())
}

fn sets(claims: &mut Claims, hub: &Hub, fleet: &Fleet, lamp: &str) -> anyhow::Result<()> {
    let refused = hub.ask(&["config", "set", "-c", lamp, "max-brightness=500"])?;
    let held = refused.code == 3 && refused.complaint.contains("10 to 100");
    claims.check("a setting out of its range never left the hub", held, &refused.complaint);
    show::line(&format!("      {}", refused.complaint.trim()));
    let set = hub.ask(&["config", "set", "-c", lamp, "max-brightness=42"])?;
    anyhow::ensure!(set.code == 0, "{}", set.complaint);
    let real = wait_until(PATIENCE, || {
        let shown = hub.json(&["config", "show", lamp])?;
        anyhow::ensure!(shown["state"] == "in-force", "{shown}");
        let all = fleet.memories()?;
        let own = |one: &&device_sim::flash::Flash| {
            one.credentials.as_ref().is_some_and(|own| own.id.to_string() == lamp)
        };
        let flash = all.iter().find(own).context("the lamp's memory")?;
        Ok(flash.settings.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>())
    })?;
    let held = real.iter().any(|one| one == "max-brightness 42");
    claims.check("a lamp's real setting is what was wanted of it", held, real.join(", "));
    Ok(())
}

fn may_not(claims: &mut Claims, hub: &Hub, camera: &str, lock: &str) -> anyhow::Result<()> {
    let topic = format!("command/{lock}/unlock");
    let told = hub.json(&["policy", "explain", camera, &topic, r#"{"reason": "let me in"}"#])?;
    let held = told["allowed"] == false && told["refusal"] == "not-permitted";
    claims.check("a camera may not open the lock", held, told.to_string());
    show::line(&format!("      {}", told["detail"].as_str().unwrap_or_default()));
    Ok(())
}

/// A thermostat that changes its own target again and again.
fn drifts(
    claims: &mut Claims,
    hub: &Hub,
    plan: FleetPlan,
    executable: &Executable,
) -> anyhow::Result<()> {
    let mut fleet = Fleet::start(executable, hub, plan)?;
    fleet.bring_up(hub, BRING_UP, |_| {})?;
    let drift = wait_until(PATIENCE, || {
        let events = hub.events()?;
        let drift = events.iter().find(|event| event["kind"] == "config.drift");
        let drift = drift.context("it has not drifted yet")?.clone();
        let back = events.iter().rfind(|event| {
            event["kind"] == "config.in-force" && event["component"] == drift["component"]
        });
        anyhow::ensure!(
            back.is_some_and(|back| back["number"].as_u64() > drift["number"].as_u64())
        );
        Ok(drift)
    })?;
    claims.check("a drifting thermostat was noticed and brought back", true, "");
    show::line(&format!("      {}", drift["text"].as_str().unwrap_or_default()));
    let stopped = fleet.stop()?;
    anyhow::ensure!(stopped == 0, "the drifting thermostat did not end in order");
    Ok(())
}

/// The thermostat's definition alone, in a file.
pub(super) fn thermostat(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let found = DEFINITIONS.iter().find(|(kind, _)| *kind == "thermostat");
    let path = folder.join("thermostat.toml");
    fs::write(&path, found.context("the thermostat's definition")?.1)?;
    Ok(vec![path])
}
