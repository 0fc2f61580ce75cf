//! The bounded, deterministic CBOR codec: the only place that turns bytes into messages and back.
//!
//! Every message has exactly one valid encoding, the deterministic one of RFC 8949 section 4.2.1:
//! definite lengths, shortest integers, floats and lengths, map keys in bytewise order and so
//! without duplicates, nothing after the end. [`check`] walks the bytes once without allocating and
//! refuses everything else; only then serde builds the type. So a message that was accepted need
//! never be re-encoded to be canonical, and two messages are equal when their bytes are.

mod check;
mod json;
mod map;

pub(crate) use crate::int_map;
pub use check::{Fault, MAX_DEPTH, check, check_text_map};
pub use json::{from_json, to_json};

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
