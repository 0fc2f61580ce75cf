use super::*;
use protocol::time::Timestamp;

#[test]
fn what_is_usual_for_a_component_fits_a_kibibyte() {
    assert!(size_of::<Baseline>() <= 1024, "{} bytes", size_of::<Baseline>());
}

fn reports(baseline: &mut Baseline, from: u64, many: u64, bytes: u64) -> Vec<Record> {
    let each = |n: u64| {
        let mut record = Record::new(Timestamp(n * 60_000), RecordKind::NetCounters);
        record.counters.bytes_out = Some(bytes + n % 7);
        let ms = n * 60_000;
        baseline.observe(&record, When { engine_ms: ms, wall_ms: ms }, |_| None)
    };
    (from..from + many).flat_map(each).collect()
}

#[test]
fn what_was_learnt_outlives_a_restart() {
    let mut before = Baseline::default();
    assert!(reports(&mut before, 0, 100, 1000).is_empty());
    let mut after = Baseline::unpack(&before.pack()).unwrap();
    let told = reports(&mut after, 100, 1, 1_000_000);
    assert_eq!(told[0].code.as_deref(), Some("bytes-out"));
    assert!(reports(&mut Baseline::default(), 100, 1, 1_000_000).is_empty());
}

#[test]
fn what_was_cut_or_is_of_another_format_is_not_believed() {
    let packed = Baseline::default().pack();
    assert!((0..packed.len()).all(|length| Baseline::unpack(&packed[..length]).is_none()));
    assert!(Baseline::unpack(&[&packed[..], &[0]].concat()).is_none());
    assert!(Baseline::unpack(&[&[9], &packed[1..]].concat()).is_none());
}
