//! Definitions on real sockets: what they let in, what they keep out, and how they change.

use crate::scene::{Scene, executable};
use device_sim::{identity::MakerCa, profile::DEFINITIONS};
use std::{fs, path::PathBuf, process::Command, time::Duration};
use tests::harness::wait_until;

const GAUGE: &str = r#"format = 1
kind = "gauge"
maker = "Gauge Works"
models = ["G1"]
revision = 1
title = "Rain gauge"
impact = "low"
support-end = 2033-01-01
documents = { sbom = "https://gauge.example/g1.cdx.json", mud = "https://gauge.example/g1.json" }
update = "ask"
interfaces = { has = ["lora", "wifi"], needs = ["wifi"] }

[[stream]]
name = "rain"
meaning = "Rain since the start, in tenths of a millimetre."
max-bytes = 64
per-minute = 6000
rises = "total"
[stream.schema]
type = "object"
required = ["total", "gusty"]
additionalProperties = false
properties.total = { type = "integer", minimum = 0 }
properties.gusty = { type = "boolean" }

[[destination]]
host = "weather.gauge.example"
port = 443
transport = "tcp"
purpose = "Compares with the forecast."
"#;

impl Scene {
    /// Signs a document for its maker; the answer is the signed file.
    pub(crate) fn sign(&self, document: &str) -> PathBuf {
        let maker = MakerCa::read(&self.folder.path().join("maker")).unwrap();
        let file = self.folder.path().join("signed.definition");
        fs::write(&file, maker.sign_definition(document).unwrap()).unwrap();
        file
    }

    fn add(&self, document: &str) -> tests::harness::Answer {
        let file = self.sign(document).display().to_string();
        self.hub.ask(&["definition", "add", &file]).unwrap()
    }
}

fn lamp() -> &'static str {
    DEFINITIONS.iter().find(|(kind, _)| *kind == "lamp").unwrap().1
}

