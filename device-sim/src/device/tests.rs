//! A device's life, step by step.

use super::*;
use protocol::message::V1;

fn lamp() -> Arc<Profile> {
    crate::profile::Kinds::built_in().unwrap().at(0).clone()
}

fn flash() -> Flash {
    let profile = lamp();
    Flash::factory(&profile, &profile.serial(1, 0))
}

fn device(flash: Flash, seed: u64) -> Device {
    let pace = Pace { interval: Interval::new(30).unwrap(), stream: 1000 };
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
