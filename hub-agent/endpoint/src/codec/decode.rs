//! Everything a client sends after CONNECT.

use super::{
    DecodeError, Frame, MAX_FILTERS, ReasonCode,
    frame::kind,
    packet::{
        Ack, Delivery, Disconnect, Packet, Publish, Qos, RetainHandling, Subscribe, Subscription,
        Unsubscribe, Version,
    },
    properties::{self, id, set},
    read::Reader,
    topic,
};

const PUBLISH_PROPERTIES: u64 = set(&[
    id::PAYLOAD_FORMAT,
    id::MESSAGE_EXPIRY,
    id::TOPIC_ALIAS,
    id::RESPONSE_TOPIC,
    id::CORRELATION_DATA,
    id::USER_PROPERTY,
    id::CONTENT_TYPE,
]);
const ACK_PROPERTIES: u64 = set(&[id::REASON_STRING, id::USER_PROPERTY]);
const SUBSCRIBE_PROPERTIES: u64 = set(&[id::SUBSCRIPTION_IDENTIFIER, id::USER_PROPERTY]);
const UNSUBSCRIBE_PROPERTIES: u64 = set(&[id::USER_PROPERTY]);
const DISCONNECT_PROPERTIES: u64 = set(&[id::SESSION_EXPIRY, id::REASON_STRING, id::USER_PROPERTY]);

/// Decodes a packet that follows CONNECT.
///
/// # Errors
/// When a client may not send it or it breaks a rule.
pub fn decode<'a>(version: Version, frame: &Frame<'a>) -> Result<Packet<'a>, DecodeError> {
    let mut body = Reader::new(frame.body);
    let packet = match frame.kind {
        kind::PUBLISH => Packet::Publish(publish(version, frame.flags, &mut body)?),
        kind::PUBACK => Packet::PubAck(ack(version, &mut body, is_received)?),
        kind::PUBREC => Packet::PubRec(ack(version, &mut body, is_received)?),
        kind::PUBREL => Packet::PubRel(ack(version, &mut body, is_released)?),
        kind::PUBCOMP => Packet::PubComp(ack(version, &mut body, is_released)?),
        kind::SUBSCRIBE => Packet::Subscribe(subscribe(version, &mut body)?),
        kind::UNSUBSCRIBE => Packet::Unsubscribe(unsubscribe(version, &mut body)?),
        kind::PINGREQ => Packet::PingReq,
        kind::DISCONNECT => Packet::Disconnect(disconnect(version, &mut body)?),
        other => return Err(DecodeError::Kind(other)),
    };
    body.end()?;
    Ok(packet)
}

fn publish<'a>(
    version: Version,
    flags: u8,
    body: &mut Reader<'a>,
) -> Result<Publish<'a>, DecodeError> {
    let dup = flags & 0b1000 != 0;
    let qos = Qos::from_number(flags >> 1 & 0b11).ok_or(DecodeError::Qos)?;
    if dup && qos == Qos::AtMostOnce {
        return Err(DecodeError::DupAtQos0);
    }
    let topic = body.text()?;
    let delivery = match qos {
        Qos::AtMostOnce => Delivery::AtMostOnce,
        Qos::AtLeastOnce => Delivery::AtLeastOnce(body.packet_id()?),
        Qos::ExactlyOnce => Delivery::ExactlyOnce(body.packet_id()?),
    };
    let properties = match version {
        Version::V311 => None,
        Version::V5 => Some(properties::read(body, PUBLISH_PROPERTIES)?),
    };
    // This server announces a topic alias maximum of 0 [MQTT-3.3.2-9].
    if properties.as_ref().is_some_and(|p| p.topic_alias.is_some()) {
        return Err(DecodeError::TopicAlias);
    }
    if !topic::is_name(topic) {
        return Err(DecodeError::TopicName);
    }
    let payload = body.rest();
    if properties.as_ref().is_some_and(|p| p.payload_is_text)
        && std::str::from_utf8(payload).is_err()
    {
        return Err(DecodeError::Text);
    }
    let expiry = properties.and_then(|p| p.message_expiry);
    Ok(Publish { dup, delivery, retain: flags & 1 != 0, topic, payload, expiry })
}

