//! Components' logs: nothing is recorded twice, nothing missing or edited goes unnoticed, nobody fills the hub.

use crate::{
    journal::{Journal, controls},
    world::{World, id, note},
};
use hub_core::{
    Command, HubSettings, Input, Now, Selector, Table,
    record::{Lane, Record, RecordKind, Source},
};
use protocol::{
    cbor,
    id::{Label, LogHost, LogLife, Slug},
    message::{
        LogClass, LogControl, LogCounters, LogEnd, LogKind, LogOrder, LogRecord, Percent,
        TrustState,
    },
    refusal::Refusal,
    time::Timestamp,
};
use std::time::Duration;

fn world() -> (World, Journal) {
    world_with(|_| {})
}

fn world_with(set: impl FnOnce(&mut HubSettings)) -> (World, Journal) {
    let mut world = World::with(set);
    let journal = Journal::join(&mut world, 1);
    world.log.clear();
    world.sent.clear();
    (world, journal)
}

/// What the log holds of a component's own.
fn told(world: &World) -> Vec<&Record> {
    world.log.iter().filter(|record| record.source == Source::Component).collect()
}

fn numbers(world: &World) -> Vec<u64> {
    told(world).iter().filter_map(|record| record.related).collect()
}

/// Code, number and count of the hub's own records of a kind.
fn of(world: &World, kind: RecordKind) -> Vec<(String, u64, Option<u32>)> {
    let found = world.log.iter().filter(|one| one.kind == kind && one.source == Source::Hub);
    found
        .map(|one| {
            let code = one.code.as_deref().unwrap_or_default().to_owned();
            (code, one.related.unwrap_or(0), one.counters.count)
        })
        .collect()
}

fn acknowledged(world: &World) -> Option<LogControl> {
    controls(world, 1).into_iter().rfind(|control| control.order == LogOrder::Ack)
}

fn acked(world: &World) -> u64 {
    acknowledged(world).and_then(|control| control.seq).unwrap_or(0)
}

fn pulled(world: &World) -> Vec<u64> {
    let pulls = controls(world, 1).into_iter().filter(|one| one.order == LogOrder::Pull);
    pulls.filter_map(|control| control.seq).collect()
}

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
    let effects = journal.send(&mut world, 1, 64).unwrap();
    assert_eq!((effects.records.len(), effects.sends.len()), (1, 1));
    let logs = effects.writes.iter().filter(|write| write.table == Table::Logs);
    assert_eq!(logs.count(), 1, "sends wait for the writes of their turn");
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

/// Criterion: T3.CSA.1 (negative)
/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_log_that_withholds_records_goes_on_without_them_after_three_pulls() {
    let (mut world, mut journal) = world();
    (0..5).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 1).unwrap();
    for _ in 0..5 {
        journal.send(&mut world, 4, 2).unwrap();
    }
    assert_eq!(of(&world, RecordKind::LogGap), [("missing".into(), 2, Some(2))]);
    assert_eq!((pulled(&world), numbers(&world)), (vec![2, 2, 2], vec![1, 4, 5]));
    let gap = world.log.iter().find(|one| one.kind == RecordKind::LogGap).unwrap();
    assert_eq!((gap.lane, gap.component), (Lane::Live, Some(id(1))));
}

/// Criterion: T1.CSA.1 (negative)
#[test]
fn an_honest_loss_is_told_of_and_costs_no_pull() {
    let (mut world, mut journal) = world();
    (0..8).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 2).unwrap();
    world.connect_again(1);
    journal.oldest = 6;
    journal.send(&mut world, 6, 3).unwrap();
    assert_eq!(of(&world, RecordKind::LogGap), [("dropped".into(), 3, Some(3))]);
    assert_eq!((pulled(&world), numbers(&world)), (vec![], vec![1, 2, 6, 7, 8]));
    let gap = world.log.iter().find(|one| one.kind == RecordKind::LogGap).unwrap();
    assert_eq!(gap.lane, Lane::Backlog, "an outage leaves gaps");
}

