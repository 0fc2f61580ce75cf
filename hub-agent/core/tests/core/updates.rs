//! Releases are brought to components, one first, and nothing is believed that is not signed.

use crate::{
    vendor::{CHUNK, Thing, Things, Vendor, bytes, digest_of, model, tick},
    world::{DAY, LAMP, OWNER, World, id, note},
};
use hub_core::{
    Answer, Command, EventKind, HubSettings, Input, Outbound, UpdateWish,
    update::{Importance, Outcome, ReleaseNote, Stage, Window},
};
use protocol::{
    cbor,
    id::ModelId,
    message::{
        Block, BlockRequest, BlockSize, List, UpdateFault, UpdateObject, UpdateOrder, UpdateStep,
        Window as Count,
    },
    refusal::Refusal,
};
use std::time::Duration;

fn security() -> ReleaseNote {
    ReleaseNote { importance: Importance::High, text: "closes a hole".into(), reboot: true }
}

fn fleet_with(count: u16, set: impl FnOnce(&mut HubSettings)) -> (World, Things, Vendor) {
    let mut world = World::with(set);
    let document = LAMP.replace("\nupdate = ", "\nupdate-model = \"lumen.lamp\"\nupdate = ");
    let document = document.replace("update-model = \"simulated.lamp\"\n", "");
    let document = document.replace("revision = 1\n", "revision = 2\n");
    assert!(matches!(world.define(&document), Answer::Defined { .. }));
    let things = (1..=count).map(|n| (n, Thing::join(&mut world, n))).collect();
    (world, things, Vendor::new())
}

fn fleet(count: u16) -> (World, Things, Vendor) {
    fleet_with(count, |_| {})
}

/// Gives the hub a release, and everybody what follows.
fn release(world: &mut World, things: &mut Things, input: Input) {
    world.handle(input);
    things.values_mut().for_each(|thing| thing.hear(world));
}

fn plain(vendor: &Vendor, counter: u32) -> Input {
    vendor.released(&Vendor::manifest(counter), ReleaseNote::default())
}

/// Those who have an offer that they did not answer.
fn offered(things: &mut Things) -> Vec<u16> {
    things.iter().filter(|(_, thing)| thing.offer.is_some()).map(|(n, _)| *n).collect()
}

fn stage(world: &World) -> Stage {
    world.hub.campaigns()[0].stage.clone()
}

