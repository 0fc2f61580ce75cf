//! What happens is in the state log, which nobody can quietly edit, and attacks become incidents.

use crate::scene::{Scene, executable};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tests::harness::{Answer, Hub, attack, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

fn log(hub: &Hub, args: &[&str]) -> Vec<Value> {
    let all = [&["log", "query"], args].concat();
    hub.json(&all).unwrap().as_array().unwrap().clone()
}

/// Verifies a copy of the log with nothing but the public key.
fn verify(hub: &Hub, folder: &Path) -> Answer {
    let key = hub.folder().join("data/pki/log.pub").display().to_string();
    let folder = folder.display().to_string();
    hub.ask(&["log", "verify", "--dir", &folder, "--key", &key]).unwrap()
}

fn copy(from: &Path, to: PathBuf) -> PathBuf {
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => drop(copy(&entry.path(), target)),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
    to
}

/// The hub's log after a component of a small product was taken over.
fn attacked(set: &[(&str, &str)]) -> (Scene, String, String) {
    let scene = Scene::with(set);
    let mut plan = scene.plan(1, 1);
    plan.stream = 0;
    let fleet = scene.fleet(plan);
    fleet.bring_up(&scene.hub, PATIENCE, |_| {}).unwrap();
    let victim = fleet.truth().unwrap()[0].id.clone().unwrap();
    let folder = scene.folder.path().to_owned();
    let (_, hostile) = attack(&executable(), &scene.hub, &folder, 7, &victim).unwrap();
    (scene, victim, hostile)
}

/// Criterion: T3.CSA.2 (positive)
/// Criterion: T1.CSA.1 (positive)
#[test]
fn a_component_that_was_taken_over_becomes_an_incident_with_evidence_that_can_be_proved() {
    let (scene, victim, hostile) = attacked(&[("detection.respond", "true")]);
    let hub = &scene.hub;
    let found = wait_until(PATIENCE, || {
        let incidents = hub.json(&["incident", "list", "--all"])?;
        let incidents = incidents.as_array().cloned().unwrap_or_default();
        let lateral = incidents.iter().find(|one| one["rule"] == "HUB-18").cloned();
        lateral.ok_or_else(|| anyhow::anyhow!("{incidents:#?}"))
    });
    let incident = found.unwrap();
    assert_eq!((&incident["severity"], &incident["state"]), (&"high".into(), &"open".into()));
    assert_eq!(incident["components"], serde_json::json!([hostile]));
    let evidence = incident["evidence"].as_array().unwrap();
    assert!(evidence.len() >= 5, "{incident:#}");
    let records = log(hub, &["--component", &hostile, "--limit", "1000"]);
    for number in evidence {
        let record = records.iter().find(|record| record["number"] == *number);
        assert_eq!(record.unwrap()["kind"], "policy.denied");
        let proof = hub.json(&["log", "prove", &number.to_string()]).unwrap();
        assert!(proof["checkpoint"].as_str().unwrap().starts_with("hub-agent/"), "{proof}");
    }
    let contained = log(hub, &["--kind", "contain"]);
    assert!(contained.iter().any(|record| record["component"] == *hostile), "{contained:#?}");
    assert_eq!(hub.trust(&hostile).unwrap(), "quarantined");
    assert_eq!(hub.trust(&victim).unwrap(), "active");
    let number = incident["number"].to_string();
    let close =
        |reason: &str| hub.ask(&["incident", "close", &number, "--reason", reason]).unwrap();
    assert_eq!(close("replaced the component").code, 0);
    assert_eq!(close("again").code, 3, "what is closed stays as it is");
    let closed = hub.json(&["incident", "show", &number]).unwrap();
    assert_eq!(closed["closed"]["reason"], "replaced the component");
    assert_eq!(closed["evidence"].as_array().unwrap()[..3], evidence[..3]);
}

/// Criterion: T1.CSA.3 (positive)
/// Criterion: T1.CSA.3 (negative)
/// Criterion: T1.DP.2 (positive)
/// Criterion: T1.DP.2 (negative)
#[test]
fn a_copied_log_verifies_with_the_public_key_alone_and_every_edit_of_it_is_named() {
    let (mut scene, _, hostile) = attacked(&[]);
    scene.hub.stop().unwrap();
    let (own, at) = (scene.hub.folder().join("data/log"), scene.folder.path().join("copies"));
    let whole = verify(&scene.hub, &copy(&own, at.join("whole")));
    assert_eq!(whole.code, 0, "{}{}", whole.text, whole.complaint);
    let report = whole.json().unwrap();
    assert_eq!(report["verdict"], "intact");
    assert!(report["records"].as_u64().unwrap() > 20, "{report:#}");

    let segment = |folder: &Path| {
        let files = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|end| end == "log")).min().unwrap()
    };
    let edit = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let folder = copy(&own, at.join(name));
        let path = segment(&folder);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let answer = verify(&scene.hub, &folder);
        assert_eq!(answer.code, 4, "{name}: {}{}", answer.text, answer.complaint);
        let report: Value = serde_json::from_str(&answer.text).unwrap();
        let found = report["findings"].to_string();
        assert!(found.contains("record"), "{name} says where: {found}");
    };
    edit("a bit", &|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    edit("cut out", &|bytes| drop(bytes.drain(4096..6000)));

    // Nothing of what happened can be read from the files.
    for entry in fs::read_dir(&own).unwrap().flatten().filter(|one| one.path().is_file()) {
        let bytes = fs::read(entry.path()).unwrap();
        for marker in [hostile.as_bytes(), b"policy.denied", b"foreign-topic"] {
            let clear = bytes.windows(marker.len()).any(|window| window == marker);
            assert!(!clear, "{} in {:?}", String::from_utf8_lossy(marker), entry.file_name());
        }
    }
    for secret in ["log.key", "log.wrap"] {
        let mode =
            fs::metadata(scene.hub.folder().join("data/pki").join(secret)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o077, 0, "{secret}");
    }
}

