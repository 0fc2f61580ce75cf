//! The attack became an incident, its evidence can be proved, and nobody edits the log unseen.

use super::{claims::Claims, show};
use crate::harness::{Hub, PATIENCE, wait_until};
use anyhow::Context;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Names the incident that the attacker's component must have become: it tried topics of others.
const LATERAL: &str = "HUB-18";

pub(super) fn show_evidence(
    claims: &mut Claims,
    hub: &Hub,
    hostile: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    let incident = wait_until(PATIENCE, || {
        let all = hub.json(&["incident", "list", "--all"])?;
        let mut all = all.as_array().into_iter().flatten();
        all.find(|one| one["rule"] == LATERAL).cloned().context("no such incident yet")
    })?;
    show_incidents(hub)?;
    let about = incident["components"] == serde_json::json!([hostile]);
    claims.check(
        "what the component tried is an incident about it alone",
        about,
        incident.to_string(),
    );
    proved(claims, hub, &incident)?;
    contained(claims, hub, hostile)?;
    edited(claims, hub, folder)
}

fn show_incidents(hub: &Hub) -> anyhow::Result<()> {
    let list = hub.json(&["incident", "list"])?;
    for one in list.as_array().into_iter().flatten() {
        let word = |key: &str| one[key].as_str().unwrap_or_default();
        let (rule, title, severity) = (word("rule"), word("title"), word("severity"));
        let line = format!(
            "  incident {}: {rule} {title}, {severity}, {} times",
            one["number"], one["count"]
        );
        show::line(&line);
        show::line(&format!("      {}", word("advice")));
    }
    Ok(())
}

fn proved(claims: &mut Claims, hub: &Hub, incident: &Value) -> anyhow::Result<()> {
    let evidence = incident["evidence"].as_array().context("evidence")?;
    let mut held = !evidence.is_empty();
    for number in evidence {
        let proof = hub.ask(&["log", "prove", &number.to_string()])?;
        held &= proof.code == 0;
    }
    let claim = format!("each of its {} records is proved to be in the log", evidence.len());
    claims.check(claim, held, "a proof is missing");
    Ok(())
}

fn contained(claims: &mut Claims, hub: &Hub, hostile: &str) -> anyhow::Result<()> {
    let records = hub.json(&["log", "query", "--kind", "contain"])?;
    let mut records = records.as_array().into_iter().flatten();
    let first = records.find(|one| one["component"] == hostile);
    let text = first.and_then(|one| one["text"].as_str()).unwrap_or_default().to_owned();
    claims.check("the hub quarantined it by itself, as its owner allows", !text.is_empty(), "");
    show::line(&format!("      {text}"));
    Ok(())
}

/// A copy of the log verifies with the public key alone; one changed bit does not go unnoticed.
fn edited(claims: &mut Claims, hub: &Hub, folder: &Path) -> anyhow::Result<()> {
    let copy = folder.join("copy-of-the-log");
    copied(&hub.folder().join("data/log"), &copy)?;
    let (dir, key) = (copy.display().to_string(), hub.folder().join("data/pki/log.pub"));
    let key = key.display().to_string();
    let verify = ["log", "verify", "--dir", &dir, "--key", &key];
    let whole = hub.ask(&verify)?;
    claims.check(
        "a copy of the log verifies without any secret",
        whole.code == 0,
        &whole.complaint,
    );
    let report = whole.json()?;
    show::line(&format!("      {}: {} records", report["verdict"], report["records"]));
    let segment = segment(&copy)?;
    let mut bytes = fs::read(&segment)?;
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes)?;
    let edited = hub.ask(&verify)?;
    claims.check(
        "one changed bit is found, and where (exit code 4)",
        edited.code == 4,
        &edited.text,
    );
    let found: Value = serde_json::from_str(&edited.text)?;
    show::line(&format!("      {}", found["findings"][0]["what"].as_str().unwrap_or_default()));
    Ok(())
}

fn copied(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => copied(&entry.path(), &to.join(entry.file_name()))?,
            false => drop(fs::copy(entry.path(), to.join(entry.file_name()))?),
        }
    }
    Ok(())
}

fn segment(folder: &Path) -> anyhow::Result<PathBuf> {
    let files = fs::read_dir(folder)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let segments = files.filter(|path| path.extension().is_some_and(|end| end == "log"));
    segments.min().context("a segment of the log")
}
