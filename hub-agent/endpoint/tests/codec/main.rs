//! The codec against the standard, against other codecs, and against noise.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first surprise and prints its counts"
)]

mod differential;
mod forbidden;
mod noise;

use mqtt_endpoint::codec::{
    DecodeError, decode, decode_connect, frame,
    packet::{Packet, Version},
};

/// Bytes of a hexadecimal text; blanks are for the reader.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Decodes one packet that fills `bytes`.
fn packet(version: Version, bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    let frame = frame(bytes, 1 << 20)?.ok_or(DecodeError::Truncated)?;
    assert_eq!(frame.length, bytes.len(), "the vector holds one packet");
    decode(version, &frame)
}

fn connect_error(bytes: &[u8]) -> Option<DecodeError> {
    let frame = match frame(bytes, 1 << 20) {
        Ok(frame) => frame.expect("the vector holds one packet"),
        Err(error) => return Some(error),
    };
    decode_connect(&frame).err()
}
