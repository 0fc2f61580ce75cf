//! What components say to each other: every one to every one, every class of message.

use crate::{
    maker::Signer,
    world::{OWNER, World, carriage, facts, id, key, label},
};
use hub_core::{
    Answer, Command, Input, Occasion, Outbound, Proof, Selector, Table,
    access::{pairing::code_text, trust::Hold},
};
use protocol::{
    cbor,
    definition::Definition,
    id::Slug,
    message::{Action, Assertion, List, TrustState},
    refusal::Refusal,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

pub(crate) const DOCUMENTS: [&str; 6] = [
    include_str!("../../../../device-sim/definitions/lamp.toml"),
    include_str!("../../../../device-sim/definitions/lock.toml"),
    include_str!("../../../../device-sim/definitions/camera.toml"),
    include_str!("../../../../device-sim/definitions/thermostat.toml"),
    include_str!("../../../../device-sim/definitions/leak-sensor.toml"),
    include_str!("../../../../device-sim/definitions/wall-switch.toml"),
];

const LAMP: u16 = 1;
const LOCK: u16 = 2;
const CAMERA: u16 = 3;
const SWITCH: u16 = 6;

/// A product with so many components of each kind, all active and connected.
pub(crate) fn product(of_each: u16) -> (World, Vec<(u16, Definition)>) {
    let mut world = World::new();
    let mut members = Vec::new();
    for n in 1..=6 * of_each {
        let document = DOCUMENTS[usize::from(n - 1) % 6];
        let definition = Definition::parse(document).unwrap();
        assert!(matches!(world.define(document), Answer::Defined { .. }));
        let certificate = world.enrol(n);
        world.connect(n, &certificate);
        let mut facts = facts(n, 1);
        facts.kind = definition.kind.clone();
        facts.maker = label(definition.maker.as_str());
        facts.model = definition.models[0].clone();
        let names: Vec<Slug> = definition.streams.iter().map(|s| s.name.clone()).collect();
        facts.streams = List::new(names).unwrap();
        world.announce(n, &facts);
        if world.state(n) != TrustState::Active {
            world.obey(n);
        }
        assert_eq!(world.state(n), TrustState::Active);
        members.push((n, definition));
    }
    (world, members)
}

/// A value that a schema of the simulated kinds allows.
fn fitting(schema: &Value) -> Vec<u8> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let value = properties.map(|(name, schema)| {
        let least = schema["minimum"].as_i64().unwrap_or(1);
        let value = match schema["type"].as_str() {
            Some("boolean") => json!(true),
            Some("string") => json!("x"),
            _ => json!(least),
        };
        let value = schema["enum"].as_array().map_or(value, |all| all[0].clone());
        (name.clone(), value)
    });
    cbor::from_json(&Value::Object(value.collect()))
}

fn relayed(effects: &hub_core::Effects) -> Vec<Assertion> {
    let assertion = |send: &hub_core::Permitted<Outbound>| match send.message() {
        Outbound::Relayed(assertion) => {
            assert_eq!(send.principal(), assertion.receiver);
            Some((**assertion).clone())
        }
        Outbound::Message { .. } | Outbound::Blocks(_) => None,
    };
    effects.sends.iter().filter_map(assertion).collect()
}

impl World {
    fn command_from(
        &mut self,
        sender: u16,
        receiver: u16,
        name: &str,
        args: &Value,
    ) -> Result<Vec<Assertion>, Refusal> {
        let topic = format!("p/{}/command/{}/{name}", id(sender), id(receiver));
        let payload = cbor::from_json(args);
        let permitted = self.hub.authorize(id(sender), &topic, &payload, carriage(1));
        let effects = self.handle(Input::Message(permitted.map_err(|denied| denied.refusal)?));
        match effects.answer {
            Answer::Refused { why, .. } => Err(why),
            _ => Ok(relayed(&effects)),
        }
    }
}