/// Criterion: T3.LA.1b (positive)
/// Criterion: T3.PC.3 (negative)
#[test]
fn a_new_kind_takes_one_definition_file_and_no_rust_change() {
    let scene = Scene::with(&[]);
    let document = scene.folder.path().join("gauge.toml");
    fs::write(&document, GAUGE).unwrap();
    let mut plan = scene.plan(3, 1);
    plan.definitions = vec![document];
    let fleet = scene.fleet(plan);
    // Before its definition is there the kind is unknown, so nothing is guessed and nothing relayed.
    wait_until(Duration::from_secs(60), || {
        scene.hub.json(&["component", "approve", "--all"])?;
        let components = scene.hub.components()?;
        let held = components.iter().filter(|one| one["hold"] == "unknown-kind").count();
        anyhow::ensure!(held == 3, "{held} are held: {components:?}");
        Ok(())
    })
    .unwrap();
    assert_eq!(scene.add(GAUGE).code, 0);
    fleet.bring_up(&scene.hub, Duration::from_secs(60), |_| {}).unwrap();
    wait_until(Duration::from_secs(30), || {
        let values =
            fleet.acknowledged()?.iter().filter(|line| line["what"]["value"].is_u64()).count();
        anyhow::ensure!(values > 20, "{values} values were acknowledged");
        Ok(())
    })
    .unwrap();
    let truth = fleet.truth().unwrap();
    for one in scene.hub.components().unwrap() {
        let meant = truth.iter().find(|truth| truth.id.as_deref() == one["id"].as_str()).unwrap();
        assert_eq!((&one["kind"], &one["maker"]), (&"gauge".into(), &"Gauge Works".into()));
        assert_eq!(one["firmware"], meant.firmware.as_str());
    }
    let list = scene.hub.json(&["definition", "list"]).unwrap();
    let gauge = list.as_array().unwrap().iter().find(|one| one["kind"] == "gauge").unwrap();
    assert_eq!((gauge["components"].as_u64(), gauge["revision"].as_u64()), (Some(3), Some(1)));
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn a_new_revision_judges_the_next_value_and_drops_no_session() {
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(1, 1);
    let refused = |fleet: &tests::harness::Fleet| {
        fleet.progress(Duration::from_secs(5)).unwrap()["refused"].as_u64().unwrap()
    };
    assert_eq!(refused(&fleet), 0);
    let accepted = || scene.hub.json(&["status"]).unwrap()["mqtt"]["accepted"].clone();
    let before = accepted();
    let narrow =
        lamp().replace("revision = 1", "revision = 2").replace("maximum = 90", "maximum = -1");
    let narrow = narrow.replace("minimum = 0", "minimum = -1");
    assert_eq!(scene.add(&narrow).code, 0);
    wait_until(Duration::from_secs(20), || {
        let refused = refused(&fleet);
        anyhow::ensure!(refused > 25, "{refused} refused");
        Ok(())
    })
    .unwrap();
    assert!(before.is_u64() && accepted() == before, "no new connection was made");
    let older = scene.add(lamp());
    assert_eq!(older.code, 4, "an older revision: {}", older.complaint);
    assert!(older.complaint.contains("revision 2 is in force, this is 1"), "{}", older.complaint);
    let wider = lamp().replace("revision = 1", "revision = 3");
    assert_eq!(scene.add(&wider).code, 0);
    let events = scene.hub.events().unwrap();
    let saw = |kind: &str| events.iter().any(|event| event["kind"] == kind);
    assert!(saw("definition.in-force") && saw("definition.refused") && saw("component.suspect"));
}

/// Criterion: T3.LA.1 (negative)
#[test]
fn a_hub_without_definitions_relays_nothing_and_tells_its_owner() {
    let scene = Scene::with(&[("definitions", "")]);
    let fleet = scene.fleet(scene.plan(2, 1));
    wait_until(Duration::from_secs(60), || {
        scene.hub.json(&["component", "approve", "--all"])?;
        let components = scene.hub.components()?;
        let held = components.iter().filter(|one| one["hold"] == "unknown-kind").count();
        anyhow::ensure!(held == 2, "{held} are held");
        let events = scene.hub.events()?;
        anyhow::ensure!(events.iter().any(|event| event["kind"] == "policy.empty"), "not told yet");
        Ok(())
    })
    .unwrap();
    let doctor = scene.hub.ask(&["doctor"]).unwrap();
    assert!(doctor.text.contains("none is in force"), "{}", doctor.text);
    let values = fleet.acknowledged().unwrap();
    assert!(values.iter().all(|line| line["what"]["value"].is_null()), "{values:?}");
    let unsigned = scene.folder.path().join("lamp.toml");
    fs::write(&unsigned, lamp()).unwrap();
    let answer = scene.hub.ask(&["definition", "add", &unsigned.display().to_string()]).unwrap();
    assert_eq!(answer.code, 4, "a document without signature: {}", answer.complaint);
}

#[test]
fn a_maker_is_told_every_mistake_by_its_line_before_signing() {
    let folder = tempfile::tempdir().unwrap();
    let check = |document: &str, json: &[&str]| {
        let file = folder.path().join("gauge.toml");
        fs::write(&file, document).unwrap();
        let mut command = Command::new(&executable().0);
        let output =
            command.args(["hub-agent", "definition", "check"]).arg(file).args(json).output();
        let output = output.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, _) = check(GAUGE, &[]);
    assert_eq!(
        (code, said.starts_with("good: gauge of Gauge Works, revision 1")),
        (0, true),
        "{said}"
    );
    let wrong = GAUGE.replace("revision = 1", "revision = 0").replace("\"boolean\"", "\"bolean\"");
    let (code, _, complaint) = check(&wrong, &[]);
    assert_eq!(code, 4);
    assert!(
        complaint.contains("line 5, column 12: revision: must be a whole number"),
        "{complaint}"
    );
    let (code, said, _) = check(&GAUGE.replace("\"boolean\"", "\"bolean\""), &["--json"]);
    assert_eq!(code, 4);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["mistakes"][0]["line"], 13, "{said}");
}

