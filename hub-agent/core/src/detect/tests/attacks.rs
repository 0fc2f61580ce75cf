//! Each incident of the catalogue, from the records that such an attack leaves.

use super::*;

fn times(product: &mut Product, many: u64, pause: u64, record: impl Fn(u64) -> Record) {
    for n in 0..many {
        product.tell(record(n));
        product.wait(pause);
    }
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn guessing_then_the_right_proof_is_a_takeover() {
    let mut product = Product::new();
    times(&mut product, 10, 20, |_| from(about("lock", RecordKind::AuthFailure), [10, 0, 0, 9], 3));
    product.holds("HUB-01", Severity::Medium, Some("lock"));
    assert!(!product.raised().contains_key("HUB-03"));
    product.tell(from(about("lock", RecordKind::AuthSuccess), [10, 0, 0, 9], 3));
    product.holds("HUB-03", Severity::Critical, Some("lock"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn one_address_that_tries_many_identities() {
    let mut product = Product::new();
    let names = ["ann", "bob", "eve", "dan", "joe"];
    times(&mut product, 5, 60, |n| {
        let failure = Record::new(Timestamp(0), RecordKind::AuthFailure).by(names[n as usize]);
        from(failure, [10, 0, 0, 9], 3)
    });
    product.holds("HUB-02", Severity::High, None);
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn two_things_under_one_identity_take_turns() {
    let mut product = Product::new();
    times(&mut product, 6, 10, |n| {
        from(about("lamp", RecordKind::SessionTakeover), [10, 0, 0, 5 + (n % 2) as u8], 1)
    });
    product.holds("HUB-04", Severity::High, Some("lamp"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_stolen_credential_used_from_elsewhere_and_denied() {
    let mut product = Product::new();
    product.tell(from(about("lamp", RecordKind::ConnUp), [10, 0, 0, 5], 1));
    product.wait(3600);
    product.tell(from(about("lamp", RecordKind::ConnUp), [10, 0, 0, 200], 66));
    product.holds("HUB-05", Severity::Medium, Some("lamp"));
    product.tell(about("lamp", RecordKind::PolicyDenied).because("not-declared").on("c/door/open"));
    product.holds("HUB-05", Severity::High, Some("lamp"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn old_and_forged_software() {
    let mut product = Product::new();
    product.tell(about("lamp", RecordKind::UpdateRefused).because("rollback"));
    product.holds("HUB-06", Severity::Medium, Some("lamp"));
    product.wait(3600);
    product.tell(about("lamp", RecordKind::UpdateRefused).because("rollback"));
    product.holds("HUB-06", Severity::High, Some("lamp"));
    product.tell(about("lamp", RecordKind::UpdateRefused).because("signature"));
    assert!(!product.raised().contains_key("HUB-07"), "one is a bad download");
    product.tell(about("lock", RecordKind::UpdateRefused).because("signature"));
    product.holds("HUB-07", Severity::Critical, Some("lamp"));
    product.holds("HUB-07", Severity::Critical, Some("lock"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_changed_start_and_an_opened_box() {
    let mut product = Product::new();
    product.tell(of("lock", RecordKind::BootMismatch));
    product.holds("HUB-08", Severity::Critical, Some("lock"));
    product.tell(of("camera", RecordKind::Tamper));
    product.holds("HUB-23", Severity::Critical, Some("camera"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_component_that_publishes_and_stops_recording() {
    let mut product = learnt();
    product.tell(of("camera", RecordKind::Health));
    for _ in 0..1900 {
        let now = product.now();
        NAMES.iter().for_each(|name| product.detector.alive(id(name), now));
        for name in NAMES.iter().filter(|name| **name != "camera") {
            if product.ms % 300_000 < 1000 {
                product.tell(of(name, RecordKind::Health));
            }
        }
        product.wait(1);
    }
    product.holds("HUB-09", Severity::High, Some("camera"));
    let mut gap = Product::new();
    gap.tell(about("camera", RecordKind::LogGap));
    gap.holds("HUB-09", Severity::High, Some("camera"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn one_silent_component_and_then_many() {
    let mut product = Product::new();
    for _ in 0..200 {
        let now = product.now();
        NAMES[1..].iter().for_each(|name| product.detector.alive(id(name), now));
        product.wait(1);
    }
    product.holds("HUB-10", Severity::Medium, Some("lamp"));
    assert!(!product.raised().contains_key("HUB-11"));
    product.wait(200);
    product.holds("HUB-11", Severity::High, None);
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_stranger_is_called_at_regular_times() {
    let mut product = Product::new();
    for _ in 0..32 {
        product.tell(flow("camera", None, [203, 0, 113, 9], 6667, 300));
        product.live(60);
    }
    product.holds("HUB-12", Severity::High, Some("camera"));
    product.holds("HUB-25", Severity::Medium, Some("camera"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_scan_and_a_telnet_scan() {
    let mut product = Product::new();
    times(&mut product, 31, 1, |n| flow("camera", None, [10, 0, 0, n as u8], 80, 60));
    product.holds("HUB-13", Severity::High, Some("camera"));
    let mut telnet = Product::new();
    times(&mut telnet, 5, 5, |n| flow("plug", None, [198, 51, 100, n as u8], 23, 60));
    telnet.holds("HUB-13", Severity::High, Some("plug"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_component_that_floods() {
    let mut product = Product::new();
    usual(&mut product, "camera", 90);
    times(&mut product, 40, 1, |_| {
        let flood = of("camera", RecordKind::PayloadMalformed);
        Record { counters: Counters { count: Some(400), ..Counters::NONE }, ..flood }
    });
    product.holds("HUB-14", Severity::High, Some("camera"));
    product.holds("HUB-21", Severity::Medium, Some("camera"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_storm_of_connections_from_one_and_from_thousands() {
    let mut product = Product::new();
    times(&mut product, 30, 0, |_| {
        from(Record::new(Timestamp(0), RecordKind::ConnRefused), [10, 0, 0, 9], 1)
    });
    product.holds("HUB-15", Severity::High, None);
    let mut many = Product::new();
    times(&mut many, 3000, 0, |n| {
        let [.., a, b, c] = n.to_be_bytes();
        from(Record::new(Timestamp(0), RecordKind::ConnRefused), [11, a, b, c], 1)
    });
    many.holds("HUB-15", Severity::High, None);
    assert!(many.written.iter().any(|record| record.kind == RecordKind::GuestFlood));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn pictures_that_leave_for_somewhere_new() {
    let mut product = Product::new();
    usual(&mut product, "camera", 90);
    product.tell(flow("camera", Some("files.example"), [203, 0, 113, 4], 443, 90_000_000));
    product.holds("HUB-16", Severity::High, Some("camera"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_weakened_setting_a_replay_and_foreign_topics() {
    let mut product = Product::new();
    product.tell(of("camera", RecordKind::ConfigWeakened).on("require-password"));
    product.holds("HUB-17", Severity::High, Some("camera"));
    product.tell(about("lock", RecordKind::CommandRefused).because("replayed"));
    product.holds("HUB-19", Severity::High, Some("lock"));
    times(&mut product, 5, 30, |n| {
        about("lamp", RecordKind::PolicyDenied).because("foreign-topic").on(&format!("c/{n}/cmd"))
    });
    product.holds("HUB-18", Severity::High, Some("lamp"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_clock_set_back_to_make_an_old_credential_valid() {
    let mut product = Product::new();
    let stamped = |product: &Product, back: u64| Record {
        original: Some(Timestamp(MORNING + product.ms - back)),
        ..of("lock", RecordKind::Health)
    };
    let right = stamped(&product, 0);
    product.tell(right);
    product.wait(60);
    let back = stamped(&product, 40 * 86_400_000);
    product.tell(back);
    product.holds("HUB-20", Severity::Medium, Some("lock"));
    product.tell(about("lock", RecordKind::AuthFailure).because("expired"));
    product.holds("HUB-20", Severity::High, Some("lock"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_rogue_component_a_restart_loop_and_updates_that_do_not_take() {
    let mut product = Product::new();
    times(&mut product, 3, 30, |_| {
        let refused = Record::new(Timestamp(0), RecordKind::EnrolRefused).because("pairing-closed");
        from(refused, [10, 0, 0, 88], 9)
    });
    product.holds("HUB-22", Severity::High, None);
    times(&mut product, 5, 240, |_| of("bell", RecordKind::Restart));
    product.holds("HUB-24", Severity::Medium, Some("bell"));
    times(&mut product, 3, 600, |_| about("bell", RecordKind::UpdateFailed).because("power"));
    product.holds("HUB-27", Severity::Medium, Some("bell"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_component_that_mines() {
    let mut product = Product::new();
    let load = |cpu: u8| {
        let counters = Counters { cpu: Some(cpu), ..Counters::NONE };
        Record { counters, ..of("camera", RecordKind::Health) }
    };
    times(&mut product, 100, 60, |n| load(8 + n as u8 % 6));
    assert!(!product.raised().contains_key("HUB-26"));
    times(&mut product, 3, 60, |_| load(99));
    product.holds("HUB-26", Severity::Medium, Some("camera"));
}

/// A product in which all log every five minutes, as it learnt.
fn learnt() -> Product {
    let mut product = Product::new();
    product.live(3600);
    product
}

/// Signs of life of all, and records of all but one.
fn live_but(product: &mut Product, silent: &str, seconds: u64) {
    for second in 0..seconds {
        if second % 20 == 0 {
            let now = product.now();
            NAMES.iter().for_each(|name| product.detector.alive(id(name), now));
        }
        if second % 300 == 0 {
            let others = NAMES.iter().filter(|name| **name != silent);
            others.for_each(|name| product.tell(of(name, RecordKind::Health)));
        }
        product.wait(1);
    }
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_log_that_falls_silent_while_its_component_goes_on_is_noticed_after_three_of_its_usual_intervals()
 {
    let mut product = learnt();
    product.is_quiet();
    live_but(&mut product, "camera", 500);
    product.is_quiet();
    live_but(&mut product, "camera", 200);
    product.holds("HUB-09", Severity::High, Some("camera"));
    assert_eq!(product.raised().len(), 1, "of nobody else");
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn having_no_records_means_nothing_of_one_that_is_away_may_send_none_or_says_that_it_records_less()
{
    let mut away = learnt();
    live_but(&mut away, "", 600);
    away.tell(Record {
        status: Status::Failure,
        ..Record::new(Timestamp(0), RecordKind::UplinkChanged)
    });
    away.wait(6 * 3600);
    away.tell(Record::new(Timestamp(0), RecordKind::UplinkChanged));
    away.live(1800);
    away.is_quiet();
    let mut mute = learnt();
    let now = mute.now();
    let apart = Profile { is_mute: true, ..profile() };
    mute.detector.enrolled(id("camera"), apart, now);
    live_but(&mut mute, "camera", 7200);
    mute.is_quiet();
    let mut less = learnt();
    less.tell(of("camera", RecordKind::LogStopped).because("opted-out"));
    live_but(&mut less, "camera", 7200);
    less.is_quiet();
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn two_odd_batches_do_not_take_back_how_often_a_component_logs() {
    let mut product = learnt();
    product.live(76);
    product.tell(of("camera", RecordKind::Health));
    live_but(&mut product, "camera", 310);
    product.tell(of("camera", RecordKind::Health));
    product.is_quiet();
    live_but(&mut product, "camera", 1300);
    product.holds("HUB-09", Severity::High, Some("camera"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn what_is_carried_off_while_the_line_to_the_cloud_is_down_is_missed_once_it_is_up() {
    let mut product = Product::new();
    product.live(600);
    let line = |status| Record { status, ..Record::new(Timestamp(0), RecordKind::UplinkChanged) };
    product.tell(line(Status::Failure));
    let without_lock = |product: &mut Product, seconds: u64| {
        for _ in 0..seconds {
            let now = product.now();
            let others = NAMES.iter().filter(|name| **name != "lock");
            others.for_each(|name| product.detector.alive(id(name), now));
            product.wait(1);
        }
    };
    without_lock(&mut product, 400);
    assert!(!product.raised().contains_key("HUB-10"));
    product.tell(line(Status::Success));
    without_lock(&mut product, 300);
    product.holds("HUB-10", Severity::Medium, Some("lock"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn a_clock_is_not_set_by_way_of_1970_or_in_small_steps() {
    let stamped = |product: &mut Product, offset: i64| {
        let at = product.now().wall.0;
        let original = Some(Timestamp(at.saturating_add_signed(offset)));
        product.tell(Record { original, ..of("camera", RecordKind::Health) });
        product.wait(60);
    };
    let mut product = Product::new();
    stamped(&mut product, 0);
    let to_1970 = -(product.now().wall.0 as i64);
    stamped(&mut product, to_1970);
    assert!(!product.raised().contains_key("HUB-20"), "a clock without a battery");
    stamped(&mut product, -30 * 24 * 3_600_000);
    assert!(product.raised().contains_key("HUB-20"), "and then no time of its own choice");
    let mut product = Product::new();
    for step in 0..12 {
        stamped(&mut product, step * 14 * 60_000);
    }
    assert!(product.raised().contains_key("HUB-20"), "each step is small, all of them are not");
}
