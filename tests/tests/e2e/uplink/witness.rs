//! What only somebody outside the hub can find, and what the hub erases.

use super::world::{PATIENCE, World};
use serde_json::Value;
use std::{fs, path::Path, process::Command};
use tests::harness::{Hub, wait_until};

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

fn told(hub: &Hub, kind: &str) -> Value {
    wait_until(PATIENCE, || {
        let records = hub.json(&["log", "query", "--kind", kind])?;
        let newest = records.as_array().and_then(|all| all.first()).cloned();
        newest.ok_or_else(|| anyhow::anyhow!("nothing of {kind} was told"))
    })
    .unwrap()
}

/// The cloud said this.
fn heard(world: &World, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_until(PATIENCE, || {
        let event = world.cloud.event(std::time::Duration::from_secs(1)).unwrap_or_default();
        anyhow::ensure!(wanted(&event), "{event}");
        Ok(event)
    })
    .unwrap()
}

/// Criterion: T1.CSA.3 (negative)
/// Criterion: T1.DP.2 (negative)
#[test]
fn a_hub_that_was_set_back_as_a_whole_is_found_by_the_head_that_the_cloud_witnessed() {
    let mut world = World::new(&[]);
    world.settled();
    world.scene.hub.stop().unwrap();
    let plan = world.scene.hub.same_ports();
    let data = plan.folder.join("data");
    let old = plan.folder.join("old");
    copy(&data, &old);
    world.scene.hub = Hub::start(plan.clone()).unwrap();
    // Much happens that somebody wants to hide.
    (0..30).for_each(|_| drop(world.scene.hub.ask(&["reset", "--to-default"]).unwrap()));
    let size = world.settled();
    world.scene.hub.stop().unwrap();
    let now = world.verify(&data.join("log"));
    assert_eq!(now.code, 0, "{}{}", now.text, now.complaint);
    let before = world.verify(&old.join("log"));
    assert_eq!(before.code, 4, "it ends before what was witnessed: {}", before.text);
    // Everything on the disk is as it was, keys and store as well: the hub itself finds nothing.
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&old, &data).unwrap();
    world.scene.hub = Hub::start(plan).unwrap();
    let damaged = told(&world.scene.hub, "log.damaged");
    assert_eq!(damaged["severity"], "critical");
    assert!(damaged["text"].as_str().unwrap().contains("set back"), "{damaged}");
    let event = heard(&world, |event| event["refused"] == "set-back");
    assert_eq!(event["hub"], world.hub.as_str());
    assert_eq!(world.head()["size"].as_u64(), Some(size), "nothing more is witnessed");
    let at = world.at_cloud().unwrap();
    assert_eq!(at["refused"], "set-back", "{at:#}");
    let metrics = world.scene.hub.ask(&["metrics"]).unwrap().text;
    assert!(metrics.contains("hub_uplink_refusals_total{reason=\"set-back\"}"), "{metrics}");
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_hub_that_goes_on_with_another_history_gets_no_witness_for_it() {
    let mut world = World::new(&[]);
    world.settled();
    world.scene.hub.stop().unwrap();
    let plan = world.scene.hub.same_ports();
    let (data, old) = (plan.folder.join("data"), plan.folder.join("old"));
    copy(&data, &old);
    world.scene.hub = Hub::start(plan.clone()).unwrap();
    let size = world.settled();
    world.scene.hub.stop().unwrap();
    // The old state goes on elsewhere, without its cloud, until it has more records than were witnessed.
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&old, &data).unwrap();
    let mut alone = plan.clone();
    alone.cloud = None;
    let mut other = Hub::start(alone).unwrap();
    wait_until(PATIENCE, || {
        other.ask(&["component", "quarantine", "ffff", "--reason", "x"])?;
        other.ask(&["reset", "--to-default"])?;
        let records = other.json(&["log", "query", "--limit", "1"])?;
        anyhow::ensure!(records[0]["number"].as_u64() > Some(size + 20), "{records}");
        Ok(())
    })
    .unwrap();
    other.stop().unwrap();
    world.scene.hub = Hub::start(plan).unwrap();
    let refused = heard(&world, |event| event["refused"].is_string());
    let why = refused["refused"].as_str().unwrap();
    assert!(["contradiction", "split-view"].contains(&why), "{refused}");
    assert_eq!(world.head()["size"].as_u64(), Some(size), "nothing of it is witnessed");
    let kind = wait_until(PATIENCE, || {
        let hub = &world.scene.hub;
        let all = hub.json(&["log", "query", "--kind", "uplink.refused,log.damaged"])?;
        let found = all.as_array().and_then(|all| all.last()).cloned();
        found.ok_or_else(|| anyhow::anyhow!("nothing was told"))
    });
    let severity = kind.unwrap()["severity"].clone();
    assert!(severity == "high" || severity == "critical", "{severity}");
}