/// Identifier, then in 5.0 optionally a reason, then optionally properties.
fn ack(
    version: Version,
    body: &mut Reader<'_>,
    allowed: fn(u8) -> bool,
) -> Result<Ack, DecodeError> {
    let id = body.packet_id()?;
    let reason = reason(version, body, allowed)?;
    if version == Version::V5 && !body.is_empty() {
        properties::read(body, ACK_PROPERTIES)?;
    }
    Ok(Ack { id, reason })
}

fn reason(
    version: Version,
    body: &mut Reader<'_>,
    allowed: fn(u8) -> bool,
) -> Result<ReasonCode, DecodeError> {
    if version == Version::V311 || body.is_empty() {
        return Ok(ReasonCode::Success);
    }
    let code = body.u8()?;
    let reason = ReasonCode::from_code(code).filter(|_| allowed(code));
    reason.ok_or(DecodeError::Reason(code))
}

fn is_received(code: u8) -> bool {
    matches!(code, 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
}

fn is_released(code: u8) -> bool {
    matches!(code, 0x00 | 0x92)
}

/// The reasons a client may leave with (table 3-10).
fn is_left(code: u8) -> bool {
    matches!(code, 0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99)
}

fn subscribe<'a>(version: Version, body: &mut Reader<'a>) -> Result<Subscribe<'a>, DecodeError> {
    let id = body.packet_id()?;
    let identifier = match version {
        Version::V311 => None,
        Version::V5 => properties::read(body, SUBSCRIBE_PROPERTIES)?.subscription_identifier,
    };
    let mut filters = Vec::new();
    while !body.is_empty() {
        let filter = filter(body, filters.len())?;
        filters.push(subscription(version, filter, body.u8()?)?);
    }
    // [MQTT-3.8.3-2]
    if filters.is_empty() {
        return Err(DecodeError::FilterCount);
    }
    Ok(Subscribe { id, filters, identifier })
}

fn filter<'a>(body: &mut Reader<'a>, before: usize) -> Result<&'a str, DecodeError> {
    let filter = body.text()?;
    if before >= MAX_FILTERS {
        return Err(DecodeError::FilterCount);
    }
    if topic::is_filter(filter) { Ok(filter) } else { Err(DecodeError::TopicFilter) }
}

/// [MQTT-3.8.3-4, -5] and 3.1.1 [MQTT-3-8.3-4].
fn subscription(
    version: Version,
    filter: &str,
    options: u8,
) -> Result<Subscription<'_>, DecodeError> {
    let wrong = DecodeError::SubscriptionOptions;
    let qos = Qos::from_number(options & 0b11).ok_or(wrong)?;
    let reserved = match version {
        Version::V311 => 0b1111_1100,
        Version::V5 => 0b1100_0000,
    };
    let retain_handling = match options >> 4 & 0b11 {
        0 => RetainHandling::Always,
        1 => RetainHandling::IfNew,
        2 => RetainHandling::Never,
        _ => return Err(wrong),
    };
    let no_local = options & 0b100 != 0;
    if options & reserved != 0 || no_local && topic::shared(filter).is_some() {
        return Err(wrong);
    }
    Ok(Subscription {
        filter,
        qos,
        retain_handling,
        retain_as_published: options & 0b1000 != 0,
        no_local,
    })
}

fn unsubscribe<'a>(
    version: Version,
    body: &mut Reader<'a>,
) -> Result<Unsubscribe<'a>, DecodeError> {
    let id = body.packet_id()?;
    if version == Version::V5 {
        properties::read(body, UNSUBSCRIBE_PROPERTIES)?;
    }
    let mut filters = Vec::new();
    while !body.is_empty() {
        filters.push(filter(body, filters.len())?);
    }
    // [MQTT-3.10.3-2]
    if filters.is_empty() {
        return Err(DecodeError::FilterCount);
    }
    Ok(Unsubscribe { id, filters })
}

fn disconnect(version: Version, body: &mut Reader<'_>) -> Result<Disconnect, DecodeError> {
    let reason = reason(version, body, is_left)?;
    let session_expiry = match version {
        Version::V5 if !body.is_empty() => {
            properties::read(body, DISCONNECT_PROPERTIES)?.session_expiry
        }
        Version::V5 | Version::V311 => None,
    };
    Ok(Disconnect { reason, session_expiry })
}
