//! What people want of updates, from the command line.

use super::{LONG, Product, VENDOR};
use device_sim::update::Behaviour;
use serde_json::{Value, json};
use std::time::Duration;
use tests::harness::wait_until;

fn told_of(product: &Product) -> Vec<Value> {
    let notices = product.scene.hub.json(&["update", "notices"]).unwrap();
    notices.as_array().unwrap().iter().map(|one| one["model"].clone()).collect()
}

/// Criterion: T3.SU.1b (positive)
/// Criterion: T3.SU.1b (negative)
/// Criterion: T1.SU.3 (positive)
#[test]
fn notices_off_stay_off_for_that_component_and_hide_nothing_that_is_overdue() {
    let set = [("updates.automatic", "none"), ("updates.overdue", "1s")];
    let mut product = Product::new(&set);
    let definitions =
        ["lamp", "camera"].map(|kind| product.document(kind, super::definition(kind)));
    let fleet = product.some_of(definitions.into(), 2);
    let truth = fleet.truth().unwrap();
    let lamp = truth.iter().find(|one| one.kind == "lamp").unwrap().id.clone().unwrap();
    product.release("lamp", 2, Behaviour::Good, &["--security", "critical", "--notes", "a hole"]);
    product.release("camera", 2, Behaviour::Good, &["--security", "low"]);
    product.check();
    let notices = product.scene.hub.json(&["update", "notices"]).unwrap();
    let of_lamp = notices.as_array().unwrap().iter().find(|one| one["model"] == "simulated.lamp");
    let of_lamp = of_lamp.unwrap();
    assert_eq!(
        [&of_lamp["importance"], &of_lamp["notes"], &of_lamp["reboot"], &of_lamp["version"]],
        [&json!("critical"), &json!("a hole"), &json!(true), &json!("2.0")]
    );
    assert!(of_lamp["found"].is_string());
    let off = product.scene.hub.ask(&["update", "notices", "off", &lamp]).unwrap();
    assert_eq!(off.code, 0, "{off:?}");
    let again = product.scene.hub.ask(&["update", "notices", "off", &lamp]).unwrap();
    assert_eq!(again.code, 3, "they are off: {again:?}");
    assert_eq!(told_of(&product), ["simulated.camera"], "others unaffected");
    product.restart(|_| ());
    assert_eq!(told_of(&product), ["simulated.camera"], "after a restart");
    let shown = product.scene.hub.json(&["component", "show", &lamp]).unwrap();
    let noted =
        shown["history"].as_array().unwrap().iter().any(|one| one["what"] == "update notices");
    assert!(noted, "who switched them off is noted: {shown:#}");
    // Off silences, but hides nothing.
    let campaign = wait_until(LONG, || {
        let campaign = product.campaign("lamp")?;
        anyhow::ensure!(campaign["overdue"] == true, "{campaign:#}");
        Ok(campaign)
    });
    assert!(campaign.unwrap()["waits"].is_string());
    let status = product.scene.hub.json(&["status"]).unwrap();
    assert_eq!(status["status"]["overdue_updates"], 2, "{status:#}");
    let doctor = product.scene.hub.ask(&["doctor"]).unwrap();
    assert_eq!(doctor.code, 4);
    assert!(doctor.text.contains("2 security updates are overdue"), "{}", doctor.text);
    let nobody = product.scene.hub.ask(&["update", "notices", "off", "0000"]).unwrap();
    assert_ne!(nobody.code, 0, "nobody of that name");
    assert_eq!(product.scene.hub.ask(&["update", "notices", "on", &lamp]).unwrap().code, 0);
    assert_eq!(told_of(&product).len(), 2);
}

/// Criterion: T3.SU.1 (positive)
/// Criterion: T3.SU.1b (positive)
#[test]
fn a_lock_asks_before_a_feature_release_and_takes_a_security_release_by_itself() {
    let product = Product::new(&[]);
    let fleet = product.some("lock", 1);
    let lock = fleet.truth().unwrap()[0].id.clone().unwrap();
    let ask = |args: &[&str]| {
        let answer = product.scene.hub.ask(&[&["update"], args].concat()).unwrap();
        let value = serde_json::from_str::<Value>(&answer.text).unwrap_or_default();
        (answer.code, value, answer.complaint)
    };
    let model = format!("{VENDOR}.lock");
    product.release("lock", 2, Behaviour::Good, &[]);
    product.check();
    std::thread::park_timeout(Duration::from_secs(3));
    product.untouched(&fleet, "without consent");
    let (_, shown, _) = ask(&["show", &model]);
    assert!(shown["waits"].as_str().unwrap_or_default().contains("consent"), "{shown:#}");
    assert_eq!(ask(&["postpone", &model, "31d"]).0, 2, "more than 30 days");
    let postponed = ask(&["postpone", &model, "12h"]);
    assert_eq!(postponed.0, 0, "{postponed:?}");
    assert!(product.campaign("lock").unwrap()["postponed"].is_string());
    let approved = ask(&["approve", &model]);
    assert_eq!((approved.0, &approved.1["changed"]), (0, &json!(1)), "{approved:?}");
    assert_eq!(product.goes_out("lock")["counter"], 2);
    assert!(product.campaign("lock").unwrap()["approved_by"].is_string());
    // A security release waits for nobody.
    product.release("lock", 3, Behaviour::Good, &["--security", "high"]);
    product.check();
    let done = wait_until(LONG, || {
        let campaign = product.campaign("lock")?;
        anyhow::ensure!(campaign["counter"] == 3 && campaign["stage"] == "done", "{campaign:#}");
        Ok(campaign)
    });
    let done = done.unwrap();
    assert!(done["approved_by"].is_null(), "{done:#}");
    let (_, history, _) = ask(&["history", &lock]);
    let ended: Vec<_> = history.as_array().unwrap().iter().map(|one| &one["counter"]).collect();
    assert_eq!(ended, [&json!(2), &json!(3)]);
    assert!(history.as_array().unwrap().iter().all(|one| one["outcome"] == "confirmed"));
    let shown = product.scene.hub.json(&["component", "show", &lock]).unwrap();
    assert_eq!((&shown["update_state"], &shown["update_counter"]), (&json!("current"), &json!(3)));
    assert_eq!(shown["verified_digest"], done["image"]);
    // What nobody wants ends, and stays ended.
    product.release("lock", 4, Behaviour::Good, &[]);
    product.check();
    assert_eq!(
        product.scene.hub.json(&["component", "show", &lock]).unwrap()["update_state"],
        "behind"
    );
    assert_eq!(ask(&["cancel", &model]).0, 0);
    assert_eq!(product.campaign("lock").unwrap()["stage"], "cancelled");
    let (code, _, complaint) = ask(&["approve", &model]);
    assert_eq!(code, 3, "{complaint}");
    product.check();
    assert_eq!(product.campaign("lock").unwrap()["stage"], "cancelled");
    assert_eq!(ask(&["approve", "simulated.toaster"]).0, 3, "no such release");
}
