//! Other codecs as oracles on well-formed packets: what they write we read alike, and the reverse.

use crate::packet;
use bytes::BytesMut;
use mqtt_endpoint::{
    Qos, ReasonCode,
    codec::{
        decode_connect,
        encode::{self, Accepted, Message},
        frame,
        frame::kind,
        packet::{Delivery, Packet, PacketId, Version},
    },
};
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait, Qos as CoreQos, v3_1_1 as core3, v5_0 as core5,
};
use proptest::prelude::*;
use rumqttc::{mqttbytes as v4, v5::mqttbytes as v5};

fn topic() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é /_$-]{1,40}"
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

fn delivery(qos: u8, id: u16) -> Delivery {
    let id = PacketId::new(id).unwrap();
    [Delivery::AtMostOnce, Delivery::AtLeastOnce(id), Delivery::ExactlyOnce(id)][usize::from(qos)]
}

fn buffer(packet: &impl GenericPacketTrait) -> Vec<u8> {
    packet.to_buffers().iter().flat_map(|slice| slice.to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reads_the_publishes_of_rumqttc(
        (topic, payload) in (topic(), payload()),
        (qos, id, retain, dup) in (0..3_u8, 1..=u16::MAX, any::<bool>(), any::<bool>()),
    ) {
        let dup = dup && qos > 0;
        let mut bytes = BytesMut::new();
        let mut theirs = v4::v4::Publish::new(&topic, v4::qos(qos).unwrap(), payload.clone());
        (theirs.pkid, theirs.retain, theirs.dup) = (id, retain, dup);
        theirs.write(&mut bytes).unwrap();
        check_publish(Version::V311, &bytes, &topic, &payload, delivery(qos, id), (retain, dup))?;

        let mut bytes = BytesMut::new();
        let mut theirs = v5::v5::Publish::new(&topic, v5::qos(qos).unwrap(), payload.clone(), None);
        (theirs.pkid, theirs.retain, theirs.dup) = (id, retain, dup);
        theirs.write(&mut bytes).unwrap();
        check_publish(Version::V5, &bytes, &topic, &payload, delivery(qos, id), (retain, dup))?;
    }

    #[test]
    fn reads_the_publishes_of_mqtt_protocol_core(
        (topic, payload) in (topic(), payload()),
        (qos, id, retain) in (0..3_u8, 1..=u16::MAX, any::<bool>()),
    ) {
        let core_qos = CoreQos::try_from(qos).unwrap();
        let build = core3::Publish::builder().topic_name(&topic).unwrap().qos(core_qos).retain(retain);
        let build = build.payload(payload.clone());
        let theirs = if qos > 0 { build.packet_id(id).build() } else { build.build() }.unwrap();
        let bytes = buffer(&theirs);
        check_publish(Version::V311, &bytes, &topic, &payload, delivery(qos, id), (retain, false))?;

        let build = core5::Publish::builder().topic_name(&topic).unwrap().qos(core_qos).retain(retain);
        let build = build.payload(payload.clone());
        let theirs = if qos > 0 { build.packet_id(id).build() } else { build.build() }.unwrap();
        let bytes = buffer(&theirs);
        check_publish(Version::V5, &bytes, &topic, &payload, delivery(qos, id), (retain, false))?;
    }

    #[test]
    fn rumqttc_reads_our_publishes(
        (topic, payload) in (topic(), payload()),
        (qos, id, retain, dup) in (0..3_u8, 1..=u16::MAX, any::<bool>(), any::<bool>()),
    ) {
        let message = Message { topic: &topic, payload: &payload, retain, dup: dup && qos > 0 };
        let mut bytes = BytesMut::new();
        encode::publish(&mut bytes, Version::V311, &message, delivery(qos, id));
        prop_assert_eq!(bytes.len(), encode::publish_length(Version::V311, &message, delivery(qos, id)));
        let v4::v4::Packet::Publish(theirs) = v4::v4::Packet::read(&mut bytes, 1 << 20).unwrap() else { panic!() };
        prop_assert_eq!((&theirs.topic, &theirs.payload[..], theirs.retain), (&topic, &payload[..], retain));

        let mut bytes = BytesMut::new();
        encode::publish(&mut bytes, Version::V5, &message, delivery(qos, id));
        prop_assert_eq!(bytes.len(), encode::publish_length(Version::V5, &message, delivery(qos, id)));
        let v5::v5::Packet::Publish(theirs) = v5::v5::Packet::read(&mut bytes, Some(1 << 20)).unwrap()
        else { panic!() };
        prop_assert_eq!((&theirs.topic[..], &theirs.payload[..]), (topic.as_bytes(), &payload[..]));
    }

    #[test]
    fn reads_the_connects_of_rumqttc(
        (client, topic, payload) in ("[a-zA-Z0-9]{1,23}", topic(), payload()),
        (keep_alive, clean, with_will) in (any::<u16>(), any::<bool>(), any::<bool>()),
    ) {
        let mut bytes = BytesMut::new();
        let mut theirs = v4::v4::Connect::new(&client);
        (theirs.keep_alive, theirs.clean_session) = (keep_alive, clean);
        theirs.last_will = with_will
            .then(|| v4::v4::LastWill::new(&topic, payload.clone(), v4::QoS::AtLeastOnce, true));
        theirs.write(&mut bytes).unwrap();
        let frame = frame(&bytes, 1 << 20).unwrap().unwrap();
        let ours = decode_connect(&frame).unwrap();
        prop_assert_eq!((ours.version, ours.client_id), (Version::V311, &client[..]));
        prop_assert_eq!((ours.keep_alive, ours.clean_start, ours.will.is_some()), (keep_alive, clean, with_will));
        if let Some(will) = ours.will {
            prop_assert_eq!((will.topic, will.payload, will.qos), (&topic[..], &payload[..], Qos::AtLeastOnce));
        }
    }

    #[test]
    fn reads_the_subscribes_of_mqtt_protocol_core(filter in topic(), qos in 0..3_u8, id in 1..=u16::MAX) {
        let options = mqtt_protocol_core::mqtt::packet::SubOpts::new().set_qos(CoreQos::try_from(qos).unwrap());
        let entry = mqtt_protocol_core::mqtt::packet::SubEntry::new(&filter, options).unwrap();
        let theirs = core5::Subscribe::builder().packet_id(id).entries(vec![entry]).build().unwrap();
        let bytes = buffer(&theirs);
        let Packet::Subscribe(ours) = packet(Version::V5, &bytes).unwrap() else { panic!() };
        prop_assert_eq!((ours.id.get(), ours.filters.len()), (id, 1));
        prop_assert_eq!((ours.filters[0].filter, ours.filters[0].qos.number()), (&filter[..], qos));
    }
}

fn check_publish(
    version: Version,
    bytes: &[u8],
    topic: &str,
    payload: &[u8],
    delivery: Delivery,
    flags: (bool, bool),
) -> Result<(), TestCaseError> {
    let Packet::Publish(ours) = packet(version, bytes).unwrap() else { panic!("a PUBLISH") };
    prop_assert_eq!((ours.topic, ours.payload, ours.delivery), (topic, payload, delivery));
    prop_assert_eq!((ours.retain, ours.dup), flags);
    Ok(())
}

#[test]
fn rumqttc_reads_our_answers() {
    let id = PacketId::new(7).unwrap();
    let read4 = |bytes: &mut BytesMut| v4::v4::Packet::read(bytes, 1 << 20).unwrap();
    let read5 = |bytes: &mut BytesMut| v5::v5::Packet::read(bytes, Some(1 << 20)).unwrap();
    let mut out = BytesMut::new();

    encode::ack(&mut out, Version::V311, kind::PUBACK, id, ReasonCode::Success, "");
    assert!(matches!(read4(&mut out), v4::v4::Packet::PubAck(ack) if ack.pkid == 7));
    encode::ack(
        &mut out,
        Version::V5,
        kind::PUBACK,
        id,
        ReasonCode::NotAuthorized,
        "foreign-topic",
    );
    let v5::v5::Packet::PubAck(ack) = read5(&mut out) else { panic!("a PUBACK") };
    assert_eq!(ack.reason, v5::v5::PubAckReason::NotAuthorized);
    assert_eq!(ack.properties.unwrap().reason_string.unwrap(), "foreign-topic");
    encode::ack(&mut out, Version::V5, kind::PUBREL, id, ReasonCode::Success, "");
    assert!(matches!(read5(&mut out), v5::v5::Packet::PubRel(rel) if rel.pkid == 7));

    let answer = Accepted {
        session_present: true,
        session_expiry: Some(60),
        receive_maximum: 32,
        maximum_packet: 131_072,
        keep_alive: Some(30),
        wildcards: false,
    };
    encode::accepted(&mut out, Version::V311, &answer);
    assert!(matches!(read4(&mut out), v4::v4::Packet::ConnAck(ack) if ack.session_present));
    encode::accepted(&mut out, Version::V5, &answer);
    let v5::v5::Packet::ConnAck(ack) = read5(&mut out) else { panic!("a CONNACK") };
    let properties = ack.properties.unwrap();
    assert_eq!((properties.receive_max, properties.server_keep_alive), (Some(32), Some(30)));
    assert_eq!(
        (properties.max_packet_size, properties.session_expiry_interval),
        (Some(131_072), Some(60))
    );
    assert_eq!(properties.wildcard_subscription_available, Some(0));

    encode::suback(
        &mut out,
        Version::V311,
        id,
        &[ReasonCode::GrantedQos1, ReasonCode::NotAuthorized],
    );
    let v4::v4::Packet::SubAck(ack) = read4(&mut out) else { panic!("a SUBACK") };
    assert_eq!(ack.return_codes[1], v4::v4::SubscribeReasonCode::Failure);
    encode::suback(
        &mut out,
        Version::V5,
        id,
        &[ReasonCode::GrantedQos2, ReasonCode::NotAuthorized],
    );
    let v5::v5::Packet::SubAck(ack) = read5(&mut out) else { panic!("a SUBACK") };
    assert_eq!(ack.return_codes[1], v5::v5::SubscribeReasonCode::NotAuthorized);
    encode::unsuback(&mut out, Version::V5, id, &[ReasonCode::NoSubscriptionExisted]);
    assert!(matches!(read5(&mut out), v5::v5::Packet::UnsubAck(ack) if ack.pkid == 7));
    encode::disconnect(&mut out, Version::V5, ReasonCode::SessionTakenOver, "session-taken-over");
    let v5::v5::Packet::Disconnect(gone) = read5(&mut out) else { panic!("a DISCONNECT") };
    assert_eq!(gone.reason_code, v5::v5::DisconnectReasonCode::SessionTakenOver);
    encode::pingresp(&mut out);
    assert!(matches!(read4(&mut out), v4::v4::Packet::PingResp));
    assert!(out.is_empty());
}