/// Criterion: T1.DP.3 (positive)
/// Criterion: T1.DP.4 (positive)
#[test]
fn what_was_erased_is_read_by_nobody_and_the_log_still_verifies() {
    let (mut scene, victim, hostile) = attacked(&[]);
    let of = |hub: &Hub, id: &str| log(hub, &["--component", id, "--limit", "1000"]).len();
    assert!(of(&scene.hub, &hostile) > 5 && of(&scene.hub, &victim) > 2);
    let refused = scene.hub.ask(&["dispose", &hostile]).unwrap();
    assert_eq!(refused.code, 2, "it must be confirmed");
    let receipt = scene.hub.json(&["dispose", &hostile, "--yes"]).unwrap();
    assert!(receipt["keys"].as_u64().unwrap() >= 1, "{receipt:#}");
    let told = log(&scene.hub, &["--kind", "command.issued"]);
    assert!(told[0]["text"].as_str().unwrap().contains("erase what the log holds of "));
    let left: Vec<_> = log(&scene.hub, &["--component", &hostile, "--limit", "1000"]);
    assert!(
        left.iter().all(|record| record["number"].as_u64() > receipt["act"].as_u64()),
        "only what came after: {left:#?}"
    );
    assert!(of(&scene.hub, &victim) > 2, "others are untouched");
    let incidents = log(&scene.hub, &["--kind", "incident"]);
    let kept = incidents.iter().any(|one| one["component"] == *hostile);
    assert!(kept, "nobody erases incidents with a component: {incidents:#?}");
    scene.hub.stop().unwrap();
    let folder = copy(&scene.hub.folder().join("data/log"), scene.folder.path().join("erased"));
    let answer = verify(&scene.hub, &folder);
    assert_eq!(answer.code, 0, "{}{}", answer.text, answer.complaint);
}

