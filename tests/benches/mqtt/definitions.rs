//! The load as a maker would declare it, so that the hub checks every message of it.

use anyhow::Context;
use device_sim::{
    identity::MakerCa,
    profile::{DEFINITIONS, Kinds, Profile},
};
use hub_core::{
    access::policy::{Anchor, Kind, verify},
    config::{Configured, Desired, Seen},
};
use protocol::time::Timestamp;
use std::{
    fs,
    path::Path,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// How often each kind is compiled and configured to measure its memory.
const COMPILED: usize = 50;
const CONFIGURED: usize = 2000;

/// Signs a definition of each simulated kind whose first stream takes the load.
pub(crate) fn write(folder: &Path, maker: &Path) -> anyhow::Result<()> {
    let maker = MakerCa::read(maker)?;
    fs::create_dir_all(folder)?;
    for profile in Kinds::built_in()?.all() {
        let envelope = maker.sign_definition(&document(profile))?;
        fs::write(folder.join(format!("{}.definition", profile.kind())), envelope)?;
    }
    Ok(())
}

/// Milliseconds that a changed definition takes from its signed bytes to compiled schemas: verifying,
/// reading and compiling the lamp's own, the median of many.
pub(crate) fn compiling(maker: &Path) -> anyhow::Result<f64> {
    let authority = MakerCa::read(maker)?;
    let name = protocol::id::Label::new("Simulated Maker")?;
    let anchors = [Anchor { name, roots: vec![authority.certificate_der()] }];
    let envelope = authority.sign_definition(DEFINITIONS[0].1)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = Timestamp(u64::try_from(now.as_millis())?);
    let mut times = Vec::new();
    for _ in 0..100 {
        let started = Instant::now();
        Kind::compile(verify(&envelope, &anchors, now)?)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// Memory of policy in KiB: of one component's configuration with every setting changed and read back, and of
/// one compiled kind; the mean over the simulated kinds.
pub(crate) fn memory(maker: &Path) -> anyhow::Result<(f64, f64)> {
    let authority = MakerCa::read(maker)?;
    let name = protocol::id::Label::new("Simulated Maker")?;
    let anchors = [Anchor { name, roots: vec![authority.certificate_der()] }];
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = Timestamp(u64::try_from(now.as_millis())?);
    let (mut kinds, mut components) = (Vec::new(), Vec::new());
    let before = own_memory()?;
    for _ in 0..COMPILED {
        for (_, text) in DEFINITIONS {
            let envelope = authority.sign_definition(text)?;
            kinds.push(Kind::compile(verify(&envelope, &anchors, now)?)?);
        }
    }
    let compiled = own_memory()?;
    for _ in 0..CONFIGURED {
        for profile in Kinds::built_in()?.all() {
            components.push(configured(profile, now));
        }
    }
    let all = own_memory()?;
    let each = |bytes: f64, count: usize| bytes / count as f64;
    Ok((each(all - compiled, components.len()), each(compiled - before, kinds.len())))
}

fn configured(profile: &Profile, now: Timestamp) -> Configured {
    let definition = profile.definition();
    let settings = definition.baseline();
    Configured {
        desired: Desired {
            revision: 1,
            purpose: protocol::message::ConfigPurpose::Set,
            changes: settings.clone(),
            settings: settings.clone(),
            open: definition.open(&settings),
            since: now,
            by: "owner".to_owned(),
        },
        reported: Some(Seen {
            revision: 1,
            outcome: protocol::message::ConfigOutcome::Applied,
            open: definition.open(&settings),
            settings,
            why: None,
            at: now,
        }),
        security: 1,
    }
}

/// Resident memory of this process in KiB that no file backs.
fn own_memory() -> anyhow::Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("a figure")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn document(profile: &Profile) -> String {
    let (kind, maker, model) = (profile.kind(), profile.maker(), profile.model());
    let (support_end, stream) = (profile.definition().support_end, &profile.streams()[0].name);
    format!(
        r#"format = 1
kind = "{kind}"
maker = "{maker}"
models = ["{model}"]
revision = 2
title = "{kind} under load"
impact = "low"
support-end = {support_end}
documents = {{ sbom = "https://bench.example/sbom.json", mud = "https://bench.example/mud.json" }}
update = "ask"
interfaces = {{ has = ["wifi"], needs = ["wifi"] }}
[[stream]]
name = "{stream}"
meaning = "Bytes."
max-bytes = 256
per-minute = 60000000
[stream.schema]
type = "object"
required = ["d"]
additionalProperties = false
properties.d = {{ type = "string", maxLength = 400 }}
[[command]]
name = "take"
effect = "Takes bytes."
risk = "normal"
max-bytes = 256
per-minute = 60000000
valid-for = 5
from = ["lamp", "lock", "camera", "thermostat", "leak-sensor", "wall-switch"]
[command.schema]
type = "object"
required = ["d"]
additionalProperties = false
properties.d = {{ type = "string", maxLength = 400 }}
"#
    )
}
