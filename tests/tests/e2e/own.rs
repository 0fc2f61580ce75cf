//! The hub's own settings and sockets: what is open, what can be switched off, and the way back.

use crate::scene::Scene;
use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt, time::Duration};
use tests::harness::{Hub, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

/// TCP ports that a process listens on: its socket inodes in the kernel's tables, in state 0A.
fn listening(pid: u32) -> BTreeSet<u16> {
    let mut inodes = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        inodes.extend(fs::metadata(entry.path()).ok().map(|file| file.ino()));
    }
    let mut ports = BTreeSet::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (local, state, inode) = (fields[1], fields[3], fields[9].parse().unwrap());
            if inodes.contains(&inode) && (state == "0A" || table.starts_with("udp")) {
                let port = local.rsplit(':').next().unwrap();
                ports.insert(u16::from_str_radix(port, 16).unwrap());
            }
        }
    }
    ports
}

fn event(hub: &Hub, kind: &str) -> Option<String> {
    let events = hub.events().unwrap();
    let found = events.iter().rfind(|event| event["kind"] == kind)?;
    Some(found["text"].as_str().unwrap().to_owned())
}

/// Criterion: T1.LA.1 (positive)
/// Criterion: T3.LA.1d (positive)
/// Criterion: T3.LA.1d (negative)
#[test]
fn the_hub_listens_where_it_says_and_nowhere_else() {
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(2, 1);
    let said = BTreeSet::from([scene.hub.mqtt_port, scene.hub.est_port]);
    assert_eq!(listening(scene.hub.pid()), said, "a listener that nobody declared");
    drop(fleet);
}

/// Criterion: T1.PC.1 (positive)
/// Criterion: T1.LA.1 (negative)
#[test]
fn enrolment_switched_off_has_no_socket_and_nobody_comes_in() {
    let scene = Scene::with(&[("est.listen", "off")]);
    assert_eq!(listening(scene.hub.pid()), BTreeSet::from([scene.hub.mqtt_port]));
    let refused = scene.hub.ask(&["pair", "open"]).unwrap();
    assert_eq!(refused.code, 3);
    assert!(refused.complaint.contains("enrolment is off"), "{}", refused.complaint);
}

/// Criterion: T1.PC.1 (negative)
#[test]
fn settings_with_a_mistake_change_nothing_and_say_why() {
    let scene = Scene::with(&[]);
    let file = scene.hub.folder().join("hub.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("mqtt.lisen = \"x\"\n{good}")).unwrap();
    scene.hub.hang_up().unwrap();
    // The command line reads the same file, so only the log can tell when the daemon has read it.
    let log = scene.hub.folder().join("hub.log");
    wait_until(PATIENCE, || {
        anyhow::ensure!(fs::read_to_string(&log)?.contains("those in force stay"), "not read yet");
        Ok(())
    })
    .unwrap();
    fs::write(&file, &good).unwrap();
    let why = event(&scene.hub, "settings.refused").unwrap();
    assert!(why.contains("those in force stay") && why.contains("mqtt"), "{why}");
    let fleet = scene.active_fleet(1, 1);
    scene.hub.hang_up().unwrap();
    wait_until(PATIENCE, || {
        event(&scene.hub, "settings.read").ok_or_else(|| anyhow::anyhow!("not read yet"))
    })
    .unwrap();
    drop(fleet);
}

/// Criterion: T1.PC.3 (positive)
/// Criterion: T1.PC.3 (negative)
#[test]
fn by_default_nothing_is_weakened_and_what_is_shows() {
    let findings = |scene: &Scene| scene.hub.json(&["doctor"]).unwrap();
    let about = |scene: &Scene, what: &str| {
        let all = findings(scene);
        all.as_array().unwrap().iter().find(|one| one["what"] == what).cloned()
    };
    let scene = Scene::with(&[]);
    assert_eq!(about(&scene, "admin.access"), None);
    assert_eq!(about(&scene, "on trial"), None);
    let fleet = scene.active_fleet(1, 1);
    let id = scene.hub.components().unwrap()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(scene.hub.ask(&["component", "trial", &id]).unwrap().code, 0);
    assert_eq!(about(&scene, "on trial").unwrap()["verdict"], "warning");
    let weak = Scene::with(&[("admin.access", "everyone")]);
    assert_eq!(about(&weak, "admin.access").unwrap()["verdict"], "warning");
    drop(fleet);
}

/// Criterion: T1.PC.4 (positive)
/// Criterion: T1.PC.4 (negative)
#[test]
fn a_reset_brings_the_hub_back_to_what_it_was_at_first_and_keeps_what_happened() {
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(2, 1);
    let digest = || scene.hub.json(&["status"]).unwrap()["status"]["made_digest"].clone();
    let first = digest();
    let id = scene.hub.components().unwrap()[0]["id"].as_str().unwrap().to_owned();
    let kind = scene.hub.components().unwrap()[0]["kind"].clone();
    let setting = if kind == "lamp" { "max-brightness=33" } else { "auto-lock=60" };
    for args in [
        &["component", "rename", &id, "Bedside"][..],
        &["group", "add", "bedroom", &id],
        &["component", "trial", &id],
        &["config", "set", "-c", &id, setting],
    ] {
        assert_eq!(scene.hub.ask(args).unwrap().code, 0, "{args:?}");
        assert_ne!(digest(), first, "{args:?}");
    }
    let before = scene.hub.events().unwrap().len();
    assert_eq!(scene.hub.ask(&["reset"]).unwrap().code, 2, "it must be meant");
    assert_eq!(scene.hub.ask(&["reset", "--to-default"]).unwrap().code, 0);
    assert_eq!(digest(), first);
    assert!(scene.hub.events().unwrap().len() > before, "what happened stays");
    wait_until(PATIENCE, || {
        let shown = scene.hub.json(&["config", "show", &id])?;
        anyhow::ensure!(shown["state"] == "in-force" && shown["purpose"] == "restore", "{shown}");
        Ok(())
    })
    .unwrap();
    assert_eq!(scene.hub.components().unwrap().len(), 2, "members stay members");
    assert!(event(&scene.hub, "hub.reset").is_some());
    drop(fleet);
}
