//! A device's life, step by step.

use super::*;
use crate::log::{Draft, Mischief, memory::MAX_KEPT};
use protocol::{
    id::Digest,
    log::{begin, link},
    message::{List, LogClass, LogControl, LogKind, LogRecord, V1},
};

fn lamp() -> Arc<Profile> {
    crate::profile::Kinds::built_in().unwrap().at(0).clone()
}

fn flash() -> Flash {
    let profile = lamp();
    Flash::factory(&profile, &profile.serial(1, 0))
}

fn device(flash: Flash, seed: u64) -> Device {
    let pace = Pace { interval: Interval::new(30).unwrap(), stream: 1000, log: 0 };
    Device::new(lamp(), flash, pace, seed).unwrap()
}

fn credentials() -> Credentials {
    let id = ComponentId::from_key_digest(&protocol::id::Digest([3; 32]));
    Credentials { id, certificate: vec![], key: vec![], ca: vec![], validity: (1000, 4000) }
}

fn at(mono: u64) -> Now {
    Now { mono, unix_ms: 1_000_000 + mono }
}

fn online(seed: u64) -> Device {
    let mut device = device(flash(), seed);
    device.handle(Input::Start, at(0));
    device.handle(Input::Enrolled(credentials()), at(1));
    device.handle(Input::Connected, at(2));
    device
}

#[test]
fn a_lost_acknowledgement_leads_to_the_same_announcement_with_the_same_number() {
    let mut device = online(1);
    let before = device.announcement();
    device.handle(Input::Disconnected, at(10));
    let deadline = device.deadline().unwrap();
    assert_eq!(device.handle(Input::Timer, at(deadline)), [Output::Connect]);
    let outputs = device.handle(Input::Connected, at(deadline + 1));
    assert!(
        outputs.iter().any(|o| matches!(o, Output::Publish { payload, .. } if *payload == before))
    );
}

#[test]
fn numbers_never_go_back_over_restarts() {
    let mut memory = flash();
    for life in 1..20 {
        let mut device = device(memory, life);
        device.handle(Input::Start, at(0));
        assert_eq!(device.flash().seq, life);
        memory = device.flash().clone();
    }
}

#[test]
fn renews_once_at_two_thirds_of_the_life() {
    let mut device = online(1);
    let mut asked = Vec::new();
    for _ in 0..200 {
        let deadline = device.deadline().unwrap();
        let outputs = device.handle(Input::Timer, at(deadline));
        if outputs.contains(&Output::Reenrol) {
            asked.push(at(deadline).unix_ms / 1000);
        }
    }
    assert_eq!(asked, Vec::<u64>::new(), "values come each second, so this is early");
    while at(device.deadline().unwrap()).unix_ms / 1000 < 3100 {
        let deadline = device.deadline().unwrap();
        if device.handle(Input::Timer, at(deadline)).contains(&Output::Reenrol) {
            asked.push(at(deadline).unix_ms / 1000);
        }
    }
    assert_eq!(asked.len(), 1);
    assert!((3000..3031).contains(&asked[0]), "{asked:?}");
}

#[test]
fn waits_grow_and_stay_bounded() {
    let mut device = online(1);
    for _ in 0..50 {
        device.handle(Input::Disconnected, at(0));
        assert!(device.deadline().unwrap() <= BACKOFF.1);
    }
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let life = |seed| life(online(seed), 100);
    assert_eq!(life(7), life(7));
    assert_ne!(life(7), life(8));
    assert!(life(7).len() >= 100);
}

#[test]
fn a_flaky_device_hangs_up_restarts_repeats_and_loses_and_the_same_seed_does_so_again() {
    let flaky = |seed| life(online(1).with_flaws(Flaky::new(seed)), 2000);
    let outputs = flaky(7);
    assert_eq!(outputs, flaky(7));
    assert_ne!(outputs, flaky(8));
    let count = |wanted: &Output| outputs.iter().filter(|output| *output == wanted).count();
    let restarts = count(&Output::Save);
    assert!(restarts > 0 && count(&Output::HangUp) > restarts, "restarts and breaks");
    let values: Vec<u64> = outputs
        .iter()
        .filter_map(|output| {
            let Output::Publish { token: Token::Stream(_, number), .. } = output else {
                return None;
            };
            Some(*number)
        })
        .collect();
    assert!(values.windows(2).any(|two| two[0] == two[1]), "some are said twice");
    assert!(values.windows(2).any(|two| two[0] + 1 < two[1]), "some are lost");
}

#[test]
fn a_restart_is_a_new_boot_with_a_greater_number_and_an_uptime_from_zero() {
    let mut device = online(1);
    let (boot, seq) = (device.boot, device.flash.seq);
    let outputs = device.restart(at(50_000));
    assert_eq!(outputs, [Output::HangUp, Output::Save, Output::Connect]);
    assert!(device.boot != boot && device.flash.seq == seq + 1 && device.booted == 50_000);
}

