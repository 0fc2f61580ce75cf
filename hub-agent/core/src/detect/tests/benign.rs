//! Benign life close to each incident: nothing of medium or above comes of it.

use super::*;

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_quiet_day_with_reboots() {
    let mut product = Product::new();
    for hour in 0..24 {
        product.live(3600);
        let name = NAMES[hour % NAMES.len()];
        product.tell(of(name, RecordKind::Restart));
        product.tell(of(name, RecordKind::BootVerified));
        product.tell(from(about(name, RecordKind::ConnUp), [10, 0, 0, hour as u8 % 10], 1));
    }
    product.is_quiet();
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_power_cut_after_which_all_come_back_at_once() {
    let mut product = Product::new();
    product.live(600);
    product.tell(Record {
        status: Status::Failure,
        ..Record::new(Timestamp(0), RecordKind::UplinkChanged)
    });
    product.wait(1200);
    for (at, name) in NAMES.iter().enumerate() {
        product.tell(from(about(name, RecordKind::ConnUp), [10, 0, 0, at as u8], 1));
        product.tell(about(name, RecordKind::ComponentSeen));
        product.tell(of(name, RecordKind::Restart));
    }
    product.tell(Record::new(Timestamp(0), RecordKind::UplinkChanged));
    product.live(600);
    product.is_quiet();
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn what_was_kept_during_an_outage_comes_late_and_out_of_order() {
    let mut product = Product::new();
    product.live(120);
    for n in (0..400).rev() {
        let name = NAMES[n % NAMES.len()];
        let kinds = [RecordKind::AuthFailure, RecordKind::PayloadMalformed, RecordKind::Restart];
        let kept = Record { lane: Lane::Backlog, ..of(name, kinds[n % 3]) };
        product.tell(Record { original: Some(Timestamp(MORNING + n as u64)), ..kept });
    }
    product.tell(about("lamp", RecordKind::SessionTakeover));
    product.tell(Record { lane: Lane::Backlog, ..about("lamp", RecordKind::LogGap) });
    product.live(60);
    product.is_quiet();
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn six_hours_without_the_cloud() {
    let mut product = Product::new();
    product.tell(Record {
        status: Status::Failure,
        ..Record::new(Timestamp(0), RecordKind::UplinkChanged)
    });
    product.live(6 * 3600);
    product.tell(Record::new(Timestamp(0), RecordKind::UplinkChanged));
    product.is_quiet();
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_firmware_day_with_one_bad_update_that_succeeds_later() {
    let mut product = Product::new();
    for name in NAMES {
        product.tell(about(name, RecordKind::UpdateOffered));
        product.live(120);
        product.tell(of(name, RecordKind::Restart));
        if name == "bell" {
            product.tell(about(name, RecordKind::UpdateFailed).because("power"));
            product.live(300);
            product.tell(of(name, RecordKind::Restart));
        }
        product.tell(about(name, RecordKind::UpdateInstalled));
        product.tell(of(name, RecordKind::BootVerified));
    }
    product.is_quiet();
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn summer_time_a_corrected_clock_and_one_that_was_never_set() {
    let mut product = Product::new();
    let tell = |product: &mut Product, original: u64| {
        product
            .tell(Record { original: Some(Timestamp(original)), ..of("leak", RecordKind::Health) });
        product.live(60);
    };
    let now = |product: &Product| MORNING + product.ms;
    tell(&mut product, 40_000);
    let steps: [i64; 6] = [0, 3_600_000, 0, 300_000, -500, 0];
    for off in steps {
        let at = now(&product).saturating_add_signed(off);
        tell(&mut product, at);
    }
    tell(&mut product, 40_000);
    product.is_quiet();
    let jumps = product.written.iter().filter(|record| record.kind == RecordKind::ClockJump);
    assert!(jumps.count() >= 4, "each is recorded all the same");
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn four_mistyped_codes_a_renewed_certificate_and_another_address() {
    let mut product = Product::new();
    for _ in 0..4 {
        product.tell(Record::new(Timestamp(0), RecordKind::AuthFailure).by("owner"));
        product.wait(5);
    }
    product.tell(Record::new(Timestamp(0), RecordKind::AuthLogin).by("owner"));
    product.tell(from(about("lamp", RecordKind::ConnUp), [10, 0, 0, 5], 1));
    product.live(60);
    product.tell(from(about("lamp", RecordKind::ConnUp), [10, 0, 0, 77], 1));
    product.live(60);
    product.tell(from(about("lamp", RecordKind::ConnUp), [10, 0, 0, 77], 2));
    product.is_quiet();
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn an_empty_battery_and_a_goodbye() {
    let mut product = Product::new();
    let charge = |battery| Counters { battery: Some(battery), ..Counters::NONE };
    for battery in (2..40).rev() {
        product.tell(Record { counters: charge(battery), ..of("leak", RecordKind::Health) });
        product.live(1800);
    }
    product.tell(about("plug", RecordKind::ConnDown).because("goodbye"));
    for _ in 0..600 {
        let now = product.now();
        let others = NAMES.iter().filter(|name| !["leak", "plug"].contains(*name));
        for name in others {
            product.detector.alive(id(name), now);
            if product.ms % 300_000 < 1000 {
                product.tell(of(name, RecordKind::Health));
            }
        }
        product.wait(1);
    }
    product.is_quiet();
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_camera_that_is_watched_and_a_cloud_that_moves() {
    let mut product = Product::new();
    usual(&mut product, "camera", 90);
    for _ in 0..120 {
        let relay = [198, 51, 100, 20];
        product.tell(flow("camera", Some("relay.maker.example"), relay, 3478, 30_000_000));
        product.live(60);
    }
    product.tell(flow("camera", Some("cloud.maker.example"), [203, 0, 113, 77], 443, 2_000));
    let undeclared = product.written.iter().any(|one| one.code.as_deref() == Some("undeclared"));
    product.is_quiet();
    assert!(!undeclared, "behind a declared name addresses may move");
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn guests_onboarding_and_log_rotation() {
    let mut product = Product::new();
    for n in 0..8 {
        let refused = Record::new(Timestamp(0), RecordKind::ConnRefused);
        product.tell(from(refused, [10, 0, 0, 120], 40));
        product.live(2 + n);
    }
    for _ in 0..3 {
        let wrong = Record::new(Timestamp(0), RecordKind::EnrolRefused).because("wrong-code");
        product.tell(from(wrong, [10, 0, 0, 121], 41));
        product.live(20);
    }
    product.tell(about("new", RecordKind::ComponentEnrolled));
    product.tell(Record::new(Timestamp(0), RecordKind::LogDropped));
    product.tell(about("lamp", RecordKind::LogStopped).because("opted-out"));
    product.tell(about("camera", RecordKind::ConfigWeakened).because("authorised").by("owner"));
    product.is_quiet();
}
