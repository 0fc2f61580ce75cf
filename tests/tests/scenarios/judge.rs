//! The judge fails what is not as expected, and the program says so to whoever calls it.

use std::{
    path::Path,
    process::{Command, Output},
};

const HEAD: &str = "\
name: <judged>
about: somebody opens the lock of the front door
criteria: [T3.CSA.2]
start: 2026-03-10T00:00:00Z
lasts: 40m
components: {lock: [front], lamp: 1}
events:
  - {at: 20m, who: front, do: record, kind: tamper}
";

fn fleet(folder: &Path, rest: &str) -> (Output, String) {
    let file = folder.join("judged.yml");
    std::fs::write(&file, format!("{HEAD}{rest}")).expect("it is writable");
    let junit = folder.join("out.xml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.args(["scenario", "--seed", "5", "--junit"]).arg(&junit).arg(&file);
    let output = command.output().expect("it runs");
    (output, std::fs::read_to_string(junit).unwrap_or_default())
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn what_is_as_expected_succeeds() {
    let folder = tempfile::tempdir().expect("there is room");
    let wanted = "expect: [{incident: HUB-23, who: front, severity: critical, within: 10m}]\n";
    let (output, junit) = fleet(folder.path(), wanted);
    assert!(output.status.success(), "{output:?}");
    assert!(
        junit.contains("<testsuite name=\"&lt;judged&gt;\" tests=\"1\" failures=\"0\""),
        "{junit}"
    );
    assert!(!junit.contains("<failure"), "{junit}");
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn what_is_missed_late_about_another_or_not_expected_fails() {
    let folder = tempfile::tempdir().expect("there is room");
    for (rest, why) in [
        (
            "expect: [{incident: HUB-12, severity: high, within: 10m}]\nmay: [HUB-23]\n",
            "not found: HUB-12",
        ),
        (
            "expect: [{incident: HUB-23, who: front, severity: critical, within: 1s}]\n",
            "found late",
        ),
        (
            "expect: [{incident: HUB-23, who: lamp-1, severity: critical, within: 10m}]\n",
            "not found: HUB-23 about lamp-1",
        ),
        ("nothing: medium\n", "not expected: HUB-23"),
        (
            "may: [HUB-23]\nnothing: medium\nhappened: [{record: restart, who: front, at-least: 99}]\n",
            "did not happen: 99 × restart of front",
        ),
    ] {
        let (output, junit) = fleet(folder.path(), rest);
        assert_eq!(output.status.code(), Some(1), "{why}: {output:?}");
        assert!(junit.contains(&format!("<failure message=\"{why}")), "{junit}");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.contains(why) && told.contains("FAILED"), "{told}");
    }
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_false_alarm_before_the_attack_is_no_detection_of_it() {
    let folder = tempfile::tempdir().expect("there is room");
    let early = HEAD.replace(
        "events:\n",
        "events:\n  - {at: 5m, who: front, do: record, kind: tamper, hostile: no}\n",
    );
    let file = folder.path().join("early.yml");
    let wanted = "expect: [{incident: HUB-23, who: front, severity: critical, within: 10m}]\n";
    std::fs::write(&file, early + wanted).expect("it is writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    let output = command.args(["scenario", "--seed", "5"]).arg(&file).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("not expected: HUB-23"), "{told}");
}

#[test]
fn a_file_with_a_mistake_ends_with_two_and_its_line() {
    let folder = tempfile::tempdir().expect("there is room");
    let (output, _) = fleet(folder.path(), "nothing: medium\nextra: 1\n");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("judged.yml:10: a scenario has no key `extra`"), "{told}");
}