/// Criterion: T1.DP.3 (positive)
/// Criterion: T1.DP.4 (positive)
#[test]
fn what_is_disposed_of_is_gone_at_the_cloud_as_well_and_its_tree_still_verifies() {
    let mut world = World::new(&[]);
    let fleet = world.begin(world.plan(3));
    fleet.bring_up(&world.scene.hub, PATIENCE, |_| {}).unwrap();
    let all = fleet.truth().unwrap();
    let (victim, other) = (all[0].id.clone().unwrap(), all[1].id.clone().unwrap());
    let bytes = |id: &str| *id.parse::<protocol::id::ComponentId>().unwrap().as_bytes();
    wait_until(PATIENCE, || {
        let (one, two) =
            (world.found_at_cloud(&bytes(&victim)), world.found_at_cloud(&bytes(&other)));
        anyhow::ensure!(one > 10 && two > 10, "{one} and {two} records");
        Ok(())
    })
    .unwrap();
    drop(fleet);
    world.scene.hub.json(&["dispose", &victim, "--yes"]).unwrap();
    let size = world.settled();
    heard(&world, |event| event["erased"].as_u64() > Some(10));
    let kept = world.kept();
    let erased =
        kept.iter().find(|one| one.whole["act"].as_str().is_some_and(|act| act.contains("Erased")));
    let act = erased.expect("the act is there as well").number;
    let of = |id: &str| {
        let id = id.parse().unwrap();
        kept.iter()
            .filter(|one| one.record.as_ref().is_some_and(|r| r.component == Some(id)))
            .count()
    };
    let after = kept.iter().filter(|one| one.number > act);
    let later = after.filter(|one| {
        one.record.as_ref().is_some_and(|r| r.component == Some(victim.parse().unwrap()))
    });
    let incidents = kept.iter().filter(|one| {
        let about = one.record.as_ref().filter(|r| r.component == Some(victim.parse().unwrap()));
        about.is_some_and(|r| r.kind == hub_core::record::RecordKind::Incident)
    });
    let (later, incidents) = (later.count(), incidents.count());
    assert!(of(&victim) <= later + incidents, "{} of it, {later} came later", of(&victim));
    assert!(of(&other) > 10, "others are untouched");
    assert_eq!(world.found_at_cloud(&bytes(&victim)), of(&victim), "nor does any file hold it");
    assert_eq!(world.head()["size"].as_u64(), Some(size));
    world.scene.hub.stop().unwrap();
    let answer = world.verify(&world.log_folder());
    assert_eq!(answer.code, 0, "{}{}", answer.text, answer.complaint);
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_cloud_that_lost_what_it_witnessed_is_told_of_and_gets_it_again() {
    let mut world = World::new(&[]);
    world.settled();
    world.cloud.kill().unwrap();
    for hub in fs::read_dir(world.cloud.folder.join("logs")).unwrap().flatten() {
        for log in fs::read_dir(hub.path()).unwrap().flatten() {
            fs::write(log.path().join("rows"), []).unwrap();
        }
    }
    world.cloud.again(&crate::scene::executable()).unwrap();
    let lost = told(&world.scene.hub, "uplink.cloud-lost");
    assert_eq!(lost["severity"], "high");
    let size = world.settled();
    assert_eq!(world.kept().len() as u64, size);
    world.restart(false);
    world.settled();
}