/// Criterion: T1.CSA.3 (negative)
/// Criterion: T3.CSA.1 (negative)
#[test]
fn an_edited_record_is_found_out_with_its_place() {
    let (mut world, mut journal) = world();
    for _ in 0..6 {
        journal.note(&world, LogKind::Restart);
        world.pass(Duration::from_secs(1));
    }
    journal.send(&mut world, 1, 2).unwrap();
    journal.send(&mut world, 3, 2).unwrap();
    // Signed, and then edited: the head is of other records.
    let mut batch = journal.batch(5, 2);
    let mut records: Vec<_> = batch.records.items().to_vec();
    records.swap(0, 1);
    batch.records = protocol::message::Sequence::new(records).unwrap();
    assert_eq!(journal.say(&mut world, &batch).unwrap_err(), Refusal::WrongContent);
    // Edited, and all that follows signed anew.
    journal.edit(3);
    for (first, most, edited) in [(1, 4, 4), (3, 2, 4), (1, 3, 0)] {
        world.pass(Duration::from_secs(20));
        let answer = journal.send(&mut world, first, most);
        assert_eq!(answer.is_err(), edited > 0, "{first} {most}: no value is known within a batch");
    }
    assert_eq!((numbers(&world), acked(&world)), (vec![1, 2, 3, 4], 4), "nothing of it is taken");
    // It goes on from the edited past: that is told of, and what is new is recorded.
    world.pass(Duration::from_secs(20));
    journal.send(&mut world, 5, 2).unwrap();
    let damaged = of(&world, RecordKind::LogDamaged);
    let damaged: Vec<_> = damaged.iter().map(|(code, at, _)| (code.as_str(), *at)).collect();
    assert_eq!(damaged, [("records", 5), ("edited", 4), ("edited", 4), ("edited", 4)]);
    assert_eq!(numbers(&world), [1, 2, 3, 4, 5, 6]);
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_head_that_another_signed_or_of_another_log_is_refused() {
    let (mut world, mut journal) = world();
    let other = Journal::join(&mut world, 2);
    world.log.clear();
    journal.note(&world, LogKind::Restart);
    let good = journal.batch(1, 1);
    let mut forged = good.clone();
    forged.head = other.seal(&journal.head(1));
    let mut foreign = good.clone();
    foreign.head =
        journal.seal(&protocol::message::LogHead { component: id(2), ..journal.head(1) });
    let mut behind = good.clone();
    behind.head = journal.seal(&journal.head(0));
    let mut begun = good.clone();
    begun.before = protocol::id::Digest([1; 32]);
    let chain = protocol::log::link(
        &begun.before,
        begun.records.items()[0].bytes(),
        &hub_core::crypto::AwsLc,
    );
    begun.head = journal.seal(&protocol::message::LogHead { chain, ..journal.head(1) });
    for (name, batch) in
        [("signer", forged), ("component", foreign), ("number", behind), ("begin", begun)]
    {
        assert_eq!(journal.say(&mut world, &batch).unwrap_err(), Refusal::WrongContent, "{name}");
        world.pass(Duration::from_secs(10));
    }
    assert_eq!(of(&world, RecordKind::LogDamaged).len(), 4);
    assert_eq!((numbers(&world).len(), world.hub.log_end(id(1))), (0, None));
    assert!(journal.say(&mut world, &good).is_ok());
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_new_life_is_told_of_and_a_former_one_never_comes_back() {
    let (mut world, mut journal) = world();
    (0..3).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 3).unwrap();
    let former = journal.batch(1, 3);
    journal.begin_anew(LogLife([0x77; 8]));
    (0..2).for_each(|_| journal.note(&world, LogKind::Tamper));
    journal.send(&mut world, 1, 2).unwrap();
    assert_eq!(of(&world, RecordKind::LogGap), [("new-life".into(), 3, None)]);
    assert_eq!(numbers(&world), [1, 2, 3, 1, 2]);
    assert_eq!(journal.say(&mut world, &former).unwrap_err(), Refusal::Replayed);
    world.restart();
    world.connect_again(1);
    assert_eq!(journal.say(&mut world, &former).unwrap_err(), Refusal::Replayed);
    assert_eq!(numbers(&world).len(), 5);
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_component_that_goes_back_learns_where_its_log_ended() {
    let (mut world, mut journal) = world();
    (0..5).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 3).unwrap();
    journal.send(&mut world, 4, 2).unwrap();
    // Its memory is as it was after record 2; it counts on from there with something else.
    journal.forget_after(2);
    journal.note(&world, LogKind::Tamper);
    assert_eq!(journal.send(&mut world, 1, 3).unwrap_err(), Refusal::WrongContent);
    let damaged = of(&world, RecordKind::LogDamaged);
    assert_eq!(damaged[0].1, 3, "the record that is another one");
    world.connect_again(1);
    world.announce(1, &crate::world::facts(1, 1));
    let end = acknowledged(&world).unwrap();
    assert_eq!((end.seq, end.count), (Some(5), Some(0)), "more than it has: it was set back");
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_false_clock_is_kept_beside_the_hubs_and_moves_no_record_out_of_the_windows() {
    let (mut world, mut journal) = world();
    journal.note(&world, LogKind::Restart);
    journal.send(&mut world, 1, 1).unwrap();
    let now = world.now;
    for wall in [now.wall.0 + 24 * 3_600_000, now.wall.0 - 30 * 24 * 3_600_000] {
        journal.note_at(Now { wall: Timestamp(wall), ..now }, LogKind::AuthFailure);
    }
    journal.send(&mut world, 2, 2).unwrap();
    let told = told(&world);
    for record in &told[1..] {
        assert_eq!((record.at, record.lane), (now.wall, Lane::Live));
        assert!(record.original.unwrap().0.abs_diff(now.wall.0) >= 24 * 3_600_000);
    }
    assert!(world.log.iter().any(|one| one.kind == RecordKind::ClockJump), "and it is noticed");
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

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_kind_that_only_the_hub_may_raise_is_refused_counted_and_the_rest_recorded() {
    let (mut world, mut journal) = world();
    journal.note(&world, LogKind::Restart);
    for kind in RecordKind::ALL.iter().map(|kind| *kind as u8) {
        if LogKind::ALL.iter().all(|may| may.number() != kind) {
            // {2: 1, 3: kind}
            let head = if kind < 24 { vec![kind] } else { vec![0x18, kind] };
            journal.push([&[0xa2, 2, 1, 3][..], &head].concat());
        }
    }
    journal.push(vec![0xff; 9]);
    journal.note(&world, LogKind::Tamper);
    let forbidden = RecordKind::ALL.len() - LogKind::ALL.len() + 1;
    journal.send(&mut world, 1, 64).unwrap();
    let kinds: Vec<_> = told(&world).iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [RecordKind::Restart, RecordKind::Tamper]);
    let malformed = of(&world, RecordKind::PayloadMalformed);
    assert_eq!(malformed, [("log-record".into(), 2, Some(forbidden as u32))]);
    let end = acknowledged(&world).unwrap();
    assert_eq!((end.seq, end.count), (Some(forbidden as u64 + 2), Some(forbidden as u32)));
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn one_that_floods_is_acknowledged_counted_and_delays_nobody() {
    let (mut world, mut flooder) = world_with(|settings| {
        (settings.log.per_minute, settings.log.at_once) = (60, 100);
    });
    let mut honest = Journal::join(&mut world, 2);
    world.log.clear();
    for second in 0..30 {
        for _ in 0..5 {
            (0..64).for_each(|_| flooder.note(&world, LogKind::AuthFailure));
            flooder.hand_over(&mut world).unwrap();
        }
        honest.note(&world, LogKind::Health);
        honest.hand_over(&mut world).unwrap();
        assert_eq!(honest.acknowledged, second + 1, "in the same turn");
        world.pass(Duration::from_secs(1));
        world.handle(Input::Tick);
    }
    world.pass(Duration::from_secs(10));
    world.handle(Input::Tick);
    let of_flooder = told(&world).iter().filter(|one| one.component == Some(id(1))).count();
    assert!((100..=130).contains(&of_flooder), "{of_flooder}: its share");
    let limited = of(&world, RecordKind::LogLimited);
    assert!((4..=5).contains(&limited.len()), "one in ten seconds: {limited:?}");
    let counted: u32 = limited.iter().filter_map(|(_, _, count)| *count).sum();
    assert_eq!(counted as usize + of_flooder, 30 * 5 * 64, "each is recorded or counted");
    assert_eq!(flooder.acknowledged, 30 * 5 * 64, "it need not repeat anything");
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn batches_that_come_too_often_are_refused_before_their_signature_is_checked() {
    let (mut world, mut journal) = world();
    journal.note(&world, LogKind::Restart);
    let batch = journal.batch(1, 1);
    let taken = (0..1_000).filter(|_| journal.say(&mut world, &batch).is_ok()).count();
    assert!((150..=160).contains(&taken), "{taken}");
    assert_eq!(journal.say(&mut world, &batch).unwrap_err(), Refusal::SlowDown);
    world.pass(Duration::from_secs(20));
    assert!(journal.say(&mut world, &batch).is_ok());
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn what_the_owner_switched_off_is_asked_not_to_be_recorded_and_never_is() {
    let (mut world, mut journal) = world_with(|settings| {
        settings.log.quiet = [LogClass::Health, LogClass::Usage].into();
    });
    world.connect_again(1);
    world.announce(1, &crate::world::facts(1, 1));
    let controls = controls(&world, 1);
    let quiet: Vec<_> = controls.iter().filter_map(|one| one.classes.as_ref()).collect();
    assert_eq!(quiet[0].items(), [LogClass::Usage, LogClass::Health]);
    for kind in LogKind::ALL {
        journal.note(&world, *kind);
    }
    journal.send(&mut world, 1, 64).unwrap();
    let kinds: Vec<_> = told(&world).iter().map(|one| one.kind).collect();
    let off = [RecordKind::Health, RecordKind::CommandIssued];
    assert!(kinds.iter().all(|kind| !off.contains(kind)), "{kinds:?}");
    assert_eq!((kinds.len(), acked(&world)), (LogKind::ALL.len() - 2, LogKind::ALL.len() as u64));
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
    let records = world.log.clone();
    for (number, record) in (0..).zip(&records) {
        world.hub.recall(number, record);
    }
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
    for (number, record) in (0..).zip(&world.log.clone()) {
        world.hub.recall(number, record);
    }
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
    for (number, record) in (0..).zip(&world.log.clone()) {
        world.hub.recall(number, record);
    }
    world.connect_again(1);
    journal.send(&mut world, 1, 3).unwrap();
    assert_eq!(numbers(&world), [1, 2, 1, 2, 3]);
    assert_eq!(of(&world, RecordKind::LogGap).len(), 1);
}
