//! Trials: new software proves itself or is gone.

use super::{Bench, Release};
use crate::{device::Input, update::Behaviour};
use protocol::message::{UpdateFault, UpdateStep};

/// Release 2 behaves like this.
fn bad(behaviour: Behaviour) -> Bench {
    let mut bench = Bench::new();
    bench.release(1, &Release::new(2, 40_000, 4096, behaviour));
    bench
}

fn rolled_back(bench: &Bench, fault: UpdateFault) {
    assert_eq!(bench.last(), (UpdateStep::RolledBack, Some(fault)));
    assert_eq!((bench.runs(), bench.floor()), (1, Some(1)));
    assert_eq!(bench.board().slots[1].header(), None);
    let memory = &bench.device.as_ref().unwrap().flash().update;
    assert!(memory.rolled_back.is_some());
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn software_that_does_not_start_is_rolled_back_though_its_floor_would_rise() {
    let mut bench = bad(Behaviour::NoBoot);
    bench.run(300_000);
    rolled_back(&bench, UpdateFault::NoBoot);
    bench.cut();
    bench.power_on();
    bench.run(10_000);
    assert_eq!((bench.runs(), bench.started.len()), (1, 3));
    assert_eq!(bench.last(), (UpdateStep::RolledBack, Some(UpdateFault::NoBoot)), "said again");
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn software_that_fails_its_test_is_rolled_back() {
    let mut bench = bad(Behaviour::Unhealthy);
    bench.run(300_000);
    rolled_back(&bench, UpdateFault::Health);
    assert_eq!(bench.started.iter().filter(|one| one.trial).count(), 1, "one try");
}

/// Criterion: T1.SU.1 (positive)
#[test]
fn after_a_rollback_the_next_release_is_taken() {
    let mut bench = bad(Behaviour::Unhealthy);
    bench.run(300_000);
    bench.release(2, &Release::good(3));
    bench.run(60_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 3));
}

/// Release 2 is on trial, and the hub is not there.
fn on_trial_alone() -> Bench {
    let mut bench = Bench::new();
    bench.leaves_at = Some(UpdateStep::Installing);
    bench.release(1, &Release::good(2));
    bench.run(0);
    bench.leaves_at = None;
    assert!(bench.booted().trial);
    bench
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn a_hub_that_is_silent_is_waited_for_three_times_as_long_and_no_longer() {
    let mut bench = on_trial_alone();
    bench.run(175_000);
    assert!(bench.booted().trial, "three times 60 s are not over");
    bench.run(10_000);
    assert_eq!(bench.runs(), 1);
    bench.hub_up = true;
    bench.run(120_000);
    rolled_back(&bench, UpdateFault::Health);
}

/// Criterion: T1.SU.1 (positive)
#[test]
fn a_hub_that_comes_back_late_confirms_the_trial() {
    let mut bench = on_trial_alone();
    bench.run(100_000);
    assert!(bench.booted().trial && bench.floor() == Some(1));
    bench.hub_up = true;
    bench.run(75_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2));
    assert_eq!(bench.floor(), Some(2));
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn a_hub_that_answers_but_refuses_its_subscriptions_is_no_session() {
    let mut bench = Bench::new();
    bench.subscribes = false;
    bench.release(1, &Release::good(2));
    bench.run(59_000);
    assert!(bench.booted().trial);
    bench.subscribes = true;
    bench.run(10_000);
    assert_eq!(bench.runs(), 1, "60 s, not three times");
    rolled_back(&bench, UpdateFault::Health);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn nothing_is_taken_on_while_software_is_on_trial() {
    let mut bench = on_trial_alone();
    bench.release(2, &Release::good(3));
    bench.run(1_000);
    bench.hub_up = true;
    bench.run(120_000);
    let busy = bench.heard.iter().any(|one| one.fault == Some(UpdateFault::Busy));
    assert!(busy && bench.runs() == 2);
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn below_the_floor_nothing_starts() {
    let mut bench = Bench::new();
    bench.release(1, &Release::good(2));
    bench.run(60_000);
    bench.cut();
    // The confirmed slot is damaged, and the other is below the floor.
    bench.media[1].damage(140_000);
    bench.power_on();
    bench.run(1_000);
    assert!(bench.device.as_ref().unwrap().updater().unwrap().booted().is_none());
    assert_eq!(bench.device.as_ref().unwrap().deadline(), None);
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn with_both_copies_of_the_floor_damaged_nothing_starts_and_with_one_all_is_well() {
    let mut bench = Bench::new();
    bench.cut();
    bench.media[2].damage(0);
    bench.power_on();
    assert_eq!(bench.runs(), 1);
    bench.cut();
    bench.media[2].damage(8);
    bench.power_on();
    bench.run(1_000);
    assert!(bench.device.as_ref().unwrap().updater().unwrap().booted().is_none());
    bench.tell(Input::Timer);
    bench.tell(Input::Connected);
    bench.run(1_000_000);
    assert_eq!(bench.started.len(), 2);
}

#[test]
fn a_damaged_choice_starts_the_newest_confirmed_slot() {
    let mut bench = Bench::new();
    bench.release(1, &Release::good(2));
    bench.run(60_000);
    bench.cut();
    bench.media[2].damage(16);
    bench.power_on();
    assert_eq!(bench.runs(), 2);
}

/// Criterion: T1.CSA.1 (positive)
#[test]
fn a_start_of_another_slot_than_the_chosen_one_is_noticed() {
    let mut bench = Bench::new();
    // The same release in both slots, so that either may start.
    for number in [1, 2] {
        bench.release(number, &Release::good(2));
        bench.run(60_000);
    }
    let as_chosen = |bench: &Bench| {
        let device = bench.device.as_ref();
        device.and_then(|one| one.updater()).and_then(|one| one.started_as_chosen())
    };
    assert_eq!((bench.booted().slot, as_chosen(&bench)), (0, Some(true)));
    bench.media[0].damage(140_000);
    bench.cut();
    bench.power_on();
    assert_eq!((bench.booted().slot, as_chosen(&bench)), (1, Some(false)));
}
