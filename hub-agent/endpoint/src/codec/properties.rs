//! MQTT 5 property lists (section 2.2.2).

use super::{DecodeError, MAX_USER_PROPERTIES, read::Reader, topic};

/// Identifiers of properties a client may send.
pub(super) mod id {
    pub(crate) const PAYLOAD_FORMAT: u8 = 1;
    pub(crate) const MESSAGE_EXPIRY: u8 = 2;
    pub(crate) const CONTENT_TYPE: u8 = 3;
    pub(crate) const RESPONSE_TOPIC: u8 = 8;
    pub(crate) const CORRELATION_DATA: u8 = 9;
    pub(crate) const SUBSCRIPTION_IDENTIFIER: u8 = 11;
    pub(crate) const SESSION_EXPIRY: u8 = 17;
    pub(crate) const AUTHENTICATION_METHOD: u8 = 21;
    pub(crate) const AUTHENTICATION_DATA: u8 = 22;
    pub(crate) const REQUEST_PROBLEM: u8 = 23;
    pub(crate) const WILL_DELAY: u8 = 24;
    pub(crate) const REQUEST_RESPONSE: u8 = 25;
    pub(crate) const REASON_STRING: u8 = 31;
    pub(crate) const RECEIVE_MAXIMUM: u8 = 33;
    pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 34;
    pub(crate) const TOPIC_ALIAS: u8 = 35;
    pub(crate) const USER_PROPERTY: u8 = 38;
    pub(crate) const MAXIMUM_PACKET: u8 = 39;
}

/// A set of property identifiers as a bit mask; all are below 64.
pub(super) const fn set(ids: &[u8]) -> u64 {
    let (mut mask, mut index) = (0, 0);
    while index < ids.len() {
        mask |= 1 << ids[index];
        index += 1;
    }
    mask
}

/// The values of one list that a server has a use for.
#[derive(Default)]
pub(super) struct Properties {
    pub(super) session_expiry: Option<u32>,
    pub(super) receive_maximum: Option<u16>,
    pub(super) maximum_packet: Option<u32>,
    pub(super) will_delay: Option<u32>,
    pub(super) message_expiry: Option<u32>,
    pub(super) topic_alias: Option<u16>,
    pub(super) subscription_identifier: Option<u32>,
    pub(super) payload_is_text: bool,
    pub(super) authentication_method: bool,
}

/// Reads one list; only the `allowed` identifiers may stand in it, each once.
pub(super) fn read(reader: &mut Reader<'_>, allowed: u64) -> Result<Properties, DecodeError> {
    let length = reader.varint()?;
    let mut list = Reader::new(reader.take(length as usize)?);
    let mut properties = Properties::default();
    let (mut seen, mut users) = (0_u64, 0);
    while !list.is_empty() {
        let id = list.varint()?;
        let id = u8::try_from(id).map_err(|_| DecodeError::Property(u8::MAX))?;
        if id >= 64 || allowed & (1 << id) == 0 {
            return Err(DecodeError::Property(id));
        }
        if id == id::USER_PROPERTY {
            users += 1;
        } else if seen & (1 << id) != 0 {
            return Err(DecodeError::PropertyTwice(id));
        }
        if users > MAX_USER_PROPERTIES {
            return Err(DecodeError::PropertyTwice(id));
        }
        seen |= 1 << id;
        read_value(&mut list, id, &mut properties)?;
    }
    let data_without_method =
        seen & set(&[id::AUTHENTICATION_DATA]) != 0 && !properties.authentication_method;
    if data_without_method {
        return Err(DecodeError::PropertyValue(id::AUTHENTICATION_DATA));
    }
    Ok(properties)
}

fn read_value(
    list: &mut Reader<'_>,
    id: u8,
    properties: &mut Properties,
) -> Result<(), DecodeError> {
    let wrong = DecodeError::PropertyValue(id);
    match id {
        id::PAYLOAD_FORMAT => properties.payload_is_text = flag(list.u8()?, wrong)?,
        id::REQUEST_PROBLEM | id::REQUEST_RESPONSE => {
            flag(list.u8()?, wrong)?;
        }
        id::MESSAGE_EXPIRY => properties.message_expiry = Some(list.u32()?),
        id::SESSION_EXPIRY => properties.session_expiry = Some(list.u32()?),
        id::WILL_DELAY => properties.will_delay = Some(list.u32()?),
        id::MAXIMUM_PACKET => properties.maximum_packet = Some(not_zero(list.u32()?, wrong)?),
        id::RECEIVE_MAXIMUM => properties.receive_maximum = Some(not_zero(list.u16()?, wrong)?),
        id::TOPIC_ALIAS => properties.topic_alias = Some(not_zero(list.u16()?, wrong)?),
        id::TOPIC_ALIAS_MAXIMUM => {
            list.u16()?;
        }
        id::SUBSCRIPTION_IDENTIFIER => {
            properties.subscription_identifier = Some(not_zero(list.varint()?, wrong)?);
        }
        id::RESPONSE_TOPIC => {
            if !topic::is_name(list.text()?) {
                return Err(wrong);
            }
        }
        id::AUTHENTICATION_METHOD => {
            list.text()?;
            properties.authentication_method = true;
        }
        id::CONTENT_TYPE | id::REASON_STRING => {
            list.text()?;
        }
        id::CORRELATION_DATA | id::AUTHENTICATION_DATA => {
            list.binary()?;
        }
        id::USER_PROPERTY => {
            list.text()?;
            list.text()?;
        }
        other => return Err(DecodeError::Property(other)),
    }
    Ok(())
}

fn flag(byte: u8, wrong: DecodeError) -> Result<bool, DecodeError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(wrong),
    }
}

fn not_zero<T: Default + PartialEq>(value: T, wrong: DecodeError) -> Result<T, DecodeError> {
    if value == T::default() { Err(wrong) } else { Ok(value) }
}
