//! The command line as scripts use it: exit codes, JSON, clear errors.

use crate::scene::{Scene, executable};
use std::process::Command;

fn hub_agent(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(&executable().0).arg("hub-agent").args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn exit_codes_tell_usage_failure_refusal_and_verification_apart() {
    let empty = tempfile::tempdir().unwrap();
    let data = format!("--data-dir={}", empty.path().display());
    assert_eq!(hub_agent(&["no-such-command"]).0, 2);
    let (code, _, complaint) = hub_agent(&["status", &data]);
    assert_eq!(code, 1);
    assert!(complaint.contains("hub-agent run"), "says how to start one: {complaint}");
    let (code, _, complaint) = hub_agent(&["run", &data, "--set", "mqtt.lisen=x"]);
    assert_eq!(code, 2);
    assert!(complaint.contains("mqtt.listen"), "{complaint}");
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(1, 1);
    let id = fleet.truth().unwrap()[0].id.clone().unwrap();
    assert_eq!(
        scene.hub.ask(&["component", "approve", &id]).unwrap().code,
        3,
        "nothing to approve"
    );
    assert_eq!(scene.hub.ask(&["doctor"]).unwrap().code, 0);
    let key = scene.hub.folder().join("data/pki/ca.key");
    std::fs::rename(&key, key.with_extension("away")).unwrap();
    assert_eq!(scene.hub.ask(&["doctor"]).unwrap().code, 4, "a missing key is found");
}

#[test]
fn sigterm_ends_the_hub_in_order_and_a_second_hub_is_kept_out() {
    let mut scene = Scene::with(&[]);
    let second = Command::new(&executable().0)
        .args(["hub-agent", "run", "--settings"])
        .arg(scene.hub.folder().join("hub.toml"))
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use"), "{second:?}");
    assert_eq!(scene.hub.stop().unwrap(), 0);
}

#[test]
fn metrics_settings_and_completions_are_there() {
    let scene = Scene::with(&[]);
    let metrics = scene.hub.ask(&["metrics"]).unwrap().text;
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(metrics.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
    assert!(metrics.contains("hub_mqtt_accepted_total"));
    let (code, text, _) = hub_agent(&["settings", "check", "--show"]);
    assert_eq!(code, 0);
    assert!(text.contains("presence.missed_intervals"), "{text}");
    assert!(hub_agent(&["completions", "bash"]).1.contains("hub-agent"));
}
