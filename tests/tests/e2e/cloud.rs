//! The cloud wants something of components: judged as people are, answered, and never twice.

use crate::scene::{Scene, executable};
use serde_json::Value;
use std::{path::Path, process::Command, time::Duration};
use tests::harness::{Cloud, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

fn ask(folder: &Path, hub: &str, component: &str, args: &[&str]) {
    let mut command = Command::new(&executable().0);
    command.args(["cloud-stub", "ask"]).arg(folder).args(["--hub", hub, "--component", component]);
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn answer(cloud: &Cloud, seq: u64) -> Value {
    wait_until(PATIENCE, || {
        let event = cloud.event(Duration::from_secs(5)).unwrap_or_default();
        anyhow::ensure!(event["answer"].as_u64() == Some(seq), "{event}");
        Ok(event)
    })
    .unwrap()
}

/// Criterion: T3.LA.1b (negative)
/// Criterion: T3.PC.2 (negative)
#[test]
fn the_cloud_gets_what_definitions_let_it_and_no_ask_counts_twice() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(&executable(), &folder.path().join("cloud")).unwrap();
    let scene = Scene::with_cloud(&cloud);
    let fleet = scene.active_fleet(4, 1);
    let hub =
        scene.hub.json(&["status"]).unwrap()["status"]["hub"]["id"].as_str().unwrap().to_owned();
    let id = |kind: &str| {
        let all = scene.hub.components().unwrap();
        let one = all.iter().find(|one| one["kind"] == kind).unwrap();
        one["id"].as_str().unwrap().to_owned()
    };
    let (lamp, lock, thermostat) = (id("lamp"), id("lock"), id("thermostat"));
    let revision = |component: &str| {
        scene.hub.json(&["config", "show", component]).unwrap()["revision"].clone()
    };
    let (first, wait) = (revision(&lamp), |seq| answer(&cloud, seq));
    let asks: [(&str, &[&str], Option<&str>); 7] = [
        (&lamp, &["--set", "max-brightness=50"], Some("not-permitted")),
        (
            &lock,
            &["--command", "unlock", "--arguments", r#"{"reason": "x"}"#],
            Some("not-permitted"),
        ),
        (&lamp, &["--set", "volume=1"], Some("not-declared")),
        (&lamp, &[], Some("bad-request")),
        ("00000000-0000-8000-8000-000000000000", &["--command", "lock"], Some("unknown-component")),
        (&thermostat, &["--command", "boost", "--arguments", r#"{"minutes": 5}"#], None),
        (
            &thermostat,
            &["--seq", "6", "--command", "boost", "--arguments", r#"{"minutes": 5}"#],
            Some("replayed"),
        ),
    ];
    for (seq, (component, args, refusal)) in (1..).zip(asks) {
        ask(&cloud.folder, &hub, component, args);
        let answered = wait(seq.min(6));
        assert_eq!(answered["refusal"].as_str(), refusal, "{args:?}: {answered}");
    }
    assert_eq!(revision(&lamp), first, "the target is unchanged");
    let records = scene.hub.json(&["policy", "decisions", &thermostat]).unwrap();
    let by_cloud = records.as_array().unwrap().iter().filter(|one| one["by"] == "the cloud");
    assert_eq!(by_cloud.count(), 1, "once");
    wait_until(PATIENCE, || {
        let believed = fleet.believed()?;
        anyhow::ensure!(believed.iter().any(|one| one["believed"]["name"] == "boost"));
        Ok(())
    })
    .unwrap();
}