fn update(world: &mut World, things: &mut Things, n: u16, counter: u32) {
    let thing = things.get_mut(&n).unwrap();
    thing.update(world, counter);
    thing.offer = None;
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_release_goes_to_one_first_and_then_to_groups_that_grow() {
    let (mut world, mut things, vendor) = fleet(8);
    release(&mut world, &mut things, plain(&vendor, 2));
    assert_eq!(offered(&mut things), [1], "one tries it");
    update(&mut world, &mut things, 1, 2);
    tick(&mut world, &mut things);
    assert!(matches!(stage(&world), Stage::Soaking { .. }));
    assert_eq!(offered(&mut things), [0; 0], "the others wait");
    world.pass(Duration::from_secs(600));
    for group in [&[2, 3][..], &[4, 5, 6, 7], &[8]] {
        tick(&mut world, &mut things);
        tick(&mut world, &mut things);
        assert_eq!(offered(&mut things), group);
        for n in group {
            update(&mut world, &mut things, *n, 2);
        }
    }
    tick(&mut world, &mut things);
    assert!(matches!(stage(&world), Stage::Done { .. }), "{:?}", stage(&world));
    assert_eq!(world.hub.update_history().count(), 8);
    assert!(world.hub.update_history().all(|ended| ended.outcome == Outcome::Confirmed));
    assert!(world.saw(EventKind::UpdateConfirmed, None));
    // Somebody who comes later gets it too.
    let late = Thing::join(&mut world, 9);
    things.insert(9, late);
    tick(&mut world, &mut things);
    assert_eq!(offered(&mut things), [9]);
    // Images that nobody needs any more are not kept.
    release(&mut world, &mut things, plain(&vendor, 3));
    assert_eq!(world.hub.needed_images().len(), 4, "the newest, and the one under way");
    update(&mut world, &mut things, 9, 2);
    release(&mut world, &mut things, plain(&vendor, 3));
    assert_eq!(world.hub.needed_images().len(), 2);
}

/// Criterion: T3.SU.1 (negative)
#[test]
fn a_campaign_stops_when_the_first_one_fails_or_a_fifth_of_a_group() {
    let (mut world, mut things, vendor) = fleet(11);
    release(&mut world, &mut things, plain(&vendor, 2));
    let first = things.get_mut(&1).unwrap();
    first.say(&mut world, UpdateStep::Accepted);
    first.say_why(&mut world, UpdateStep::Failed, Some(UpdateFault::SlotWrite));
    first.offer = None;
    world.pass(DAY);
    tick(&mut world, &mut things);
    assert!(matches!(stage(&world), Stage::Paused { .. }));
    assert_eq!(offered(&mut things), [0; 0]);
    assert!(world.saw(EventKind::UpdatePaused, None));
    // A person lets it go on; who failed is left out.
    world.command(Command::Campaign(model(), UpdateWish::Approve)).unwrap();
    tick(&mut world, &mut things);
    assert_eq!(offered(&mut things), [2, 3]);
    for n in [2, 3] {
        update(&mut world, &mut things, n, 2);
    }
    tick(&mut world, &mut things);
    assert_eq!(offered(&mut things), [4, 5, 6, 7]);
    things.get_mut(&4).unwrap().say_why(
        &mut world,
        UpdateStep::Refused,
        Some(UpdateFault::Signature),
    );
    things.get_mut(&4).unwrap().offer = None;
    for n in 5..=7 {
        update(&mut world, &mut things, n, 2);
    }
    tick(&mut world, &mut things);
    assert!(matches!(stage(&world), Stage::Paused { .. }), "one of four");
}

/// Criterion: T3.SU.1c (negative)
/// Criterion: T3.SU.1 (negative)
#[test]
fn the_word_of_a_component_does_not_confirm_an_update_its_signature_does() {
    let (mut world, mut things, vendor) = fleet(1);
    release(&mut world, &mut things, plain(&vendor, 2));
    let thing = things.get_mut(&1).unwrap();
    use UpdateStep::{Accepted, Confirmed, Fetching, Installing, Ready, Trial, Verified};
    for step in [Accepted, Fetching, Verified, Ready, Installing, Trial, Confirmed] {
        thing.say(&mut world, step);
    }
    assert_eq!(world.hub.update_history().count(), 0, "it has not signed yet");
    let mut other = thing.statement();
    (other.counter, other.image) = (2, digest_of(3));
    world.say(1, "upd/rep", &thing.sign(&other));
    assert!(world.saw(EventKind::FirmwareMismatch, None));
    let ended: Vec<_> = world.hub.update_history().map(|ended| ended.outcome).collect();
    assert_eq!(ended, [Outcome::Failed], "it runs something else");
    assert!(world.saw(EventKind::UpdateIncident, None));
    assert!(world.hub.firmware(id(1)).unwrap().doubt.is_some());
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn refuses_reports_that_are_old_foreign_signed_by_another_key_or_of_a_smaller_counter() {
    let (mut world, mut things, _) = fleet(2);
    let doubts = |world: &World, n| world.hub.firmware(id(n)).unwrap().doubt.clone();
    assert_eq!(doubts(&world, 1), None);
    let one = &things[&1];
    let old = one.sign(&one.statement());
    world.say(1, "upd/rep", &old);
    assert!(doubts(&world, 1).unwrap().contains("older report"), "its nonce was used");
    things.get_mut(&1).unwrap().connect(&mut world);
    assert_eq!(doubts(&world, 1), None, "an honest one clears it");
    let stolen = things[&2].sign(&things[&1].statement());
    world.say(1, "upd/rep", &stolen);
    assert!(doubts(&world, 1).unwrap().contains("not one in force"));
    let thing = things.get_mut(&1).unwrap();
    thing.runs = 5;
    thing.connect(&mut world);
    assert_eq!(world.hub.firmware(id(1)).unwrap().counter, 5);
    thing.runs = 4;
    thing.connect(&mut world);
    assert!(doubts(&world, 1).unwrap().contains("fell"));
    assert!(world.saw(EventKind::FirmwareMismatch, None));
}

type Which = (protocol::id::JobId, UpdateObject, u32);

fn asks(
    world: &mut World,
    n: u16,
    which: Which,
    how: (u32, u8),
) -> Result<(u32, u32), UpdateFault> {
    asks_and_is(world, n, which, how).0
}

/// Asks for blocks; what comes, and whether the request counts as a message.
fn asks_and_is(
    world: &mut World,
    n: u16,
    (job, object, offset): Which,
    (length, count): (u32, u8),
) -> (Result<(u32, u32), UpdateFault>, bool) {
    let (length, count) = (BlockSize::new(length).unwrap(), Count::new(count).unwrap());
    let request = BlockRequest { job, object, offset, length, count };
    let topic = format!("p/{}/upd/req", id(n));
    let carriage = crate::world::carriage(0);
    let permitted = world.hub.authorize(id(n), &topic, &cbor::encode(&request), carriage).unwrap();
    let effects = world.handle(Input::Message(permitted));
    let got = match effects.sends[0].message() {
        Outbound::Blocks(blocks) => {
            assert_eq!(effects.sends[0].principal(), id(n));
            Ok((blocks.offset, blocks.bytes))
        }
        Outbound::Message { payload, .. } => {
            let block: Block = cbor::decode(payload, payload.len()).unwrap();
            Err(block.fault.unwrap())
        }
        Outbound::Relayed(_) => panic!("not asked for"),
    };
    (got, !matches!(effects.answer, Answer::Paced))
}

/// Criterion: T3.SU.1c (positive)
/// Criterion: T3.SU.1c (negative)
#[test]
fn a_component_gets_blocks_of_its_own_update_in_its_bounds_and_no_others() {
    use UpdateObject::{Chunks, Image};
    let (mut world, mut things, vendor) = fleet(2);
    release(&mut world, &mut things, plain(&vendor, 2));
    let job = things[&1].job();
    let size = bytes(2).len() as u32;
    let last = size / CHUNK * CHUNK;
    assert_eq!(asks(&mut world, 1, (job, Image, 0), (4096, 4)), Ok((0, 4 * 4096)));
    assert_eq!(asks(&mut world, 1, (job, Image, last), (4096, 1)), Ok((last, size - last)));
    assert_eq!(asks(&mut world, 1, (job, Chunks, 0), (256, 1)), Ok((0, 5 * 32)));
    for (what, how) in [
        ((job, Image, last + CHUNK), (4096, 1)),
        ((job, Image, last), (4096, 2)),
        ((job, Image, 1), (4096, 1)),
        ((job, Image, 0), (8192, 1)),
        ((job, Image, 0), (256, 9)),
        ((job, Image, u32::MAX - 255), (256, 4)),
        ((job, Chunks, 256), (256, 1)),
    ] {
        assert_eq!(asks(&mut world, 1, what, how), Err(UpdateFault::Range), "{what:?} {how:?}");
    }
    let unknown = Err(UpdateFault::UnknownJob);
    assert_eq!(asks(&mut world, 2, (job, Image, 0), (4096, 1)), unknown, "another's update");
    let made_up = protocol::id::JobId([9; 16]);
    assert_eq!(asks(&mut world, 1, (made_up, Image, 0), (4096, 1)), unknown);
    assert!(world.saw(EventKind::PolicyDenied, Some(Refusal::NotPermitted)));
    // After a restart of the hub nothing is served before it is verified again.
    world.restart();
    things.get_mut(&1).unwrap().connect(&mut world);
    let busy = Err(UpdateFault::Busy);
    assert_eq!(asks(&mut world, 1, (job, Image, 0), (4096, 1)), busy);
    release(&mut world, &mut things, plain(&vendor, 2));
    assert_eq!(asks(&mut world, 1, (job, Image, 0), (4096, 1)), Ok((0, 4096)));
    update(&mut world, &mut things, 1, 2);
    assert_eq!(asks(&mut world, 1, (job, Image, 0), (4096, 1)), unknown, "it is over");
}

/// Criterion: T3.SU.1c (negative)
#[test]
fn who_asks_for_blocks_without_end_is_told_to_wait_and_counts_as_a_sender_again() {
    let (mut world, mut things, vendor) = fleet(1);
    release(&mut world, &mut things, plain(&vendor, 2));
    let first = (things[&1].job(), UpdateObject::Image, 0);
    let mut served = 0;
    let (last, counts) = loop {
        match asks_and_is(&mut world, 1, first, (4096, 4)) {
            (Ok(_), counts) => assert!(!counts, "it does not count as a message"),
            other => break other,
        }
        served += 4;
        assert!(served <= 20_000, "there is a bound");
    };
    assert_eq!((last, counts), (Err(UpdateFault::Busy), true));
    assert!(served >= 15_000, "several of the largest images at once: {served}");
    world.pass(Duration::from_secs(1));
    let again = (0..10_000).take_while(|_| asks(&mut world, 1, first, (4096, 4)).is_ok()).count();
    assert_eq!(again, 250, "a thousand blocks a second");
}

/// Criterion: T3.SU.1 (negative)
#[test]
fn a_status_that_goes_back_or_jumps_ends_the_update_with_an_incident() {
    for wrong in [UpdateStep::Trial, UpdateStep::Confirmed, UpdateStep::Idle] {
        let (mut world, mut things, vendor) = fleet(1);
        release(&mut world, &mut things, plain(&vendor, 2));
        let thing = things.get_mut(&1).unwrap();
        thing.say(&mut world, UpdateStep::Accepted);
        thing.say(&mut world, UpdateStep::Fetching);
        thing.say(&mut world, wrong);
        assert!(world.saw(EventKind::UpdateIncident, None), "{wrong}");
        let ended: Vec<_> = world.hub.update_history().map(|ended| ended.outcome).collect();
        assert_eq!(ended, [Outcome::Failed]);
        assert_eq!(things[&1].told.last().unwrap().0, UpdateOrder::Cancel);
    }
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_hub_that_restarts_at_each_step_brings_the_update_to_its_end() {
    use UpdateStep::{Accepted, Confirmed, Fetching, Installing, Ready, Trial, Verified};
    let steps = [Accepted, Fetching, Verified, Ready, Installing, Trial, Confirmed];
    for cut in 0..=steps.len() {
        let (mut world, mut things, vendor) = fleet(1);
        release(&mut world, &mut things, plain(&vendor, 2));
        for (at, step) in steps.iter().enumerate() {
            if at == cut {
                world.restart();
                release(&mut world, &mut things, plain(&vendor, 2));
                things.get_mut(&1).unwrap().connect(&mut world);
            }
            let thing = things.get_mut(&1).unwrap();
            if *step == Trial {
                thing.runs = 2;
                thing.connect(&mut world);
            }
            thing.say(&mut world, *step);
        }
        if cut == steps.len() {
            world.restart();
            release(&mut world, &mut things, plain(&vendor, 2));
            things.get_mut(&1).unwrap().connect(&mut world);
        } else {
            things.get_mut(&1).unwrap().report(&mut world);
        }
        let ended: Vec<_> = world.hub.update_history().map(|ended| ended.outcome).collect();
        assert_eq!(ended, [Outcome::Confirmed], "restarted before step {cut}");
        assert_eq!(world.hub.firmware(id(1)).unwrap().counter, 2);
    }
}

/// Criterion: T3.SU.1 (negative)
#[test]
fn what_was_rolled_back_is_not_offered_again_unless_a_person_asks() {
    let (mut world, mut things, vendor) = fleet(1);
    release(&mut world, &mut things, plain(&vendor, 2));
    let thing = things.get_mut(&1).unwrap();
    use UpdateStep::{Accepted, Fetching, Installing, Ready, RolledBack, Trial, Verified};
    for step in [Accepted, Fetching, Verified, Ready, Installing, Trial] {
        thing.say(&mut world, step);
    }
    thing.say_why(&mut world, RolledBack, Some(UpdateFault::Health));
    thing.offer = None;
    for _ in 0..3 {
        world.pass(DAY);
        tick(&mut world, &mut things);
        things.get_mut(&1).unwrap().connect(&mut world);
        assert_eq!(offered(&mut things), [0; 0]);
        world.restart();
        release(&mut world, &mut things, plain(&vendor, 2));
    }
    things.get_mut(&1).unwrap().connect(&mut world);
    world.command(Command::Campaign(model(), UpdateWish::Retry)).unwrap();
    world.restart();
    things.get_mut(&1).unwrap().connect(&mut world);
    release(&mut world, &mut things, plain(&vendor, 2));
    assert_eq!(offered(&mut things), [1], "also when the hub restarts right then");
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn consent_windows_and_postponement_hold_a_release_back() {
    let ask = |world: &mut World| {
        let document = LAMP.replace("\nupdate = \"automatic\"", "\nupdate = \"ask\"");
        let document = document.replace("update-model = \"simulated.lamp\"\n", "");
        let named = document.replace("\nupdate = ", "\nupdate-model = \"lumen.lamp\"\nupdate = ");
        let newer = named.replace("revision = 1\n", "revision = 3\n");
        assert!(matches!(world.define(&newer), Answer::Defined { .. }));
    };
    // A release of features for a kind that wants to be asked about.
    let (mut world, mut things, vendor) = fleet(1);
    ask(&mut world);
    release(&mut world, &mut things, plain(&vendor, 2));
    tick(&mut world, &mut things);
    assert_eq!(offered(&mut things), [0; 0]);
    assert!(world.hub.campaigns()[0].waits.as_ref().unwrap().contains("consent"));
    let later = world.now.wall.plus(DAY);
    world.command(Command::Campaign(model(), UpdateWish::Approve)).unwrap();
    let (mut world, mut things, vendor) = (world, things, vendor);
    tick(&mut world, &mut things);
    assert_eq!(world.hub.campaigns()[0].approved_by.as_deref(), Some(&*OWNER.to_string()));
    assert_eq!(offered(&mut things), [1]);
    // Security updates go out by themselves, unless the owner wants to be asked or later.
    let (mut world, mut things, _) = fleet(1);
    ask(&mut world);
    let manifest = Vendor::manifest(2);
    release(&mut world, &mut things, vendor.released(&manifest, security()));
    assert_eq!(offered(&mut things), [1]);
    let no = |settings: &mut HubSettings| settings.updates.automatic_security = false;
    let (mut world, mut things, _) = fleet_with(1, no);
    ask(&mut world);
    release(&mut world, &mut things, vendor.released(&manifest, security()));
    assert_eq!(offered(&mut things), [0; 0], "the owner opted out");
    // In the window only.
    let window = |settings: &mut HubSettings| {
        settings.updates.window = Some(Window { from: 120, to: 300 });
    };
    let (mut world, mut things, _) = fleet_with(1, window);
    let minute = world.now.wall.seconds() / 60 % 1440;
    let until = Duration::from_secs(60 * ((120 + 1440 - minute) % 1440));
    assert!(!until.is_zero());
    release(&mut world, &mut things, vendor.released(&manifest, security()));
    tick(&mut world, &mut things);
    assert_eq!(offered(&mut things), [0; 0]);
    world.pass(until);
    things.get_mut(&1).unwrap().connect(&mut world);
    tick(&mut world, &mut things);
    assert_eq!(offered(&mut things), [1]);
    let thing = things.get_mut(&1).unwrap();
    assert!(!thing.offer.as_ref().unwrap().automatic, "the hub says when");
    // The window closes before the component is ready.
    world.pass(Duration::from_secs(4 * 3600));
    use UpdateStep::{Accepted, Fetching, Ready, Verified};
    let told = thing.told.len();
    for step in [Accepted, Fetching, Verified, Ready] {
        thing.say(&mut world, step);
    }
    assert!(!thing.told[told..].iter().any(|(order, _)| *order == UpdateOrder::Install));
    let _ = later;
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_postponed_release_waits_and_a_withdrawn_one_ends() {
    let (mut world, mut things, vendor) = fleet(3);
    release(&mut world, &mut things, plain(&vendor, 2));
    update(&mut world, &mut things, 1, 2);
    let until = world.now.wall.plus(2 * DAY);
    world.command(Command::Campaign(model(), UpdateWish::Postpone(until))).unwrap();
    world.pass(DAY);
    tick(&mut world, &mut things);
    tick(&mut world, &mut things);
    assert_eq!(offered(&mut things), [0; 0]);
    world.pass(DAY);
    tick(&mut world, &mut things);
    assert_eq!(offered(&mut things), [2, 3]);
    release(&mut world, &mut things, Input::Withdrawn { model: model(), counter: 2 });
    for n in [2, 3] {
        assert_eq!(things[&n].told.last().unwrap().0, UpdateOrder::Cancel);
    }
    let job = things[&2].job();
    let gone = asks(&mut world, 2, (job, UpdateObject::Image, 0), (4096, 1));
    assert!(gone.is_err(), "{gone:?}");
    assert!(matches!(stage(&world), Stage::Cancelled { .. }));
}

/// Criterion: T3.SU.1 (positive)
#[test]
fn a_release_waits_for_what_it_needs_and_a_newer_one_takes_its_place() {
    let (mut world, mut things, vendor) = fleet(2);
    let mut manifest = Vendor::manifest(2);
    manifest.needs = List::new(vec![(ModelId::new("lumen.bridge").unwrap(), 7)]).unwrap();
    release(&mut world, &mut things, vendor.released(&manifest, security()));
    tick(&mut world, &mut things);
    assert_eq!(offered(&mut things), [0; 0]);
    let waits = world.hub.campaigns()[0].waits.clone().unwrap();
    assert!(waits.contains("lumen.bridge must be at 7"), "{waits}");
    release(&mut world, &mut things, plain(&vendor, 3));
    assert_eq!(offered(&mut things), [1]);
    let campaigns = world.hub.campaigns();
    assert_eq!((campaigns[0].counter, campaigns[1].counter), (3, 2));
    assert!(matches!(campaigns[1].stage, Stage::Superseded { by: 3 }));
    release(&mut world, &mut things, plain(&vendor, 2));
    assert_eq!(world.hub.campaigns().len(), 2, "an older one does not come back");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_release_whose_bytes_are_others_than_when_it_was_found_goes_to_nobody() {
    let (mut world, mut things, vendor) = fleet(2);
    release(&mut world, &mut things, plain(&vendor, 2));
    let other = Vendor::manifest_of(2, 3);
    release(&mut world, &mut things, vendor.released_as(&other, 3));
    let told = |event: &hub_core::StateEvent| {
        event.kind == EventKind::UpdateRefused && event.text.contains("other bytes")
    };
    assert!(world.events.iter().any(told));
    assert_eq!(world.hub.campaigns()[0].image, digest_of(2).to_string());
    let job = things[&1].job();
    let size = bytes(2).len() as u32;
    let last = size / CHUNK * CHUNK;
    let served = asks(&mut world, 1, (job, UpdateObject::Image, last), (4096, 1));
    assert_eq!(served, Ok((last, size - last)));
    update(&mut world, &mut things, 1, 2);
    assert_eq!(world.hub.update_history().next().unwrap().outcome, Outcome::Confirmed);
}

/// Criterion: T3.SU.1 (negative)
#[test]
fn a_component_that_says_too_often_how_far_it_is_is_held_back() {
    let (mut world, mut things, vendor) = fleet(1);
    release(&mut world, &mut things, plain(&vendor, 2));
    let thing = things.get_mut(&1).unwrap();
    thing.say(&mut world, UpdateStep::Accepted);
    let writes: usize = (0..1000)
        .map(|_| thing.say(&mut world, UpdateStep::Fetching))
        .filter(|effects| !effects.writes.is_empty())
        .count();
    assert!(writes < 100, "{writes}");
    assert!(world.saw(EventKind::PolicyDenied, Some(Refusal::SlowDown)));
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn a_rollout_reaches_as_many_hubs_as_it_says() {
    let vendor = Vendor::new();
    for (rollout, campaigns) in [(0, 0), (100, 1)] {
        let (mut world, ..) = fleet(0);
        let image = Box::new(vendor.image(&Vendor::manifest(2)));
        world.handle(Input::Released {
            image,
            note: ReleaseNote::default(),
            definition: None,
            rollout,
        });
        assert_eq!(world.hub.campaigns().len(), campaigns, "{rollout}");
    }
    let taken = (2..202).filter(|counter| {
        let (mut world, ..) = fleet(0);
        let image = Box::new(vendor.image(&Vendor::manifest(*counter)));
        world.handle(Input::Released {
            image,
            note: ReleaseNote::default(),
            definition: None,
            rollout: 30,
        });
        !world.hub.campaigns().is_empty()
    });
    let taken = taken.count();
    assert!((35..=85).contains(&taken), "{taken} of 200 at 30 %");
}

/// Criterion: T3.SU.1b (positive)
/// Criterion: T3.SU.1b (negative)
/// Criterion: T1.SU.3 (positive)
/// Criterion: T1.SU.3 (negative)
#[test]
fn notices_are_switched_per_component_and_person_and_hide_nothing_that_is_overdue() {
    let hold = |settings: &mut HubSettings| settings.updates.automatic_security = false;
    let (mut world, mut things, vendor) = fleet_with(2, hold);
    world.command(Command::Account(slug("guy"), guest())).unwrap();
    let document = LAMP.replace("\nupdate = \"automatic\"", "\nupdate = \"ask\"");
    let document = document.replace("update-model = \"simulated.lamp\"\n", "");
    let document = document.replace("\nupdate = ", "\nupdate-model = \"lumen.lamp\"\nupdate = ");
    world.define(&document.replace("revision = 1\n", "revision = 3\n"));
    release(&mut world, &mut things, vendor.released(&Vendor::manifest(2), security()));
    let told = world.hub.notices(&OWNER);
    assert_eq!(told.len(), 1);
    assert!(told[0].reboot && told[0].importance == Importance::High);
    let guest = hub_core::Actor::Person {
        name: slug("guy"),
        role: protocol::definition::Role::Guest,
        fresh: true,
    };
    let off = |n| Command::Notices(id(n), false);
    let refused = world.handle(Input::Command { by: guest.clone(), command: off(1) }).answer;
    assert!(matches!(refused, Answer::Refused { why: Refusal::NotPermitted, .. }), "{refused:?}");
    world.command(off(1)).unwrap();
    assert_eq!(world.hub.notices(&OWNER).len(), 1, "the other lamp's owner is still told");
    world.command(off(2)).unwrap();
    for _ in 0..2 {
        assert_eq!(world.hub.notices(&OWNER).len(), 0);
        assert_eq!(world.hub.notices(&guest).len(), 1, "others are told as before");
        world.restart();
        release(&mut world, &mut things, vendor.released(&Vendor::manifest(2), security()));
    }
    assert_eq!(world.hub.overdue_updates(), 0);
    world.pass(8 * DAY);
    tick(&mut world, &mut things);
    assert_eq!(world.hub.overdue_updates(), 1, "silence hides nothing");
    world.command(Command::Notices(id(1), true)).unwrap();
    assert_eq!(world.hub.notices(&OWNER).len(), 1);
    let history = world.hub.component(id(1)).unwrap().history;
    assert_eq!(history.iter().filter(|change| change.what == "update notices").count(), 2);
    let _ = note("x");
}

fn shown(world: &World, n: u16) -> (&'static str, Option<u32>, Option<String>) {
    let view = world.hub.component(id(n)).unwrap();
    (view.update_state.word(), view.update_counter, view.verified_digest)
}

/// Criterion: T3.AI.2 (positive)
/// Criterion: T3.AI.2 (negative)
/// Criterion: T3.AI.3 (positive)
#[test]
fn the_inventory_says_how_each_component_s_software_stands() {
    let (mut world, mut things, vendor) = fleet(2);
    let at = |counter: u32| Some(digest_of(counter).to_string());
    world.member(9);
    assert_eq!(shown(&world, 9), ("unknown", None, None), "it has signed nothing yet");
    assert_eq!(shown(&world, 1), ("current", Some(1), at(1)));
    release(&mut world, &mut things, plain(&vendor, 2));
    assert_eq!(shown(&world, 1), ("updating", Some(1), at(1)));
    assert_eq!(shown(&world, 2), ("behind", Some(1), at(1)));
    let thing = things.get_mut(&1).unwrap();
    thing.say(&mut world, UpdateStep::Accepted);
    thing.say_why(&mut world, UpdateStep::Failed, Some(UpdateFault::SlotWrite));
    assert_eq!(shown(&world, 1), ("failed", Some(1), at(1)));
    let mut manifest = Vendor::manifest(3);
    manifest.hardware = List::new(vec![7]).unwrap();
    release(&mut world, &mut things, vendor.released(&manifest, security()));
    assert_eq!(shown(&world, 2).0, "current", "the newest is for other hardware");
    assert_eq!(world.hub.campaigns()[0].of, 0);
    release(&mut world, &mut things, plain(&vendor, 4));
    update(&mut world, &mut things, 1, 4);
    assert_eq!(shown(&world, 1), ("current", Some(4), at(4)));
    things.get_mut(&1).unwrap().runs = 2;
    things.get_mut(&1).unwrap().connect(&mut world);
    assert_eq!(shown(&world, 1), ("doubted", None, None), "its counter fell");
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../schema/inventory.schema.json")).unwrap();
    let words = &schema["$defs"]["component"]["properties"]["update_state"]["enum"];
    let all = hub_core::inventory::export::UpdateState::ALL.map(|state| state.word());
    assert_eq!(*words, serde_json::json!(all), "every state, in order");
    let bom = world.hub.export_cyclonedx(world.now, uuid::Uuid::nil()).to_string();
    assert!(bom.contains("hub:update-state") && bom.contains("hub:verified-digest"), "{bom}");
    let mut other = World::new();
    let document = LAMP.replace("update-model = \"simulated.lamp\"\n", "");
    other.define(&document.replace("revision = 1\n", "revision = 2\n"));
    other.member(1);
    assert_eq!(shown(&other, 1).0, "not-managed");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn a_release_that_expires_on_its_way_goes_to_nobody_else() {
    let (mut world, mut things, vendor) = fleet(3);
    let mut manifest = Vendor::manifest(2);
    manifest.expires = Some(world.now.wall.seconds() + 3600);
    release(&mut world, &mut things, vendor.released(&manifest, ReleaseNote::default()));
    update(&mut world, &mut things, 1, 2);
    world.pass(DAY);
    for _ in 0..4 {
        tick(&mut world, &mut things);
    }
    assert_eq!(offered(&mut things), [0; 0]);
    assert_eq!(world.hub.campaigns()[0].waits.as_deref(), Some("it expired"));
}

/// Criterion: T3.SU.1 (negative)
#[test]
fn images_that_nobody_gets_any_more_are_not_kept() {
    let (mut world, mut things, vendor) = fleet(2);
    for counter in 2..40 {
        release(&mut world, &mut things, plain(&vendor, counter));
    }
    let needed = world.hub.needed_images();
    assert!(needed.contains(&digest_of(39)), "the newest");
    assert!([2, 3].iter().all(|old| needed.contains(&digest_of(*old))), "both still get these");
    assert_eq!(needed.len(), 6, "images and chunk lists of these three");
}

fn slug(text: &str) -> protocol::id::Slug {
    protocol::id::Slug::new(text).unwrap()
}

fn guest() -> hub_core::AccountChange {
    hub_core::AccountChange::Add { role: protocol::definition::Role::Guest, hash: "x".into() }
}

/// Criterion: T3.SU.1b (negative)
#[test]
fn wrong_bytes_at_a_component_are_path_corruption_if_the_cache_is_clean_and_store_damage_else() {
    for (clean, kind, word) in [
        (true, EventKind::UpdateIncident, "path corruption: "),
        (false, EventKind::UpdateRefused, "store damage: "),
    ] {
        let (mut world, mut things, vendor) = fleet(1);
        release(&mut world, &mut things, plain(&vendor, 2));
        let thing = things.get_mut(&1).unwrap();
        thing.say(&mut world, UpdateStep::Accepted);
        thing.say(&mut world, UpdateStep::Fetching);
        assert_eq!(world.hub.doubted_images(), []);
        thing.say_why(&mut world, UpdateStep::Failed, Some(UpdateFault::ChunkHash));
        assert_eq!(world.hub.doubted_images(), [digest_of(2)]);
        world.handle(Input::Rehashed { image: digest_of(2), clean });
        let told = world.events.iter().filter(|event| event.text.starts_with(word));
        assert_eq!(told.map(|event| event.kind).collect::<Vec<_>>(), [kind]);
        assert_eq!(world.hub.doubted_images(), []);
        world.handle(Input::Rehashed { image: digest_of(2), clean });
        assert_eq!(world.events.iter().filter(|event| event.text.starts_with(word)).count(), 1);
    }
}

/// Criterion: T3.SU.1 (positive)
/// Criterion: T3.SU.1 (negative)
#[test]
fn a_definition_comes_into_force_with_its_release_unless_it_is_not_the_makers_or_of_another_model()
{
    let definition = |revision: u32, model: &str| {
        let document = LAMP.replace("simulated.lamp", model);
        document.replace("revision = 1\n", &format!("revision = {revision}\n"))
    };
    let mine = definition(7, "lumen.lamp");
    for (what, document, signer, refused, revision) in [
        ("the maker's", &mine, "Lumen Works", None, 7),
        ("somebody else's", &mine, "Other Works", Some("the signer is"), 2),
        ("of another model", &definition(7, "lumen.lock"), "Lumen Works", Some("of this model"), 2),
        ("older", &definition(1, "lumen.lamp"), "Lumen Works", None, 2),
    ] {
        let (mut world, mut things, vendor) = fleet(1);
        let envelope = world.maker.sign(document, &crate::maker::Signer::of(signer));
        let released = |counter| Input::Released {
            image: Box::new(vendor.image(&Vendor::manifest(counter))),
            note: ReleaseNote::default(),
            definition: Some(envelope.clone()),
            rollout: 100,
        };
        for _ in 0..2 {
            release(&mut world, &mut things, released(2));
        }
        let kinds = world.hub.kinds_named("lamp");
        assert_eq!(kinds[0].definition().revision, revision, "{what}");
        let told = world.events.iter().filter(|event| event.kind == EventKind::DefinitionRefused);
        let told: Vec<_> = told.map(|event| event.text.as_str()).collect();
        assert_eq!(told.len(), usize::from(refused.is_some()), "{what}: {told:?}");
        assert!(refused.is_none_or(|word| told[0].contains(word)), "{what}: {told:?}");
        assert_eq!(world.hub.campaigns().len(), 1, "the release goes on");
    }
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn going_back_from_software_on_trial_is_no_rollback() {
    let (mut world, mut things, vendor) = fleet(1);
    release(&mut world, &mut things, plain(&vendor, 2));
    let thing = things.get_mut(&1).unwrap();
    for step in [
        UpdateStep::Accepted,
        UpdateStep::Fetching,
        UpdateStep::Verified,
        UpdateStep::Ready,
        UpdateStep::Installing,
    ] {
        thing.say(&mut world, step);
    }
    thing.runs = 2;
    thing.connect(&mut world);
    thing.say(&mut world, UpdateStep::Trial);
    thing.runs = 1;
    thing.connect(&mut world);
    thing.say_why(&mut world, UpdateStep::RolledBack, Some(UpdateFault::Health));
    assert_eq!(world.hub.firmware(id(1)).unwrap().doubt, None);
    assert!(!world.saw(EventKind::FirmwareMismatch, None));
    assert_eq!(world.hub.incidents().iter().count(), 0);
}
