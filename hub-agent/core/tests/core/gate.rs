//! The gate: who may say and hear what.

use crate::world::{World, carriage, facts, id, note};
use hub_core::{Command, access::gate::Carriage};
use protocol::{
    cbor,
    id::{BootId, Digest, LogLife},
    message::{Blob, Heartbeat, LogBatch, Sequence, TrustState, V1},
    refusal::Refusal,
};

fn heartbeat() -> Vec<u8> {
    cbor::encode(&Heartbeat { version: V1, boot: BootId([1; 8]), seq: 1, uptime: 5 })
}

/// A batch that is one; whether its head is good is for the hub to say.
fn first_batch() -> Vec<u8> {
    cbor::encode(&LogBatch {
        version: V1,
        life: LogLife([1; 8]),
        first: 1,
        oldest: 1,
        before: Digest([1; 32]),
        records: Sequence::new(vec![Blob::new(vec![0]).unwrap()]).unwrap(),
        head: Blob::new(Vec::new()).unwrap(),
        time: None,
        uptime: 1,
    })
}

/// Criterion: T3.LA.1a (positive)
#[test]
fn each_component_speaks_exactly_on_its_own_up_topics_and_hears_its_own_down_topics() {
    let mut world = World::new();
    for n in 1..=5 {
        world.member(n);
    }
    let (announce, beat, value) =
        (cbor::encode(&facts(1, 9)), heartbeat(), vec![0xa1, 0x62, b'o', b'n', 0xf5]);
    let lost = vec![0xa1, 1, 1];
    let bye = vec![0xa3, 1, 1, 2, 0x18, 99, 3, 0];
    let batch = first_batch();
    let leaves: [(&str, &[u8], u8); 10] = [
        ("announce", &announce, 1),
        ("heartbeat", &beat, 1),
        ("bye", &bye, 1),
        ("lost", &lost, 1),
        ("stream/state", &value, 1),
        ("stream/unknown", &value, 1),
        ("log", &batch, 1),
        ("trust", &value, 1),
        ("log/ctl", &value, 1),
        ("nothing", &value, 1),
    ];
    let (mut said, mut heard) = (0, 0);
    for who in 1..=5 {
        for owner in 1..=5 {
            for (leaf, payload, qos) in leaves {
                let topic = format!("p/{}/{leaf}", id(owner));
                let allowed = who == owner
                    && !matches!(leaf, "stream/unknown" | "trust" | "log/ctl" | "nothing");
                let permitted = world.hub.authorize(id(who), &topic, payload, carriage(qos));
                assert_eq!(permitted.is_ok(), allowed, "{who} says {owner}/{leaf}");
                said += usize::from(allowed);
                let told = world.hub.explain(id(who), &topic, Some(payload), qos);
                let refusal = permitted.as_ref().err().map(|denied| denied.refusal);
                assert_eq!((told.allowed, told.refusal), (allowed, refusal), "{told:?}");
                let line = leaf.starts_with("stream/") && who == owner;
                assert_eq!(told.decided_by.contains("lamp revision 1"), line, "{told:?}");
                let hears = world.hub.authorize_subscription(id(who), &topic).is_ok();
                let down = matches!(leaf, "trust" | "log/ctl");
                assert_eq!(hears, who == owner && down, "{who} hears {owner}/{leaf}");
                heard += usize::from(hears);
            }
        }
    }
    println!("250 pairs of sender and topic: {said} may be said, {heard} may be heard");
    assert_eq!((said, heard), (30, 10));
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn refuses_with_the_reason_that_fits() {
    let mut world = World::new();
    world.member(1);
    world.member(2);
    let own = |leaf: &str| format!("p/{}/{leaf}", id(1));
    let ask = |topic: &str, payload: &[u8], carriage| {
        world.hub.authorize(id(1), topic, payload, carriage).err().map(|denied| denied.refusal)
    };
    let beat = heartbeat();
    assert_eq!(
        ask(&format!("p/{}/heartbeat", id(2)), &beat, carriage(0)),
        Some(Refusal::ForeignTopic)
    );
    assert_eq!(
        ask(&format!("h/{}/status", id(1)), &beat, carriage(1)),
        Some(Refusal::ForeignTopic)
    );
    assert_eq!(ask("$SYS/x", &beat, carriage(0)), Some(Refusal::UnknownTopic));
    assert_eq!(ask(&own("trust"), &beat, carriage(1)), Some(Refusal::WrongDirection));
    assert_eq!(ask(&own("heartbeat"), &[0; 65], carriage(0)), Some(Refusal::TooLarge));
    assert_eq!(ask(&own("heartbeat"), &beat, carriage(2)), Some(Refusal::QosNotAllowed));
    let retained = Carriage { qos: 0, retain: true, will: false };
    assert_eq!(ask(&own("heartbeat"), &beat, retained), Some(Refusal::RetainNotAllowed));
    assert_eq!(ask(&own("heartbeat"), &beat[1..], carriage(0)), Some(Refusal::Malformed));
    assert_eq!(ask(&own("stream/state"), &[0xa1, 1, 1], carriage(0)), Some(Refusal::Malformed));
    assert_eq!(
        world.hub.authorize(id(9), &own("lost"), &beat, carriage(0)).err().unwrap().refusal,
        Refusal::Unknown
    );
    for filter in ["#", "p/+/trust", "$SYS/#", "$share/g/x"] {
        let denied = world.hub.authorize_subscription(id(1), filter).unwrap_err();
        assert_eq!(denied.refusal, Refusal::WildcardSubscription, "{filter}");
    }
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn a_will_may_only_be_left_on_the_own_lost_topic() {
    let mut world = World::new();
    world.member(1);
    let lost = [0xa1, 1, 1];
    let ask = |topic: String| {
        world.hub.authorize_will(id(1), &topic, &lost, carriage(1)).map_err(|d| d.refusal)
    };
    assert_eq!(ask(format!("p/{}/lost", id(1))), Ok(()));
    assert_eq!(ask(format!("p/{}/lost", id(2))), Err(Refusal::ForeignWill));
    assert_eq!(ask(format!("p/{}/announce", id(1))), Err(Refusal::ForeignWill));
    assert_eq!(ask("anything".into()), Err(Refusal::ForeignWill));
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn a_quarantined_component_may_only_say_that_it_is_there() {
    let mut world = World::new();
    world.member(1);
    world.command(Command::Quarantine(id(1), note("odd"))).unwrap();
    assert_eq!(world.state(1), TrustState::Quarantined);
    assert!(world.permit(1, "heartbeat", &heartbeat()).is_ok());
    assert!(world.permit(1, "announce", &cbor::encode(&facts(1, 2))).is_ok());
    assert_eq!(world.permit(1, "stream/state", &[0xa0]), Err(Refusal::Quarantined));
    world.command(Command::Retire(id(1), note("gone"))).unwrap();
    assert_eq!(world.permit(1, "heartbeat", &heartbeat()), Err(Refusal::Retired));
}
