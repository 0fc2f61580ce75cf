//! The pull, on good and bad paths and with hubs that lie.

use super::{Bench, Release, at_offer, bench::credentials, job};
use crate::{device::Input, identity::sha256, update::Behaviour};
use protocol::{
    cbor,
    message::{Blob, Block, BlockSize, UpdateFault, UpdateObject, UpdateStep, Window},
    topic::Down,
};
use std::{cell::Cell, rc::Rc};

fn with(block: &Block, data: Vec<u8>) -> Block {
    Block { data: Blob::new(data), ..block.clone() }
}

fn bytes(block: &Block) -> Vec<u8> {
    block.data.as_ref().unwrap().bytes().to_vec()
}

/// A bench on which release 2 takes this path.
fn over(path: impl FnMut(Block) -> Vec<Block> + 'static) -> Bench {
    let mut bench = Bench::new();
    bench.path = Box::new(path);
    bench.release(1, &Release::good(2));
    bench
}

fn failed(bench: &mut Bench, fault: UpdateFault) {
    bench.run(3_000_000);
    assert_eq!(bench.last(), (UpdateStep::Failed, Some(fault)));
    assert_eq!((bench.runs(), bench.floor(), bench.started.len()), (1, Some(1), 1));
    assert_eq!(bench.board().slots[1].header(), None);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn a_chunk_that_is_wrong_three_times_ends_the_update() {
    let mut bench = over(|block| {
        let mut data = bytes(&block);
        if block.object == UpdateObject::Image && block.offset == 8192 {
            data[5] ^= 1;
        }
        vec![with(&block, data)]
    });
    failed(&mut bench, UpdateFault::ChunkHash);
    let asked = bench.requests.iter().filter(|one| {
        let end = one.offset + u32::from(one.count.get()) * 4096;
        one.object == UpdateObject::Image && one.offset <= 8192 && end > 8192
    });
    assert_eq!(asked.count(), 3);
    assert_ne!(bench.attacks() & 1 << UpdateFault::ChunkHash.number(), 0);
}

/// Criterion: T1.SU.2 (positive)
#[test]
fn a_chunk_that_is_wrong_twice_is_asked_for_again() {
    let (wrong, count) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let counter = wrong.clone();
    let mut bench = over(move |block| {
        let mut data = bytes(&block);
        if block.object == UpdateObject::Image && block.offset == 8192 && counter.get() < 2 {
            counter.set(counter.get() + 1);
            data[5] ^= 1;
        }
        count.set(count.get() + 1);
        vec![with(&block, data)]
    });
    bench.run(60_000);
    assert_eq!((bench.last(), bench.runs(), wrong.get()), ((UpdateStep::Confirmed, None), 2, 2));
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn a_chunk_list_that_is_not_the_manifests_is_not_believed() {
    let mut bench = over(|block| match block.object {
        UpdateObject::Chunks => {
            let other = Release::good(3).list;
            let from = block.offset as usize;
            vec![with(&block, other[from..from + bytes(&block).len()].to_vec())]
        }
        UpdateObject::Image => panic!("it asks for the image without a list"),
    });
    failed(&mut bench, UpdateFault::ChunkHash);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn a_lying_hub_that_serves_another_image_list_or_swapped_blocks_installs_nothing() {
    let other = Release::good(3);
    let image = other.image.clone();
    let mut bench = over(move |block| match block.object {
        UpdateObject::Image => {
            let from = block.offset as usize;
            vec![with(&block, image[from..from + bytes(&block).len()].to_vec())]
        }
        UpdateObject::Chunks => vec![block],
    });
    failed(&mut bench, UpdateFault::ChunkHash);
    let good = Release::good(2).image;
    let mut bench = over(move |block| match (block.object, block.offset) {
        (UpdateObject::Image, 4096) => vec![with(&block, good[8192..12_288].to_vec())],
        (UpdateObject::Image, 8192) => vec![with(&block, good[4096..8192].to_vec())],
        _ => vec![block],
    });
    failed(&mut bench, UpdateFault::ChunkHash);
    // The true manifest and a whole other release behind it.
    let mut bench = Bench::new();
    let manifest = bench.keys.manifest(&Release::good(2).manifest, 2);
    bench.served.insert(job(1), other);
    bench.offer(&at_offer(1, &[], &manifest));
    failed(&mut bench, UpdateFault::ChunkHash);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn an_image_that_changed_in_its_slot_before_the_end_fails() {
    let mut bench = Bench::new();
    let medium = bench.media[1].clone();
    bench.path = Box::new(move |block| {
        if block.object == UpdateObject::Image && block.offset == 36_864 {
            medium.damage(140_000);
        }
        vec![block]
    });
    bench.release(1, &Release::good(2));
    failed(&mut bench, UpdateFault::ImageHash);
    bench.path = Box::new(|block| vec![block]);
    bench.release(2, &Release::good(2));
    bench.run(60_000);
    assert_eq!(bench.last(), (UpdateStep::Confirmed, None), "it begins anew");
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn an_image_whose_chunks_are_right_and_whose_digest_is_not_fails() {
    let mut bench = Bench::new();
    let mut release = Release::good(2);
    release.manifest.image = sha256(b"another");
    bench.release(1, &release);
    failed(&mut bench, UpdateFault::ImageHash);
    assert_ne!(bench.attacks() & 1 << UpdateFault::ImageHash.number(), 0);
}

fn block(number: u8, offset: u32, length: usize) -> Input {
    let data = Blob::new(vec![0; length]);
    let (job, object) = (job(number), UpdateObject::Image);
    let block = Block { job, object, offset, data, fault: None };
    Input::Received(Down::UpdateBlock, cbor::encode(&block))
}

/// A bench on which release 2 is being fetched and nothing comes.
fn fetching() -> Bench {
    let mut bench = Bench::new();
    bench.path = Box::new(|block| match block.object {
        UpdateObject::Chunks => vec![block],
        UpdateObject::Image => Vec::new(),
    });
    bench.release(1, &Release::good(2));
    bench.run(1_000);
    bench
}

/// So many of these blocks make it hang up, and not one fewer.
fn hangs_up_at_64(mut bench: Bench, input: impl Fn() -> Input) {
    let before = bench.hang_ups;
    for n in 0..64 {
        assert_eq!(bench.hang_ups, before, "{n}");
        bench.inputs.push_back(input());
        bench.run(0);
    }
    assert_eq!(bench.hang_ups, before + 1);
    let memory = &bench.device.as_ref().unwrap().flash().update;
    assert_eq!(memory.fault, Some(UpdateFault::Malformed));
    assert_ne!(memory.attacks & 1 << UpdateFault::TooLarge.number(), 0);
    bench.run(120_000);
    assert_eq!((bench.runs(), bench.started.len()), (1, 1));
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn blocks_that_nobody_asked_for_are_dropped_and_end_the_session() {
    hangs_up_at_64(Bench::new(), || block(1, 0, 4096));
    hangs_up_at_64(fetching(), || block(1, 36_864, 4096));
    hangs_up_at_64(fetching(), || block(1, 100, 4096));
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn blocks_of_another_update_are_dropped_and_end_the_session() {
    hangs_up_at_64(fetching(), || block(2, 0, 4096));
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn blocks_of_another_length_or_without_form_are_dropped_and_end_the_session() {
    hangs_up_at_64(fetching(), || block(1, 0, 4095));
    hangs_up_at_64(fetching(), || block(1, 0, 8192));
    hangs_up_at_64(fetching(), || Input::Received(Down::UpdateBlock, vec![0xff; 100]));
    hangs_up_at_64(fetching(), || Input::Received(Down::UpdateBlock, vec![0; 67_000]));
}

/// Criterion: T1.SU.2 (positive)
#[test]
fn junk_between_good_blocks_changes_nothing() {
    let mut bench = over(|block| {
        let junk = with(&block, vec![1; 77]);
        let mut all = vec![junk; 50];
        all.extend([block.clone(), block]);
        all
    });
    bench.run(60_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2));
}

/// Criterion: T1.SU.1 (positive)
#[test]
fn lost_blocks_are_asked_for_again_from_the_first_gap() {
    let count = Cell::new(0);
    let mut bench = over(move |block| {
        count.set(count.get() + 1);
        if count.get() % 3 == 0 { Vec::new() } else { vec![block] }
    });
    bench.run(120_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2));
    let twice = 40_000 + 40_000 / 3 + 8192;
    assert!(bench.delivered < twice, "what came early is kept: {}", bench.delivered);
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn a_hub_that_sends_nothing_is_asked_ten_times_and_then_left_alone() {
    let mut bench = fetching();
    let (first, begun) = (bench.requests.len(), bench.now);
    bench.run(10_000);
    assert_eq!(bench.requests.len() - first, 2, "after 2 and 4 s more");
    bench.run(3_000_000);
    assert_eq!(bench.requests.len() - first, 9);
    assert!(bench.now > begun);
    assert_eq!(bench.last(), (UpdateStep::Fetching, Some(UpdateFault::Stalled)));
    assert_ne!(bench.attacks() & 1 << UpdateFault::Stalled.number(), 0);
    bench.path = Box::new(|block| vec![block]);
    bench.tell(Input::Disconnected);
    bench.run(60_000);
    assert_eq!(bench.last(), (UpdateStep::Confirmed, None), "the next session");
}

/// Criterion: T1.SU.1 (positive)
#[test]
fn a_busy_hub_is_given_time() {
    let count = Rc::new(Cell::new(0));
    let counter = count.clone();
    let mut bench = over(move |block| {
        counter.set(counter.get() + 1);
        match counter.get() {
            1..=30 => vec![Block { data: None, fault: Some(UpdateFault::Busy), ..block }],
            _ => vec![block],
        }
    });
    bench.run(3_000);
    assert!(count.get() <= 8, "{}", count.get());
    bench.run(1_200_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2));
}

/// Criterion: T1.SU.1 (positive)
#[test]
fn a_hub_that_forgot_the_update_offers_it_again_and_it_goes_on() {
    let mut bench = over(|block| match (block.object, block.offset) {
        (UpdateObject::Image, 20_480..) => {
            vec![Block { data: None, fault: Some(UpdateFault::UnknownJob), ..block }]
        }
        _ => vec![block],
    });
    bench.run(60_000);
    assert_eq!(bench.last().0, UpdateStep::Fetching);
    let before = bench.delivered;
    bench.path = Box::new(|block| vec![block]);
    bench.release(2, &Release::good(2));
    bench.run(60_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2));
    assert!(bench.delivered - before <= 40_000 - 20_480, "{}", bench.delivered - before);
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn a_slot_that_cannot_be_written_ends_the_update() {
    let mut bench = fetching();
    *bench.media[1].broken.lock().unwrap() = true;
    bench.path = Box::new(|block| vec![block]);
    bench.run(60_000);
    assert_eq!(bench.last(), (UpdateStep::Failed, Some(UpdateFault::SlotWrite)));
    assert_eq!(bench.runs(), 1);
}

/// Criterion: T1.SU.1 (positive)
#[test]
fn over_twenty_cuts_only_what_is_missing_is_asked_for() {
    let release = Release::new(2, 24 << 20, 16_384, Behaviour::Good);
    let mut bench = Bench::new();
    let mut offer = at_offer(1, &[], &bench.keys.manifest(&release.manifest, 2));
    offer.block = BlockSize::new(4096).unwrap();
    offer.window = Window::new(8).unwrap();
    let size = release.image.len();
    bench.served.insert(job(1), release);
    bench.offer(&offer);
    for cut in 1..=20 {
        bench.fuse.set(300 + 37 * cut % 150);
        bench.run(600_000);
        assert!(bench.fuse.is_blown(), "cut {cut} came after the end");
        bench.cut();
        bench.power_on();
    }
    bench.run(600_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2));
    assert!(bench.delivered <= size + size / 20, "{} of {size}", bench.delivered);
}

#[test]
fn how_far_it_got_is_said_in_steps() {
    let mut bench = Bench::new();
    let release = Release::new(2, 1 << 20, 4096, Behaviour::Good);
    bench.release(1, &release);
    bench.run(60_000);
    let got: Vec<_> = bench
        .heard
        .iter()
        .filter(|one| one.step == UpdateStep::Fetching)
        .map(|one| one.got)
        .collect();
    assert!(got.is_sorted() && (5..=22).contains(&got.len()), "{got:?}");
    assert_eq!(bench.last(), (UpdateStep::Confirmed, None));
    assert!(credentials().certificate.len() < 600);
}

#[test]
fn more_is_asked_for_when_half_of_the_window_is_used_and_never_more_than_it_takes() {
    let mut bench = Bench::new();
    bench.release(1, &Release::new(2, 64 << 10, 8192, Behaviour::Good));
    bench.run(60_000);
    let image = bench.requests.iter().filter(|one| one.object == UpdateObject::Image);
    let asked: Vec<_> =
        image.map(|one| (one.offset / 4096, one.length.get(), one.count.get())).collect();
    assert_eq!(asked[..3], [(0, 4096, 4), (4, 4096, 2), (6, 4096, 2)]);
    assert_eq!(asked.iter().map(|(.., count)| u32::from(*count)).sum::<u32>(), 16, "none twice");
}

#[test]
fn blocks_are_as_large_as_the_hub_sends_and_no_larger_than_a_chunk() {
    for (chunk, expected) in [(4096, 4096), (65_536, 65_536), (262_144, 65_536)] {
        let release = Release::new(2, 600_000, chunk, Behaviour::Good);
        let mut bench = Bench::new();
        let mut offer = at_offer(1, &[], &bench.keys.manifest(&release.manifest, 2));
        offer.block = BlockSize::new(65_536).unwrap();
        bench.served.insert(job(1), release);
        bench.offer(&offer);
        bench.run(60_000);
        assert!(bench.requests.iter().all(|one| one.length.get() == expected));
        assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2));
    }
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn an_offer_that_is_refused_leaves_the_pull_alone() {
    let mut bench = fetching();
    let old = Release::good(1);
    bench.release(2, &old);
    bench.run(0);
    assert_eq!(bench.last(), (UpdateStep::Refused, Some(UpdateFault::Rollback)));
    bench.path = Box::new(|block| vec![block]);
    bench.run(60_000);
    assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2));
}

/// Criterion: T1.SU.1 (positive)
#[test]
fn flaky_components_get_there_too() {
    let mut flaws = 0;
    for seed in 0..20 {
        let mut bench = Bench::with_anchor(Some(super::Keys::new(1).anchor(1, None)));
        bench.flaky = Some(seed);
        bench.power_on();
        bench.run(10_000);
        bench.release(1, &Release::new(2, 1 << 20, 4096, Behaviour::Good));
        bench.run(3_000_000);
        assert_eq!((bench.last(), bench.runs()), ((UpdateStep::Confirmed, None), 2), "seed {seed}");
        flaws += bench.device.as_ref().unwrap().flaws();
    }
    assert!(flaws > 200, "{flaws}");
}

#[test]
fn statuses_whose_acknowledgements_are_lost_are_said_again_and_none_is_skipped() {
    let mut bench = Bench::new();
    bench.acknowledges = false;
    bench.release(1, &Release::good(2));
    for _ in 0..10 {
        bench.run(1_000);
        bench.tell(Input::Disconnected);
        bench.run(60_000);
    }
    assert_eq!(bench.runs(), 2, "it does not depend on being heard");
    bench.acknowledges = true;
    bench.tell(Input::Disconnected);
    bench.run(60_000);
    let mut steps: Vec<_> =
        bench.heard.iter().filter(|one| one.job == job(1)).map(|one| one.step).collect();
    steps.dedup();
    use UpdateStep::*;
    assert_eq!(steps, [Accepted, Fetching, Verified, Ready, Installing, Trial, Confirmed]);
}