/// Criterion: T1.CSA.1 (negative)
/// Criterion: T3.CSA.1 (positive)
#[test]
fn after_kill_9_the_log_goes_on_where_it_was_and_the_export_is_one_event_a_line() {
    let (scene, ..) = attacked(&[]);
    let before = log(&scene.hub, &["--limit", "2000"]);
    let Scene { hub, folder: _folder, .. } = scene;
    let hub = Hub::start(hub.kill().unwrap()).unwrap();
    let after = log(&hub, &["--limit", "2000"]);
    for record in &before {
        assert!(after.contains(record), "{record}");
    }
    let numbers: Vec<_> = after.iter().filter_map(|record| record["number"].as_u64()).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] == pair[1] + 1), "no gap: {numbers:?}");
    let lines = hub.ask(&["log", "export", "--format", "ocsf"]).unwrap().text;
    let events: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.len() >= before.len());
    assert!(events.iter().all(|event| event["metadata"]["version"] == "1.8.0"));
    assert!(events.iter().any(|event| event["class_uid"] == 6003), "a denial");
    let lines = hub.ask(&["log", "export", "--format", "syslog", "--limit", "5"]).unwrap().text;
    assert!(lines.lines().all(|line| line.starts_with('<')), "{lines}");
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_log_that_was_set_back_while_the_hub_was_off_is_kept_as_evidence_and_told_of() {
    let (mut scene, ..) = attacked(&[]);
    let own = scene.hub.folder().join("data/log");
    scene.hub.stop().unwrap();
    let old = copy(&own, scene.folder.path().join("old"));
    let Scene { hub, folder, .. } = scene;
    let mut hub = Hub::start(hub.same_ports()).unwrap();
    // Something happens that somebody wants to hide.
    hub.ask(&["component", "quarantine", "ffff", "--reason", "x"]).unwrap();
    hub.ask(&["reset", "--to-default"]).unwrap();
    let plan = hub.same_ports();
    hub.stop().unwrap();
    fs::remove_dir_all(&own).unwrap();
    copy(&old, own.clone());
    // A start that does not finish, because somebody has its port, must not make anybody forget it.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut fails = plan.clone();
    fails.set.push(("mqtt.listen".into(), taken.local_addr().unwrap().to_string()));
    assert!(Hub::start(fails).is_err());
    let hub = Hub::start(plan).unwrap();
    let told = wait_until(PATIENCE, || {
        let records = log(&hub, &["--kind", "log.damaged"]);
        records.first().cloned().ok_or_else(|| anyhow::anyhow!("nothing was told"))
    });
    let told = told.unwrap();
    assert_eq!(told["severity"], "critical");
    let kept = own.with_extension("damaged-1");
    assert!(kept.is_dir() && told["text"].as_str().unwrap().contains("damaged-1"), "{told:#}");
    drop(folder);
}

/// Criterion: T1.DP.3 (positive)
/// Criterion: T1.DP.4 (positive)
#[test]
fn records_of_a_time_and_what_is_said_of_a_person_are_taken_away_and_a_copy_is_told_of() {
    let scene = Scene::with(&[]);
    let hub = &scene.hub;
    let fleet = scene.active_fleet(1, 1);
    let id = fleet.truth().unwrap()[0].id.clone().unwrap();
    drop(fleet);
    let all = |args: &[&str]| log(hub, &[&["--limit", "1000"], args].concat());
    let of_it = all(&["--component", &id]);
    assert!(of_it.len() > 4, "{of_it:#?}");
    let refused = hub.ask(&["dispose", "--person", "ada", "--all", "--yes"]).unwrap();
    assert_eq!(refused.code, 2, "one or the other: {}", refused.complaint);
    let receipt = hub.json(&["dispose", &id, "--to", "9999999999999", "--yes"]).unwrap();
    assert!(receipt["records"].as_u64().unwrap() >= of_it.len() as u64 - 1, "{receipt:#}");
    let left = all(&["--component", &id]);
    assert!(left.iter().all(|one| one["class"] == "incident"), "{left:#?}");
    let nobody = hub.json(&["dispose", "--person", "nobody", "--yes"]).unwrap();
    assert_eq!((&nobody["keys"], &nobody["act"]), (&0.into(), &Value::Null));
    let two = hub.ask(&["log", "export", "--limit", "2"]).unwrap().text;
    assert_eq!(two.lines().count(), 2);
    let told = log(hub, &["--kind", "log.exported"]);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0]["text"].as_str().unwrap().contains("took a copy"));
    let proof = hub.ask(&["log", "prove", "3"]).unwrap();
    assert_eq!(proof.code, 0, "{}", proof.complaint);
    // Another key than the log's own: what the daemon says is not believed.
    let public = hub.folder().join("data/pki/log.pub");
    let own = fs::read_to_string(&public).unwrap();
    let (origin, _) = own.trim().rsplit_once(' ').unwrap();
    fs::write(&public, format!("{origin} {}\n", "A".repeat(43) + "=")).unwrap();
    assert_eq!(hub.ask(&["log", "prove", "3"]).unwrap().code, 4);
}

