//! The inventory of a living product.

use crate::scene::Scene;
use std::{collections::BTreeMap, time::Duration};
use tests::harness::wait_until;

/// Criterion: T3.AI.1 (positive)
/// Criterion: T3.AI.2 (positive)
#[test]
fn fifty_components_of_six_kinds_are_in_the_inventory_as_they_are() {
    let scene = Scene::with(&[("est.per_address", "128")]);
    let fleet = scene.active_fleet(50, 1);
    let truth = fleet.truth().unwrap();
    let seen = scene.hub.components().unwrap();
    assert_eq!(seen.len(), 50, "none missing, none extra");
    let by_id: BTreeMap<_, _> = seen.iter().map(|c| (c["id"].as_str().unwrap(), c)).collect();
    for one in &truth {
        let seen = by_id[one.id.as_deref().unwrap()];
        let serde_json::Value::Object(fields) = serde_json::to_value(one).unwrap() else {
            panic!("an object")
        };
        for (field, value) in &fields {
            assert_eq!(&seen[field], value, "{field} of {}", one.serial);
        }
    }
    let export = scene.hub.json(&["inventory", "export", "--format", "cyclonedx"]).unwrap();
    assert_eq!(export["components"].as_array().unwrap().len(), 50);
    // 10,000 components fit into one process only while each takes well below a MiB.
    let resident = fleet.resident().unwrap();
    assert!(resident < 64 * 1024, "the fleet of 50 takes {resident} KiB");
}

/// Criterion: T3.AI.3 (negative)
#[test]
fn a_product_that_falls_silent_becomes_stale_and_comes_back() {
    let scene = Scene::with(&[("presence.missed_intervals", "2")]);
    let mut fleet = scene.active_fleet(3, 1);
    fleet.kill().unwrap();
    let all = |state: &'static str| {
        wait_until(Duration::from_secs(30), || {
            let components = scene.hub.components()?;
            anyhow::ensure!(components.iter().all(|c| c["trust"] == state), "not all are {state}");
            Ok(())
        })
        .unwrap();
    };
    all("stale");
    let fleet = scene.fleet(scene.plan(3, 1));
    fleet.bring_up(&scene.hub, Duration::from_secs(60), |_| {}).unwrap();
    all("active");
    assert_eq!(scene.hub.components().unwrap().len(), 3, "the same components under the same ids");
}

/// Components that break off, restart, repeat and lose messages are no clones and no attackers.
///
/// Criterion: T3.AI.3 (positive)
#[test]
fn a_flaky_product_is_refused_nothing_and_ends_up_known_as_it_is() {
    let scene = Scene::with(&[]);
    let mut plan = scene.plan(10, 1);
    plan.flaky = 100;
    let fleet = scene.fleet(plan);
    fleet.bring_up(&scene.hub, Duration::from_secs(120), |_| {}).unwrap();
    let mut report = serde_json::Value::Null;
    for _ in 0..60 {
        report = fleet.progress(Duration::from_secs(5)).unwrap();
        if report["flaws"].as_u64() >= Some(500) {
            break;
        }
    }
    assert!(report["flaws"].as_u64() >= Some(500), "{report}");
    // All that is refused is a command for one that is away just then.
    let status = scene.hub.json(&["status"]).unwrap();
    let mut refusals = status["status"]["refusals"].as_object().unwrap().clone();
    refusals.remove("unreachable");
    assert!(refusals.is_empty(), "{report} {refusals:?}");
    // They mend: the same components without troubles.
    drop(fleet);
    let fleet = scene.active_fleet(10, 1);
    let components = scene.hub.components().unwrap();
    assert_eq!(components.len(), 10);
    assert!(components.iter().all(|one| one["trust"] == "active"), "{components:?}");
    let truth = fleet.truth().unwrap();
    for one in &components {
        let meant = truth.iter().find(|truth| truth.id.as_deref() == one["id"].as_str()).unwrap();
        assert_eq!(one["serial"], meant.serial.as_str());
    }
    let events = scene.hub.events().unwrap();
    let bad = events.iter().find(|event| {
        event["refusal"].is_string() && event["refusal"] != "unreachable"
            || event["kind"] == "clone.detected"
    });
    assert!(bad.is_none(), "{bad:?}");
}

/// Criterion: T1.AI.2 (positive)
/// Criterion: T1.AI.2 (negative)
#[test]
fn a_label_reads_as_the_id_in_the_inventory_and_an_unknown_one_is_called_unknown() {
    let scene = Scene::with(&[]);
    let fleet = scene.active_fleet(1, 1);
    let id = fleet.truth().unwrap()[0].id.clone().unwrap();
    let label = scene.hub.json(&["component", "label", &id]).unwrap();
    let text = label["label"].as_str().unwrap().to_owned();
    assert!(text.starts_with(&format!("urn:uuid:{id} ")), "{text}");
    assert_eq!(
        scene.hub.json(&["component", "label", &text]).unwrap()["id"],
        id.as_str(),
        "as scanned"
    );
    let unknown = scene
        .hub
        .ask(&["component", "label", "urn:uuid:00000000-0000-8000-8000-000000000000"])
        .unwrap();
    assert_eq!(unknown.code, 3);
    assert!(unknown.complaint.contains("unknown-component"), "{}", unknown.complaint);
}
