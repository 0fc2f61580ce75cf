//! Components' own logs over real sockets: handed over in order, each record once, and no way to abuse them that
//! the hub does not tell of.

use crate::scene::Scene;
use serde_json::Value;
use std::time::Duration;
use tests::harness::{Fleet, FleetPlan, Hub, wait_until};

const PATIENCE: Duration = Duration::from_secs(60);

/// Records that match, oldest first.
fn records(hub: &Hub, args: &[&str]) -> anyhow::Result<Vec<Value>> {
    let all = [&["log", "query", "--limit", "1000"], args].concat();
    let mut found = hub.json(&all)?.as_array().cloned().unwrap_or_default();
    found.reverse();
    Ok(found)
}

/// What a component said itself, oldest first.
fn said(hub: &Hub, id: &str) -> anyhow::Result<Vec<Value>> {
    let all = records(hub, &["--component", id])?;
    Ok(all.into_iter().filter(|record| record["source"] == "component").collect())
}

fn until_said(hub: &Hub, id: &str, count: usize) -> Vec<Value> {
    let enough = wait_until(PATIENCE, || {
        let said = said(hub, id)?;
        anyhow::ensure!(said.len() >= count, "{} records of {id}: {said:#?}", said.len());
        Ok(said)
    });
    enough.unwrap()
}

/// What each said, when each said more than now.
fn until_more(hub: &Hub, ids: &[String]) -> Vec<Vec<Value>> {
    let now: Vec<usize> = ids.iter().map(|id| said(hub, id).unwrap().len()).collect();
    ids.iter().zip(now).map(|(id, now)| until_said(hub, id, now + 3)).collect()
}

fn numbers(said: &[Value]) -> Vec<u64> {
    said.iter().filter_map(|record| record["related"].as_u64()).collect()
}

fn kinds(said: &[Value]) -> Vec<&str> {
    said.iter().filter_map(|record| record["kind"].as_str()).collect()
}

/// One by one from the first to the last.
fn is_whole(numbers: &[u64]) -> bool {
    numbers.iter().copied().eq(1..=numbers.len() as u64)
}

/// A component that hands over its log like this, among others that are honest.
fn abusive(scene: &Scene, mischief: &'static str) -> (Fleet, String) {
    let plan = FleetPlan { stream: 0, mischief: Some(mischief), ..scene.plan(1, 9) };
    let fleet = scene.fleet(plan);
    fleet.bring_up(&scene.hub, PATIENCE, |_| {}).unwrap();
    let id = fleet.truth().unwrap()[0].id.clone().unwrap();
    (fleet, id)
}

fn until_told(hub: &Hub, id: &str, kind: &str) -> Value {
    let told = wait_until(PATIENCE, || {
        let told = records(hub, &["--component", id, "--kind", kind])?;
        told.into_iter().next().ok_or_else(|| anyhow::anyhow!("no {kind} about {id} yet"))
    });
    told.unwrap()
}

