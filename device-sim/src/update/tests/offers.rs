//! What a component believes of offers.

use super::{Bench, Keys, Release, at_offer, job};
use crate::{device::Input, update::Behaviour};
use protocol::{
    cbor,
    id::{ModelId, Nonce},
    message::{List, UpdateControl, UpdateFault, UpdateOrder, UpdateStep},
    signed::Signed,
    topic::Down,
    update::{Manifest, REPORT},
};

/// An offer of this manifest, signed as it must be, is refused for this reason and changes nothing.
fn refused(change: impl FnOnce(&mut Manifest), fault: UpdateFault) {
    let mut bench = Bench::new();
    let mut release = Release::good(2);
    change(&mut release.manifest);
    bench.release(1, &release);
    unchanged(&mut bench, fault);
}

/// The offer on its way is refused for this reason and changes nothing.
fn unchanged(bench: &mut Bench, fault: UpdateFault) {
    let before = bench.device.as_ref().unwrap().flash().update.anchor.clone();
    bench.run(120_000);
    assert_eq!(bench.last(), (UpdateStep::Refused, Some(fault)));
    assert_eq!((bench.runs(), bench.floor(), bench.requests.len()), (1, Some(1), 0));
    let memory = &bench.device.as_ref().unwrap().flash().update;
    assert_eq!((&memory.anchor, &memory.job), (&before, &None));
    let attack = !matches!(fault, UpdateFault::Malformed | UpdateFault::Policy);
    assert_eq!(bench.attacks() != 0, attack, "{:b}", bench.attacks());
}

/// Criterion: T1.SU.2 (positive)
#[test]
fn a_good_update_is_fetched_verified_tried_and_confirmed() {
    let mut bench = Bench::new();
    bench.release(1, &Release::good(2));
    bench.run(60_000);
    use UpdateStep::*;
    let mut steps: Vec<_> =
        bench.heard.iter().filter(|one| one.job == job(1)).map(|one| one.step).collect();
    steps.dedup();
    assert_eq!(steps, [Accepted, Fetching, Verified, Ready, Installing, Trial, Confirmed]);
    assert_eq!((bench.runs(), bench.floor(), bench.booted().slot), (2, Some(2), 1));
    assert!(!bench.booted().trial && bench.attacks() == 0);
    // It survives, and the next one goes to the other slot.
    bench.cut();
    bench.power_on();
    bench.release(2, &Release::good(3));
    bench.run(60_000);
    assert_eq!((bench.runs(), bench.floor(), bench.booted().slot), (3, Some(3), 0));
    let truth = bench.device.as_ref().unwrap().truth();
    assert_eq!(truth.firmware, "3.0");
    assert_eq!(truth.firmware_digest, Release::good(3).manifest.image.to_string());
}