/// Criterion: T3.LA.1a (positive)
/// Criterion: T3.LA.1 (positive)
/// Criterion: T3.LA.1b (positive)
#[test]
fn of_every_message_of_everyone_to_everyone_exactly_what_is_defined_is_delivered() {
    let (mut world, members) = product(4);
    let (mut cells, mut said, mut wanted, mut delivered) = (0, 0, BTreeSet::new(), BTreeSet::new());
    for (sender, own) in &members {
        for (owner, theirs) in &members {
            let mut classes: Vec<(String, Vec<u8>, bool)> = Vec::new();
            let mine = sender == owner;
            for leaf in [
                "trust",
                "config",
                "relayed",
                "log",
                "log/ctl",
                "nothing",
                "announce",
                "heartbeat",
                "bye",
                "lost",
                "reported",
            ] {
                // Their good forms are tested with the gate; here only another's topic matters.
                classes.push((format!("p/{}/{leaf}", id(*owner)), vec![0xa0], false));
            }
            for stream in &theirs.streams {
                let topic = format!("p/{}/stream/{}", id(*owner), stream.name);
                classes.push((topic, fitting(&stream.traffic.schema), mine));
                if mine {
                    for (reader, kind) in &members {
                        if stream.readers.contains(&kind.kind) && reader != sender {
                            wanted.insert((*sender, *reader, Action::Stream, stream.name.clone()));
                        }
                    }
                }
            }
            for command in &theirs.commands {
                let topic = format!("p/{}/command/{}/{}", id(*sender), id(*owner), command.name);
                let may = command.from.contains(&own.kind);
                classes.push((topic, fitting(&command.traffic.schema), may));
                if may {
                    wanted.insert((*sender, *owner, Action::Command, command.name.clone()));
                }
                // In another's name, and one that the receiver does not have.
                let foreign = format!("p/{}/command/{}/{}", id(*owner), id(*owner), command.name);
                let allowed = mine && command.from.contains(&own.kind);
                classes.push((foreign, fitting(&command.traffic.schema), allowed));
            }
            classes.push((
                format!("p/{}/command/{}/self-destruct", id(*sender), id(*owner)),
                vec![0xa0],
                false,
            ));
            for (topic, payload, allowed) in classes {
                let permitted = world.hub.authorize(id(*sender), &topic, &payload, carriage(1));
                let refusal = permitted.as_ref().err().map(|denied| denied.refusal);
                assert_eq!(permitted.is_ok(), allowed, "{} says {topic}: {permitted:?}", own.kind);
                let told = world.hub.explain(id(*sender), &topic, Some(&payload), 1);
                assert_eq!((told.allowed, told.refusal), (allowed, refusal), "{told:?}");
                assert!(!told.decided_by.is_empty());
                cells += 1;
                said += usize::from(allowed);
                let Ok(permitted) = permitted else { continue };
                // The rate is another test's matter.
                world.pass(Duration::from_secs(60));
                let effects = world.handle(Input::Message(permitted));
                for assertion in relayed(&effects) {
                    let find = |who| members.iter().find(|(n, _)| id(*n) == who).unwrap().0;
                    assert_eq!((find(assertion.sender), &assertion.kind), (*sender, &own.kind));
                    assert_eq!(assertion.payload.0, payload, "canonical bytes, unchanged");
                    delivered.insert((
                        *sender,
                        find(assertion.receiver),
                        assertion.action,
                        assertion.name,
                    ));
                }
            }
        }
    }
    assert_eq!(delivered, wanted);
    let records: Vec<_> = world.hub.decisions(None).collect();
    let numbers: BTreeSet<_> = records.iter().map(|decision| decision.number).collect();
    assert_eq!(numbers.len(), records.len(), "one record for each, with a number of its own");
    assert_eq!(
        world.store.keys().filter(|(table, _)| *table == Table::Decisions).count(),
        records.len()
    );
    println!(
        "{cells} cells of sender, topic and class: {said} may be said, {} of (sender, receiver, action, name) delivered, {} records",
        delivered.len(),
        records.len()
    );
    assert!(cells > 3000 && delivered.len() == wanted.len() && !wanted.is_empty());
}