/// Criterion: T1.CSA.1 (positive)
/// Criterion: T3.CSA.1 (positive)
#[test]
fn what_components_record_reaches_the_hubs_log_once_each_and_in_order_across_restarts_of_both() {
    let mut scene = Scene::with(&[]);
    let mut fleet = scene.active_fleet(2, 1);
    let ids: Vec<String> = fleet.truth().unwrap().into_iter().map(|one| one.id.unwrap()).collect();
    for id in &ids {
        let first = until_said(&scene.hub, id, 5);
        assert_eq!(kinds(&first)[..1], ["restart"], "{first:#?}");
        assert!(kinds(&first).contains(&"health") && kinds(&first).contains(&"net.counters"));
        assert!(first.iter().all(|record| record["original"].is_string()));
    }
    let plan = scene.hub.same_ports();
    scene.hub.crash().unwrap();
    scene.hub = Hub::start(plan).unwrap();
    until_more(&scene.hub, &ids);
    fleet.kill().unwrap();
    let fleet = scene.fleet(scene.plan(2, 1));
    for all in until_more(&scene.hub, &ids) {
        assert!(is_whole(&numbers(&all)), "{:?}", numbers(&all));
        assert_eq!(kinds(&all).iter().filter(|kind| **kind == "restart").count(), 2);
    }
    drop(fleet);
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn a_component_that_waits_long_is_asked_for_its_newest_records_and_one_that_is_away_cannot_be() {
    let scene = Scene::with(&[]);
    let plan = FleetPlan { stream: 0, log: 3600, ..scene.plan(1, 1) };
    let mut fleet = scene.fleet(plan);
    fleet.bring_up(&scene.hub, PATIENCE, |_| {}).unwrap();
    let id = fleet.truth().unwrap()[0].id.clone().unwrap();
    let before = said(&scene.hub, &id).unwrap().len();
    wait_until(PATIENCE, || {
        let asked = scene.hub.ask(&["log", "pull", &id])?;
        anyhow::ensure!(asked.code == 0, "{}", asked.complaint);
        anyhow::ensure!(said(&scene.hub, &id)?.len() > before, "nothing new yet");
        Ok(())
    })
    .unwrap();
    fleet.kill().unwrap();
    wait_until(PATIENCE, || {
        let asked = scene.hub.ask(&["log", "pull", &id])?;
        anyhow::ensure!(
            asked.code == 3 && asked.complaint.contains("unreachable"),
            "{}",
            asked.complaint
        );
        Ok(())
    })
    .unwrap();
    let nobody = scene.hub.ask(&["log", "pull", "nobody"]).unwrap();
    assert_ne!(nobody.code, 0);
}

/// Criterion: T1.DP.4 (positive)
/// Criterion: T1.CSA.1 (negative)
#[test]
fn what_the_owner_does_not_want_recorded_is_recorded_nowhere() {
    let scene = Scene::with(&[("state_log.quiet", "health, network")]);
    let fleet = scene.active_fleet(1, 1);
    let id = fleet.truth().unwrap()[0].id.clone().unwrap();
    let first = until_said(&scene.hub, &id, 2);
    assert!(kinds(&first).contains(&"log.stopped"), "it says so itself: {first:#?}");
    let unwanted = |kind: &str| matches!(kind, "health" | "net.counters" | "net.first_seen");
    assert!(!kinds(&first).into_iter().any(unwanted), "{first:#?}");
    let incidents = scene.hub.json(&["incident", "list", "--all"]).unwrap();
    let about = incidents.as_array().unwrap().iter().filter(|one| one["rule"] == "HUB-09");
    assert_eq!(about.count(), 0, "who obeys the owner suppresses nothing: {incidents:#}");
}

/// Criterion: T1.CSA.1 (negative)
/// Criterion: T1.CSA.3 (negative)
/// Criterion: T3.CSA.1 (negative)
#[test]
fn each_way_of_abusing_a_log_is_told_of_and_harms_no_other_component() {
    for (mischief, kind, code) in [
        ("skips", "log.gap", "missing"),
        ("edits", "log.damaged", "records"),
        ("forges", "payload.malformed", "log-record"),
    ] {
        let scene = Scene::with(&[]);
        let honest = scene.active_fleet(1, 1);
        let own = honest.truth().unwrap()[0].id.clone().unwrap();
        let (_abuser, id) = abusive(&scene, mischief);
        let told = until_told(&scene.hub, &id, kind);
        assert_eq!(told["code"], code, "{mischief}: {told:#}");
        let before = said(&scene.hub, &own).unwrap().len();
        let after = until_said(&scene.hub, &own, before + 2);
        assert!(is_whole(&numbers(&after)), "{mischief}: {:?}", numbers(&after));
        let others = records(&scene.hub, &["--component", &own, "--kind", kind]).unwrap();
        assert!(others.is_empty(), "{mischief}: {others:#?}");
    }
}

/// Criterion: T1.CSA.1 (negative)
#[test]
fn records_of_tomorrow_are_of_now_in_the_hubs_log_and_keep_their_claim_beside_it() {
    let scene = Scene::with(&[]);
    let (_abuser, id) = abusive(&scene, "stamps");
    for record in until_said(&scene.hub, &id, 4) {
        let day = |name: &str| record[name].as_str().unwrap()[..10].to_owned();
        assert!(day("original") > day("at"), "{record:#}");
        assert_eq!(record["lane"], "live", "its clock takes no record out of the windows");
    }
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_batch_that_comes_twice_is_recorded_once() {
    let scene = Scene::with(&[]);
    let (_abuser, id) = abusive(&scene, "replays");
    let all = until_said(&scene.hub, &id, 12);
    assert!(is_whole(&numbers(&all)), "{:?}", numbers(&all));
}

/// Criterion: T3.CSA.1 (negative)
/// Criterion: T3.CSA.2 (positive)
#[test]
fn one_that_floods_its_log_fills_its_own_share_only_and_the_others_are_heard() {
    let scene = Scene::with(&[("state_log.share", "60")]);
    let honest = scene.active_fleet(1, 1);
    let own = honest.truth().unwrap()[0].id.clone().unwrap();
    let (_abuser, id) = abusive(&scene, "floods");
    let guessing = wait_until(PATIENCE, || {
        let incidents = scene.hub.json(&["incident", "list"])?;
        let all = incidents.as_array().cloned().unwrap_or_default();
        let found = all.into_iter().find(|one| one["rule"] == "HUB-01");
        found.ok_or_else(|| anyhow::anyhow!("{incidents:#}"))
    });
    assert_eq!(guessing.unwrap()["components"], serde_json::json!([id]));
    let before = said(&scene.hub, &own).unwrap().len();
    let after = until_said(&scene.hub, &own, before + 3);
    assert!(is_whole(&numbers(&after)), "{:?}", numbers(&after));
}