/// A hub that was away does not know how far an update got, and offers it again.
///
/// Criterion: T3.SU.1c (positive)
#[test]
fn the_same_offer_again_at_any_step_changes_nothing_and_is_not_refused() {
    let mut bench = Bench::new();
    bench.repeats = 40;
    bench.release(1, &Release::good(2));
    bench.run(60_000);
    use UpdateStep::*;
    let mut steps: Vec<_> =
        bench.heard.iter().filter(|one| one.job == job(1)).map(|one| one.step).collect();
    steps.dedup();
    assert_eq!(steps, [Accepted, Fetching, Verified, Ready, Installing, Trial, Confirmed]);
    assert!(bench.repeats <= 33 && bench.runs() == 2, "offered again at each of seven steps");
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_malformed_offers_and_says_so_at_most_once_in_ten_seconds() {
    let mut bench = Bench::new();
    let before = bench.heard.len();
    for n in 0..20_u64 {
        let bytes = if n % 2 == 0 { vec![0xff; 9] } else { vec![0; 13_000] };
        bench.inputs.push_back(Input::Received(Down::UpdateOffer, bytes));
        bench.run(1_000);
    }
    assert_eq!(bench.heard.len() - before, 2);
    unchanged(&mut bench, UpdateFault::Malformed);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_a_manifest_with_one_signature_of_two() {
    let mut bench = Bench::new();
    let manifest = bench.keys.manifest(&Release::good(2).manifest, 1);
    bench.offer(&at_offer(1, &[], &manifest));
    unchanged(&mut bench, UpdateFault::Signature);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_a_manifest_of_foreign_keys_and_of_root_keys() {
    let manifest = Release::good(2).manifest;
    for sealed in [Keys::new(7).manifest(&manifest, 3), Keys::new(1).manifest_by_roots(&manifest)] {
        let mut bench = Bench::new();
        bench.offer(&at_offer(1, &[], &sealed));
        unchanged(&mut bench, UpdateFault::Signature);
    }
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_a_manifest_whose_bytes_were_changed() {
    let good = Keys::new(1).manifest(&Release::good(2).manifest, 2);
    let at = good.windows(4).position(|window| window == b"lamp").unwrap();
    let mut bench = Bench::new();
    let mut changed = good.clone();
    changed[at] ^= 1;
    bench.offer(&at_offer(1, &[], &changed));
    unchanged(&mut bench, UpdateFault::Signature);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_anchors_that_skip_one_or_that_the_former_keys_did_not_sign() {
    let (first, second) = (Keys::new(1), Keys::new(2));
    let manifest = second.manifest(&Release::good(2).manifest, 2);
    let cases = [
        (second.anchor(3, Some(&first)), UpdateFault::AnchorChain),
        (second.anchor(2, None), UpdateFault::Signature),
        (second.anchor(2, Some(&Keys::new(3))), UpdateFault::Signature),
    ];
    for (anchor, fault) in cases {
        let mut bench = Bench::new();
        bench.offer(&at_offer(1, &[anchor], &manifest));
        unchanged(&mut bench, fault);
    }
}

/// Criterion: T1.SU.2 (positive)
#[test]
fn follows_new_anchors_also_when_it_is_told_again() {
    let mut bench = Bench::new();
    let keys = [Keys::new(1), Keys::new(2), Keys::new(3)];
    let anchors = [
        keys[0].anchor(1, None),
        keys[1].anchor(2, Some(&keys[0])),
        keys[2].anchor(3, Some(&keys[1])),
    ];
    for (number, counter) in [(1, 2), (2, 3)] {
        let release = Release::good(counter);
        let offer = at_offer(number, &anchors, &keys[2].manifest(&release.manifest, 2));
        bench.served.insert(job(number), release);
        bench.offer(&offer);
        bench.run(60_000);
        assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), counter));
    }
    let manifest = keys[0].manifest(&Release::good(4).manifest, 2);
    bench.offer(&at_offer(3, &[], &manifest));
    bench.run(20_000);
    assert_eq!(bench.last(), (UpdateStep::Refused, Some(UpdateFault::Signature)), "old keys");
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn keeps_its_anchor_when_the_new_one_comes_with_a_manifest_that_is_refused() {
    let (first, second) = (Keys::new(1), Keys::new(2));
    let mut bench = Bench::new();
    let manifest = second.manifest(&Release::good(1).manifest, 2);
    bench.offer(&at_offer(1, &[second.anchor(2, Some(&first))], &manifest));
    unchanged(&mut bench, UpdateFault::Rollback);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_another_model_and_other_hardware() {
    refused(|m| m.model = ModelId::new("simulated.lock").unwrap(), UpdateFault::WrongModel);
    refused(|m| m.model = ModelId::new("other.lamp").unwrap(), UpdateFault::WrongModel);
    refused(|m| m.hardware = List::new(vec![999]).unwrap(), UpdateFault::WrongModel);
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn refuses_older_software_and_other_software_of_the_same_number() {
    refused(|m| (m.counter, m.floor) = (0, 0), UpdateFault::Rollback);
    refused(|m| (m.counter, m.floor) = (1, 1), UpdateFault::Rollback);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_an_expired_release() {
    refused(|m| m.expires = Some(999), UpdateFault::Expired);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_an_image_that_the_slot_does_not_take() {
    let mut bench = Bench::new();
    let mut board = bench.board();
    board.capacity = 39_999;
    bench.device = bench.device.take().map(|device| device.with_board(board));
    bench.release(1, &Release::good(2));
    unchanged(&mut bench, UpdateFault::TooLarge);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn without_an_anchor_everything_is_refused() {
    let mut bench = Bench::with_anchor(None);
    bench.power_on();
    bench.run(10_000);
    assert_eq!(bench.heard, [], "it takes no part");
    bench.release(1, &Release::good(2));
    unchanged(&mut bench, UpdateFault::Policy);
}

#[test]
fn another_offer_takes_the_place_of_the_one_under_way() {
    let mut bench = Bench::new();
    bench.path = Box::new(|_| Vec::new());
    bench.release(1, &Release::good(2));
    bench.run(5_000);
    bench.path = Box::new(|block| vec![block]);
    bench.release(2, &Release::good(3));
    bench.run(60_000);
    let cancelled = |one: &&protocol::message::UpdateStatus| one.step == UpdateStep::Cancelled;
    assert_eq!(bench.heard.iter().find(cancelled).unwrap().job, job(1));
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 3));
}

fn control(order: UpdateOrder, number: u8, nonce: Option<Nonce>) -> Input {
    let control = UpdateControl { job: job(number), order, nonce };
    Input::Received(Down::UpdateControl, cbor::encode(&control))
}

/// An offer that waits to be told is ready on the bench.
fn ready() -> Bench {
    let mut bench = Bench::new();
    let release = Release::good(2);
    let mut offer = at_offer(1, &[], &bench.keys.manifest(&release.manifest, 2));
    offer.automatic = false;
    bench.served.insert(job(1), release);
    bench.offer(&offer);
    bench.run(600_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Ready, None), 1));
    bench
}

#[test]
fn waits_to_be_told_and_installs_only_the_update_that_is_named() {
    let mut bench = ready();
    bench.inputs.push_back(control(UpdateOrder::Install, 9, None));
    bench.run(60_000);
    assert_eq!(bench.last(), (UpdateStep::Ready, None));
    // Also after a cut it waits, says where it stands, and does not fetch again.
    let asked = bench.requests.len();
    bench.cut();
    bench.power_on();
    bench.run(60_000);
    assert_eq!((bench.last(), bench.requests.len()), ((UpdateStep::Ready, None), asked));
    bench.inputs.push_back(control(UpdateOrder::Install, 1, None));
    bench.run(60_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2));
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn an_image_that_nobody_installed_does_not_start_though_what_runs_is_damaged() {
    let mut bench = ready();
    bench.cut();
    bench.media[0].damage(140_000);
    bench.power_on();
    bench.run(1_000);
    assert!(bench.device.as_ref().unwrap().updater().unwrap().booted().is_none());
}

#[test]
fn a_cancelled_update_is_not_installed() {
    let mut bench = ready();
    bench.inputs.push_back(control(UpdateOrder::Cancel, 1, None));
    bench.inputs.push_back(control(UpdateOrder::Install, 1, None));
    bench.run(60_000);
    assert_eq!(bench.last(), (UpdateStep::Cancelled, Some(UpdateFault::Cancelled)));
    assert_eq!(bench.runs(), 1);
}

/// Criterion: T3.SU.1c (positive)
#[test]
fn reports_what_runs_from_the_bytes_of_the_slot_and_signs_it() {
    let mut bench = Bench::new();
    bench.release(1, &Release::good(2));
    bench.run(60_000);
    bench.inputs.push_back(control(UpdateOrder::Report, 0, Some(Nonce([7; 16]))));
    bench.run(1_000);
    let report = bench.reports.pop().unwrap();
    let expected = Release::good(2).manifest.image;
    assert_eq!((report.counter, report.image, report.anchor), (2, expected, 1));
    assert_eq!((report.nonce, report.attacks, report.fault), (Nonce([7; 16]), 0, None));
    let own = super::bench::credentials();
    let sealed = crate::identity::sign_report(&own, &report).unwrap();
    let signed = Signed::parse(REPORT, &sealed).unwrap();
    assert_eq!(cbor::decode(signed.payload(), 1024), Ok(report));
    assert_eq!(signed.chain(), [own.certificate]);
    // Bytes that change behind its back show.
    bench.media[1].damage(140_000);
    bench.inputs.push_back(control(UpdateOrder::Report, 0, Some(Nonce([8; 16]))));
    bench.run(1_000);
    assert_ne!(bench.reports.pop().unwrap().image, expected);
}

#[test]
fn bad_software_can_be_written_again_with_the_same_number() {
    let mut bench = Bench::new();
    bench.release(1, &Release::new(2, 40_000, 4096, Behaviour::Good));
    bench.run(60_000);
    bench.release(2, &Release::new(2, 40_000, 4096, Behaviour::Good));
    bench.run(60_000);
    assert_eq!((bench.last(), bench.booted().slot), ((UpdateStep::Confirmed, None), 0));
}
