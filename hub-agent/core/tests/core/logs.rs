//! Components' logs: everything arrives once, in its order, whatever is lost on the way.

use crate::{
    journal::{acked, controls, numbers, of, pulled, told, world},
    world::{id, note},
};
use hub_core::{
    Command, Selector, Table,
    record::{Lane, RecordKind},
};
use protocol::{
    cbor,
    id::{Label, LogHost, LogLife, Slug},
    message::{LogCounters, LogEnd, LogKind, LogRecord, Percent, TrustState},
    refusal::Refusal,
};
use std::time::Duration;

/// Criterion: T3.CSA.1 (positive)
/// Criterion: T1.CSA.1 (positive)
#[test]
fn every_kind_that_a_component_may_raise_arrives_once_with_its_source_time_and_order() {
    let (mut world, mut journal) = world();
    for kind in LogKind::ALL {
        journal.note(&world, *kind);
        world.pass(Duration::from_secs(1));
    }
    let at = world.now.wall;
    assert_eq!(journal.hand_over(&mut world), Ok(()));
    let told = told(&world);
    let kinds: Vec<_> = told.iter().map(|record| record.kind as u8).collect();
    assert_eq!(kinds, LogKind::ALL.iter().map(|kind| kind.number()).collect::<Vec<_>>());
    for (n, record) in told.iter().enumerate() {
        assert_eq!((record.component, record.at, record.lane), (Some(id(1)), at, Lane::Live));
        assert_eq!(record.severity, record.kind.severity());
        assert_eq!(record.related, Some(n as u64 + 1));
        let age = at.since(record.original.unwrap());
        assert_eq!(age, Duration::from_secs((LogKind::ALL.len() - n) as u64));
    }
    assert_eq!(acked(&world), LogKind::ALL.len() as u64);
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn whatever_a_record_can_hold_arrives() {
    let (mut world, mut journal) = world();
    let label = |text: &str| Label::new(text).ok();
    let end = |host: &str, port| Some(LogEnd { host: LogHost::new(host).unwrap(), port });
    let mut record = LogRecord::new(LogKind::AuthFailure, None, 5);
    record.code = Slug::new("wrong-code").ok();
    (record.to, record.from) = (end("cloud.lumen.example", 443), end("2001:db8::7", 50_123));
    (record.actor, record.subject, record.text) = (label("owner"), label("pin"), label("again"));
    record.counters = Some(LogCounters {
        count: Some(4),
        bytes_in: Some(1),
        bytes_out: Some(2),
        connections: Some(3),
        cpu: Percent::new(100),
        memory: Percent::new(0),
        battery: Percent::new(7),
    });
    journal.push(cbor::encode(&record));
    journal.hand_over(&mut world).unwrap();
    let told = told(&world)[0];
    let word = |word: &Option<hub_core::record::Word>| word.as_deref().unwrap().to_owned();
    assert_eq!((word(&told.code), word(&told.actor)), ("wrong-code".into(), "owner".into()));
    assert_eq!((word(&told.subject), told.text.as_deref()), ("pin".into(), Some("again")));
    assert_eq!(told.peer.as_ref().unwrap().ip.0.to_string(), "2001:db8::7");
    let to = told.destination.as_ref().unwrap();
    assert_eq!((to.host.as_deref(), to.ip, to.port), (Some("cloud.lumen.example"), None, 443));
    let counters = &told.counters;
    assert_eq!(
        (counters.count, counters.bytes_in, counters.bytes_out),
        (Some(4), Some(1), Some(2))
    );
    assert_eq!((counters.cpu, counters.memory, counters.battery), (Some(100), Some(0), Some(7)));
    assert_eq!((counters.connections, told.original), (Some(3), None));
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn an_acknowledgement_leaves_with_the_commit_of_what_it_acknowledges() {
    let (mut world, mut journal) = world();
    journal.note(&world, LogKind::Restart);
    for records in [1, 0] {
        let effects = journal.send(&mut world, 1, 64).unwrap();
        assert_eq!((effects.records.len(), effects.sends.len()), (records, 1));
        let logs = effects.writes.iter().filter(|write| write.table == Table::Logs);
        assert_eq!(logs.count(), 1, "sends wait for the writes of their turn, also of a repeat");
    }
    world.connect_again(1);
    let greeting = world.announce(1, &crate::world::facts(1, 1));
    assert!(greeting.writes.iter().any(|write| write.table == Table::Logs));
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_batch_that_comes_again_is_acknowledged_again_and_recorded_once() {
    let (mut world, mut journal) = world();
    (0..6).for_each(|_| journal.note(&world, LogKind::Restart));
    for (first, most) in [(1, 3), (1, 3), (2, 2), (1, 6), (3, 3), (1, 6)] {
        journal.send(&mut world, first, most).unwrap();
    }
    assert_eq!(numbers(&world), [1, 2, 3, 4, 5, 6]);
    assert_eq!((acked(&world), controls(&world, 1).len()), (6, 6));
    world.restart();
    world.connect_again(1);
    journal.send(&mut world, 1, 6).unwrap();
    assert_eq!(numbers(&world), [1, 2, 3, 4, 5, 6], "a restart of the hub forgets nothing");
    assert_eq!(of(&world, RecordKind::LogGap), []);
    assert_eq!(of(&world, RecordKind::LogDamaged), []);
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn missing_records_are_told_of_at_once_pulled_and_recorded_in_their_order() {
    let (mut world, mut journal) = world();
    (0..9).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 2).unwrap();
    for _ in 0..2 {
        journal.send(&mut world, 6, 4).unwrap();
    }
    assert_eq!(of(&world, RecordKind::LogGap), [("missing".into(), 3, Some(3))], "told of once");
    assert_eq!(pulled(&world), [3, 3]);
    assert_eq!((numbers(&world), acked(&world)), (vec![1, 2], 2));
    journal.send(&mut world, 3, 3).unwrap();
    journal.send(&mut world, 6, 4).unwrap();
    assert_eq!(numbers(&world), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(of(&world, RecordKind::LogGap).len(), 1);
}

/// Criterion: T1.CSA.1 (negative)
#[test]
fn an_honest_loss_is_told_of_and_costs_no_pull() {
    let (mut world, mut journal) = world();
    (0..8).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 2).unwrap();
    world.pass(Duration::from_secs(600));
    world.connect_again(1);
    journal.oldest = 6;
    journal.send(&mut world, 6, 3).unwrap();
    assert_eq!(of(&world, RecordKind::LogGap), [("dropped".into(), 3, Some(3))]);
    assert_eq!((pulled(&world), numbers(&world)), (vec![], vec![1, 2, 6, 7, 8]));
    let gap = world.log.iter().find(|one| one.kind == RecordKind::LogGap).unwrap();
    assert_eq!(gap.lane, Lane::Backlog, "an outage leaves gaps");
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn ten_minutes_offline_come_afterwards_whole_once_in_order_and_as_backlog() {
    let (mut world, mut journal) = world();
    world.connect_again(1);
    for _ in 0..1_200 {
        journal.note(&world, LogKind::Health);
        world.pass(Duration::from_millis(500));
    }
    let mut next = 1;
    while next <= 1_200 {
        journal.send(&mut world, next, 64).unwrap();
        next = acked(&world) + 1;
    }
    assert_eq!(numbers(&world), (1..=1_200).collect::<Vec<_>>());
    let backlog = told(&world).iter().filter(|one| one.lane == Lane::Backlog).count();
    assert_eq!(backlog, 600, "older than five minutes when they were sent");
    assert_eq!(of(&world, RecordKind::LogLimited), []);
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn people_may_pull_the_newest_records_of_a_component_that_is_there() {
    let (mut world, mut journal) = world();
    journal.note(&world, LogKind::Restart);
    world.command(Command::PullLog(id(1))).unwrap();
    assert_eq!(pulled(&world), [1]);
    journal.send(&mut world, 1, 64).unwrap();
    world.command(Command::PullLog(id(1))).unwrap();
    assert_eq!(pulled(&world), [1, 2]);
    world.enrol(3);
    assert_eq!(world.command(Command::PullLog(id(3))), Err(Refusal::Unreachable));
    assert_eq!(world.command(Command::PullLog(id(9))), Err(Refusal::Unknown));
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_store_that_is_behind_the_log_doubles_nothing() {
    let (mut world, mut journal) = world();
    (0..4).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 2).unwrap();
    let before = world.store.clone();
    journal.send(&mut world, 3, 2).unwrap();
    // The power went between the log's commit and the store's.
    world.store = before;
    world.restart();
    world.connect_again(1);
    journal.note(&world, LogKind::Tamper);
    journal.send(&mut world, 3, 3).unwrap();
    assert_eq!((numbers(&world), acked(&world)), (vec![1, 2, 3, 4, 5], 5));
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_quarantined_component_is_still_heard_and_a_cloned_or_retired_one_is_not() {
    let (mut world, mut journal) = world();
    journal.note(&world, LogKind::Tamper);
    world.command(Command::Quarantine(id(1), note("odd"))).unwrap();
    assert_eq!(world.state(1), TrustState::Quarantined);
    journal.hand_over(&mut world).unwrap();
    assert_eq!(told(&world).len(), 1);
    world.command(Command::Approve(Selector::One(id(1)))).unwrap();
    world.command(Command::Retire(id(1), note("gone"))).unwrap();
    journal.note(&world, LogKind::Tamper);
    let batch = cbor::encode(&journal.batch(2, 1));
    assert_eq!(world.permit(1, "log", &batch), Err(Refusal::Retired));
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_new_life_with_a_gap_loses_nothing_else_after_a_restart_of_the_hub() {
    let (mut world, mut journal) = world();
    (0..9).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 9).unwrap();
    world.restart();
    world.connect_again(1);
    journal.begin_anew(LogLife([0x77; 8]));
    (0..5).for_each(|_| journal.note(&world, LogKind::Tamper));
    journal.oldest = 3;
    journal.send(&mut world, 3, 3).unwrap();
    assert_eq!(numbers(&world)[9..], [3, 4, 5]);
    let gaps = of(&world, RecordKind::LogGap);
    assert_eq!(gaps, [("new-life".into(), 9, None), ("dropped".into(), 1, Some(2))]);
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_store_that_is_behind_a_new_life_doubles_nothing_either() {
    let (mut world, mut journal) = world();
    (0..2).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 2).unwrap();
    let before = world.store.clone();
    journal.begin_anew(LogLife([0x77; 8]));
    (0..3).for_each(|_| journal.note(&world, LogKind::Tamper));
    journal.send(&mut world, 1, 3).unwrap();
    world.store = before;
    world.restart();
    world.connect_again(1);
    journal.send(&mut world, 1, 3).unwrap();
    assert_eq!(numbers(&world), [1, 2, 1, 2, 3]);
    assert_eq!(of(&world, RecordKind::LogGap).len(), 1);
}
