//! The inventory: complete, current, and never rolled back.

use crate::world::{World, facts, id, key, label};
use hub_core::{Command, EventKind, Input, Selector, StoreState, Uplink, access::trust::Hold};
use protocol::{
    cbor,
    id::{BootId, ComponentId, Digest},
    message::{Bye, ByeReason, CloudHello, Heartbeat, TrustState, V1},
    refusal::Refusal,
};
use std::{collections::BTreeSet, time::Duration};

fn beat(world: &mut World, n: u16) {
    let heartbeat = Heartbeat { version: V1, boot: BootId([1; 8]), seq: 1, uptime: 5 };
    world.say(n, "heartbeat", &cbor::encode(&heartbeat));
}

/// Criterion: T3.AI.2 (positive)
#[test]
fn every_field_equals_what_the_component_is() {
    let mut world = World::new();
    world.member(1);
    let view = serde_json::to_value(world.hub.component(id(1)).unwrap()).unwrap();
    for (field, value) in [
        ("kind", "lamp"),
        ("maker", "Lumen Works"),
        ("model", "Glow 2"),
        ("serial", "LW-00001"),
        ("firmware", "1.4.0"),
        ("sbom", "https://lumen.example/sbom/glow2-1.4.0.json"),
        ("support_end", "2031-12-31"),
        ("trust", "active"),
        ("link_grade", "mutual-tls-1.3"),
    ] {
        assert_eq!(view[field], value, "{field}");
    }
    assert_eq!(view["hardware"], 3);
    assert_eq!(view["interfaces"], serde_json::json!(["button", "wifi"]));
    assert_eq!(view["missing"], serde_json::json!([]));
    assert_eq!(view["firmware_digest"], "05".repeat(32));
}

/// Criterion: T3.AI.2 (negative)
#[test]
fn a_component_that_omits_a_field_is_marked_incomplete_and_a_stranger_is_no_member() {
    let mut world = World::new();
    let certificate = world.enrol(1);
    world.connect(1, &certificate);
    let mut short = facts(1, 1);
    (short.sbom, short.support_end) = (None, None);
    world.announce(1, &short);
    assert_eq!(world.hub.component(id(1)).unwrap().missing, ["sbom", "support-end"]);
    let stranger = world.request(2, world.idevid(2));
    world.handle(Input::Enrol(stranger));
    assert_eq!(world.hub.component(id(2)).unwrap().trust, TrustState::Pending);
    assert_eq!(world.hub.component(id(2)).unwrap().missing, ["announcement"]);
}

/// Criterion: T3.AI.2 (positive)
#[test]
fn the_exports_have_exactly_the_fields_their_schema_names() {
    let mut world = World::new();
    world.member(1);
    world.handle(Input::Uplink(Uplink::Up(key(0xc10d))));
    let export = world.hub.export_json(world.now);
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../schema/inventory.schema.json")).unwrap();
    let names = |value: &serde_json::Value| {
        value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>()
    };
    let component = &schema["$defs"]["component"];
    let holds = component["properties"]["hold"]["enum"].clone();
    assert_eq!(holds, serde_json::to_value(Hold::ALL).unwrap(), "every hold, in order");
    let unknown: Vec<_> = names(&export["components"][0])
        .difference(&names(&component["properties"]))
        .cloned()
        .collect();
    assert_eq!(unknown, [""; 0], "fields the schema does not name");
    for required in component["required"].as_array().unwrap() {
        assert!(!export["components"][0][required.as_str().unwrap()].is_null(), "{required}");
    }
    assert_eq!(names(&export), names(&schema["properties"]));
    let bom = world.hub.export_cyclonedx(world.now, uuid::Uuid::nil());
    assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    assert_eq!(bom["components"].as_array().unwrap().len(), 2, "the lamp and the cloud");
    assert_eq!(bom["components"][0]["bom-ref"], format!("urn:uuid:{}", id(1)));
}