/// What an active device does in so many steps of its timer; every connection comes about at once.
fn life(mut device: Device, steps: usize) -> Vec<Output> {
    let active = TrustNotice {
        version: V1,
        state: TrustState::Active,
        since: protocol::time::Timestamp(0),
        reason: protocol::id::Note::new("x").unwrap(),
        renew_at: None,
    };
    device.handle(Input::Received(Down::Trust, cbor::encode(&active)), at(3));
    let mut outputs = Vec::new();
    let mut now = 3;
    for _ in 0..steps {
        let seq = device.flash.seq;
        device.handle(Input::Answered(Token::Announcement(seq), true), at(now));
        now = device.deadline().unwrap().max(now);
        let mut step = device.handle(Input::Timer, at(now));
        if step.contains(&Output::Connect) {
            step.extend(device.handle(Input::Connected, at(now)));
        }
        outputs.extend(step);
    }
    outputs
}

/// A device that hands over its log every 30 seconds.
fn logging(seed: u64) -> Device {
    let pace = Pace { interval: Interval::new(30).unwrap(), stream: 0, log: 30_000 };
    let mut device = Device::new(lamp(), flash(), pace, seed).unwrap();
    device.handle(Input::Start, at(0));
    device.handle(Input::Enrolled(credentials()), at(1));
    device.handle(Input::Connected, at(2));
    device
}

fn drafts(outputs: &[Output]) -> Vec<Draft> {
    let draft = |output: &Output| {
        if let Output::Log(draft) = output { Some((**draft).clone()) } else { None }
    };
    outputs.iter().filter_map(draft).collect()
}

/// What is said of the log until then.
fn until(device: &mut Device, end: u64) -> Vec<Draft> {
    let mut said = Vec::new();
    while let Some(deadline) = device.deadline().filter(|deadline| *deadline <= end) {
        let outputs = device.handle(Input::Timer, at(deadline));
        let first = outputs.iter().position(|output| matches!(output, Output::Log(_)));
        let saved = outputs.iter().position(|output| *output == Output::Save);
        assert!(first.is_none() || saved < first, "it is kept before it is said");
        said.extend(drafts(&outputs));
    }
    said
}

fn ack(draft: &Draft) -> Input {
    let control = LogControl::ack(draft.life, draft.last(), draft.chain, 0);
    Input::Received(Down::LogControl, cbor::encode(&control))
}

