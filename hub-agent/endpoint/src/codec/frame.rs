//! The fixed header: where a packet ends, known before its body has arrived.

use super::{DecodeError, read::varint};

/// One whole packet, not yet decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Packet kind, the upper four bits of the first byte.
    pub kind: u8,
    /// Flags, the lower four bits.
    pub flags: u8,
    /// Everything after the fixed header.
    pub body: &'a [u8],
    /// Bytes of the whole packet.
    pub length: usize,
}

/// Splits the first packet off; `None` while bytes are missing.
///
/// # Errors
/// As soon as the header is wrong or announces more than `limit` bytes, without waiting for them.
pub fn frame(bytes: &[u8], limit: usize) -> Result<Option<Frame<'_>>, DecodeError> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    let (kind, flags) = (first >> 4, first & 0x0f);
    check_flags(kind, flags)?;
    let Some((body, width)) = varint(rest)? else { return Ok(None) };
    let length = 1 + width + body as usize;
    if length > limit {
        return Err(DecodeError::TooLarge(length));
    }
    let body = bytes.get(1 + width..length);
    Ok(body.map(|body| Frame { kind, flags, body, length }))
}

/// The flags each kind must have [MQTT-2.1.3-1] (3.1.1: [MQTT-2.2.2-2]).
fn check_flags(kind: u8, flags: u8) -> Result<(), DecodeError> {
    let valid = match kind {
        kind::PUBLISH => true,
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => flags == 0b0010,
        kind::CONNECT
        | kind::PUBACK
        | kind::PUBREC
        | kind::PUBCOMP
        | kind::PINGREQ
        | kind::DISCONNECT
        | kind::AUTH => flags == 0,
        other => return Err(DecodeError::Kind(other)),
    };
    if valid { Ok(()) } else { Err(DecodeError::HeaderFlags) }
}

/// Numbers of the packet kinds.
pub mod kind {
    /// Client asks to connect.
    pub const CONNECT: u8 = 1;
    /// Server answers it.
    pub const CONNACK: u8 = 2;
    /// A message.
    pub const PUBLISH: u8 = 3;
    /// QoS 1 acknowledged.
    pub const PUBACK: u8 = 4;
    /// QoS 2 received.
    pub const PUBREC: u8 = 5;
    /// QoS 2 released.
    pub const PUBREL: u8 = 6;
    /// QoS 2 complete.
    pub const PUBCOMP: u8 = 7;
    /// Client subscribes.
    pub const SUBSCRIBE: u8 = 8;
    /// Server answers it.
    pub const SUBACK: u8 = 9;
    /// Client unsubscribes.
    pub const UNSUBSCRIBE: u8 = 10;
    /// Server answers it.
    pub const UNSUBACK: u8 = 11;
    /// Sign of life asked.
    pub const PINGREQ: u8 = 12;
    /// Sign of life.
    pub const PINGRESP: u8 = 13;
    /// Leaves.
    pub const DISCONNECT: u8 = 14;
    /// Extended authentication (5.0).
    pub const AUTH: u8 = 15;
}
