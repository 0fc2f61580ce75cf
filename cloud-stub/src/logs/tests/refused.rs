//! Frames that contradict, logs that were forked or set back, signatures of others.

use super::super::*;
use super::world::{Cloud, Hub, ORIGIN, witnessed};
use protocol::{
    cbor,
    id::{Digest, PublicKey},
    message::{UplinkForm, UplinkRecord, UplinkRefusal as Why},
};

fn with(frame: &UplinkFrame, change: impl FnOnce(&mut UplinkFrame)) -> UplinkFrame {
    let mut changed = frame.clone();
    change(&mut changed);
    changed
}

/// Refuses a frame for this reason, tells of it, and keeps what it had.
fn refuses(cloud: &mut Cloud, frame: &UplinkFrame, why: Why) {
    let outcome = cloud.logs.take(super::world::id(1), frame, 1_800_000_001);
    assert_eq!(outcome.ack.refusal, Some(why), "{:?}", outcome.told);
    let told = outcome.told.last().unwrap();
    assert_eq!(told["refused"], why.word());
    assert!(told["times"].as_u64() >= Some(1), "{told}");
}

/// Criterion: T1.CSA.3 (negative)
/// Criterion: T1.DP.2 (negative)
#[test]
fn a_log_that_was_edited_forked_or_set_back_is_not_witnessed() {
    let (mut hub, mut cloud) = (Hub::new(1), Cloud::new());
    hub.fill(400, "a");
    let ack = cloud.take_all(&hub.frames(0, 256));
    let head = witnessed(&ack);
    // The same key, another history: what whoever has the hub can make.
    let mut other = Hub::new(1);
    other.fill(400, "b");
    refuses(&mut cloud, &other.frame(400, 1), Why::SplitView);
    refuses(&mut cloud, &other.frame(0, 256), Why::SplitView.min(Why::Contradiction));
    other.fill(100, "b");
    refuses(&mut cloud, &other.frame(300, 256), Why::Contradiction);
    // Its newest records follow what is here, its checkpoint does not.
    refuses(&mut cloud, &other.frame(400, 256), Why::SplitView);
    let mut back = Hub::new(1);
    back.fill(300, "a");
    refuses(&mut cloud, &back.frame(300, 1), Why::SetBack);
    cloud.again();
    refuses(&mut cloud, &back.frame(0, 10), Why::SetBack);
    assert_eq!(witnessed(&cloud.take(&back.frame(0, 10))), head, "the witnessed head stays");
}

/// Criterion: T1.DP.2 (negative)
#[test]
fn nothing_counts_that_another_key_signed_or_nobody() {
    let (mut hub, mut cloud) = (Hub::new(1), Cloud::new());
    hub.fill(100, "a");
    let frame = hub.frame(0, 256);
    cloud.take_all(std::slice::from_ref(&frame));
    hub.fill(10, "a");
    let frame = hub.frame(100, 256);
    let other = with(&frame, |frame| frame.key = PublicKey([7; 32]));
    refuses(&mut cloud, &other, Why::BadSignature);
    let mut forged = Hub::new(2);
    forged.fill(110, "a");
    let theirs = forged.frame(100, 256).checkpoint;
    refuses(&mut cloud, &with(&frame, |frame| frame.checkpoint = theirs), Why::BadSignature);
    let edited = with(&frame, |frame| {
        let mut note = frame.checkpoint.clone().unwrap().bytes().to_vec();
        let at = note.iter().position(|byte| *byte == b'\n').unwrap() + 8;
        note[at] ^= 1;
        frame.checkpoint = Blob::new(note);
    });
    refuses(&mut cloud, &edited, Why::BadSignature);
    let noise = with(&frame, |frame| frame.checkpoint = Blob::new(vec![0xff; 80]));
    refuses(&mut cloud, &noise, Why::BadSignature);
    assert_eq!(cloud.take(&frame).refusal, None, "the log's own frame is taken after all that");
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn what_is_no_record_or_too_much_is_refused_with_its_reason() {
    let (mut hub, mut cloud) = (Hub::new(1), Cloud::new());
    hub.fill(4_000, "a");
    let frame = hub.frame(1, 3);
    let records = |records: Vec<Vec<u8>>| {
        Sequence::new(records.into_iter().map(|one| Blob::new(one).unwrap()).collect()).unwrap()
    };
    let bare = |form| UplinkRecord::bare(form, Digest([1; 32]));
    let act = UplinkRecord { body: Blob::new(vec![9]), ..bare(UplinkForm::Act) };
    for wrong in [vec![0xff], cbor::encode(&bare(UplinkForm::Tile)), cbor::encode(&act)] {
        let wrong = with(&frame, |frame| frame.records = records(vec![wrong]));
        refuses(&mut cloud, &wrong, Why::NoRecord);
    }
    let tile = with(&frame, |frame| {
        (frame.first, frame.size) = (256, 300);
        frame.records = records(vec![cbor::encode(&bare(UplinkForm::Tile))]);
    });
    refuses(&mut cloud, &tile, Why::NoRecord);
    let far = with(&frame, |frame| (frame.first, frame.size) = (1 << 40, 1 << 41));
    refuses(&mut cloud, &far, Why::TooMany);
    for range in 0..8 {
        assert_eq!(cloud.take(&hub.frame(range * 100, 3)).refusal, None);
    }
    refuses(&mut cloud, &hub.frame(3_000, 3), Why::TooMany);
    assert_eq!(cloud.take(&hub.frame(3, 97)).refusal, None, "but what fills a gap");
    for number in 0..20 {
        let mut named = hub.frame(0, 1);
        named.origin = Label::new(&format!("{ORIGIN}/{number}")).unwrap();
        let refusal = cloud.take(&named).refusal;
        assert_eq!(refusal.is_some(), number >= 15, "sixteen logs of one hub: {number}");
    }
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_hub_that_claims_ever_more_records_is_stopped_where_one_log_ends() {
    let (mut hub, mut cloud) = (Hub::new(1), Cloud::new());
    hub.fill(10, "a");
    let frame = hub.frame(0, 3);
    let at = |first: u64| with(&frame, |frame| (frame.first, frame.size) = (first, first + 3));
    // Each as far beyond the last as may be: holes cost nothing, rows do.
    for hop in 1..=3 {
        assert_eq!(cloud.take(&at(hop << 24)).refusal, None, "{hop}");
    }
    refuses(&mut cloud, &at((4 << 24) - 2), Why::TooMany);
    assert_eq!(cloud.take(&at((4 << 24) - 3)).refusal, None, "the last ones there is room for");
}
