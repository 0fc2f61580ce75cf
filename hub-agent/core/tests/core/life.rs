//! What simulated days of a product found: ordinary life that looked like an attack, and an attack that did not.

use crate::{
    journal::{self, Journal},
    world::{World, id, key},
};
use hub_core::{
    Answer, Input, ReenrolRequest, Uplink,
    record::{RecordKind, Severity},
};
use protocol::{
    cbor,
    definition::SettingValue,
    id::{BootId, ComponentId, Slug},
    message::{Bye, ByeReason, Config, ConfigOutcome, Heartbeat, LogKind, Lost, Reported, V1},
    time::Timestamp,
};
use std::{net::SocketAddr, time::Duration};

fn grave(world: &World) -> Vec<String> {
    let grave = world.hub.incidents().iter().filter(|one| one.severity >= Severity::Medium);
    grave.map(|one| one.rule.to_string()).collect()
}

/// Nobody says anything for so long.
fn silence(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.pass(Duration::from_secs(1));
        world.handle(Input::Tick);
    }
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn one_that_said_goodbye_is_missed_by_nobody() {
    let mut world = World::new();
    world.member(1);
    let bye = Bye { version: V1, seq: 2, reason: ByeReason::Sleep };
    world.say(1, "bye", &cbor::encode(&bye));
    world.handle(Input::Disconnected { who: id(1), link: 1, why: hub_core::hub::LEFT });
    silence(&mut world, 300);
    assert!(world.log.iter().any(|record| record.kind == RecordKind::ComponentLost));
    assert_eq!(grave(&world), Vec::<String>::new());
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn silence_is_an_incident_but_not_while_the_whole_network_is_away() {
    let mut world = World::new();
    world.member(1);
    silence(&mut world, 300);
    assert_eq!(grave(&world), ["HUB-10"]);
    let mut world = World::new();
    world.member(1);
    world.handle(Input::Uplink(Uplink::Down("no route".into())));
    silence(&mut world, 300);
    assert_eq!(grave(&world), Vec::<String>::new());
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn the_last_will_of_one_that_is_gone_is_no_sign_of_life() {
    let mut world = World::new();
    world.member(1);
    let seen = world.hub.inventory().get(id(1)).unwrap().last_seen;
    world.pass(Duration::from_secs(80));
    let lost = cbor::encode(&Lost { version: V1 });
    let carriage = hub_core::access::gate::Carriage { qos: 0, retain: false, will: true };
    let topic = format!("p/{}/lost", id(1));
    let permitted = world.hub.authorize(id(1), &topic, &lost, carriage).unwrap();
    world.handle(Input::Message(permitted));
    assert_eq!(world.hub.inventory().get(id(1)).unwrap().last_seen, seen);
}

/// A component renews from an address, and connects from another one.
fn renews_and_moves(from: [u8; 4]) -> World {
    let mut world = World::new();
    let with = world.member(1);
    let home = SocketAddr::from(([10, 0, 0, 5], 40_000));
    let connect = |world: &mut World, from, serial: &[u8]| {
        let (who, serial) = (id(1), serial.to_vec());
        world.handle(Input::Connected { who, link: 9, from, serial, took_over: None });
    };
    connect(&mut world, home, &with.serial);
    let request = ReenrolRequest {
        with,
        id: id(1),
        key: key(77),
        strong: true,
        claimed: None,
        from: from.into(),
    };
    let Answer::Issue(order) = world.handle(Input::Reenrol(request)).answer else { panic!() };
    let mut certificate = world.certificate(1);
    certificate.key = key(77);
    let serial = certificate.serial.clone();
    world.handle(Input::Issued { id: id(1), certificate, occasion: order.occasion });
    connect(&mut world, SocketAddr::from(([10, 0, 0, 66], 40_000)), &serial);
    world
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_renewal_at_home_and_then_another_address_is_no_theft() {
    assert_eq!(grave(&renews_and_moves([10, 0, 0, 5])), Vec::<String>::new());
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_renewal_from_elsewhere_is_one() {
    assert_eq!(grave(&renews_and_moves([10, 0, 0, 66])), ["HUB-05"]);
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_thief_who_asks_just_before_a_renewal_at_home_does_not_get_its_place() {
    let mut world = World::new();
    let with = world.member(1);
    let connect = |world: &mut World, from: [u8; 4], serial: &[u8]| {
        let (who, from) = (id(1), SocketAddr::from((from, 40_000)));
        let serial = serial.to_vec();
        world.handle(Input::Connected { who, link: 9, from, serial, took_over: None });
    };
    connect(&mut world, [10, 0, 0, 5], &with.serial);
    let asks = |world: &mut World, n: u16, from: [u8; 4]| {
        let (key, from) = (key(n), from.into());
        let request = ReenrolRequest {
            with: with.clone(),
            id: id(1),
            key,
            strong: true,
            claimed: None,
            from,
        };
        world.handle(Input::Reenrol(request)).answer
    };
    let Answer::Issue(thiefs) = asks(&mut world, 78, [10, 0, 0, 66]) else { panic!() };
    assert!(matches!(asks(&mut world, 77, [10, 0, 0, 5]), Answer::Issue(_)));
    let mut certificate = world.certificate(1);
    certificate.key = key(78);
    let serial = certificate.serial.clone();
    world.handle(Input::Issued { id: id(1), certificate, occasion: thiefs.occasion });
    connect(&mut world, [10, 0, 0, 66], &serial);
    assert_eq!(grave(&world), ["HUB-05"]);
}

/// A component whose batches come every five minutes, and whose clock is set within one.
fn clock_set(by: i64) -> World {
    let (mut world, mut journal) = journal::world();
    for minute in 0..60_u32 {
        world.pass(Duration::from_secs(60));
        let (version, boot, seq) = (V1, BootId([1; 8]), u64::from(minute) + 1);
        let beat = Heartbeat { version, boot, seq, uptime: seq * 60 };
        world.say(1, "heartbeat", &cbor::encode(&beat));
        world.handle(Input::Tick);
        let off = if minute > 32 { by } else { 0 };
        let mut now = world.now;
        now.wall = Timestamp(now.wall.0.saturating_add_signed(off));
        journal.note_at(now, LogKind::Health);
        if minute % 5 == 4 {
            hand_over(&mut journal, &mut world);
        }
    }
    world
}

fn hand_over(journal: &mut Journal, world: &mut World) {
    assert_eq!(journal.hand_over(world), Ok(()));
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn summer_time_is_summer_time_also_when_records_wait_for_their_batch() {
    for by in [3_600_000, -3_600_000] {
        let world = clock_set(by);
        assert_eq!(grave(&world), Vec::<String>::new());
        let jumps = world.log.iter().filter(|record| record.kind == RecordKind::ClockJump);
        let codes: Vec<_> = jumps.filter_map(|record| record.code.as_deref()).collect();
        assert_eq!(codes, ["dst"]);
    }
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_clock_that_goes_back_by_a_month_is_an_incident() {
    assert_eq!(grave(&clock_set(-30 * 24 * 3_600_000)), ["HUB-20"]);
}

fn reports(world: &mut World, config: &Config, on: bool) {
    let mut open = config.open.items().to_vec();
    if on {
        open.push(Slug::new("button").unwrap());
    }
    let reported = Reported {
        version: V1,
        revision: config.revision,
        outcome: ConfigOutcome::Applied,
        settings: config.settings.clone(),
        open: protocol::message::List::new(open).unwrap(),
        security: 1,
        why: None,
    };
    world.say(1, "reported", &cbor::encode(&reported));
}

fn told(world: &World, to: ComponentId) -> Config {
    let topic = format!("p/{to}/config");
    let told = world.sent.iter().rev().find(|(sent, _)| *sent == topic).unwrap();
    cbor::decode(&told.1, 8192).unwrap()
}

/// Criterion: T3.CSA.2 (positive)
/// Criterion: T1.LA.2 (negative)
#[test]
fn what_protects_and_becomes_weaker_without_anybodys_wish_is_an_incident() {
    let mut world = World::new();
    world.member(1);
    let config = told(&world, id(1));
    reports(&mut world, &config, true);
    assert_eq!(grave(&world), ["HUB-17"]);
    let record = world.log.iter().find(|record| record.kind == RecordKind::ConfigWeakened);
    assert_eq!(record.unwrap().subject.as_deref(), Some("button"));
}

/// Criterion: T3.CSA.2 (positive)
/// Criterion: T1.LA.2 (negative)
#[test]
fn a_harmless_change_before_it_hides_no_weaker_one() {
    let mut world = World::new();
    world.member(1);
    let config = told(&world, id(1));
    let mut dimmed = config.clone();
    let mut values = dimmed.settings.values().clone();
    values.insert(Slug::new("max-brightness").unwrap(), SettingValue::Integer(20));
    dimmed.settings = protocol::message::Settings::new(values).unwrap();
    reports(&mut world, &dimmed, false);
    assert_eq!(grave(&world), Vec::<String>::new());
    reports(&mut world, &dimmed, true);
    reports(&mut world, &dimmed, true);
    assert_eq!(grave(&world), ["HUB-17"]);
    let weaker = world.log.iter().filter(|one| one.kind == RecordKind::ConfigWeakened);
    assert_eq!(weaker.count(), 1, "told of once");
}

/// Criterion: T1.LA.2 (positive)
#[test]
fn what_its_owner_changes_is_none_and_nor_is_what_protects_nothing() {
    let mut world = World::new();
    world.member(1);
    let wish = |name: &str, value| {
        let wishes = [(Slug::new(name).unwrap(), hub_core::Wish::Value(value))].into();
        hub_core::Command::Configure(hub_core::Members::One(id(1)), wishes)
    };
    world.command(wish("button-enabled", SettingValue::Boolean(true))).unwrap();
    let config = told(&world, id(1));
    reports(&mut world, &config, false);
    let mut dimmed = config.clone();
    let mut values = dimmed.settings.values().clone();
    values.insert(Slug::new("max-brightness").unwrap(), SettingValue::Integer(20));
    dimmed.settings = protocol::message::Settings::new(values).unwrap();
    reports(&mut world, &dimmed, false);
    assert_eq!(grave(&world), Vec::<String>::new());
}
