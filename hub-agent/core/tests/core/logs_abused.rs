//! Components' logs in bad hands: nothing missing or edited goes unnoticed, nobody fills the hub.

use crate::{
    journal::{
        Journal, acked, acknowledged, controls, numbers, of, pulled, told, world, world_with,
    },
    world::id,
};
use hub_core::{
    Input, Now,
    record::{Lane, RecordKind},
};
use protocol::{
    cbor,
    id::{LogLife, Slug},
    message::{LogClass, LogKind, LogRecord},
    refusal::Refusal,
    time::Timestamp,
};
use std::time::Duration;

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
    let told = [("missing".into(), 2, Some(2)), ("withheld".into(), 2, Some(2))];
    assert_eq!(of(&world, RecordKind::LogGap), told);
    assert_eq!((pulled(&world), numbers(&world)), (vec![2, 2, 2], vec![1, 4, 5]));
    let gap = world.log.iter().find(|one| one.kind == RecordKind::LogGap).unwrap();
    assert_eq!((gap.lane, gap.component), (Lane::Live, Some(id(1))));
}

/// Criterion: T1.CSA.3 (negative)
/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_line_that_is_cut_for_a_moment_hides_no_records_and_an_outage_none_that_are_withheld() {
    let is_raised = |world: &crate::world::World| {
        world.hub.incidents().iter().any(|one| &*one.rule == "HUB-09")
    };
    let (mut world, mut journal) = world();
    (0..8).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 2).unwrap();
    world.pass(Duration::from_secs(5));
    world.connect_again(1);
    journal.oldest = 6;
    journal.send(&mut world, 6, 3).unwrap();
    assert!(is_raised(&world), "it says that they are gone, and was not away");
    let (mut world, mut journal) = crate::journal::world();
    (0..8).for_each(|_| journal.note(&world, LogKind::Restart));
    journal.send(&mut world, 1, 2).unwrap();
    world.pass(Duration::from_secs(3600));
    world.connect_again(1);
    for _ in 0..5 {
        journal.send(&mut world, 6, 3).unwrap();
    }
    assert!(is_raised(&world), "it says that it has them, and keeps them back");
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn who_records_less_without_being_asked_is_noticed_and_who_was_asked_is_not() {
    for (quiet, raised) in [(false, true), (true, false)] {
        let (mut world, mut journal) = world_with(|settings| {
            if quiet {
                settings.log.quiet.insert(LogClass::Health);
            }
        });
        let mut record = LogRecord::new(LogKind::LogStopped, None, 1);
        record.code = Slug::new("opted-out").ok();
        journal.push(cbor::encode(&record));
        journal.send(&mut world, 1, 1).unwrap();
        let found = world.hub.incidents().iter().any(|one| &*one.rule == "HUB-09");
        assert_eq!(found, raised, "asked: {quiet}");
    }
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

/// Criterion: T3.CSA.2 (positive)
/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_flood_does_not_push_out_that_somebody_opened_the_component() {
    let (mut world, mut journal) = world_with(|settings| {
        (settings.log.per_minute, settings.log.at_once) = (6, 8);
    });
    (0..60).for_each(|_| journal.note(&world, LogKind::AuthSuccess));
    journal.hand_over(&mut world).unwrap();
    journal.note(&world, LogKind::Tamper);
    journal.hand_over(&mut world).unwrap();
    let all = told(&world);
    assert_eq!(
        all.iter().filter(|one| one.kind == RecordKind::AuthSuccess).count(),
        8,
        "its share"
    );
    assert_eq!(all.iter().filter(|one| one.kind == RecordKind::Tamper).count(), 1);
}
