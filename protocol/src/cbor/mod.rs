//! The bounded, deterministic CBOR codec: the only place that turns bytes into messages and back.
//!
//! Every message has exactly one valid encoding, the deterministic one of RFC 8949 section 4.2.1:
//! definite lengths, shortest integers, floats and lengths, map keys in bytewise order and so
//! without duplicates, nothing after the end. [`check`] walks the bytes once without allocating and
//! refuses everything else; only then serde builds the type. So a message that was accepted need
//! never be re-encoded to be canonical, and two messages are equal when their bytes are.

mod check;
mod map;

pub use check::{Fault, MAX_DEPTH, check, check_text_map};
pub(crate) use map::int_map;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

/// Bytes were no valid message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// More bytes than the route allows.
    #[error("{found} bytes where at most {limit} are allowed")]
    TooLarge {
        /// Bytes received.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not deterministic CBOR.
    #[error("not deterministic CBOR: {fault} at byte {at}")]
    NotDeterministic {
        /// What is wrong.
        fault: Fault,
        /// Where.
        at: usize,
    },
    /// CBOR, but not of the shape the message has.
    #[error("not the shape of this message: {0}")]
    Shape(String),
}

/// Reads one message that must fill `bytes` exactly.
///
/// # Errors
/// When the bytes are too many, not deterministic CBOR, or not of the type's shape.
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::TooLarge { found: bytes.len(), limit });
    }
    check(bytes)?;
    serde_cbor::from_slice(bytes).map_err(|error| DecodeError::Shape(error.to_string()))
}

/// Reads an application's value, a map with text keys, as JSON for its schema. A byte string becomes
/// base64url text without padding (RFC 8949 section 6.1); what is no finite number becomes null.
///
/// # Errors
/// When the bytes are no deterministic map with text keys.
pub fn to_json(bytes: &[u8]) -> Result<serde_json::Value, DecodeError> {
    check_text_map(bytes)?;
    let value: serde_cbor::Value =
        serde_cbor::from_slice(bytes).map_err(|error| DecodeError::Shape(error.to_string()))?;
    json(value)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "another crate's enum, which may grow")]
fn json(value: serde_cbor::Value) -> Result<serde_json::Value, DecodeError> {
    use serde_cbor::Value as Cbor;
    use serde_json::Value as Json;
    Ok(match value {
        Cbor::Null => Json::Null,
        Cbor::Bool(value) => Json::Bool(value),
        Cbor::Integer(value) => integer(value)?,
        Cbor::Float(value) => Json::from(value),
        Cbor::Bytes(bytes) => Json::String(BASE64_URL_SAFE_NO_PAD.encode(bytes)),
        Cbor::Text(text) => Json::String(text),
        Cbor::Array(items) => Json::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        Cbor::Map(entries) => {
            let entry = |(key, value)| {
                let Cbor::Text(key) = key else {
                    return Err(DecodeError::Shape(format!("the key {key:?}")));
                };
                Ok((key, json(value)?))
            };
            Json::Object(entries.into_iter().map(entry).collect::<Result<_, _>>()?)
        }
        other => return Err(DecodeError::Shape(format!("the item {other:?}"))),
    })
}

/// CBOR's integers go from -2^64 to 2^64 - 1, JSON's here from -2^63.
fn integer(value: i128) -> Result<serde_json::Value, DecodeError> {
    let small = i64::try_from(value).map(serde_json::Value::from);
    small
        .or_else(|_| u64::try_from(value).map(serde_json::Value::from))
        .map_err(|_| DecodeError::Shape(format!("the integer {value} is below -2^63")))
}

/// Writes one message. The types of [`crate::message`] and everything else whose map keys are
/// declared in order come out deterministic.
///
/// # Panics
/// Never for the types of this crate: their serialisation has no failing case and a `Vec` takes
/// every byte.
#[must_use]
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    let bytes = serde_cbor::to_vec(message).expect("our types serialise without failing cases");
    debug_assert_eq!(check(&bytes), Ok(()), "a type's map keys are not declared in order");
    bytes
}