/// Criterion: T3.LA.1c (positive)
#[test]
fn a_switch_turns_the_lamp_on_with_an_assertion_of_its_own() {
    let (mut world, _) = product(1);
    let one = world.command_from(SWITCH, LAMP, "switch", &json!({ "on": true })).unwrap();
    let two = world.command_from(SWITCH, LAMP, "switch", &json!({ "on": false })).unwrap();
    let (one, two) = (&one[0], &two[0]);
    assert_eq!(
        (one.sender, one.receiver, one.kind.as_str()),
        (id(SWITCH), id(LAMP), "wall-switch")
    );
    assert_eq!((one.action, one.name.as_str()), (Action::Command, "switch"));
    assert_eq!(
        (one.issued, one.expires),
        (world.now.wall, world.now.wall.plus(Duration::from_secs(5)))
    );
    assert!(two.number > one.number);
    let record = world.hub.decisions(Some(id(LAMP))).last().unwrap();
    assert_eq!((record.number, record.sender), (two.number, id(SWITCH)));
    assert!(record.allowed_by.starts_with("lamp revision 1 of Lumen Works, line "), "{record:?}");
    // A number that may have been used never comes again, also after a kill.
    world.restart();
    assert_eq!(world.hub.decisions(None).count(), 2);
    for n in [SWITCH, LAMP] {
        let certificate =
            world.hub.inventory().get(id(n)).unwrap().credentials.current.clone().unwrap();
        world.connect(n, &certificate);
    }
    let three = world.command_from(SWITCH, LAMP, "switch", &json!({ "on": true })).unwrap();
    assert!(three[0].number > two.number);
}

