//! kill -9 under load: nothing acknowledged is lost, and the hub starts each time.

use crate::scene::Scene;
use std::{collections::BTreeMap, time::Duration};
use tests::harness::{Fleet, Hub};

/// Rounds in a usual run, and in a long one (LONG_TESTS=1).
const ROUNDS: (usize, usize) = (20, 200);

/// Criterion: T3.AI.3 (positive)
#[test]
fn no_acknowledged_announcement_is_lost_when_the_hub_is_killed_under_load() {
    let rounds = if std::env::var_os("LONG_TESTS").is_some() { ROUNDS.1 } else { ROUNDS.0 };
    let scene = Scene::with(&[("mqtt.messages_per_second", "1000")]);
    let mut plan = scene.plan(8, 1);
    plan.stream = 5;
    let mut fleet = scene.fleet(plan.clone());
    fleet.bring_up(&scene.hub, Duration::from_secs(60), |_| {}).unwrap();
    let (executable, mut hub) = (crate::scene::executable(), scene.hub);
    let mut checked = 0;
    for round in 0..rounds {
        // A new life of every component: a new announcement each, acknowledged while values stream in.
        fleet.kill().unwrap();
        fleet = Fleet::start(&executable, &hub, plan.clone()).unwrap();
        let reports = 1 + round % 2;
        for _ in 0..reports {
            fleet.progress(Duration::from_secs(5));
        }
        let plan = hub.kill().unwrap();
        let acknowledged = newest_announcements(&fleet);
        hub = Hub::start(plan).unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        checked += check(&hub, &acknowledged, round);
    }
    println!("{rounds} rounds of kill -9, {checked} acknowledged announcements found again");
    assert!(checked > 0);
}

/// Number of the newest acknowledged announcement, by topic.
fn newest_announcements(fleet: &Fleet) -> BTreeMap<String, u64> {
    let mut newest = BTreeMap::new();
    for line in fleet.acknowledged().unwrap() {
        if let Some(seq) = line["what"]["announcement"].as_u64() {
            newest.insert(line["topic"].as_str().unwrap().to_owned(), seq);
        }
    }
    newest
}

/// An announcement of an older life was acknowledged; the record must be of that life or a newer one.
/// Each life's announcement changes the record's history or its boot id, and its number is kept.
fn check(hub: &Hub, acknowledged: &BTreeMap<String, u64>, round: usize) -> usize {
    for (topic, seq) in acknowledged {
        let id = topic.split('/').nth(1).unwrap();
        let component = hub.json(&["component", "show", id]).unwrap();
        let kept = component["announcement"].as_u64().unwrap_or(0);
        assert!(kept >= *seq, "round {round}: {id} was acknowledged {seq}, the hub has {kept}");
    }
    acknowledged.len()
}