/// Criterion: T3.LA.1d (positive)
#[test]
fn a_kinds_channels_are_exported_as_a_mud_file() {
    let scene = Scene::with(&[]);
    assert_eq!(scene.add(GAUGE).code, 0);
    let file = scene.hub.json(&["definition", "show", "gauge", "--format", "mud"]).unwrap();
    let mud = &file["ietf-mud:mud"];
    assert_eq!(mud["mud-version"], 1);
    assert_eq!(mud["mud-url"], "https://gauge.example/g1.json");
    let lists = file["ietf-access-control-list:acls"]["acl"].as_array().unwrap();
    let names: Vec<_> = lists.iter().map(|list| list["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["from-gauge", "to-gauge"], "as the policies name them");
    for (way, list) in ["from", "to"].iter().zip(lists) {
        let named = &mud[format!("{way}-device-policy")]["access-lists"]["access-list"][0]["name"];
        assert_eq!(*named, list["name"]);
        let entries = list["aces"]["ace"].as_array().unwrap();
        assert_eq!(entries.len(), 3, "two ports of the hub and one destination");
        assert!(entries.iter().all(|entry| entry["actions"]["forwarding"] == "accept"));
    }
    let outside = &lists[0]["aces"]["ace"][2]["matches"];
    assert_eq!(outside["ipv4"]["ietf-acldns:dst-dnsname"], "weather.gauge.example");
    assert_eq!(outside["tcp"]["destination-port"]["port"], 443);
    let document = scene.hub.ask(&["definition", "show", "gauge"]).unwrap().text;
    assert_eq!(document, GAUGE, "as its maker wrote it");
    assert_eq!(scene.hub.ask(&["definition", "show", "teapot"]).unwrap().code, 3);
}

/// Criterion: T3.LA.1a (negative)
/// Criterion: T1.LA.3 (negative)
/// Criterion: T3.LA.1b (negative)
/// Criterion: T3.PC.2 (negative)
#[test]
fn a_taken_over_component_gets_nothing_through_and_harms_no_other() {
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(3, 1);
    let truth = fleet.truth().unwrap();
    let port = |flag: &str, port: u16| format!("--{flag}={port}");
    let mut command = Command::new(&executable().0);
    command
        .args(["device-sim", "attack"])
        .arg(port("mqtt-port", scene.hub.mqtt_port))
        .arg(port("est-port", scene.hub.est_port))
        .arg(format!("--ca={}", scene.hub.fingerprint))
        .arg(format!("--state={}", fleet.state().display()))
        .arg(format!("--serial={}", truth[0].serial))
        .arg(format!("--victim={}", truth[1].id.as_deref().unwrap()));
    let output = command.output().unwrap();
    let attempts = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{attempts}");
    for name in ["value outside its definition", "value with a key nobody declared"] {
        let attempt = attempts.lines().find(|line| line.contains(name)).unwrap();
        assert!(attempt.contains("wrong-content"), "{attempt}");
    }
    for other in &truth[1..] {
        assert_eq!(scene.hub.trust(other.id.as_deref().unwrap()).unwrap(), "active");
    }
}

/// Criterion: T3.LA.1 (positive)
#[test]
fn policy_explain_names_the_line_that_decides() {
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(1, 1);
    let id = fleet.truth().unwrap()[0].id.clone().unwrap();
    let explain = |topic: &str, payload: &[&str]| {
        let args: Vec<&str> =
            ["policy", "explain", &id, topic].into_iter().chain(payload.iter().copied()).collect();
        scene.hub.json(&args).unwrap()
    };
    let good = explain("stream/power", &[r#"{"value": 9}"#]);
    assert_eq!((&good["allowed"], good["refusal"].is_null()), (&true.into(), true), "{good}");
    assert_eq!(good["decided_by"], "lamp revision 1 of Lumen Works, line 45");
    let bad = explain("stream/power", &[r#"{"value": 91}"#]);
    assert_eq!(bad["refusal"], "wrong-content", "{bad}");
    assert!(bad["detail"].as_str().unwrap().contains("line 45"), "{bad}");
    assert_eq!(explain("stream/power", &["hex:a1"])["refusal"], "malformed");
    assert_eq!(explain("stream/power", &[])["allowed"], true, "if its payload fits");
    assert_eq!(explain("stream/humidity", &[])["refusal"], "unknown-topic");
    assert_eq!(explain("trust", &[])["refusal"], "wrong-direction");
    let foreign = explain("p/00000000-0000-8000-8000-000000000000/announce", &[]);
    assert_eq!(foreign["refusal"], "foreign-topic");
    scene.hub.ask(&["component", "quarantine", &id]).unwrap();
    let held = explain("stream/power", &[r#"{"value": 9}"#]);
    assert_eq!(held["refusal"], "quarantined");
    assert!(held["decided_by"].as_str().unwrap().starts_with("trust state quarantined"), "{held}");
}
