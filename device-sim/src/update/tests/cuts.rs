//! Power that goes between any two writes or outputs of an update.

use super::{Bench, Release, job};
use crate::update::Behaviour;
use protocol::message::UpdateStep;

/// A bench with an update on its way whose power goes after so many steps.
fn cut_after(steps: usize, release: &Release) -> Bench {
    let mut bench = Bench::new();
    bench.release(1, release);
    bench.fuse.set(steps);
    bench.run(400_000);
    bench
}

/// Everything that ever started is the factory image or this release, whole.
fn only_verified_software_started(bench: &Bench, release: &Release) {
    let factory = super::releases::lamp().firmware_digest();
    for booted in &bench.started {
        let known = [factory, release.manifest.image].contains(&booted.header.image);
        assert!(known, "{booted:?}");
    }
    let booted = bench.booted();
    let digest = bench.board().slots[booted.slot].digest(booted.header.size).unwrap();
    assert_eq!(digest, booted.header.image);
}

/// After the cut it starts, and the update ends on one side or the other.
fn comes_through(mut bench: Bench, release: &Release, what: &str) -> u32 {
    bench.cut();
    bench.power_on();
    assert!(bench.device.as_ref().unwrap().updater().unwrap().booted().is_some(), "{what}");
    bench.run(900_000);
    only_verified_software_started(&bench, release);
    let (runs, floor) = (bench.runs(), bench.floor().unwrap());
    let heard = bench.heard.iter().rev().find(|one| one.job == job(1)).map(|one| one.step);
    match heard {
        Some(UpdateStep::Confirmed) => assert_eq!((runs, floor), (2, 2), "{what}"),
        Some(UpdateStep::RolledBack) => assert_eq!((runs, floor), (1, 1), "{what}"),
        // The offer itself was lost; the hub makes it again.
        None => assert_eq!((runs, floor), (1, 1), "{what}"),
        other => panic!("{what}: {other:?}"),
    }
    // Whatever happened, the next release gets there.
    bench.release(2, &Release::good(3));
    bench.run(400_000);
    assert_eq!((bench.runs(), bench.floor()), (3, Some(3)), "{what}");
    runs
}

fn every_cut(release: &Release) -> Vec<u32> {
    let whole = cut_after(usize::MAX, release);
    let steps = whole.fuse.burnt();
    assert!(steps > 40, "{steps}");
    (1..=steps)
        .map(|step| {
            let bench = cut_after(step, release);
            comes_through(bench, release, &format!("cut at step {step} of {steps}"))
        })
        .collect()
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn a_cut_anywhere_in_an_update_ends_in_valid_software() {
    let ends = every_cut(&Release::good(2));
    // It finishes unless the cut came before the offer was kept, or in the one try that a trial has.
    let finished = ends.iter().filter(|runs| **runs == 2).count();
    assert!(finished * 4 > ends.len() * 3, "{finished} of {}", ends.len());
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn a_cut_anywhere_in_an_update_to_bad_software_ends_in_the_former() {
    for behaviour in [Behaviour::NoBoot, Behaviour::Unhealthy] {
        let ends = every_cut(&Release::new(2, 20_000, 4096, behaviour));
        assert!(ends.iter().all(|runs| *runs == 1));
    }
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn cuts_at_every_step_and_again_soon_after_end_in_valid_software() {
    let release = Release::new(2, 12_000, 4096, Behaviour::Good);
    let steps = cut_after(usize::MAX, &release).fuse.burnt();
    for step in 1..=steps {
        for again in [1, 3, 7] {
            let mut bench = cut_after(step, &release);
            bench.cut();
            bench.fuse.set(again);
            bench.power_on();
            bench.run(400_000);
            comes_through(bench, &release, &format!("cut at step {step} and {again} later"));
        }
    }
}
