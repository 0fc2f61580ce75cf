//! Acknowledgements wait for the gate's durable answer, in order.

use crate::harness::{publish, with_endpoint};
use mqtt_endpoint::{Answer, Limits, ReasonCode, Refused};

const BUSY: Refused = Refused { reason: ReasonCode::ServerBusy, word: "store-unavailable" };

#[test]
fn acknowledges_only_after_the_commit_and_in_order() {
    with_endpoint(Limits::default(), async |world| {
        let mut client = world.client("alice", 4).await;
        world.gate.answer.set(Some(Answer::AfterCommit(1)));
        client.send(&publish(4, 1, 1, "a", b"1")).await;
        world.gate.wait("publish alice a 1").await;
        world.gate.answer.set(Some(Answer::Done));
        client.send(&publish(4, 1, 2, "a", b"2")).await;
        world.gate.wait("publish alice a 2").await;
        client.nothing_due().await;
        world.handle.committed(1);
        assert_eq!(client.packet().await, Some(vec![0x40, 2, 0, 1]));
        assert_eq!(client.packet().await, Some(vec![0x40, 2, 0, 2]));
    });
}

#[test]
fn a_failed_commit_is_never_acknowledged_as_success() {
    with_endpoint(Limits::default(), async |world| {
        world.gate.answer.set(Some(Answer::AfterCommit(1)));
        let (mut five, mut old) = (world.client("alice", 5).await, world.client("bob", 4).await);
        five.send(&publish(5, 1, 1, "a", b"1")).await;
        old.send(&publish(4, 1, 1, "a", b"1")).await;
        world.gate.wait("publish alice").await;
        world.gate.wait("publish bob").await;
        world.handle.commit_failed(1, BUSY);
        assert_eq!(five.packet().await.map(|answer| answer[4]), Some(0x83));
        assert_eq!(old.packet().await, None);
        world.gate.answer.set(Some(Answer::AfterCommit(2)));
        five.send(&publish(5, 1, 2, "a", b"2")).await;
        world.gate.wait("publish alice a 2").await;
        world.handle.committed(2);
        assert_eq!(five.packet().await, Some(vec![0x40, 2, 0, 2]), "it recovers");
    });
}

#[test]
fn quality_2_reaches_the_gate_exactly_once() {
    with_endpoint(Limits::default(), async |world| {
        let mut client = world.client("alice", 4).await;
        client.send(&publish(4, 2, 5, "a", b"1")).await;
        assert_eq!(client.packet().await, Some(vec![0x50, 2, 0, 5]));
        let mut again = publish(4, 2, 5, "a", b"1");
        again[0] |= 0b1000;
        client.send(&again).await;
        assert_eq!(client.packet().await, Some(vec![0x50, 2, 0, 5]));
        client.send(&[0x62, 2, 0, 5]).await;
        assert_eq!(client.packet().await, Some(vec![0x70, 2, 0, 5]));
        assert_eq!(world.gate.count("publish"), 1);
        client.send(&[0x62, 2, 0, 5]).await;
        assert_eq!(
            client.packet().await,
            Some(vec![0x70, 2, 0, 5]),
            "a repeated release is completed"
        );
        client.send(&publish(4, 2, 5, "a", b"2")).await;
        assert_eq!(
            client.packet().await,
            Some(vec![0x50, 2, 0, 5]),
            "the identifier is free again"
        );
        assert_eq!(world.gate.count("publish"), 2);
    });
}

#[test]
fn a_repeat_after_a_reconnect_is_recognised_when_its_commit_came_meanwhile() {
    with_endpoint(Limits::default(), async |world| {
        let mut client = world.tls(world.config("alice")).await.unwrap();
        client.send(&crate::harness::connect("alice", 5, false, 60)).await;
        client.packet().await.expect("a CONNACK");
        world.gate.answer.set(Some(Answer::AfterCommit(1)));
        client.send(&publish(5, 2, 5, "a", b"1")).await;
        world.gate.wait("publish alice").await;
        drop(client);
        world.gate.wait("disconnected alice").await;
        world.handle.committed(1);
        let mut client = world.tls(world.config("alice")).await.unwrap();
        client.send(&crate::harness::connect("alice", 5, false, 60)).await;
        assert_eq!(client.packet().await.map(|answer| answer[2]), Some(1), "session present");
        let mut again = publish(5, 2, 5, "a", b"1");
        again[0] |= 0b1000;
        client.send(&again).await;
        assert_eq!(client.packet().await, Some(vec![0x50, 2, 0, 5]));
        assert_eq!(world.gate.count("publish"), 1);
    });
}

#[test]
fn refuses_more_unacknowledged_messages_than_announced() {
    with_endpoint(Limits { receive_maximum: 4, ..Limits::default() }, async |world| {
        world.gate.answer.set(Some(Answer::AfterCommit(1)));
        let mut client = world.client("alice", 5).await;
        let five: Vec<u8> = (1..=5).flat_map(|id| publish(5, 1, id, "a", b"1")).collect();
        client.send(&five).await;
        assert_eq!(client.closed().await.map(|last| last[2]), Some(0x93));
        assert_eq!(world.gate.count("publish"), 4);
    });
}
