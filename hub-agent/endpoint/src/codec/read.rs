//! A cursor over one packet's body: the primitive types of MQTT (section 1.5).

use super::{DecodeError, packet::PacketId};

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        let bytes = self.take(4)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(super) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        PacketId::new(self.u16()?).ok_or(DecodeError::PacketId)
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// A UTF-8 string [MQTT-1.5.4-1, -2]; control characters and noncharacters, which the standard
    /// advises against, are refused too.
    pub(super) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| DecodeError::Text)?;
        let plain = text.is_ascii() && text.bytes().all(|b| (0x20..0x7f).contains(&b));
        if plain || !text.chars().any(is_forbidden) { Ok(text) } else { Err(DecodeError::Text) }
    }

    pub(super) fn varint(&mut self) -> Result<u32, DecodeError> {
        let (value, width) = varint(self.bytes)?.ok_or(DecodeError::Truncated)?;
        self.take(width)?;
        Ok(value)
    }

    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c as u32, 0xfdd0..=0xfdef) || c as u32 & 0xfffe == 0xfffe
}

/// A variable byte integer and its width; `None` while bytes are missing [MQTT-1.5.5-1].
pub(super) fn varint(bytes: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let overlong = index > 0 && *byte == 0;
            return if overlong { Err(DecodeError::Varint) } else { Ok(Some((value, index + 1))) };
        }
    }
    if bytes.len() >= 4 { Err(DecodeError::Varint) } else { Ok(None) }
}