/// Criterion: T3.LA.1b (negative)
/// Criterion: T3.LA.1a (negative)
#[test]
fn refuses_commands_with_the_reason_that_fits_and_relays_none_of_them() {
    let (mut world, _) = product(1);
    let on = json!({ "on": true });
    let mut ask = |sender, receiver, name: &str, args: &Value| {
        world.command_from(sender, receiver, name, args).map(|all| all.len())
    };
    assert_eq!(ask(CAMERA, LOCK, "unlock", &json!({ "reason": "x" })), Err(Refusal::NotPermitted));
    assert_eq!(ask(SWITCH, LOCK, "unlock", &json!({ "reason": "x" })), Err(Refusal::NotPermitted));
    assert_eq!(ask(SWITCH, LOCK, "explode", &json!({})), Err(Refusal::NotDeclared));
    assert_eq!(ask(SWITCH, LAMP, "switch", &json!({ "on": 1 })), Err(Refusal::WrongContent));
    assert_eq!(
        ask(SWITCH, LAMP, "switch", &json!({ "on": true, "and": 1 })),
        Err(Refusal::WrongContent)
    );
    assert_eq!(
        ask(SWITCH, LAMP, "switch", &json!({ "on": true, "comment": "x".repeat(40) })),
        Err(Refusal::TooLarge)
    );
    assert_eq!(ask(SWITCH, 99, "switch", &on), Err(Refusal::Unreachable), "nobody");
    assert_eq!(ask(SWITCH, LAMP, "switch", &on), Ok(1));
    let passed = (0..200).filter(|_| ask(SWITCH, LAMP, "switch", &on).is_ok()).count();
    assert_eq!(passed, 30, "a burst of a quarter of the minute's 120");
    assert_eq!(ask(SWITCH, LAMP, "switch", &on), Err(Refusal::SlowDown));
    world.pass(Duration::from_secs(60));
    world.handle(Input::Disconnected { who: id(LAMP), link: 1, why: "gone" });
    assert_eq!(
        world.command_from(SWITCH, LAMP, "switch", &on),
        Err(Refusal::Unreachable),
        "commands are never kept"
    );
    let certificate =
        world.hub.inventory().get(id(LAMP)).unwrap().credentials.current.clone().unwrap();
    world.connect(LAMP, &certificate);
    assert_eq!(world.command_from(SWITCH, LAMP, "switch", &on).map(|all| all.len()), Ok(1));
    world.command(Command::Quarantine(id(LAMP), crate::world::note("odd"))).unwrap();
    assert_eq!(
        world.command_from(SWITCH, LAMP, "switch", &on),
        Err(Refusal::Unreachable),
        "whoever is held is told nothing by others"
    );
    let quarantine = Command::Quarantine(id(SWITCH), crate::world::note("odd"));
    world.command(quarantine).unwrap();
    assert_eq!(world.command_from(SWITCH, LAMP, "switch", &on), Err(Refusal::Quarantined));
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn who_is_quarantined_or_gone_hears_nothing_any_more() {
    let (mut world, _) = product(1);
    let say = |world: &mut World| {
        relayed(&world.say(LAMP, "stream/state", &cbor::from_json(&json!({ "on": true })))).len()
    };
    assert_eq!(say(&mut world), 1);
    world.command(Command::Quarantine(id(SWITCH), crate::world::note("odd"))).unwrap();
    assert_eq!(say(&mut world), 0);
    world.command(Command::Approve(hub_core::Selector::One(id(SWITCH)))).unwrap();
    assert_eq!(say(&mut world), 1, "its configuration was proved before");
    world.handle(Input::Disconnected { who: id(SWITCH), link: u64::from(SWITCH), why: "gone" });
    assert_eq!(say(&mut world), 0);
}

/// Criterion: T3.PC.2 (positive)
#[test]
fn the_owner_s_command_passes_the_same_gate() {
    let (mut world, _) = product(1);
    let give = |world: &mut World, n: u16, name: &str, arguments: Value| {
        let name = Slug::new(name).unwrap();
        let command = Command::Give { id: id(n), name, arguments };
        let effects = world.handle(Input::Command { by: OWNER, command });
        match effects.answer {
            Answer::Refused { why, .. } => Err(why),
            _ => Ok(relayed(&effects)),
        }
    };
    let sent = give(&mut world, LOCK, "unlock", json!({ "reason": "guests" })).unwrap();
    assert_eq!((sent[0].kind.as_str(), sent[0].receiver), ("person", id(LOCK)));
    assert_eq!(world.hub.decisions(None).last().unwrap().by.as_deref(), Some("local user 0"));
    let refused = |world: &mut World, name, args| give(world, LOCK, name, args).unwrap_err();
    assert_eq!(refused(&mut world, "unlock", json!({})), Refusal::WrongContent);
    assert_eq!(refused(&mut world, "unlock", json!({ "reason": "x\u{7}" })), Refusal::WrongContent);
    assert_eq!(refused(&mut world, "explode", json!({})), Refusal::NotDeclared);
    world.handle(Input::Disconnected { who: id(LOCK), link: u64::from(LOCK), why: "gone" });
    assert_eq!(refused(&mut world, "lock", json!({})), Refusal::Unreachable);
}

/// Component `n` joins with this proof and says that it is what this definition describes.
fn joins(world: &mut World, n: u16, proof: Proof, definition: &Definition) {
    let mut request = world.request(n, proof);
    request.serial = None;
    if let Answer::Wait(_) = world.handle(Input::Enrol(request.clone())).answer {
        world.command(Command::Approve(Selector::One(id(n)))).unwrap();
        world.handle(Input::Enrol(request));
    }
    let certificate = world.certificate(n);
    let occasion = Occasion::Join;
    world.handle(Input::Issued { id: id(n), certificate: certificate.clone(), occasion });
    world.connect(n, &certificate);
    let mut facts = facts(n, 1);
    facts.kind = definition.kind.clone();
    facts.maker = label(definition.maker.as_str());
    facts.model = definition.models[0].clone();
    let names: Vec<Slug> = definition.streams.iter().map(|s| s.name.clone()).collect();
    facts.streams = List::new(names).unwrap();
    world.announce(n, &facts);
    if world.state(n) != TrustState::Active && world.hold(n) == Some(Hold::Baseline) {
        world.obey(n);
    }
}

/// Criterion: T3.LA.1c (negative)
/// Criterion: T3.LA.1a (negative)
#[test]
fn what_a_component_says_of_itself_gives_it_no_rights_over_others_until_a_person_confirms_it() {
    let (mut world, members) = product(1);
    let code = [7; 10];
    let (codes, duration) = (vec![code], Duration::from_secs(600));
    world.command(Command::OpenPairing { codes, duration, approve: true }).unwrap();
    let switch = members[usize::from(SWITCH) - 1].1.clone();
    joins(&mut world, 60, Proof::Code(code_text(&code)), &switch);
    assert_eq!(world.state(60), TrustState::Active);
    let on = json!({ "on": true });
    assert_eq!(world.command_from(60, LAMP, "switch", &on), Err(Refusal::NotApproved));
    let heard = |world: &mut World| {
        let stream = members[0].1.streams.iter().find(|stream| !stream.readers.is_empty());
        let stream = stream.expect("the lamp's state may be heard");
        let value = fitting(&stream.traffic.schema);
        let effects = world.say(LAMP, &format!("stream/{}", stream.name), &value);
        relayed(&effects).iter().any(|assertion| assertion.receiver == id(60))
    };
    let hears = members[0].1.streams.iter().any(|stream| stream.readers.contains(&switch.kind));
    assert!(!hears || !heard(&mut world));
    world.command(Command::Approve(Selector::One(id(60)))).unwrap();
    for _ in 0..2 {
        assert!(world.command_from(60, LAMP, "switch", &on).is_ok(), "confirmed");
        assert!(!hears || heard(&mut world));
        let again = world.command(Command::Approve(Selector::One(id(60))));
        assert_eq!(again, Err(Refusal::WrongState), "there is nothing left to approve");
        world.restart();
        let certificate = world.certificate_of(60);
        world.connect(60, &certificate);
        let lamp = world.certificate_of(LAMP);
        world.connect(LAMP, &lamp);
    }
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn another_maker_s_kind_of_the_same_name_has_no_rights_over_this_maker_s() {
    let (mut world, members) = product(1);
    let switch = &members[usize::from(SWITCH) - 1].1;
    let maker = format!("maker = \"{}\"", switch.maker);
    let document = DOCUMENTS[usize::from(SWITCH) - 1].replace(&maker, "maker = \"Other Works\"");
    let envelope = world.other.sign(&document, &Signer::of("Other Works"));
    let defined = world.handle(Input::Command { by: OWNER, command: Command::Define(envelope) });
    assert!(matches!(defined.answer, Answer::Defined { .. }), "{:?}", defined.answer);
    let proof = Proof::Idevid { maker: label("other"), key: key(61), serial: None };
    joins(&mut world, 61, proof, &Definition::parse(&document).unwrap());
    assert_eq!(world.state(61), TrustState::Active);
    let on = json!({ "on": true });
    assert_eq!(world.command_from(61, LAMP, "switch", &on), Err(Refusal::NotPermitted));
    assert!(world.command_from(SWITCH, LAMP, "switch", &on).is_ok());
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn a_model_that_its_definition_does_not_cover_is_of_an_unknown_kind() {
    let (mut world, members) = product(1);
    let mut unknown = members[0].1.clone();
    unknown.models = vec![label("Glow 99")];
    let proof = world.idevid(62);
    joins(&mut world, 62, proof, &unknown);
    assert_eq!(world.hold(62), Some(Hold::UnknownKind));
}
