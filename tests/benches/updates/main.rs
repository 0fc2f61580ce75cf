//! What updates cost: transfers beside raw copies over mutual TLS, interleaved in the same run, and the
//! verification of a large repository beside parsing it. Trust the ratios; rates belong to the machine.
//!
//! `cargo bench -p tests --bench updates`, with `-- one`, `-- many` or `-- verify` for one part alone, and with
//! `-- whole` for images of 64 MiB also where there are a hundred at once. It fails when it cannot measure; targets
//! that are missed are named at its end.

mod device;
mod figures;
mod puller;
mod raw;
mod report;
mod scene;
mod telemetry;
mod transfer;
mod verify;
mod wire;

use anyhow::Context;
use device_sim::flash::Flash;
use report::Report;
use scene::Scene;
use std::process::ExitCode;
use tests::{harness::Executable, roles};

/// Bytes of the image for one component, and usually for each of a hundred.
const IMAGE: u32 = 64 << 20;
const SMALL: u32 = 8 << 20;

/// Components of each of the two models that are served at once.
const EACH: usize = 50;

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<_> = std::env::args_os().collect();
    if args.get(1).is_some_and(|role| role == raw::ROLE) {
        return raw::serve(&args[2..]).map(|()| ExitCode::SUCCESS);
    }
    if let Some(code) = roles::act(&args) {
        return Ok(code);
    }
    let named = |part: &str| args.iter().any(|arg| arg == part);
    let everything = !["one", "many", "verify"].into_iter().any(named);
    let asked = |part: &str| everything || named(part);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let mut report = Report::new(IMAGE, if named("whole") { IMAGE } else { SMALL }, 2 * EACH);
    if asked("verify") {
        runtime.block_on(verify::verification(&mut report, &folder.path().join("large")))?;
    }
    if asked("one") || asked("many") {
        let scene = Scene::new(&Executable::own()?, folder.path())?;
        // One more of each kind calls releases off, and one lamp tells its values.
        let mut lamps = scene.enrol(1, &["lamp", "camera"], 2 * (EACH + 2))?;
        let mut cameras: Vec<_> = lamps.extract_if(.., |one| one.kind == "camera").collect();
        let thermostat = scene.enrol(2, &["thermostat"], 1)?;
        let teller = lamps.pop().ok_or_else(|| anyhow::anyhow!("a lamp"))?;
        cameras.truncate(EACH + 1);
        let mut who = [lamps, cameras];
        let done =
            runtime.block_on(transfers(&scene, &mut report, &mut who, asked, &thermostat, &teller));
        let told =
            || scene.hub.ask(&["update", "list"]).map(|answer| answer.text).unwrap_or_default();
        done.with_context(|| format!("the hub's releases: {}", told()))?;
    }
    report.print();
    Ok(ExitCode::SUCCESS)
}

async fn transfers(
    scene: &Scene,
    report: &mut Report,
    who: &mut [Vec<Flash>; 2],
    asked: impl Fn(&str) -> bool,
    thermostat: &[Flash],
    teller: &Flash,
) -> anyhow::Result<()> {
    if asked("one") {
        transfer::one(scene, report, IMAGE, (&mut who[0][0], &thermostat[0])).await?;
    }
    if asked("many") {
        transfer::many(scene, report, report.many_size(), who, teller).await?;
    }
    Ok(())
}