fn kinds(draft: &Draft) -> Vec<LogKind> {
    let record = |bytes: &Vec<u8>| cbor::decode::<LogRecord>(bytes, 512).unwrap().kind;
    draft.records.iter().map(record).collect()
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn it_records_its_start_its_health_and_its_traffic_and_hands_them_over() {
    let mut device = logging(1);
    let first = until(&mut device, 29_000);
    assert_eq!(
        kinds(&first[0]),
        [LogKind::Restart, LogKind::BootVerified, LogKind::NetDestination]
    );
    let own = device.id().unwrap();
    let crypto = crate::update::crypto::AwsLc;
    assert_eq!(first[0].before, begin(own, first[0].life, &crypto));
    device.handle(ack(&first[0]), at(29_001));
    let next = until(&mut device, 61_000);
    assert_eq!((next[0].first, next[0].before), (4, first[0].chain));
    assert_eq!(kinds(&next[0])[..2], [LogKind::Health, LogKind::NetCounters]);
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn what_was_not_acknowledged_comes_again_after_a_reconnect_and_a_restart() {
    let mut device = logging(1);
    let first = until(&mut device, 29_000);
    device.handle(Input::Disconnected, at(29_001));
    device.handle(Input::Connected, at(29_500));
    let again = until(&mut device, 30_001);
    assert_eq!((again[0].first, &again[0].records[..3]), (1, &first[0].records[..]));
    let flash = device.flash().clone();
    let pace = Pace { interval: Interval::new(30).unwrap(), stream: 0, log: 30_000 };
    let mut later = Device::new(lamp(), flash, pace, 2).unwrap();
    later.handle(Input::Start, at(0));
    later.handle(Input::Connected, at(1));
    let whole = until(&mut later, 1_000);
    assert_eq!((whole[0].first, whole[0].life), (1, first[0].life));
    assert_eq!(kinds(&whole[0]).iter().filter(|kind| **kind == LogKind::Restart).count(), 2);
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn it_answers_a_pull_at_once_and_from_where_it_is_wanted() {
    let mut device = logging(1);
    let first = until(&mut device, 29_000);
    let pull = LogControl::pull(Some(first[0].life), 2, 1);
    let pull = Input::Received(Down::LogControl, cbor::encode(&pull));
    let pulled = drafts(&device.handle(pull, at(29_001)));
    let crypto = crate::update::crypto::AwsLc;
    assert_eq!((pulled[0].first, pulled[0].last()), (2, 2));
    assert_eq!(pulled[0].before, link(&first[0].before, &first[0].records[0], &crypto));
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn it_is_quiet_about_what_its_owner_switched_off_and_says_once_that_it_stopped() {
    let mut device = logging(1);
    let quiet = LogControl::quiet(List::new(vec![LogClass::Health, LogClass::Network]).unwrap());
    let quiet = cbor::encode(&quiet);
    for _ in 0..2 {
        device.handle(Input::Received(Down::LogControl, quiet.clone()), at(3));
    }
    let said = until(&mut device, 120_000);
    let last = kinds(said.last().unwrap());
    assert_eq!(last.iter().filter(|kind| **kind == LogKind::LogStopped).count(), 1);
    assert!(!last.contains(&LogKind::Health) && !last.contains(&LogKind::NetCounters));
}

/// Criterion: T1.CSA.1 (negative)
#[test]
fn a_long_outage_fills_its_flash_to_the_bound_and_no_further() {
    let mut device = logging(1);
    for _ in 0..MAX_KEPT {
        device.note_vitals(at(5));
    }
    assert_eq!(device.flash().log.waiting(), MAX_KEPT);
    assert!(device.flash().log.lost > 0);
    let said = until(&mut device, 1_000);
    assert_eq!(said[0].first, said[0].oldest, "it says itself what it has no more");
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_memory_that_was_set_back_begins_a_new_life() {
    let mut device = logging(1);
    let first = until(&mut device, 29_000);
    let ahead = LogControl::ack(first[0].life, 99, Digest([1; 32]), 0);
    device.handle(Input::Received(Down::LogControl, cbor::encode(&ahead)), at(29_001));
    let next = until(&mut device, 61_000);
    assert_ne!(next[0].life, first[0].life);
    assert_eq!((next[0].first, kinds(&next[0])[0]), (1, LogKind::Restart));
}

#[test]
fn a_refused_batch_waits_for_the_next_interval() {
    let mut device = logging(1);
    let first = until(&mut device, 29_000);
    device.handle(Input::Answered(Token::Log(first[0].last()), false), at(29_000));
    assert_eq!(until(&mut device, 58_000), []);
    assert_eq!(until(&mut device, 60_000).len(), 1);
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn each_mischief_is_what_it_says() {
    let said = |mischief| {
        let mut device = logging(1).with_mischief(mischief);
        until(&mut device, 29_000)
    };
    let honest = until(&mut logging(1), 29_000).remove(0);
    let crypto = crate::update::crypto::AwsLc;
    let walked = |draft: &Draft| {
        draft.records.iter().fold(draft.before, |value, record| link(&value, record, &crypto))
    };
    for (word, mischief) in Mischief::ALL {
        let drafts = said(mischief);
        let fits = walked(&drafts[0]) == drafts[0].chain;
        assert_eq!(fits, mischief != Mischief::Edits, "{word}");
        let differs = drafts.len() > 1 || drafts[0] != honest;
        assert!(differs, "{word}");
        assert_eq!(word.parse(), Ok(mischief));
    }
    assert_eq!(said(Mischief::Replays)[0], said(Mischief::Replays)[1]);
    assert_eq!(said(Mischief::Skips)[0].first, honest.first + 1);
    assert_eq!(said(Mischief::Floods)[0].records.len(), 64);
    let forged = said(Mischief::Forges)[0].records.last().cloned().unwrap();
    assert!(cbor::decode::<LogRecord>(&forged, 512).is_err());
    let time = |draft: &Draft| cbor::decode::<LogRecord>(&draft.records[0], 512).unwrap().time;
    let day = 24 * 3_600_000;
    assert_eq!(time(&said(Mischief::Stamps)[0]).unwrap().0, time(&honest).unwrap().0 + day);
}

/// Criterion: T1.CSA.1 (positive)
#[test]
fn what_happens_to_it_is_in_its_log_once() {
    let mut device = logging(1);
    for kind in [LogKind::Tamper, LogKind::AuthFailure, LogKind::AuthSuccess] {
        device.happened(kind, at(10), |_| {});
    }
    device.note_command(&protocol::id::Slug::new("switch").unwrap(), true, at(11));
    device.note_command(&protocol::id::Slug::new("explode").unwrap(), false, at(11));
    device.note_vitals(at(12));
    device.note_vitals(Now { mono: 13, unix_ms: 9_000_000 });
    let kinds = kinds(&until(&mut device, 29_000)[0]);
    for kind in [
        LogKind::Tamper,
        LogKind::AuthFailure,
        LogKind::AuthSuccess,
        LogKind::CommandReceived,
        LogKind::CommandRefused,
        LogKind::ClockJump,
        LogKind::Restart,
    ] {
        assert_eq!(kinds.iter().filter(|one| **one == kind).count(), 1, "{kind}: {kinds:?}");
    }
}
