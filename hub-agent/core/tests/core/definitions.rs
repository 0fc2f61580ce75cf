//! What definitions mean for components that live.

use crate::world::{LAMP, OWNER, World, facts, id, label, note};
use hub_core::{
    Answer, Command, EventKind, Input, Table,
    access::{policy::Installed, trust::Hold},
};
use protocol::{
    cbor,
    id::{BootId, Slug},
    message::TrustState,
    refusal::Refusal,
};
use std::{collections::BTreeMap, time::Duration};

fn value(number: i64) -> Vec<u8> {
    cbor::encode(&BTreeMap::from([("value", number)]))
}

/// Criterion: T3.PC.3 (negative)
#[test]
fn a_component_of_an_unknown_kind_stays_quarantined_until_its_definition_comes() {
    let mut world = World::new();
    let certificate = world.enrol(1);
    world.connect(1, &certificate);
    let mut gauge = facts(1, 1);
    gauge.kind = Slug::new("gauge").unwrap();
    world.announce(1, &gauge);
    assert_eq!(world.state(1), TrustState::Quarantined);
    assert!(world.saw(EventKind::PolicyDenied, Some(Refusal::UnknownKind)));
    assert_eq!(world.permit(1, "stream/power", &value(1)), Err(Refusal::Quarantined));
    let approve = Command::Approve(hub_core::Selector::One(id(1)));
    assert_eq!(world.command(approve), Err(Refusal::WrongState), "no best effort");
    world.pass(Duration::from_secs(2));
    world.announce(1, &gauge);
    assert_eq!(world.state(1), TrustState::Quarantined);
    let defined = world.define(&LAMP.replace("kind = \"lamp\"", "kind = \"gauge\""));
    assert!(matches!(defined, Answer::Defined { installed: Installed::New, .. }), "{defined:?}");
    assert_eq!(world.hold(1), Some(Hold::Baseline));
    world.obey(1);
    assert_eq!(world.state(1), TrustState::Active);
    assert!(world.permit(1, "stream/power", &value(1)).is_ok());
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn only_declared_content_passes_and_each_refusal_has_its_reason() {
    let mut world = World::new();
    world.member(1);
    assert!(world.permit(1, "stream/power", &value(90)).is_ok());
    let wrong_type = cbor::encode(&BTreeMap::from([("value", "9")]));
    let extra = cbor::encode(&BTreeMap::from([("a", 1), ("value", 2)]));
    let long = cbor::encode(&BTreeMap::from([("value", "x".repeat(40))]));
    for (payload, why) in [
        (value(91), Refusal::WrongContent),
        (value(-1), Refusal::WrongContent),
        (wrong_type, Refusal::WrongContent),
        (extra, Refusal::WrongContent),
        (cbor::encode(&BTreeMap::<&str, i64>::new()), Refusal::WrongContent),
        (long, Refusal::TooLarge),
        (cbor::encode(&[1]), Refusal::Malformed),
    ] {
        assert_eq!(world.permit(1, "stream/power", &payload), Err(why), "{payload:x?}");
    }
    // A stream that was announced but that the maker never declared.
    let mut more = facts(1, 2);
    more.streams =
        protocol::message::List::new(vec![Slug::new("power").unwrap(), Slug::new("spy").unwrap()])
            .unwrap();
    world.announce(1, &more);
    assert_eq!(world.permit(1, "stream/spy", &value(1)), Err(Refusal::NotDeclared));
}

/// Criterion: T3.LA.1b (positive)
#[test]
fn a_new_revision_judges_at_once_and_drops_no_session() {
    let mut world = World::new();
    world.member(1);
    let wider =
        LAMP.replace("revision = 1", "revision = 2").replace("maximum = 90", "maximum = 900");
    assert_eq!(world.permit(1, "stream/power", &value(900)), Err(Refusal::WrongContent));
    let effects = {
        let answer = world.define(&wider);
        assert!(matches!(answer, Answer::Defined { installed: Installed::Replaced(1), .. }));
        world.handle(Input::Tick)
    };
    assert!(effects.cuts.is_empty());
    assert!(world.permit(1, "stream/power", &value(900)).is_ok());
    let refused = world.define(LAMP);
    assert!(matches!(refused, Answer::NotDefined(_)), "{refused:?}");
    assert!(world.saw(EventKind::DefinitionRefused, Some(Refusal::BadDefinition)));
    assert!(world.permit(1, "stream/power", &value(900)).is_ok(), "the newer one stays");
    world.restart();
    assert!(world.permit(1, "stream/power", &value(900)).is_ok(), "over a restart too");
    assert_eq!(world.state(1), TrustState::Active);
}

type Damage = (&'static str, fn(&mut Vec<u8>));

/// Criterion: T3.LA.1 (negative)
#[test]
fn an_empty_corrupt_or_unsigned_policy_relays_nothing_and_says_so() {
    let damage: [Damage; 3] = [
        ("corrupt", |value| value[200] ^= 1),
        ("unsigned", |value| {
            let end = value.len();
            value[end - 64..].fill(0);
        }),
        ("cut", |value| value.truncate(4)),
    ];
    let hit = |world: &mut World, change: &dyn Fn(&mut Vec<u8>)| {
        let stored = world.store.iter_mut().find(|((table, _), _)| *table == Table::Definitions);
        change(stored.unwrap().1);
    };
    for (name, change) in damage {
        let mut world = World::new();
        world.member(1);
        hit(&mut world, &change);
        world.events.clear();
        world.restart();
        world.handle(Input::Tick);
        assert!(world.saw(EventKind::DefinitionRefused, Some(Refusal::BadDefinition)), "{name}");
        assert!(world.saw(EventKind::PolicyEmpty, None), "{name}");
        assert_eq!(world.permit(1, "stream/power", &value(1)), Err(Refusal::Quarantined), "{name}");
    }
    let mut world = World::new();
    world.member(1);
    world.store.retain(|(table, _), _| *table != Table::Definitions);
    world.restart();
    world.handle(Input::Tick);
    assert!(world.saw(EventKind::PolicyEmpty, None));
    assert_eq!(world.permit(1, "stream/power", &value(1)), Err(Refusal::Quarantined));
    world.define(LAMP);
    assert!(world.permit(1, "stream/power", &value(1)).is_ok(), "released by its definition");
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn a_flood_beyond_the_declared_rate_and_a_number_that_falls_are_refused() {
    let mut world = World::new();
    let counting = LAMP
        .replace("revision = 1", "revision = 2")
        .replace("per-minute = 12000\n[stream.schema]\ntype = \"object\"\nrequired = [\"value\"]",
            "per-minute = 60\nrises = \"value\"\n[stream.schema]\ntype = \"object\"\nrequired = [\"value\"]");
    assert!(matches!(world.define(&counting), Answer::Defined { .. }));
    world.member(1);
    world.pass(Duration::from_secs(60));
    let say = |world: &mut World, number| match world.say(1, "stream/power", &value(number)).answer
    {
        Answer::Refused { why, .. } => Some(why),
        _ => None,
    };
    assert_eq!(say(&mut world, 5), None);
    assert_eq!(say(&mut world, 5), None, "repeated after a lost acknowledgement");
    assert_eq!(say(&mut world, 4), Some(Refusal::OutOfOrder));
    let mut next_life = facts(1, 2);
    next_life.boot = BootId([9; 8]);
    world.announce(1, &next_life);
    assert_eq!(say(&mut world, 1), None, "a new life starts again");
    let flood: Vec<_> = (0..100).map(|_| say(&mut world, 1)).collect();
    assert_eq!(flood.iter().filter(|why| **why == Some(Refusal::SlowDown)).count(), 88);
    assert!(world.saw(EventKind::ComponentSuspect, None), "the sender is flagged");
    world.pass(Duration::from_secs(10));
    assert_eq!(say(&mut world, 1), None);
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn roots_that_vouch_for_one_makers_devices_alone_define_what_they_are() {
    let mut world = World::new();
    let stranger = crate::maker::Maker::new();
    let lumen = crate::maker::Signer::of("Lumen Works");
    let define = |world: &mut World, envelope| {
        let command = Command::Define(envelope);
        world.handle(Input::Command { by: OWNER, command }).answer
    };
    let untrusted = stranger.sign(LAMP, &lumen);
    assert!(matches!(define(&mut world, untrusted), Answer::NotDefined(_)));
    // Another trusted maker cannot redefine the lamp, and a kind that it defines first in this maker's
    // name does not cover devices with this maker's IDevIDs.
    let newer = world.other.sign(&LAMP.replace("revision = 1", "revision = 9"), &lumen);
    assert!(matches!(define(&mut world, newer), Answer::NotDefined(_)));
    let gauge = world.other.sign(&LAMP.replace("kind = \"lamp\"", "kind = \"gauge\""), &lumen);
    assert!(matches!(define(&mut world, gauge), Answer::Defined { .. }));
    let certificate = world.enrol(2);
    world.connect(2, &certificate);
    let mut device = facts(2, 1);
    device.kind = Slug::new("gauge").unwrap();
    world.announce(2, &device);
    assert_eq!(world.state(2), TrustState::Quarantined, "its IDevID is of the roots `lumen`");
    // The name of the maker must fit too.
    let certificate = world.enrol(3);
    world.connect(3, &certificate);
    let mut device = facts(3, 1);
    device.maker = label("Lumen Werks");
    world.announce(3, &device);
    assert_eq!(world.state(3), TrustState::Quarantined);
}

/// Criterion: T3.LA.1b (positive)
#[test]
fn a_component_on_trial_is_reported_not_refused_and_harms_no_other() {
    let mut world = World::new();
    world.member(1);
    let wrong = cbor::from_json(&serde_json::json!({ "on": 1 }));
    assert_eq!(world.permit(1, "stream/state", &wrong), Err(Refusal::WrongContent));
    assert_eq!(world.command(Command::Trial(id(1), true)), Ok(1));
    assert_eq!(world.command(Command::Trial(id(1), true)), Err(Refusal::WrongState));
    let effects = world.say(1, "stream/state", &wrong);
    assert!(effects.sends.is_empty(), "relayed to nobody");
    assert!(effects.writes.iter().any(|write| write.table == Table::Streams), "and taken");
    assert!(world.saw(EventKind::PolicyWouldDeny, Some(Refusal::WrongContent)));
    // What no definition can allow stays refused.
    for (leaf, payload) in
        [("stream/unknown", &wrong[..]), ("stream/state", &[0xbf, 0xff]), ("trust", &wrong)]
    {
        assert!(world.permit(1, leaf, payload).is_err(), "{leaf}");
    }
    let command = format!("command/{}/switch", id(1));
    assert!(world.permit(1, &command, &cbor::from_json(&serde_json::json!({ "on": 1 }))).is_err());
    world.command(Command::Quarantine(id(1), note("odd"))).unwrap();
    assert_eq!(
        world.permit(1, "stream/state", &wrong),
        Err(Refusal::Quarantined),
        "no right of its state"
    );
    world.command(Command::Approve(hub_core::Selector::One(id(1)))).unwrap();
    world.restart();
    assert_eq!(world.command(Command::Trial(id(1), false)), Ok(1), "it outlives a restart");
    assert_eq!(world.permit(1, "stream/state", &wrong), Err(Refusal::WrongContent));
}
