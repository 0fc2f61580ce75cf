//! Who may connect at all.

use crate::{
    certificates::{Authority, Validity, self_signed},
    harness::{connect, connect_with, publish, with_endpoint},
};
use mqtt_endpoint::Limits;

/// Criterion: T1.LA.2 (positive)
#[test]
fn a_peer_with_a_certificate_of_the_authority_connects() {
    with_endpoint(Limits::default(), async |world| {
        for version in [4, 5] {
            world.client("alice", version).await.nothing_due().await;
        }
        assert_eq!(world.gate.count("connected alice"), 2);
    });
}

/// Criterion: T1.LA.2 (negative)
#[test]
fn refuses_foreign_self_signed_expired_and_missing_certificates_before_any_byte() {
    with_endpoint(Limits::default(), async |world| {
        let foreign = Authority::new().identity("alice", Validity::Now);
        let expired = world.authority.identity("alice", Validity::Expired);
        let bad = [Some(foreign), Some(self_signed("alice")), Some(expired), None];
        for (index, identity) in bad.into_iter().enumerate() {
            // In TLS 1.3 the client finishes first: the refusal arrives with the first read.
            if let Ok(mut client) = world.tls(world.authority.client(identity)).await {
                client.send(&connect("alice", 5, true, 60)).await;
                assert_eq!(client.packet().await, None);
            }
            world.gate.wait_nth("refused tls-handshake-failed", index + 1).await;
        }
        assert_eq!(world.gate.count("admit"), 0, "nothing was asked of the gate");
    });
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn a_peer_the_gate_does_not_admit_gets_no_answer() {
    with_endpoint(Limits::default(), async |world| {
        let mut client = world.tls(world.config("mallory")).await.unwrap();
        client.send(&connect("mallory", 5, true, 60)).await;
        assert_eq!(client.packet().await, None);
        world.gate.wait("admit mallory").await;
        assert_eq!(world.gate.count("connect "), 0);
    });
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn a_resumed_tls_session_is_asked_about_again() {
    with_endpoint(Limits::default(), async |world| {
        let config = world.config("alice");
        let mut first = world.tls(config.clone()).await.unwrap();
        first.send(&connect("alice", 4, true, 60)).await;
        first.packet().await.expect("a CONNACK, and with it the session ticket");
        first.send(&[0xe0, 0]).await;
        assert_eq!(first.packet().await, None);
        let mut second = world.tls(config).await.unwrap();
        let kind = second.stream.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Resumed));
        second.send(&connect("alice", 4, true, 60)).await;
        assert!(second.packet().await.is_some());
        assert_eq!(world.gate.count("admit alice"), 2);
    });
}

/// Criterion: T3.AI.1 (negative)
#[test]
fn refuses_a_client_id_the_certificate_does_not_prove() {
    with_endpoint(Limits::default(), async |world| {
        for (version, expected) in [(4, 5), (5, 0x87)] {
            let mut client = world.tls(world.config("alice")).await.unwrap();
            client.send(&connect("bob", version, true, 60)).await;
            let answer = client.packet().await.expect("a CONNACK");
            assert_eq!((answer[0], answer[3]), (0x20, expected));
            assert_eq!(client.packet().await, None, "closed after the refusal");
        }
        assert_eq!(world.gate.count("connected"), 0);
    });
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn refuses_a_last_will_on_a_foreign_topic() {
    with_endpoint(Limits::default(), async |world| {
        let mut client = world.tls(world.config("alice")).await.unwrap();
        let tail = [&[0, 9][..], b"foreign/x", &[0, 1, b'!']].concat();
        client.send(&connect_with("alice", 4, 0b110, 60, &tail)).await;
        assert_eq!(client.packet().await.map(|answer| answer[3]), Some(5));
        assert_eq!(client.packet().await, None);
        assert_eq!(world.gate.count("will"), 0);
    });
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn refuses_foreign_publishes_in_each_version_as_it_can() {
    with_endpoint(Limits::default(), async |world| {
        let mut five = world.client("alice", 5).await;
        five.send(&publish(5, 1, 7, "foreign/x", b"1")).await;
        let answer = five.packet().await.unwrap();
        assert_eq!(answer[..5], [0x40, answer[1], 0, 7, 0x87]);
        five.send(&publish(5, 2, 8, "foreign/x", b"1")).await;
        assert_eq!(five.packet().await.unwrap()[4], 0x87, "PUBREC with the reason");
        five.nothing_due().await;
        let mut old = world.client("bob", 4).await;
        old.send(&publish(4, 0, 0, "foreign/x", b"1")).await;
        old.nothing_due().await;
        old.send(&publish(4, 1, 7, "foreign/x", b"1")).await;
        assert_eq!(old.packet().await, None, "3.1.1 has no refusal but to close");
        world.gate.wait("disconnected bob Refused").await;
    });
}

/// Criterion: T3.LA.1a (negative)
#[test]
fn refuses_wildcard_dollar_shared_and_foreign_subscriptions() {
    with_endpoint(Limits::default(), async |world| {
        let mut client = world.client("alice", 5).await;
        for (filter, code) in [
            ("#", 0xa2),
            ("a/+", 0xa2),
            ("foreign/x", 0x87),
            ("$share/g/a", 0x9e),
            ("$SYS/#", 0xa2),
        ] {
            client.send(&crate::harness::subscribe(5, 9, filter, 1)).await;
            let answer = client.packet().await.unwrap();
            assert_eq!((answer[0], *answer.last().unwrap()), (0x90, code), "{filter}");
        }
        world.handle.publish("a/b", "x".into(), mqtt_endpoint::Qos::AtLeastOnce, false);
        client.nothing_due().await;
        let mut old = world.client("bob", 4).await;
        old.send(&crate::harness::subscribe(4, 9, "#", 1)).await;
        assert_eq!(old.packet().await, Some(vec![0x90, 3, 0, 9, 0x80]));
    });
}
