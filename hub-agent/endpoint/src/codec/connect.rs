//! CONNECT (section 3.1): the first packet, which says what version the rest is.

use super::{
    DecodeError, Frame,
    frame::kind,
    packet::{Connect, Qos, Version, Will},
    properties::{self, Properties, id, set},
    read::Reader,
    topic,
};
use std::num::NonZeroU16;

const CONNECT_PROPERTIES: u64 = set(&[
    id::SESSION_EXPIRY,
    id::RECEIVE_MAXIMUM,
    id::MAXIMUM_PACKET,
    id::TOPIC_ALIAS_MAXIMUM,
    id::REQUEST_RESPONSE,
    id::REQUEST_PROBLEM,
    id::USER_PROPERTY,
    id::AUTHENTICATION_METHOD,
    id::AUTHENTICATION_DATA,
]);

const WILL_PROPERTIES: u64 = set(&[
    id::WILL_DELAY,
    id::PAYLOAD_FORMAT,
    id::MESSAGE_EXPIRY,
    id::CONTENT_TYPE,
    id::RESPONSE_TOPIC,
    id::CORRELATION_DATA,
    id::USER_PROPERTY,
]);

/// Decodes the first packet of a connection, which must be CONNECT [MQTT-3.1.0-1].
///
/// # Errors
/// When it is anything else or breaks a rule.
pub fn decode_connect<'a>(frame: &Frame<'a>) -> Result<Connect<'a>, DecodeError> {
    if frame.kind != kind::CONNECT {
        return Err(DecodeError::Kind(frame.kind));
    }
    let mut body = Reader::new(frame.body);
    let version = version(&mut body)?;
    let flags = Flags::read(body.u8()?, version)?;
    let keep_alive = body.u16()?;
    let properties = match version {
        Version::V311 => Properties::default(),
        Version::V5 => properties::read(&mut body, CONNECT_PROPERTIES)?,
    };
    let client_id = body.text()?;
    if version == Version::V311 && client_id.is_empty() && !flags.clean_start {
        return Err(DecodeError::ClientId);
    }
    let will = flags.will.then(|| will(&mut body, version, &flags)).transpose()?;
    let username = flags.username.then(|| body.text()).transpose()?;
    let password = flags.password.then(|| body.binary()).transpose()?;
    body.end()?;
    Ok(Connect {
        version,
        clean_start: flags.clean_start,
        keep_alive,
        client_id,
        will,
        username,
        password,
        session_expiry: session_expiry(version, &flags, &properties),
        receive_maximum: properties
            .receive_maximum
            .and_then(NonZeroU16::new)
            .unwrap_or(NonZeroU16::MAX),
        maximum_packet: properties.maximum_packet,
        authentication: properties.authentication_method,
    })
}

/// Name and level [MQTT-3.1.2-1, -2].
fn version(body: &mut Reader<'_>) -> Result<Version, DecodeError> {
    if body.binary()? != b"MQTT" {
        return Err(DecodeError::ProtocolName);
    }
    match body.u8()? {
        4 => Ok(Version::V311),
        5 => Ok(Version::V5),
        other => Err(DecodeError::ProtocolLevel(other)),
    }
}

/// 3.1.1 keeps a session that is not clean without end; 5.0 says how long.
fn session_expiry(version: Version, flags: &Flags, properties: &Properties) -> u32 {
    match version {
        Version::V311 if flags.clean_start => 0,
        Version::V311 => u32::MAX,
        Version::V5 => properties.session_expiry.unwrap_or(0),
    }
}

struct Flags {
    clean_start: bool,
    will: bool,
    will_qos: Qos,
    will_retain: bool,
    password: bool,
    username: bool,
}

impl Flags {
    /// [MQTT-3.1.2-3] reserved bit, [MQTT-3.1.2-11 to -15] will flags, 3.1.1 [MQTT-3.1.2-22].
    fn read(byte: u8, version: Version) -> Result<Self, DecodeError> {
        let bit = |index: u8| byte & (1 << index) != 0;
        let flags = Self {
            clean_start: bit(1),
            will: bit(2),
            will_qos: Qos::from_number(byte >> 3 & 0b11).ok_or(DecodeError::Qos)?,
            will_retain: bit(5),
            password: bit(6),
            username: bit(7),
        };
        let will_without = !flags.will && (flags.will_retain || flags.will_qos != Qos::AtMostOnce);
        let password_alone = version == Version::V311 && flags.password && !flags.username;
        if bit(0) || will_without || password_alone {
            return Err(DecodeError::ConnectFlags);
        }
        Ok(flags)
    }
}

fn will<'a>(
    body: &mut Reader<'a>,
    version: Version,
    flags: &Flags,
) -> Result<Will<'a>, DecodeError> {
    let properties = match version {
        Version::V311 => Properties::default(),
        Version::V5 => properties::read(body, WILL_PROPERTIES)?,
    };
    let topic = body.text()?;
    let payload = body.binary()?;
    if !topic::is_name(topic) {
        return Err(DecodeError::TopicName);
    }
    if properties.payload_is_text && std::str::from_utf8(payload).is_err() {
        return Err(DecodeError::Text);
    }
    let delay = properties.will_delay.unwrap_or(0);
    Ok(Will { topic, payload, qos: flags.will_qos, retain: flags.will_retain, delay })
}
