//! Everything the standards forbid a client to send, one vector each, with the statement it breaks.

use crate::{connect_error, hex, packet};
use mqtt_endpoint::codec::{
    DecodeError as E, MAX_FILTERS, MAX_USER_PROPERTIES, frame,
    packet::Version::{self, V5, V311},
};

fn refuses(version: Version, vectors: &[(&str, &str, E)]) {
    for (what, bytes, expected) in vectors {
        let bytes = hex(bytes);
        assert_eq!(packet(version, &bytes).err(), Some(*expected), "{what}");
    }
    println!("{version:?}: {} forbidden packets refused", vectors.len());
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn refuses_connects_the_standards_forbid() {
    let vectors = [
        ("3.1.1-1 not CONNECT first", "c000", E::Kind(12)),
        ("2.2.2 header flags", "110c 00044d515454 04 02 000a 0000", E::HeaderFlags),
        ("3.1.2-1 name MQIsdp", "100e 00064d514973647003 02 000a 0000", E::ProtocolName),
        ("3.1.2-1 name lower case", "100c 00046d717474 04 02 000a 0000", E::ProtocolName),
        ("3.1.2-2 level 3", "100c 00044d515454 03 02 000a 0000", E::ProtocolLevel(3)),
        ("3.1.2-2 level 6", "100c 00044d515454 06 02 000a 0000", E::ProtocolLevel(6)),
        ("3.1.2-3 reserved flag", "100c 00044d515454 04 03 000a 0000", E::ConnectFlags),
        ("3.1.2-13 will QoS without will", "100c 00044d515454 04 0a 000a 0000", E::ConnectFlags),
        ("3.1.2-15 will retain without will", "100c 00044d515454 04 22 000a 0000", E::ConnectFlags),
        ("3.1.2-14 will QoS 3", "1012 00044d515454 04 1e 000a 0000 000161 000162", E::Qos),
        (
            "3.1.2-22 password without user",
            "100f 00044d515454 04 42 000a 0000 000161",
            E::ConnectFlags,
        ),
        ("3.1.3-7 empty id to be kept", "100c 00044d515454 04 00 000a 0000", E::ClientId),
        ("3.1.3-4 id not UTF-8", "100d 00044d515454 04 02 000a 0001ff", E::Text),
        ("1.5.3-2 NUL in id", "100d 00044d515454 04 02 000a 000100", E::Text),
        (
            "will topic with wildcard",
            "1012 00044d515454 04 06 000a 0000 000123 000162",
            E::TopicName,
        ),
        ("will topic empty", "1010 00044d515454 04 06 000a 0000 0000 0000", E::TopicName),
        ("will missing", "100c 00044d515454 04 06 000a 0000", E::Truncated),
        ("user name missing", "100c 00044d515454 04 82 000a 0000", E::Truncated),
        ("trailing bytes", "100d 00044d515454 04 02 000a 0000 00", E::TrailingBytes),
        ("truncated", "1006 00044d515454", E::Truncated),
        ("v5 no property length", "100c 00044d515454 05 02 000a 0000", E::Truncated),
        ("v5 unknown property", "100f 00044d515454 05 02 000a 02 6300 0000", E::Property(0x63)),
        ("v5 property of PUBLISH", "1010 00044d515454 05 02 000a 03 230001 0000", E::Property(35)),
        (
            "3.1.2.11.2 session expiry twice",
            "1017 00044d515454 05 02 000a 0a 1100000001 1100000001 0000",
            E::PropertyTwice(17),
        ),
        (
            "3.1.2.11.3 receive maximum 0",
            "1010 00044d515454 05 02 000a 03 210000 0000",
            E::PropertyValue(33),
        ),
        (
            "3.1.2.11.4 maximum packet 0",
            "1012 00044d515454 05 02 000a 05 2700000000 0000",
            E::PropertyValue(39),
        ),
        (
            "3.1.2.11.6 request response 2",
            "100f 00044d515454 05 02 000a 02 1902 0000",
            E::PropertyValue(25),
        ),
        (
            "3.1.2.11.7 request problem 2",
            "100f 00044d515454 05 02 000a 02 1702 0000",
            E::PropertyValue(23),
        ),
        (
            "3.1.2.11.10 data without method",
            "1011 00044d515454 05 02 000a 04 16000161 0000",
            E::PropertyValue(22),
        ),
        ("property list cut", "100e 00044d515454 05 02 000a 01 21 0000", E::Truncated),
        ("property length beyond", "100d 00044d515454 05 02 000a 7f 0000", E::Truncated),
        (
            "will payload not UTF-8 as declared",
            "1016 00044d515454 05 06 000a 00 0000 02 0101 000161 0001ff",
            E::Text,
        ),
        (
            "will response topic with wildcard",
            "1018 00044d515454 05 06 000a 00 0000 04 08000123 000161 000162",
            E::PropertyValue(8),
        ),
    ];
    for (what, bytes, expected) in &vectors {
        assert_eq!(connect_error(&hex(bytes)), Some(*expected), "{what}");
    }
    println!("{} forbidden CONNECTs refused", vectors.len());
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn refuses_packets_forbidden_in_both_versions() {
    let both = [
        ("2.2 kind 0", "0000", E::Kind(0)),
        ("CONNACK from a client", "20020000", E::Kind(2)),
        ("SUBACK from a client", "9003000100", E::Kind(9)),
        ("UNSUBACK from a client", "b0020001", E::Kind(11)),
        ("PINGRESP from a client", "d000", E::Kind(13)),
        ("PUBACK flags", "41020001", E::HeaderFlags),
        ("PUBREC flags", "52020001", E::HeaderFlags),
        ("3.6.1-1 PUBREL flags", "60020001", E::HeaderFlags),
        ("PUBCOMP flags", "74020001", E::HeaderFlags),
        ("3.8.1-1 SUBSCRIBE flags", "8006000100016100", E::HeaderFlags),
        ("3.10.1-1 UNSUBSCRIBE flags", "a0050001000161", E::HeaderFlags),
        ("PINGREQ flags", "c100", E::HeaderFlags),
        ("3.14.1-1 DISCONNECT flags", "e100", E::HeaderFlags),
        ("3.3.1-4 QoS 3", "3606000161000100", E::Qos),
        ("3.3.1-2 DUP with QoS 0", "3804000161 00", E::DupAtQos0),
        ("2.2.1-3 QoS 1 id 0", "320d0003612f6200000701656c6c6f", E::PacketId),
        ("2.2.1-4 QoS 2 id 0", "3405000161 0000", E::PacketId),
        ("3.3.2-2 topic #", "3004 000123 00", E::TopicName),
        ("3.3.2-2 topic with +", "3006 0003612f2b 00", E::TopicName),
        ("topic NUL", "3004 000100 00", E::Text),
        ("topic not UTF-8", "3004 0001ff 00", E::Text),
        ("topic surrogate", "3006 0003eda080 00", E::Text),
        ("topic control character", "3004 000107 00", E::Text),
        ("topic noncharacter", "3006 0003efbfbf 00", E::Text),
        ("topic beyond the packet", "3003 000561", E::Truncated),
        ("id missing", "3203 000161", E::Truncated),
        ("PUBACK id 0", "40020000", E::PacketId),
        ("PUBREC id 0", "50020000", E::PacketId),
        ("PUBREL id 0", "62020000", E::PacketId),
        ("PUBCOMP id 0", "70020000", E::PacketId),
        ("PUBACK short", "400100", E::Truncated),
        ("SUBSCRIBE empty", "8200", E::Truncated),
        ("UNSUBSCRIBE empty", "a200", E::Truncated),
        ("PINGREQ body", "c00100", E::TrailingBytes),
    ];
    refuses(V311, &both);
    let v5: Vec<_> =
        both.iter().filter(|(what, ..)| !what.starts_with("topic not")).copied().collect();
    refuses(V5, &v5[..26]);
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn refuses_packets_forbidden_in_3_1_1() {
    refuses(
        V311,
        &[
            ("AUTH does not exist", "f000", E::Kind(15)),
            ("3.3.2-1 empty topic", "3003 0000 00", E::TopicName),
            ("PUBACK with reason", "4003000100", E::TrailingBytes),
            ("PUBREL with reason", "6203000100", E::TrailingBytes),
            ("3.8.3-3 no filter", "82020001", E::FilterCount),
            ("2.3.1-1 SUBSCRIBE id 0", "8206000000016100", E::PacketId),
            ("3.8.3-4 QoS 3", "8206000100016103", E::SubscriptionOptions),
            ("3.8.3-4 reserved bits", "8206000100016104", E::SubscriptionOptions),
            ("3.8.3-1 filter not UTF-8", "820600010001ff00", E::Text),
            ("4.7.3-1 empty filter", "82050001000000", E::TopicFilter),
            ("4.7.1-2 # not last", "8208000100 03232f6100", E::TopicFilter),
            ("4.7.1-3 + within a level", "8207000100 02612b00", E::TopicFilter),
            ("options missing", "8205000100 0161", E::Truncated),
            ("3.10.3-2 no filter", "a2020001", E::FilterCount),
            ("UNSUBSCRIBE id 0", "a2050000000161", E::PacketId),
            ("UNSUBSCRIBE bad filter", "a206000100 026123", E::TopicFilter),
            ("DISCONNECT body", "e00100", E::TrailingBytes),
        ],
    );
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn refuses_packets_forbidden_in_5_0() {
    refuses(
        V5,
        &[
            ("AUTH without a method agreed", "f000", E::Kind(15)),
            ("no property length", "3003000161", E::Truncated),
            ("3.3.4-6 subscription identifier from a client", "3006000161 020b01", E::Property(11)),
            ("3.3.2-8 topic alias 0", "3007000161 03230000", E::PropertyValue(35)),
            ("3.3.2-9 alias beyond the maximum", "3007000161 03230001", E::TopicAlias),
            ("3.3.2-14 response topic with wildcard", "3008000161 0408000123", E::PropertyValue(8)),
            ("3.3.2-4 format 2", "3006000161 020102", E::PropertyValue(1)),
            ("format twice", "3008000161 0401000100", E::PropertyTwice(1)),
            ("expiry twice", "300e000161 0a02000000010200000001", E::PropertyTwice(2)),
            ("content type not UTF-8", "3008000161 04030001ff", E::Text),
            ("payload not UTF-8 as declared", "3007000161 020101 ff", E::Text),
            ("unknown property", "3006000161 022a00", E::Property(42)),
            ("property number of two bytes", "3006000161 028102", E::Property(u8::MAX)),
            ("empty topic without alias", "30040000 00 61", E::TopicName),
            ("3.4.2-1 PUBACK reason unknown", "4003000142", E::Reason(0x42)),
            ("PUBACK reason of DISCONNECT", "400300018d", E::Reason(0x8d)),
            ("PUBREC reason 0x92", "5003000192", E::Reason(0x92)),
            ("PUBREL reason 0x80", "6203000180", E::Reason(0x80)),
            ("PUBCOMP reason 0x10", "7003000110", E::Reason(0x10)),
            ("PUBACK property not allowed", "4006000100 021100", E::Property(17)),
            ("PUBACK reason string twice", "400c000100 081f0001611f000161", E::PropertyTwice(31)),
            ("PUBACK trailing", "400500010000 00", E::TrailingBytes),
            ("no filter", "8203000100", E::FilterCount),
            ("SUBSCRIBE id 0", "8207000000 00016100", E::PacketId),
            ("3.8.3-5 reserved option bits", "8207000100 000161 40", E::SubscriptionOptions),
            ("QoS 3", "8207000100 000161 03", E::SubscriptionOptions),
            ("retain handling 3", "8207000100 000161 30", E::SubscriptionOptions),
            (
                "3.8.3-4 No Local on a shared subscription",
                "8210000100 000a 2473686172652f672f61 04",
                E::SubscriptionOptions,
            ),
            (
                "3.8.2.1.2 subscription identifier 0",
                "8209000102 0b00 000161 00",
                E::PropertyValue(11),
            ),
            (
                "subscription identifier twice",
                "820b000104 0b010b01 000161 00",
                E::PropertyTwice(11),
            ),
            ("SUBSCRIBE property not allowed", "820c000105 1100000001 000161 00", E::Property(17)),
            ("4.8.2-1 shared without group", "820e000100 0008 2473686172652f61 00", E::TopicFilter),
            (
                "4.8.2-2 shared group with +",
                "8210000100 000a 2473686172652f2b2f61 00",
                E::TopicFilter,
            ),
            ("UNSUBSCRIBE no filter", "a203000100", E::FilterCount),
            ("UNSUBSCRIBE property not allowed", "a208000102 0b01 000161", E::Property(11)),
            ("DISCONNECT reason unknown", "e00105", E::Reason(5)),
            ("DISCONNECT reason of the server only", "e0018b", E::Reason(0x8b)),
            ("DISCONNECT property not allowed", "e00400 022100", E::Property(33)),
            ("DISCONNECT expiry twice", "e00c00 0a11000000011100000001", E::PropertyTwice(17)),
            ("DISCONNECT trailing", "e0030000 00", E::TrailingBytes),
            ("PINGREQ body", "c00100", E::TrailingBytes),
        ],
    );
}

#[test]
fn refuses_lengths_before_their_bytes_arrive() {
    assert_eq!(frame(&hex("30ffffff7f"), 1024), Err(E::TooLarge(268_435_460)));
    assert_eq!(frame(&hex("30ffffffff"), 1 << 30), Err(E::Varint), "five bytes [1.5.5-1]");
    assert_eq!(frame(&hex("308000"), 1024), Err(E::Varint), "longer than needed");
    assert_eq!(frame(&hex("f1"), 1024), Err(E::HeaderFlags), "known from one byte");
    assert_eq!(frame(&hex("3080"), 1024), Ok(None));
    assert_eq!(frame(&[], 1024), Ok(None));
}

#[test]
fn refuses_lists_beyond_their_bounds() {
    let subscribe = |count: usize| {
        let body = [vec![0, 1], [0, 1, b'a', 0].repeat(count)].concat();
        [vec![0x82, 0x80 | (body.len() & 0x7f) as u8, (body.len() >> 7) as u8], body].concat()
    };
    assert!(packet(V311, &subscribe(MAX_FILTERS)).is_ok());
    assert_eq!(packet(V311, &subscribe(MAX_FILTERS + 1)).err(), Some(E::FilterCount));
    let publish = |count: usize| {
        let list = [38, 0, 1, b'k', 0, 1, b'v'].repeat(count);
        let length = |n: usize| vec![0x80 | (n & 0x7f) as u8, (n >> 7) as u8];
        let body = [vec![0, 1, b'a'], length(list.len()), list].concat();
        [vec![0x30], length(body.len()), body].concat()
    };
    assert!(packet(V5, &publish(MAX_USER_PROPERTIES)).is_ok());
    assert_eq!(packet(V5, &publish(MAX_USER_PROPERTIES + 1)).err(), Some(E::PropertyTwice(38)));
}
