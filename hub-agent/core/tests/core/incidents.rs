//! What is recorded becomes an incident, with evidence, and the hub does about it what its owner lets it.

use crate::world::{DAY, OWNER, World, id, note};
use hub_core::{
    Actor, Answer, Command, Input, Table,
    access::trust::Hold,
    detect::About,
    record::{Counters, Record, RecordKind, Severity, Source},
};
use protocol::{
    cbor,
    definition::Role,
    id::{BootId, Slug},
    message::{Heartbeat, TrustState, V1},
    refusal::Refusal,
};
use std::time::Duration;

/// A member tries topics of another one, a minute apart.
fn tries_foreign_topics(world: &mut World, count: u16) {
    for n in 0..count {
        let about = format!("p/{}/stream/s{n}", id(2));
        let (who, refusal) = (Some(id(1)), Refusal::ForeignTopic);
        world.handle(Input::Denied { who, from: None, refusal, about });
        world.pass(Duration::from_secs(60));
    }
}

fn world(respond: bool) -> World {
    let mut world = World::with(|settings| settings.detection.respond = respond);
    world.member(1);
    world.member(2);
    world
}

fn close(number: u64, reason: &str) -> Command {
    Command::Incident { number, reason: note(reason), closes: true }
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn lateral_publishing_is_an_incident_with_the_records_that_prove_it() {
    let mut world = world(false);
    tries_foreign_topics(&mut world, 4);
    assert_eq!(world.hub.incidents().iter().count(), 0);
    tries_foreign_topics(&mut world, 5);
    let incidents: Vec<_> = world.hub.incidents().iter().cloned().collect();
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    let incident = &incidents[0];
    assert_eq!((&*incident.rule, incident.severity), ("HUB-18", Severity::High));
    assert_eq!(incident.about, About::Component(id(1)));
    assert!(incident.evidence.len() >= 5);
    for number in &incident.evidence {
        let record = &world.log[usize::try_from(*number).unwrap()];
        assert_eq!((record.kind, record.component), (RecordKind::PolicyDenied, Some(id(1))));
        assert_eq!(record.code.as_deref(), Some("foreign-topic"));
    }
    assert!(world.log.iter().any(|record| record.kind == RecordKind::Incident));
    assert_eq!(world.state(1), TrustState::Active, "its owner did not let the hub act");
    assert_eq!(world.state(2), TrustState::Active);
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn where_its_owner_lets_it_the_hub_quarantines_who_an_incident_is_about_until_a_person_approves() {
    let mut world = world(true);
    tries_foreign_topics(&mut world, 5);
    assert_eq!((world.state(1), world.state(2)), (TrustState::Quarantined, TrustState::Active));
    assert_eq!(world.hold(1), Some(Hold::Incident));
    let contained = world.log.iter().filter(|record| record.kind == RecordKind::Contain);
    let contained: Vec<_> = contained.map(|record| (record.component, record.related)).collect();
    assert_eq!(contained, [(Some(id(1)), Some(1))]);
    world.restart();
    assert_eq!(world.state(1), TrustState::Quarantined);
    world.command(Command::Approve(hub_core::Selector::One(id(1)))).unwrap();
    assert_ne!(world.hold(1), Some(Hold::Incident));
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn nobody_edits_or_deletes_an_incident_and_closing_one_needs_a_reason_and_the_right_role() {
    let mut world = world(false);
    tries_foreign_topics(&mut world, 5);
    let before = world.hub.incidents().get(1).unwrap().clone();
    let ada = |role| Actor::Person { name: Slug::new("ada").unwrap(), role, fresh: true };
    for by in [ada(Role::Guest), ada(Role::Cloud), Actor::Cloud] {
        let effects = world.handle(Input::Command { by: by.clone(), command: close(1, "mine") });
        assert!(matches!(effects.answer, Answer::Refused { .. }), "{by}");
    }
    assert_eq!(world.command(close(2, "there is none")), Err(Refusal::Unknown));
    assert_eq!(world.hub.incidents().get(1), Some(&before));
    world.handle(Input::Command { by: OWNER, command: Command::Reset });
    assert_eq!(world.hub.incidents().get(1), Some(&before), "a reset does not touch it");
    world.command(close(1, "its firmware had a bug; updated")).unwrap();
    let closed = world.hub.incidents().get(1).unwrap().clone();
    assert_eq!(&*closed.closed.as_ref().unwrap().reason, "its firmware had a bug; updated");
    assert_eq!((&closed.evidence, closed.first), (&before.evidence, before.first));
    assert_eq!(world.command(close(1, "again")), Err(Refusal::WrongState));
    world.restart();
    assert_eq!(world.hub.incidents().get(1), Some(&closed), "as it was before the restart");
    let told = world.log.iter().filter(|record| record.kind == RecordKind::Incident);
    let told: Vec<_> = told.map(|record| record.code.as_deref().unwrap().to_owned()).collect();
    assert_eq!((told[0].as_str(), told.last().unwrap().as_str()), ("opened", "closed"));
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_day_of_a_quiet_home_raises_nothing() {
    let mut world = world(true);
    let (end, mut beats) = (world.now.mono + DAY, 0);
    while world.now.mono < end {
        world.pass(Duration::from_secs(10));
        beats += 1;
        for n in [1, 2] {
            let (version, boot, uptime) = (V1, BootId([1; 8]), beats * 10);
            let beat = Heartbeat { version, boot, seq: beats, uptime };
            world.say(n, "heartbeat", &cbor::encode(&beat));
        }
        world.handle(Input::Tick);
    }
    let incidents: Vec<_> = world.hub.incidents().iter().collect();
    assert!(incidents.is_empty(), "{incidents:#?}");
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_hub_that_starts_again_after_days_blames_nobody_for_its_own_silence() {
    let mut world = world(true);
    for n in 3..12 {
        world.member(n);
    }
    world.handle(Input::Tick);
    world.pass(2 * DAY);
    world.restart();
    world.handle(Input::Tick);
    let incidents: Vec<_> = world.hub.incidents().iter().collect();
    assert!(incidents.is_empty(), "{incidents:#?}");
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_full_disk_makes_no_component_suspect_of_anything() {
    let mut world = world(true);
    for _ in 0..60 {
        for n in [1, 2] {
            let (who, refusal) = (Some(id(n)), Refusal::StoreUnavailable);
            world.handle(Input::Denied { who, from: None, refusal, about: "state".into() });
        }
        world.pass(Duration::from_secs(1));
    }
    assert_eq!((world.state(1), world.state(2)), (TrustState::Active, TrustState::Active));
    assert_eq!(world.hub.incidents().iter().count(), 0);
}

/// Criterion: T3.SU.1a (positive)
/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_mirror_that_offers_old_metadata_is_an_incident_and_pauses_nothing() {
    let mut world = world(true);
    let (attack, text) = ("rollback", "timestamp went back".to_owned());
    let state = hub_core::RepositoryState::Refused { attack, text };
    world.handle(Input::Repository(state));
    let incidents: Vec<_> = world.hub.incidents().iter().map(|one| one.rule.clone()).collect();
    assert_eq!(incidents.iter().map(|rule| &**rule).collect::<Vec<_>>(), ["HUB-06"]);
}

/// Criterion: T3.CSA.2 (positive)
/// Criterion: T3.CSA.2 (negative)
#[test]
fn what_the_power_kept_detection_from_looking_at_is_looked_at_after_the_start_and_once_only() {
    let mut world = world(false);
    tries_foreign_topics(&mut world, 4);
    let before = world.store.clone();
    let known = world.log.len();
    tries_foreign_topics(&mut world, 5);
    assert_eq!(world.hub.incidents().iter().count(), 1);
    let denials = |log: &[Record]| {
        log.iter().filter(|one| one.kind == RecordKind::PolicyDenied).cloned().collect::<Vec<_>>()
    };
    let last = denials(&world.log[known..]);
    // The log took the records; neither the incident nor the store's row about it came to be.
    world.store = before;
    world.log.truncate(known);
    world.log.extend(last);
    world.restart();
    let found = world.hub.incidents().iter().cloned().collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{found:#?}");
    let (size, told) = (world.log.len(), world.events.len());
    for _ in 0..3 {
        world.restart();
    }
    assert_eq!((world.log.len(), world.events.len()), (size, told), "nothing is found twice");
    assert_eq!(world.hub.incidents().iter().cloned().collect::<Vec<_>>(), found);
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn restarts_do_not_teach_what_is_usual_once_more() {
    let mut world = world(false);
    let contacts = |world: &mut World| {
        for n in 0..40 {
            let record = Record {
                source: Source::Component,
                component: Some(id(1)),
                counters: Counters { bytes_out: Some(1000 + n), ..Counters::NONE },
                ..Record::new(world.now.wall, RecordKind::NetCounters)
            };
            world.record(&[record]);
            world.pass(Duration::from_secs(60));
        }
    };
    contacts(&mut world);
    world.stop();
    let learnt = |world: &World| {
        let rows = world.store.iter().filter(|((table, _), _)| *table == Table::Habits);
        rows.map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
    };
    let once = learnt(&world);
    assert_eq!(once.len(), 2, "of both members");
    for _ in 0..3 {
        world.restart();
        world.stop();
        assert_eq!(learnt(&world), once);
    }
    contacts(&mut world);
    world.stop();
    assert_ne!(learnt(&world), once, "what came after that is learnt");
}