/// Whether any file below a folder holds these bytes.
fn holds(folder: &Path, marker: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().flatten().any(|entry| match entry.file_type().unwrap().is_dir() {
        true => holds(&entry.path(), marker),
        false => {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            bytes.windows(marker.len()).any(|window| window == marker)
        }
    })
}

/// Criterion: T1.DP.1 (positive)
/// Criterion: T1.DP.1 (negative)
#[test]
fn what_people_call_their_things_lies_in_no_file_of_a_stolen_disk() {
    let mut scene = Scene::with(&[]);
    let fleet = scene.active_fleet(1, 1);
    let id = fleet.truth().unwrap()[0].id.clone().unwrap();
    let name = "Grandmother's reading lamp";
    assert_eq!(scene.hub.ask(&["component", "rename", &id, name]).unwrap().code, 0);
    let shown = scene.hub.json(&["component", "show", &id]).unwrap();
    assert_eq!(shown["name"], name);
    let told = log(&scene.hub, &["--limit", "1000"]);
    assert!(told.iter().any(|one| one.to_string().contains(name)), "the log says who renamed it");
    drop(fleet);
    scene.hub.stop().unwrap();
    let data = scene.hub.folder().join("data");
    assert!(!holds(&data, name.as_bytes()), "neither the store nor the log");
    // The search finds what is there: the log's name stands in the clear beside its public key.
    assert!(holds(&data, b"hub-agent/"));
}

/// Criterion: T3.PS.1 (positive)
#[test]
fn a_hub_starts_on_a_full_disk_and_says_what_is_wrong() {
    let mut scene = Scene::with(&[]);
    let mut plan = scene.hub.same_ports();
    scene.hub.stop().unwrap();
    plan.set.push(("store.low_water".into(), u64::MAX.to_string()));
    let hub = Hub::start(plan).unwrap();
    wait_until(PATIENCE, || {
        let events = hub.events()?;
        let told = events.iter().any(|event| event["kind"] == "store.degraded");
        anyhow::ensure!(told, "{events:#?}");
        Ok(())
    })
    .unwrap();
    assert_eq!(hub.ask(&["status"]).unwrap().code, 0);
}

/// Criterion: T1.CSA.2 (negative)
#[test]
fn many_who_ask_the_log_at_once_keep_nothing_from_being_written() {
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(1, 1);
    let id = fleet.truth().unwrap()[0].id.clone().unwrap();
    let (plan, executable) = (scene.hub.plan().clone(), executable());
    let asked = std::thread::scope(|scope| {
        let ask = || {
            let settings = plan.folder.join("hub.toml");
            let mut command = std::process::Command::new(&executable.0);
            command.args(["hub-agent", "log", "query", "--limit", "1000", "--json", "--settings"]);
            command.arg(settings).output().unwrap()
        };
        let all: Vec<_> = (0..32).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    let (good, busy): (Vec<_>, Vec<_>) = asked.iter().partition(|one| one.status.success());
    assert!(!good.is_empty());
    for one in busy {
        let words = String::from_utf8_lossy(&one.stderr).into_owned();
        assert!(words.contains("busy; ask again"), "{words}");
    }
    let renamed = scene.hub.ask(&["component", "rename", &id, "Lamp in the hall"]).unwrap();
    assert_eq!(renamed.code, 0, "{}", renamed.complaint);
    drop(fleet);
}
