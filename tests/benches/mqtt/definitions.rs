//! The load as a maker would declare it, so that the hub checks every message of it.

use device_sim::{
    identity::MakerCa,
    profile::{DEFINITIONS, Kinds, Profile},
};
use hub_core::access::policy::{Anchor, Kind, verify};
use protocol::time::Timestamp;
use std::{
    fs,
    path::Path,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

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