/// Criterion: T3.AI.3 (positive)
#[test]
fn firmware_config_and_certificate_changes_are_seen_and_remembered() {
    let mut world = World::new();
    world.member(1);
    let mut new = facts(1, 2);
    (new.firmware, new.firmware_digest, new.config) = (label("1.5.0"), Digest([6; 32]), 2);
    let effects = world.announce(1, &new);
    assert!(!effects.writes.is_empty());
    let history = world.hub.component(id(1)).unwrap().history;
    let firmware = history.iter().find(|change| change.what == "firmware").unwrap();
    assert_eq!((firmware.old.as_str(), firmware.new.as_str()), ("1.4.0", "1.5.0"));
    assert!(history.iter().any(|change| change.what == "config"));
    assert!(history.iter().any(|change| change.what == "certificate"));
    for seq in 3..100 {
        let mut again = facts(1, seq);
        again.config = seq as u32;
        world.pass(Duration::from_secs(1));
        world.announce(1, &again);
    }
    assert_eq!(world.hub.component(id(1)).unwrap().history.len(), 64, "bounded");
}

/// Criterion: T3.AI.3 (negative)
#[test]
fn an_older_announcement_rolls_nothing_back_and_a_repeat_is_harmless() {
    let mut world = World::new();
    world.member(1);
    let mut new = facts(1, 5);
    new.firmware = label("1.5.0");
    world.announce(1, &new);
    let repeat = world.announce(1, &new);
    assert!(repeat.writes.is_empty() && repeat.events.is_empty(), "nothing changed");
    for old in [facts(1, 4), facts(1, 5)] {
        let effects = world.announce(1, &old);
        assert!(matches!(effects.answer, hub_core::Answer::Refused { why: Refusal::Replayed, .. }));
        assert!(effects.writes.is_empty());
    }
    assert_eq!(world.hub.component(id(1)).unwrap().facts.unwrap().firmware, "1.5.0");
    let late = cbor::encode(&Bye { version: V1, seq: 5, reason: ByeReason::Leave });
    world.say(1, "bye", &late);
    assert_eq!(world.state(1), TrustState::Active, "an old goodbye does not count");
    let bye = cbor::encode(&Bye { version: V1, seq: 6, reason: ByeReason::Leave });
    world.say(1, "bye", &bye);
    assert_eq!(world.state(1), TrustState::Retired);
}

/// Criterion: T3.AI.3 (negative)
#[test]
fn a_replayed_goodbye_is_refused_and_a_repeated_one_says_nothing_new() {
    let mut world = World::new();
    world.member(1);
    let bye = |seq, reason| cbor::encode(&Bye { version: V1, seq, reason });
    let first = bye(2, ByeReason::Sleep);
    assert_eq!(world.say(1, "bye", &first).events.len(), 1);
    assert!(world.say(1, "bye", &first).events.is_empty(), "its acknowledgement was lost");
    world.pass(Duration::from_secs(2));
    assert_eq!(world.say(1, "bye", &bye(3, ByeReason::Restart)).events.len(), 1);
    world.restart();
    let mut changed = facts(1, 3);
    changed.firmware = label("1.5.0");
    let old =
        [("bye", first), ("bye", bye(3, ByeReason::Leave)), ("announce", cbor::encode(&changed))];
    for (leaf, old) in old {
        let answer = world.say(1, leaf, &old).answer;
        assert!(
            matches!(answer, hub_core::Answer::Refused { why: Refusal::Replayed, .. }),
            "{leaf}"
        );
    }
    let same = world.announce(1, &facts(1, 1));
    assert!(matches!(same.answer, hub_core::Answer::Done) && same.writes.is_empty(), "a repeat");
    assert_eq!(world.state(1), TrustState::Active);
}

/// Criterion: T3.AI.3 (negative)
#[test]
fn silence_makes_stale_and_a_sign_of_life_brings_back() {
    let mut world = World::new();
    world.member(1);
    world.member(2);
    for _ in 0..10 {
        world.pass(Duration::from_secs(30));
        beat(&mut world, 2);
        world.handle(Input::Tick);
    }
    assert_eq!((world.state(1), world.state(2)), (TrustState::Stale, TrustState::Active));
    assert!(world.saw(EventKind::ComponentLost, None));
    beat(&mut world, 1);
    assert_eq!(world.state(1), TrustState::Active);
    assert!(world.saw(EventKind::ComponentSeen, None));
}

