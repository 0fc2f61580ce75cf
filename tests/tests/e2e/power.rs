//! kill -9 under load: nothing acknowledged is lost, and the hub starts each time.

use crate::scene::Scene;
use std::time::Duration;
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
        let announced = fleet.announced().unwrap();
        hub = Hub::start(plan).unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        // Each life's announcement has its own number; the hub must have that one or a newer one.
        checked +=
            hub.still_has(&announced).unwrap_or_else(|lost| panic!("round {round}: {lost:#}"));
    }
    println!("{rounds} rounds of kill -9, {checked} acknowledged announcements found again");
    assert!(checked > 0);
}
