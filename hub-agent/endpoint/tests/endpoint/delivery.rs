//! Messages to clients: subscriptions, retained, persistent sessions, takeover, wills.

use crate::harness::{connect, connect_with, publish, subscribe, with_endpoint};
use bytes::Bytes;
use mqtt_endpoint::{Limits, Qos, ReasonCode, Refused};
use rumqttc::{
    AsyncClient, Event, MqttOptions, NetworkOptions, Packet, QoS, TlsConfiguration, Transport,
};

#[test]
fn delivers_to_subscribers_from_inside_the_gate() {
    with_endpoint(Limits::default(), async |world| {
        let (mut alice, mut bob) = (world.client("alice", 4).await, world.client("bob", 5).await);
        bob.send(&subscribe(5, 1, "door", 1)).await;
        assert_eq!(bob.packet().await, Some(vec![0x90, 4, 0, 1, 0, 1]));
        alice.send(&publish(4, 1, 1, "to/door", b"open")).await;
        assert_eq!(alice.packet().await, Some(vec![0x40, 2, 0, 1]));
        let got = bob.packet().await.unwrap();
        assert_eq!((got[0], &got[got.len() - 4..]), (0x32, &b"open"[..]));
        bob.send(&[0x40, 2, got[8], got[9]]).await;
        bob.send(&[0xa2, 9, 0, 2, 0, 0, 4, b'd', b'o', b'o', b'r']).await;
        assert_eq!(bob.packet().await, Some(vec![0xb0, 4, 0, 2, 0, 0]));
        alice.send(&publish(4, 1, 2, "to/door", b"shut")).await;
        alice.packet().await.unwrap();
        bob.nothing_due().await;
    });
}

#[test]
fn retained_messages_reach_later_subscribers_until_cleared() {
    with_endpoint(Limits::default(), async |world| {
        world.handle.publish("state", Bytes::from_static(b"on"), Qos::AtLeastOnce, true);
        let mut client = world.client("alice", 4).await;
        client.send(&subscribe(4, 1, "state", 1)).await;
        client.packet().await.expect("a SUBACK");
        let got = client.packet().await.unwrap();
        assert_eq!((got[0], &got[got.len() - 2..]), (0x33, &b"on"[..]), "with the retain flag");
        world.handle.clear_retained("state");
        let mut late = world.client("bob", 4).await;
        late.send(&subscribe(4, 1, "state", 1)).await;
        late.packet().await.expect("a SUBACK");
        late.nothing_due().await;
    });
}

#[test]
fn an_absent_client_gets_what_waited_and_unacknowledged_messages_again() {
    with_endpoint(Limits::default(), async |world| {
        let mut client = world.tls(world.config("alice")).await.unwrap();
        client.send(&connect("alice", 4, false, 60)).await;
        assert_eq!(client.packet().await, Some(vec![0x20, 2, 0, 0]));
        client.send(&subscribe(4, 1, "a", 2)).await;
        client.packet().await.expect("a SUBACK");
        world.handle.publish("a", Bytes::from_static(b"1"), Qos::ExactlyOnce, false);
        let first = client.packet().await.unwrap();
        drop(client);
        world.gate.wait("disconnected alice Lost").await;
        world.handle.publish("a", Bytes::from_static(b"2"), Qos::AtLeastOnce, false);
        let mut client = world.tls(world.config("alice")).await.unwrap();
        client.send(&connect("alice", 4, false, 60)).await;
        assert_eq!(client.packet().await, Some(vec![0x20, 2, 1, 0]), "session present");
        let again = client.packet().await.unwrap();
        assert_eq!((again[0], &again[1..]), (first[0] | 0b1000, &first[1..]), "with DUP");
        assert_eq!(client.packet().await.unwrap().last(), Some(&b'2'));
        client.send(&[0x50, 2, again[5], again[6]]).await;
        assert_eq!(client.packet().await, Some(vec![0x62, 2, again[5], again[6]]));
        client.send(&[0x70, 2, again[5], again[6]]).await;
        client.nothing_due().await;
    });
}

#[test]
fn a_newer_connection_takes_the_session_over_and_both_are_told() {
    with_endpoint(Limits::default(), async |world| {
        let mut first = world.client("alice", 5).await;
        let mut second = world.client("alice", 5).await;
        assert_eq!(first.closed().await.map(|last| last[2]), Some(0x8e));
        world.gate.wait("connected alice present=false took-over").await;
        world.gate.wait("disconnected alice TakenOver").await;
        second.nothing_due().await;
    });
}

#[test]
fn a_cut_closes_at_once_and_forgets_the_session() {
    with_endpoint(Limits::default(), async |world| {
        let mut client = world.client("alice", 5).await;
        let why = Refused { reason: ReasonCode::Banned, word: "revoked" };
        assert!(world.handle.cut("alice", why));
        assert_eq!(client.closed().await.map(|last| last[2]), Some(0x87));
        world.gate.wait("disconnected alice Cut").await;
        assert!(world.handle.sessions().is_empty());
        assert!(!world.handle.cut("alice", why));
    });
}

#[test]
fn a_will_is_published_after_a_loss_and_not_after_a_goodbye() {
    with_endpoint(Limits::default(), async |world| {
        let tail = [&[0, 4][..], b"will", &[0, 4], b"gone"].concat();
        for lost in [false, true] {
            let mut client = world.tls(world.config("alice")).await.unwrap();
            client.send(&connect_with("alice", 4, 0b110, 60, &tail)).await;
            client.packet().await.expect("a CONNACK");
            if !lost {
                client.send(&[0xe0, 0]).await;
                assert_eq!(client.packet().await, None);
                world.gate.wait("disconnected alice Left").await;
                assert_eq!(world.gate.count("will"), 0);
            }
        }
        world.gate.wait("will alice will gone").await;
    });
}

#[test]
fn a_panic_ends_one_connection_only() {
    with_endpoint(Limits::default(), async |world| {
        let (mut victim, mut other) =
            (world.client("alice", 4).await, world.client("bob", 4).await);
        victim.send(&publish(4, 1, 1, "panic", b"")).await;
        assert_eq!(victim.packet().await, None);
        world.gate.wait("refused panic").await;
        world.gate.wait("disconnected alice Panicked").await;
        other.send(&publish(4, 1, 1, "a", b"1")).await;
        assert_eq!(other.packet().await, Some(vec![0x40, 2, 0, 1]));
        let mut back = world.client("alice", 4).await;
        back.nothing_due().await;
        assert_eq!(world.gate.count("connected alice present=false took-over"), 0);
    });
}

#[test]
fn rumqttc_publishes_and_receives() {
    with_endpoint(Limits::default(), async |world| {
        let mut options = MqttOptions::new("alice", "localhost", world.address.port());
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(world.config("alice"))));
        let (client, mut events) = AsyncClient::new(options, 16);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        client.subscribe("echo", QoS::ExactlyOnce).await.unwrap();
        client.publish("to/echo", QoS::ExactlyOnce, false, "hello").await.unwrap();
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = events.poll().await.unwrap() {
                assert_eq!(&publish.payload[..], b"hello");
                return;
            }
        }
    });
}

#[test]
fn drains_with_a_reason() {
    with_endpoint(Limits::default(), async |world| {
        let mut client = world.client("alice", 5).await;
        world.handle.drain().await;
        assert_eq!(client.closed().await.map(|last| last[2]), Some(0x8b));
        assert_eq!(world.handle.connections(), 0);
    });
}
