//! What stops updates, and what lets them go on.

use super::{Product, VENDOR};
use device_sim::update::Behaviour;
use tests::harness::Cloud;

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_fast_forward_ends_with_new_online_keys() {
    let product = Product::new(&[]);
    let fleet = product.some("lamp", 1);
    product.maker(&["fault", r#"{"fault":"fast-forward"}"#]);
    product.check();
    product.maker(&["fault"]);
    product.release("lamp", 2, Behaviour::Good, &[]);
    product.refuses(&fleet, "honest metadata after a fast-forward", "rollback");
    assert!(product.campaign("lamp").is_err());
    product.maker(&["rotate", "online"]);
    product.goes_out("lamp");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn damaged_floors_stop_updates_until_a_root_is_pinned_again() {
    let mut product = Product::new(&[]);
    let fleet = product.some("lamp", 1);
    product.check();
    product.release("lamp", 2, Behaviour::Good, &[]);
    product.restart(|data| std::fs::remove_file(data.join("updates/commits")).unwrap());
    product.incident("floors without their witness", 0, "floors-damaged");
    let before = product.newest_event();
    let answer = product.ask_repository();
    assert_eq!(answer.code, 3, "{answer:?}");
    product.untouched(&fleet, "floors without their witness");
    let status = product.scene.hub.json(&["status"]).unwrap();
    let why = status["status"]["updates_stopped"].as_str().unwrap_or_default();
    assert!(why.starts_with("floors-damaged: "), "{status:#}");
    let doctor = product.scene.hub.ask(&["doctor"]).unwrap();
    assert!(doctor.code == 4 && doctor.text.contains("updates are stopped"), "{doctor:?}");
    // A root that is none heals nothing.
    let bad = product.cloud.folder.join("no-root.json");
    std::fs::write(&bad, "{}").unwrap();
    let answer = product.scene.hub.ask(&["update", "repin", &bad.display().to_string()]).unwrap();
    assert_ne!(answer.code, 0, "{answer:?}");
    assert_ne!(product.ask_repository().code, 0, "still stopped");
    let (root, _) = Cloud::pinned(&product.cloud.folder, VENDOR);
    let answer = product.scene.hub.ask(&["update", "repin", &root.display().to_string()]).unwrap();
    assert_eq!(answer.code, 0, "{answer:?}");
    let events = product.scene.hub.events().unwrap();
    let told = events.iter().any(|event| {
        event["number"].as_u64() > Some(before)
            && event["text"].as_str().is_some_and(|text| text.contains("is pinned"))
    });
    assert!(told, "who pinned it is told");
    product.goes_out("lamp");
    product.restart(|_| ());
    product.check();
}
