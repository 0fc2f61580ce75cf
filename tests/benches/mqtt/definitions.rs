//! The load as a maker would declare it, so that the hub checks every message of it.

use device_sim::{
    identity::MakerCa,
    profile::{Kinds, Profile},
};
use std::{fs, path::Path};

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
"#
    )
}
