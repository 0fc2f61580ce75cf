//! What the server sends. Every function appends one whole packet.

use super::{
    ReasonCode,
    frame::kind,
    packet::{Delivery, PacketId, Version},
};
use bytes::{BufMut, BytesMut};

/// CONNACK of an accepted connection.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Whether the client's former session goes on.
    pub session_present: bool,
    /// Session expiry when it is not what the client asked for.
    pub session_expiry: Option<u32>,
    /// Most unacknowledged QoS 1 and 2 messages taken.
    pub receive_maximum: u16,
    /// Largest packet taken.
    pub maximum_packet: u32,
    /// Keep-alive when it is not what the client asked for.
    pub keep_alive: Option<u16>,
    /// Whether wildcards may be subscribed to.
    pub wildcards: bool,
}

/// Appends a CONNACK that accepts.
pub fn accepted(out: &mut BytesMut, version: Version, answer: &Accepted) {
    let mut body = BytesMut::with_capacity(32);
    body.put_u8(u8::from(answer.session_present));
    body.put_u8(0);
    if version == Version::V5 {
        let mut list = BytesMut::with_capacity(28);
        if let Some(expiry) = answer.session_expiry {
            list.put_u8(17);
            list.put_u32(expiry);
        }
        list.put_u8(33);
        list.put_u16(answer.receive_maximum);
        list.put_u8(39);
        list.put_u32(answer.maximum_packet);
        list.put_slice(&[40, u8::from(answer.wildcards), 41, 0, 42, 0]);
        if let Some(seconds) = answer.keep_alive {
            list.put_u8(19);
            list.put_u16(seconds);
        }
        put_varint(&mut body, list.len());
        body.put_slice(&list);
    }
    put_packet(out, kind::CONNACK << 4, &body);
}

/// Appends a CONNACK that refuses; `text` is shown to 5.0 clients as the reason string.
pub fn refused(out: &mut BytesMut, version: Version, reason: ReasonCode, text: &str) {
    let mut body = BytesMut::new();
    body.put_u8(0);
    match version {
        Version::V311 => body.put_u8(connack_311(reason)),
        Version::V5 => {
            body.put_u8(reason.code());
            put_reason_string(&mut body, text);
        }
    }
    put_packet(out, kind::CONNACK << 4, &body);
}

/// The five codes of 3.1.1 (table 3.1).
fn connack_311(reason: ReasonCode) -> u8 {
    use ReasonCode as R;
    if reason == R::UnsupportedProtocolVersion {
        1
    } else if reason == R::ClientIdentifierNotValid {
        2
    } else if matches!(reason, R::ServerUnavailable | R::ServerBusy | R::QuotaExceeded) {
        3
    } else if reason == R::BadUserNameOrPassword {
        4
    } else {
        5
    }
}

/// A message to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// Retain flag.
    pub retain: bool,
    /// Sent again.
    pub dup: bool,
}

/// Bytes a PUBLISH takes.
#[must_use]
pub fn publish_length(version: Version, message: &Message<'_>, delivery: Delivery) -> usize {
    let body = publish_body(version, message, delivery);
    1 + varint_width(body) + body
}

fn publish_body(version: Version, message: &Message<'_>, delivery: Delivery) -> usize {
    let id = if delivery == Delivery::AtMostOnce { 0 } else { 2 };
    2 + message.topic.len() + id + usize::from(version == Version::V5) + message.payload.len()
}

/// Appends a PUBLISH.
pub fn publish(out: &mut BytesMut, version: Version, message: &Message<'_>, delivery: Delivery) {
    let body = publish_body(version, message, delivery);
    out.reserve(5 + body);
    let flags =
        u8::from(message.dup) << 3 | delivery.qos().number() << 1 | u8::from(message.retain);
    out.put_u8(kind::PUBLISH << 4 | flags);
    put_varint(out, body);
    put_text(out, message.topic);
    match delivery {
        Delivery::AtMostOnce => {}
        Delivery::AtLeastOnce(id) | Delivery::ExactlyOnce(id) => out.put_u16(id.get()),
    }
    if version == Version::V5 {
        out.put_u8(0);
    }
    out.put_slice(message.payload);
}

/// Appends a PUBACK, PUBREC, PUBREL or PUBCOMP, by `kind`.
pub fn ack(
    out: &mut BytesMut,
    version: Version,
    kind: u8,
    id: PacketId,
    reason: ReasonCode,
    text: &str,
) {
    let flags = if kind == kind::PUBREL { 0b0010 } else { 0 };
    if version == Version::V311 || reason == ReasonCode::Success {
        out.put_slice(&[kind << 4 | flags, 2]);
        out.put_u16(id.get());
        return;
    }
    let mut body = BytesMut::new();
    body.put_u16(id.get());
    body.put_u8(reason.code());
    put_reason_string(&mut body, text);
    put_packet(out, kind << 4 | flags, &body);
}

/// Appends a SUBACK; each code is the granted quality of service or a failure.
pub fn suback(out: &mut BytesMut, version: Version, id: PacketId, codes: &[ReasonCode]) {
    let wire = codes.iter().map(|reason| match version {
        Version::V311 if reason.is_failure() => 0x80,
        Version::V311 | Version::V5 => reason.code(),
    });
    put_list(out, version, kind::SUBACK << 4, id, wire);
}

/// Appends an UNSUBACK.
pub fn unsuback(out: &mut BytesMut, version: Version, id: PacketId, codes: &[ReasonCode]) {
    let count = if version == Version::V5 { codes.len() } else { 0 };
    put_list(out, version, kind::UNSUBACK << 4, id, codes[..count].iter().map(|r| r.code()));
}

/// Appends a PINGRESP.
pub fn pingresp(out: &mut BytesMut) {
    out.put_slice(&[kind::PINGRESP << 4, 0]);
}

/// Appends a DISCONNECT, which only 5.0 has from the server.
pub fn disconnect(out: &mut BytesMut, version: Version, reason: ReasonCode, text: &str) {
    if version == Version::V5 {
        let mut body = BytesMut::new();
        body.put_u8(reason.code());
        put_reason_string(&mut body, text);
        put_packet(out, kind::DISCONNECT << 4, &body);
    }
}

fn put_list(
    out: &mut BytesMut,
    version: Version,
    first: u8,
    id: PacketId,
    codes: impl Iterator<Item = u8>,
) {
    let mut body = BytesMut::new();
    body.put_u16(id.get());
    if version == Version::V5 {
        body.put_u8(0);
    }
    body.extend(codes);
    put_packet(out, first, &body);
}

/// A property list of one reason string, or an empty one.
fn put_reason_string(body: &mut BytesMut, text: &str) {
    if text.is_empty() {
        body.put_u8(0);
        return;
    }
    put_varint(body, 3 + text.len());
    body.put_u8(31);
    put_text(body, text);
}

fn put_packet(out: &mut BytesMut, first: u8, body: &[u8]) {
    out.reserve(5 + body.len());
    out.put_u8(first);
    put_varint(out, body.len());
    out.put_slice(body);
}

fn put_text(out: &mut BytesMut, text: &str) {
    debug_assert!(text.len() <= usize::from(u16::MAX), "topics and reason strings are short");
    out.put_u16(text.len() as u16);
    out.put_slice(text.as_bytes());
}

fn put_varint(out: &mut BytesMut, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        out.put_u8(low | if value > 0 { 0x80 } else { 0 });
        if value == 0 {
            return;
        }
    }
}

fn varint_width(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}
