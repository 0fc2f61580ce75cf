//! Every bound holds, and reaching it harms nobody else.

use crate::harness::{connect, packet, publish, subscribe, with_endpoint};
use bytes::Bytes;
use mqtt_endpoint::{Answer, Limits, Qos};
use std::time::Duration;
use tokio::{io::AsyncReadExt, net::TcpStream};

const SHORT: Duration = Duration::from_millis(200);

#[test]
fn closes_peers_that_are_silent_after_tcp_tls_or_connect() {
    let limits = Limits { handshake: SHORT, connect: SHORT, ..Limits::default() };
    with_endpoint(limits, async |world| {
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        let mut tls = world.tls(world.config("alice")).await.unwrap();
        let mut silent = world.tls(world.config("bob")).await.unwrap();
        silent.send(&connect("bob", 5, true, 1)).await;
        world.gate.wait("refused tls-handshake-timeout").await;
        assert_eq!(tcp.read(&mut [0; 8]).await.unwrap_or(0), 0);
        world.gate.wait("refused connect-timeout").await;
        assert_eq!(tls.packet().await, None);
        assert_eq!(silent.closed().await.map(|last| last[2]), Some(0x8d), "keep-alive");
        world.gate.wait("disconnected bob Silent").await;
    });
}

#[test]
fn closes_a_sender_of_a_byte_now_and_then() {
    let limits = Limits { packet: SHORT, ..Limits::default() };
    with_endpoint(limits, async |world| {
        let mut client = world.client("alice", 5).await;
        client.send(&[0x30]).await;
        client.send(&[0x05]).await;
        let last = client.closed().await;
        assert_eq!(last.map(|packet| packet[2]), Some(0x80));
        world.gate.wait("refused packet-too-slow").await;
    });
}

#[test]
fn refuses_oversized_packets_by_their_header() {
    let limits = Limits { max_packet: 1024, ..Limits::default() };
    with_endpoint(limits, async |world| {
        let mut client = world.client("alice", 5).await;
        client.send(&publish(5, 0, 0, "a", &[0; 900])).await;
        client.nothing_due().await;
        client.send(&publish(5, 0, 0, "a", &[0; 1100])[..8]).await;
        assert_eq!(client.closed().await.map(|last| last[2]), Some(0x95));
        let mut large = world.tls(world.config("bob")).await.unwrap();
        large.send(&packet(0x10, &[0; 2000])).await;
        assert_eq!(large.packet().await, None);
    });
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn malformed_packets_close_only_their_own_connection() {
    with_endpoint(Limits::default(), async |world| {
        let mut other = world.client("bob", 4).await;
        for (version, bytes, reason) in [
            (5, &b"\x32\x0d\x00\x03a/b\x00\x00\x07\x01ello"[..], 0x81),
            (5, b"\x30\x04\x00\x01#\x00", 0x90),
            (5, b"\x10\x0c\x00\x04MQTT\x05\x02\x00\x0a\x00\x00", 0x82),
            (5, b"\xf0\x00", 0x82),
            (4, b"\x32\x0d\x00\x03a/b\x00\x00\x07\x01ello", 0),
        ] {
            let mut client = world.client("alice", version).await;
            client.send(bytes).await;
            let last = client.closed().await;
            assert_eq!(last.map_or(0, |packet| packet[2]), reason);
        }
        world.gate.wait_nth("refused malformed", 5).await;
        other.nothing_due().await;
    });
}

#[test]
fn closes_connections_over_the_limits_at_once() {
    let limits = Limits { per_address: 2, ..Limits::default() };
    with_endpoint(limits, async |world| {
        let _first = world.client("alice", 4).await;
        let second = world.client("bob", 4).await;
        assert!(world.tls(world.config("alice")).await.is_err());
        world.gate.wait("refused too-many-from-address").await;
        drop(second);
        world.gate.wait("disconnected bob").await;
        world.client("bob", 4).await;
    });
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn a_flood_is_slowed_down_and_then_closed_while_others_go_on() {
    let limits = Limits { messages_per_second: 20, flood_patience: SHORT * 2, ..Limits::default() };
    with_endpoint(limits, async |world| {
        let (mut flood, mut other) = (world.client("alice", 5).await, world.client("bob", 4).await);
        let many: Vec<u8> = publish(5, 0, 0, "a", b"x").repeat(400);
        flood.send(&many).await;
        other.nothing_due().await;
        flood.send(&many).await;
        assert_eq!(flood.closed().await.map(|last| last[2]), Some(0x96));
        world.gate.wait("refused message-rate-too-high").await;
        other.nothing_due().await;
    });
}

/// What the gate bounds by itself is no flood; the bytes of it are.
#[test]
fn what_the_gate_paces_does_not_count_as_messages_but_as_bytes() {
    let limits = Limits { messages_per_second: 20, flood_patience: SHORT * 2, ..Limits::default() };
    let limits = Limits { bytes_per_second: 20_000, ..limits };
    with_endpoint(limits, async |world| {
        world.gate.answer.set(Some(Answer::Paced));
        let mut client = world.client("alice", 5).await;
        client.send(&publish(5, 0, 0, "a", b"x").repeat(400)).await;
        client.nothing_due().await;
        let throttled = |(name, _, count): &(&str, &str, u64)| *name == "throttled" && *count > 0;
        assert!(!world.handle.stats().iter().any(throttled));
        client.send(&publish(5, 0, 0, "a", &[b'x'; 90]).repeat(800)).await;
        assert_eq!(client.closed().await.map(|last| last[2]), Some(0x96));
        world.gate.wait("refused message-rate-too-high").await;
    });
}

#[test]
fn a_client_that_does_not_read_loses_its_connection_not_our_memory() {
    let limits = Limits { queue_messages: 8, send_maximum: 2, ..Limits::default() };
    with_endpoint(limits, async |world| {
        let mut slow = world.client("alice", 5).await;
        slow.send(&subscribe(5, 1, "a", 1)).await;
        slow.packet().await.expect("a SUBACK");
        for _ in 0..8 {
            world.handle.publish("a", Bytes::from_static(b"0"), Qos::AtMostOnce, false);
        }
        world.handle.publish("a", Bytes::from_static(b"0"), Qos::AtMostOnce, false);
        slow.nothing_due_after(8).await;
        for _ in 0..11 {
            world.handle.publish("a", Bytes::from_static(b"1"), Qos::AtLeastOnce, false);
        }
        assert_eq!(slow.closed().await.map(|last| last[2]), Some(0x97));
        world.gate.wait("refused too-slow-to-receive").await;
        let dropped =
            world.handle.stats().into_iter().find(|(name, ..)| *name == "dropped").unwrap().2;
        assert!(dropped >= 2, "{dropped}");
    });
}

#[test]
fn refuses_more_subscriptions_than_the_bound() {
    let limits = Limits { subscriptions: 2, ..Limits::default() };
    with_endpoint(limits, async |world| {
        let mut client = world.client("alice", 5).await;
        for (filter, code) in [("a", 0), ("b", 0), ("c", 0x97), ("a", 0)] {
            client.send(&subscribe(5, 1, filter, 0)).await;
            assert_eq!(client.packet().await.unwrap().last(), Some(&code), "{filter}");
        }
    });
}
