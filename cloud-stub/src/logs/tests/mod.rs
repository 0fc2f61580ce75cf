//! Copies of logs: taking them, refusing what contradicts, erasing, and cuts at every step.

mod cuts;
mod refused;
mod world;

use protocol::ranges::Ranges;
use state_log::{Erasure, Retention};
use std::collections::BTreeMap;
use world::{Cloud, Hub, MARKER, sized, subject, witnessed};

fn root(hub: &Hub) -> (u64, String) {
    let note = hub.log.checkpoint().note();
    let mut lines = note.lines().skip(1);
    (lines.next().unwrap().parse().unwrap(), lines.next().unwrap().to_owned())
}

/// Criterion: T3.CSA.1 (positive)
/// Criterion: T1.CSA.3 (positive)
#[test]
fn a_log_is_kept_and_its_head_witnessed_whatever_comes_first_and_however_often() {
    let (mut hub, mut cloud) = (Hub::new(1), Cloud::new());
    hub.fill(700, "a");
    let old = hub.frames(0, 100);
    hub.fill(300, "a");
    let new = hub.frames(700, 100);
    let ack = cloud.take_all(&new);
    assert_eq!(ack.ranges(), Ranges::new([(700, 1_000)]));
    assert_eq!(witnessed(&ack), None, "what is below is not there yet");
    let old = sized(&old, 1_000);
    let ack = cloud.take_all(&old);
    assert_eq!(ack.ranges(), Ranges::new([(0, 1_000)]));
    assert_eq!(witnessed(&ack), Some(root(&hub)), "the head that waited");
    cloud.again();
    for frame in old.iter().chain(&new) {
        let again = cloud.take(frame);
        assert_eq!((again.refusal, again.held), (None, ack.held.clone()), "doubles change nothing");
    }
    assert_eq!(cloud.markers(MARKER), 1_000);
    hub.fill(1, "a");
    let ack = cloud.take_all(&hub.frames(1_000, 100));
    assert_eq!(witnessed(&ack), Some(root(&hub)));
}

/// Criterion: T1.DP.3 (positive)
/// Criterion: T1.DP.4 (positive)
#[test]
fn what_the_hub_erased_is_erased_here_and_does_not_come_back() {
    let (mut hub, mut cloud) = (Hub::new(1), Cloud::new());
    hub.fill(300, "a");
    let before = hub.frames(0, 100);
    cloud.take_all(&before[..2]);
    hub.log.erase(Erasure::Subject(subject(1)), 5).unwrap();
    // The act comes first, and then a frame that was on its way before it.
    let act = hub.frames(300, 100);
    cloud.take_all(&act);
    assert_eq!(cloud.markers(MARKER), 133, "of 200 records 67 are gone");
    let before = sized(&before, 301);
    let ack = cloud.take_all(&before[2..]);
    assert_eq!(cloud.markers(MARKER), 200, "nothing of it is stored again");
    assert_eq!(witnessed(&ack), Some(root(&hub)), "the tree still verifies");
    cloud.again();
    cloud.take_all(&before);
    assert_eq!(cloud.markers(MARKER), 200);
    hub.log.erase(Erasure::All, 6).unwrap();
    let ack = cloud.take_all(&hub.frames(301, 100));
    assert_eq!((cloud.markers(MARKER), witnessed(&ack)), (0, Some(root(&hub))));
}

/// Criterion: T1.DP.4 (positive)
#[test]
fn what_retention_took_out_before_it_was_sent_comes_as_hashes_and_still_leads_to_the_head() {
    let (mut hub, mut cloud) = (Hub::new(1), Cloud::new());
    hub.fill(100, "a");
    let ack = cloud.take_all(&hub.frames(0, 100));
    let head = String::from_utf8(ack.head.clone().unwrap().bytes().to_vec()).unwrap();
    let witness = state_log::Verifier::witness(ack.witness.as_str(), ack.witness_key.0).unwrap();
    hub.log.add_cosignature(&head, &witness).unwrap();
    (0..40).for_each(|_| hub.fill(60, "a"));
    // The newest answers were lost: there are leaves here of which nothing was witnessed.
    cloud.take(&hub.frame(100, 256));
    let ages = BTreeMap::from([(0, 1)]);
    hub.log.retain(&Retention { ages, bytes: None }, 2_300_000).unwrap();
    let ack = cloud.take_all(&hub.frames(256, 256));
    assert_eq!(ack.ranges(), Ranges::new([(0, hub.log.size())]));
    assert_eq!(witnessed(&ack), Some(root(&hub)));
    cloud.again();
    let ack = cloud.take(&hub.frame(hub.log.size(), 1));
    assert_eq!((ack.refusal, witnessed(&ack)), (None, Some(root(&hub))));
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn a_cloud_that_lost_something_says_so_and_takes_it_again() {
    let (mut hub, mut cloud) = (Hub::new(1), Cloud::new());
    hub.fill(500, "a");
    let frames = hub.frames(0, 100);
    cloud.take_all(&frames);
    let hubs = cloud.folder.path().join("logs").join(world::id(1).to_string());
    let rows = super::folder_of(&hubs, world::ORIGIN).join("rows");
    let mut bytes = std::fs::read(&rows).unwrap();
    bytes[250 * 64 + 30] ^= 1;
    std::fs::write(&rows, bytes).unwrap();
    cloud.again();
    let ack = cloud.take(&hub.frame(500, 1));
    assert_eq!(ack.ranges(), Ranges::new([(0, 250), (251, 500)]));
    assert_eq!(witnessed(&ack), Some(root(&hub)), "it had witnessed more");
    let ack = cloud.take_all(&frames[2..3]);
    assert_eq!(ack.ranges(), Ranges::new([(0, 500)]));
    assert_eq!(witnessed(&ack), Some(root(&hub)));
}
