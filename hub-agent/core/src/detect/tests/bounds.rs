//! What nobody can do to the detector.

use super::*;

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_component_that_stamps_tomorrow_changes_nothing_about_windows() {
    let run = |stamp: bool| {
        let mut product = Product::new();
        for n in 0..10 {
            product.tell(about("lock", RecordKind::AuthFailure));
            if stamp && n == 5 {
                let tomorrow = Timestamp(MORNING + product.ms + 86_400_000);
                let lying =
                    Record { original: Some(tomorrow), ..of("lock", RecordKind::AuthFailure) };
                product.tell(Record { severity: Severity::Info, ..lying });
            }
            product.wait(10);
        }
        product.raised().get("HUB-01").copied()
    };
    assert_eq!(run(false), Some(Severity::Medium));
    assert_eq!(run(true), Some(Severity::Medium));
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_hub_whose_own_clock_is_set_loses_no_window() {
    let mut product = Product::new();
    for n in 0..10_u64 {
        let now = input::Now {
            wall: Timestamp(if n < 5 { 0 } else { MORNING + n }),
            mono: Duration::from_secs(n * 10),
        };
        let record = Record::new(now.wall, RecordKind::AuthFailure).about(id("lock"));
        let findings = product.detector.observe(&record, n + 1, now);
        assert_eq!(findings.changes.is_empty(), n < 9, "{n}");
    }
}

#[test]
fn windows_go_on_where_they_were_after_a_restart() {
    let mut before = Product::new();
    for _ in 0..9 {
        before.tell(about("lock", RecordKind::AuthFailure));
        before.wait(10);
    }
    let mut after = Product::new();
    after.ms = 0;
    let later = input::Now { wall: before.now().wall, mono: Duration::ZERO };
    for (number, record) in before.written.iter().enumerate() {
        after.detector.restore(record, number as u64 + 1, later);
    }
    let record = Record::new(later.wall, RecordKind::AuthFailure).about(id("lock"));
    let findings = after.detector.observe(&record, 10, later);
    assert_eq!(findings.changes[0].incident.rule.as_str(), "HUB-01");
    assert_eq!(findings.changes[0].incident.evidence.len(), 10);
}

#[test]
fn other_rules_come_into_force_and_open_incidents_stay() {
    let mut product = Product::new();
    product.tell(of("lock", RecordKind::Tamper));
    let own = "title: Any health\nlogsource:\n  product: hub-agent\ndetection:\n  s:\n    metadata.event_code: \
               health\n  condition: s\nlevel: low\n";
    let file = RuleFile { name: "own.yml", text: own };
    product.detector.reload(RuleSet::compile(&[file]).unwrap());
    product.tell(of("lock", RecordKind::Tamper));
    product.tell(of("lock", RecordKind::Health));
    let raised = product.raised();
    assert_eq!(raised.keys().collect::<Vec<_>>(), ["Any health", "HUB-23"]);
    assert_eq!(product.detector.incidents().get(1).unwrap().count, 1);
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_scan_of_the_world_becomes_few_records() {
    let mut product = Product::new();
    for n in 0..5000_u16 {
        let [a, b] = n.to_be_bytes();
        product.tell(flow("camera", None, [100, 64, a, b], 80, 60));
    }
    let found = product.written.iter().filter(|record| record.kind == RecordKind::NetFirstSeen);
    assert!(found.count() <= 64, "at most 32 in a minute");
}

#[test]
fn a_member_costs_little_more_than_a_kibibyte() {
    let mut product = Product::new();
    let before = product.detector.bytes();
    let now = product.now();
    for n in 0..1000_u32 {
        product.detector.enrolled(id(&format!("part {n}")), Profile::default(), now);
    }
    let each = (product.detector.bytes() - before) / 1000;
    assert!(each <= 1280, "{each} bytes");
}

#[test]
fn an_incident_is_told_with_what_policy_may_do() {
    let mut product = Product::new();
    let now = product.now();
    let findings = product.detector.observe(&of("lock", RecordKind::Tamper), 1, now);
    assert_eq!(findings.changes[0].response, Response::Quarantine);
    let record = findings.changes[0].record(now.wall);
    assert_eq!(record.subject.as_deref(), Some("HUB-23"));
    assert_eq!(record.component, Some(id("lock")));
    assert_eq!(record.related, Some(1));
}
