//! The hub updates itself by a campaign of which it is the only member.

use crate::{
    vendor::{Thing, Things, Vendor, digest_of, tick},
    world::{LAMP, OWNER, World, label},
};
use hub_core::{
    Actor, Answer, Command, EventKind, HubSettings, Input, UpdateWish,
    update::{Importance, Outcome, OwnNews, OwnOrder, OwnSoftware, ReleaseNote, Stage, Window},
};
use protocol::{
    id::{Digest, ModelId},
    message::{List, UpdateFault, UpdateStep},
    refusal::Refusal,
    update::Manifest,
};

fn hub_model() -> ModelId {
    ModelId::new("lumen.hub").unwrap()
}

fn manifest(counter: u32) -> Manifest {
    let hardware = List::new(vec![1]).unwrap();
    Manifest { model: hub_model(), hardware, ..Vendor::manifest(counter) }
}

fn note(importance: Importance) -> ReleaseNote {
    ReleaseNote { importance, text: "for the hub".into(), reboot: true }
}

fn runs(counter: u32, trial: bool, rolled_back: Option<u32>, trouble: &str) -> Input {
    let software = OwnSoftware {
        model: hub_model(),
        hardware: 1,
        counter,
        name: label(&format!("{counter}.0")),
        image: if counter == 0 { Digest([7; 32]) } else { digest_of(counter) },
        slot: (counter > 0).then_some("a"),
        trial,
    };
    Input::Own(OwnNews::Runs {
        software: Box::new(software),
        rolled_back: rolled_back.map(|counter| (digest_of(counter), UpdateFault::Health)),
        trouble: trouble.to_owned(),
    })
}

fn world_with(set: impl FnOnce(&mut HubSettings)) -> (World, Vendor) {
    let mut world = World::with(set);
    world.handle(runs(0, false, None, ""));
    (world, Vendor::new())
}

fn security(vendor: &Vendor, counter: u32) -> Input {
    vendor.released(&manifest(counter), note(Importance::High))
}

/// The images that are to be stored, and those to be switched to.
fn orders(world: &mut World, input: Input) -> (Vec<Digest>, Vec<Digest>) {
    let (mut stores, mut switches) = (Vec::new(), Vec::new());
    for order in world.handle(input).own {
        match order {
            OwnOrder::Store(image) => stores.push(image.manifest().image),
            OwnOrder::Switch(image) => switches.push(image),
        }
    }
    (stores, switches)
}

fn stored(world: &mut World, counter: u32) -> Vec<Digest> {
    orders(world, Input::Own(OwnNews::Stored(digest_of(counter)))).1
}

