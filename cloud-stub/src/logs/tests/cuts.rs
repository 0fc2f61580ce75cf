//! The power goes at each step of taking frames, one of which erases: what was acknowledged is there, and all goes on.

use super::super::*;
use super::world::{Cloud, Hub, MARKER, sized, subject, witnessed};
use state_log::Erasure;

/// Criterion: T3.CSA.1 (negative)
/// Criterion: T1.DP.3 (negative)
#[test]
fn a_cut_at_any_step_loses_nothing_acknowledged_and_erases_all_the_same() {
    let mut hub = Hub::new(1);
    hub.fill(60, "a");
    let mut frames = hub.frames(0, 30);
    hub.fill(30, "a");
    frames.extend(hub.frames(60, 30));
    hub.log.erase(Erasure::Subject(subject(1)), 5).unwrap();
    frames.extend(hub.frames(90, 30));
    let (mut cuts, mut steps) = (0, 0);
    loop {
        let mut cloud = Cloud::new();
        disk::cut::after(steps);
        let mut acknowledged = Vec::new();
        let whole = frames.iter().all(|frame| {
            let ack = cloud.take(frame);
            let taken = ack.refusal.is_none();
            if taken {
                acknowledged.extend_from_slice(ack.ranges().as_slice());
            }
            taken
        });
        disk::cut::after(usize::MAX);
        cloud.again();
        let ack = cloud.take(&with_nothing(&frames[0]));
        assert_eq!(ack.refusal, None, "after {steps} steps");
        let there = ack.ranges();
        for range in acknowledged {
            assert!(there.covers(range), "{range:?} was acknowledged before step {steps}");
        }
        let ack = cloud.take_all(&sized(&frames, 91));
        assert_eq!(witnessed(&ack).map(|head| head.0), Some(91), "after {steps} steps");
        assert_eq!(cloud.markers(MARKER), 60, "after {steps} steps");
        if whole {
            break;
        }
        (cuts, steps) = (cuts + 1, steps + 1);
    }
    assert!(cuts > 30, "{cuts}");
}

/// The question what is there.
fn with_nothing(frame: &UplinkFrame) -> UplinkFrame {
    let records = Sequence::new(Vec::new()).unwrap();
    UplinkFrame { records, checkpoint: None, size: 91, first: 91, ..frame.clone() }
}