#[test]
fn heartbeats_cost_no_write_each_but_are_on_disk_within_two_minutes() {
    let mut world = World::new();
    world.member(1);
    world.handle(Input::Tick);
    let mut writes = 0;
    for _ in 0..120 {
        world.pass(Duration::from_secs(1));
        let heartbeat = Heartbeat { version: V1, boot: BootId([1; 8]), seq: 1, uptime: 5 };
        writes += world.say(1, "heartbeat", &cbor::encode(&heartbeat)).writes.len();
        writes += world.handle(Input::Tick).writes.len();
    }
    assert!((1..=3).contains(&writes), "{writes}");
    let seen = world.replayed().inventory().get(id(1)).unwrap().last_seen;
    assert!(world.now.wall.since(seen) <= Duration::from_secs(60));
}

/// Criterion: T3.AI.1 (negative)
#[test]
fn one_identity_in_two_devices_is_found_quarantined_and_cut() {
    let mut world = World::new();
    let certificate = world.member(1);
    let boot = |n: u8, seq: u64| {
        let mut facts = facts(1, seq);
        facts.boot = BootId([n; 8]);
        facts
    };
    world.connect(1, &certificate);
    world.announce(1, &boot(2, 2));
    assert_eq!(world.state(1), TrustState::Active, "a restart is benign");
    world.connect(1, &certificate);
    let effects = world.announce(1, &boot(1, 3));
    assert_eq!(world.state(1), TrustState::Quarantined);
    assert_eq!(effects.cuts.first().map(|cut| cut.why), Some(Refusal::Cloned));
    assert!(world.saw(EventKind::CloneDetected, Some(Refusal::Cloned)));
    world.announce(1, &boot(3, 4));
    assert_eq!(world.state(1), TrustState::Quarantined, "it cannot lift this itself");
    assert_eq!(world.command(Command::Approve(Selector::One(id(1)))), Ok(1));
}

/// Criterion: T3.AI.1 (negative)
#[test]
fn an_announcement_may_not_claim_another_s_serial_or_become_another_thing() {
    let mut world = World::new();
    world.member(1);
    let mut other = facts(1, 2);
    other.model = label("Lock 1");
    assert!(matches!(
        world.announce(1, &other).answer,
        hub_core::Answer::Refused { why: Refusal::IdentityMismatch, .. }
    ));
    let certificate = world.enrol(2);
    world.connect(2, &certificate);
    let stolen = facts(1, 1);
    assert!(matches!(
        world.announce(2, &stolen).answer,
        hub_core::Answer::Refused { why: Refusal::IdentityMismatch, .. }
    ));
    assert_eq!(world.state(2), TrustState::Quarantined);
    assert_eq!(world.hub.component(id(1)).unwrap().facts.unwrap().model, "Glow 2");
}

/// Criterion: T3.AI.1 (positive)
#[test]
fn hub_and_cloud_are_components_too_and_the_cloud_s_id_is_proved() {
    let mut world = World::new();
    let status = world.hub.status(world.now.wall);
    assert_eq!((status.hub.kind, status.cloud.state), ("hub", "not-configured"));
    world.handle(Input::Uplink(Uplink::Up(key(7))));
    let hello = |id: ComponentId| CloudHello {
        version: V1,
        id,
        maker: label("Lumen Works"),
        model: label("Lumen Cloud"),
        software: label("1"),
    };
    world.handle(Input::Uplink(Uplink::Hello(hello(id(8)))));
    assert!(world.hub.cloud_view().model.is_none(), "another's id is not believed");
    assert!(world.saw(EventKind::UplinkChanged, Some(Refusal::IdentityMismatch)));
    world.handle(Input::Uplink(Uplink::Hello(hello(id(7)))));
    let cloud = world.hub.cloud_view();
    assert_eq!(
        (cloud.id, cloud.state, cloud.model.as_deref()),
        (Some(id(7)), "up", Some("Lumen Cloud"))
    );
}

#[test]
fn without_a_store_nothing_is_acknowledged() {
    let mut world = World::new();
    world.member(1);
    world.handle(Input::Store(StoreState::Unavailable));
    assert_eq!(
        world.permit(1, "announce", &cbor::encode(&facts(1, 2))),
        Err(Refusal::StoreUnavailable)
    );
    assert!(world.saw(EventKind::StoreDegraded, None));
    assert!(world.hub.component(id(1)).is_some(), "reads go on");
    world.handle(Input::Store(StoreState::Ok));
    assert!(world.permit(1, "announce", &cbor::encode(&facts(1, 2))).is_ok());
}