/// Criterion: T1.SU.1 (positive)
#[test]
fn a_security_release_is_stored_switched_to_and_confirmed_across_the_restart() {
    let (mut world, vendor) = world_with(|_| {});
    assert_eq!(world.hub.update_models(), [hub_model()]);
    assert_eq!(orders(&mut world, security(&vendor, 2)).0, [digest_of(2)]);
    assert_eq!(stored(&mut world, 2), [digest_of(2)]);
    world.restart();
    world.handle(runs(2, true, None, ""));
    assert!(world.hub.own_software().unwrap().trial);
    assert_eq!(world.hub.campaigns()[0].stage, Stage::Canary);
    world.handle(Input::Own(OwnNews::Confirmed));
    assert!(matches!(world.hub.campaigns()[0].stage, Stage::Done { .. }));
    let ended: Vec<_> = world.hub.update_history().collect();
    assert_eq!((ended.len(), ended[0].outcome, ended[0].counter), (1, Outcome::Confirmed, 2));
    assert_eq!(ended[0].component, world.hub.own_id());
    assert!(world.saw(EventKind::UpdateConfirmed, None));
    assert_eq!(world.hub.status(world.now.wall).own.unwrap().counter, 2);
    // The power went after the confirmation and before its record: the next start makes up for it.
    assert_eq!(orders(&mut world, security(&vendor, 3)).0, [digest_of(3)]);
    stored(&mut world, 3);
    world.restart();
    world.handle(runs(3, false, None, ""));
    assert_eq!(world.hub.update_history().last().unwrap().outcome, Outcome::Confirmed);
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn what_was_rolled_back_is_recorded_once_and_not_tried_again_unless_a_person_asks() {
    let (mut world, vendor) = world_with(|_| {});
    orders(&mut world, security(&vendor, 2));
    stored(&mut world, 2);
    for _ in 0..2 {
        world.restart();
        world.handle(runs(0, false, Some(2), ""));
        assert_eq!(world.hub.update_history().count(), 1, "once");
        let last = world.hub.update_history().last().unwrap();
        assert_eq!((last.outcome, last.fault), (Outcome::RolledBack, Some(UpdateFault::Health)));
        assert_eq!(orders(&mut world, security(&vendor, 2)), (vec![], vec![]));
        assert_eq!(orders(&mut world, Input::Tick), (vec![], vec![]));
        assert!(matches!(world.hub.campaigns()[0].stage, Stage::Paused { .. }));
    }
    assert!(world.saw(EventKind::UpdateFailed, None));
    let retry = Command::Campaign(hub_model(), UpdateWish::Retry);
    let asked = orders(&mut world, Input::Command { by: OWNER, command: retry });
    assert_eq!(asked.0, [digest_of(2)], "a person asked");
}

/// Criterion: T1.SU.2 (negative)
#[test]
fn other_hardware_smaller_counters_and_other_models_are_not_stored() {
    let (mut world, vendor) = world_with(|_| {});
    world.handle(runs(5, false, None, ""));
    for counter in [4, 5] {
        assert_eq!(orders(&mut world, security(&vendor, counter)), (vec![], vec![]), "{counter}");
    }
    let hardware = List::new(vec![2, 3]).unwrap();
    let foreign = Manifest { hardware, ..manifest(6) };
    let input = vendor.released(&foreign, note(Importance::Critical));
    assert_eq!(orders(&mut world, input), (vec![], vec![]));
    let input = vendor.released(&Vendor::manifest(7), note(Importance::Critical));
    assert_eq!(orders(&mut world, input), (vec![], vec![]), "a lamp's");
    assert_eq!(stored(&mut world, 7), [], "nobody asked for it");
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn a_release_waits_for_consent_the_window_and_what_a_person_wants() {
    let (mut world, vendor) = world_with(|_| {});
    let feature = || vendor.released(&manifest(2), note(Importance::None));
    assert_eq!(orders(&mut world, feature()).0, []);
    assert!(world.hub.campaigns()[0].waits.as_ref().unwrap().contains("consent"));
    world.command(Command::Campaign(hub_model(), UpdateWish::Approve)).unwrap();
    world.command(Command::Campaign(hub_model(), UpdateWish::Pause)).unwrap();
    assert_eq!(stored(&mut world, 2), [], "paused before it was switched");
    world.command(Command::Campaign(hub_model(), UpdateWish::Approve)).unwrap();
    assert_eq!(orders(&mut world, Input::Tick).1, [digest_of(2)]);

    let minute = u16::try_from(world.now.wall.seconds() / 60 % 1440).unwrap();
    let (from, to) = ((minute + 60) % 1440, (minute + 120) % 1440);
    let (mut world, vendor) =
        world_with(|settings| settings.updates.window = Some(Window { from, to }));
    assert_eq!(orders(&mut world, security(&vendor, 2)).0, []);
    world.pass(std::time::Duration::from_secs(3600));
    assert_eq!(orders(&mut world, Input::Tick).0, [digest_of(2)]);
    world.pass(std::time::Duration::from_secs(3600));
    assert_eq!(stored(&mut world, 2), [], "it closed meanwhile");
    world.command(Command::Campaign(hub_model(), UpdateWish::Cancel)).unwrap();
    world.pass(std::time::Duration::from_secs(22 * 3600 + 1800));
    assert_eq!(orders(&mut world, Input::Tick).1, [], "ended");
    assert_eq!(world.hub.update_history().last().unwrap().outcome, Outcome::Cancelled);
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn the_hub_does_not_restart_while_a_component_tries_new_software() {
    let (mut world, vendor) = world_with(|_| {});
    let document =
        LAMP.replace("update-model = \"simulated.lamp\"\n", "update-model = \"lumen.lamp\"\n");
    let document = document.replace("revision = 1\n", "revision = 2\n");
    assert!(matches!(world.define(&document), Answer::Defined { .. }));
    let mut things: Things = (1..=2).map(|n| (n, Thing::join(&mut world, n))).collect();
    orders(&mut world, security(&vendor, 2));
    let lamp = vendor.released(&Vendor::manifest(2), ReleaseNote::default());
    world.handle(lamp);
    let first = things.get_mut(&1).unwrap();
    first.hear(&world);
    for step in [UpdateStep::Accepted, UpdateStep::Fetching, UpdateStep::Verified] {
        first.say(&mut world, step);
    }
    first.say(&mut world, UpdateStep::Ready);
    assert_eq!(stored(&mut world, 2), [], "it was told to install");
    first.say(&mut world, UpdateStep::Installing);
    assert_eq!(orders(&mut world, Input::Tick).1, []);
    let own = world.hub.campaigns().into_iter().find(|one| one.model == "lumen.hub").unwrap();
    assert!(own.waits.unwrap().contains("component"));
    first.runs = 2;
    first.connect(&mut world);
    first.say(&mut world, UpdateStep::Trial);
    assert_eq!(orders(&mut world, Input::Tick).1, []);
    first.say(&mut world, UpdateStep::Confirmed);
    first.report(&mut world);
    assert_eq!(orders(&mut world, Input::Tick).1, [digest_of(2)], "the trial is over");
    // And nobody is told to install while the hub's own software may go again.
    world.restart();
    world.handle(runs(2, true, None, ""));
    world.handle(vendor.released(&Vendor::manifest(2), ReleaseNote::default()));
    let second = things.get_mut(&2).unwrap();
    second.connect(&mut world);
    world.pass(std::time::Duration::from_secs(700));
    tick(&mut world, &mut things);
    tick(&mut world, &mut things);
    let second = things.get_mut(&2).unwrap();
    use UpdateStep::{Accepted, Fetching, Ready, Verified};
    for step in [Accepted, Fetching, Verified, Ready] {
        second.say(&mut world, step);
    }
    let installs = |thing: &Thing| {
        thing.told.iter().any(|(order, _)| *order == protocol::message::UpdateOrder::Install)
    };
    assert!(!installs(second));
    world.handle(Input::Own(OwnNews::Confirmed));
    tick(&mut world, &mut things);
    assert!(installs(&things[&2]));
}

/// Criterion: T1.SU.3 (positive)
/// Criterion: T1.SU.3 (negative)
#[test]
fn notices_of_the_hub_s_own_updates_are_switched_per_person_by_those_who_may() {
    let (mut world, vendor) = world_with(|_| {});
    world.handle(vendor.released(&manifest(2), note(Importance::None)));
    let own = world.hub.own_id();
    assert_eq!(world.hub.notices(&OWNER).len(), 1);
    let as_cloud = Command::Notices(own, false);
    let refused = world.handle(Input::Command { by: Actor::Cloud, command: as_cloud }).answer;
    assert!(matches!(refused, Answer::Refused { why: Refusal::NotPermitted, .. }), "{refused:?}");
    assert_eq!(world.hub.notices(&OWNER).len(), 1);
    world.command(Command::Notices(own, false)).unwrap();
    assert_eq!(world.command(Command::Notices(own, false)), Err(Refusal::WrongState));
    assert_eq!(world.hub.notices(&OWNER).len(), 0);
    world.restart();
    world.handle(runs(0, false, None, ""));
    assert_eq!(world.hub.notices(&OWNER).len(), 0, "also after a restart");
    world.command(Command::Notices(own, true)).unwrap();
    assert_eq!(world.hub.notices(&OWNER).len(), 1);
    assert!(world.saw(EventKind::CommandIssued, None));
}

/// Criterion: T1.SU.1 (negative)
#[test]
fn a_start_that_went_wrong_is_told_and_an_unswitched_release_begins_again() {
    let (mut world, vendor) = world_with(|_| {});
    orders(&mut world, security(&vendor, 2));
    stored(&mut world, 2);
    world.restart();
    world.handle(runs(0, false, None, "slot a: its executable is not the one that was verified"));
    assert!(world.saw(EventKind::UpdateOwnTrouble, None));
    world.handle(security(&vendor, 2));
    assert_eq!(orders(&mut world, Input::Tick).0, [digest_of(2)]);
    // A slot that cannot be written ends it.
    world.handle(Input::Own(OwnNews::Failed(digest_of(2), UpdateFault::SlotWrite)));
    assert_eq!(world.hub.update_history().last().unwrap().fault, Some(UpdateFault::SlotWrite));
    assert_eq!(orders(&mut world, Input::Tick).0, []);
}
