//! The line is away, or either end is killed while a backlog is drained.

use super::world::{PATIENCE, World};
use crate::scene::executable;
use std::time::{Duration, Instant};
use tests::harness::wait_until;

/// Records that come about while the cloud is away, in a usual run and in a long one (LONG_TESTS=1): as many as ten
/// minutes bring at 200 a second.
const BACKLOG: (u64, u64) = (2_000, 120_000);

/// How long a long one lasts at least.
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Longest time for that.
const LONG: Duration = Duration::from_secs(1_200);

fn backlog() -> u64 {
    if std::env::var_os("LONG_TESTS").is_some() {
        BACKLOG.1
    } else {
        println!(
            "SKIPPED: an outage with 120,000 records, ten minutes at 200 a second; LONG_TESTS=1 runs it"
        );
        BACKLOG.0
    }
}

/// Criterion: T3.CSA.1 (positive)
/// Criterion: T3.AI.3 (positive)
#[test]
fn what_happens_while_the_cloud_is_away_is_there_afterwards_once_and_in_order() {
    let mut world = World::new(&[]);
    let mut fleet = world.floods(4);
    world.grown(300, PATIENCE);
    world.cloud.kill().unwrap();
    let before = world.at_cloud().unwrap()["records"].as_u64().unwrap();
    let gone = Instant::now();
    world.grown(before + backlog(), LONG);
    if std::env::var_os("LONG_TESTS").is_some() {
        // More comes about meanwhile.
        wait_until(LONG, || {
            anyhow::ensure!(gone.elapsed() >= TEN_MINUTES, "{:?}", gone.elapsed());
            Ok(())
        })
        .unwrap();
    }
    let waiting = world.at_cloud().unwrap()["waiting"].as_u64().unwrap();
    assert!(waiting >= backlog(), "{waiting}");
    world.cloud.again(&executable()).unwrap();
    // What comes now does not wait for what an outage left behind.
    let border = world.at_cloud().unwrap()["records"].as_u64().unwrap();
    wait_until(PATIENCE, || {
        let at = world.at_cloud()?;
        let held: Vec<(u64, u64)> = serde_json::from_value(at["held"].clone())?;
        let newest = held.last().map_or(0, |range| range.1);
        anyhow::ensure!(newest > border, "{at}");
        Ok(())
    })
    .unwrap();
    fleet.stop().unwrap();
    let size = world.is_whole(&fleet);
    println!("{size} records, {waiting} of them waited for the cloud");
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_cloud_that_is_killed_while_it_drains_loses_nothing_it_acknowledged() {
    let mut world = World::new(&[("cloud.drain", "400")]);
    let mut fleet = world.floods(4);
    world.cloud.kill().unwrap();
    world.grown(2_500, PATIENCE);
    fleet.stop().unwrap();
    for _ in 0..3 {
        world.cloud.again(&executable()).unwrap();
        goes_on(&world);
        world.cloud.kill().unwrap();
    }
    world.cloud.again(&executable()).unwrap();
    world.is_whole(&fleet);
}

/// Waits until the cloud has more than now, or all there is.
fn goes_on(world: &World) {
    let before = held(world);
    wait_until(PATIENCE, || {
        let now = held(world);
        anyhow::ensure!(now > before || now >= 2_500, "{now}");
        Ok(())
    })
    .unwrap();
}

/// Records that the cloud has, as it says itself.
fn held(world: &World) -> u64 {
    let list = world.cloud.log(&executable(), &["list", "--hub", &world.hub]);
    let list: serde_json::Value =
        serde_json::from_str(&list.unwrap_or_default()).unwrap_or_default();
    list[0]["records"].as_u64().unwrap_or(0)
}

/// Criterion: T3.CSA.1 (negative)
/// Criterion: T3.AI.3 (negative)
#[test]
fn a_hub_that_is_killed_while_it_drains_goes_on_where_the_cloud_is() {
    let mut world = World::new(&[("cloud.drain", "400")]);
    let mut fleet = world.floods(4);
    world.cloud.kill().unwrap();
    world.grown(2_500, PATIENCE);
    fleet.stop().unwrap();
    world.cloud.again(&executable()).unwrap();
    for _ in 0..3 {
        goes_on(&world);
        world.restart(true);
    }
    world.is_whole(&fleet);
}
