//! Application values, which JSON Schema describes, between CBOR and JSON.

use super::{DecodeError, check_text_map};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

/// Reads an application's value, a map with text keys, as JSON for its schema. A byte string becomes
/// base64url text without padding (RFC 8949 section 6.1); what is no finite number becomes null.
///
/// # Errors
/// When the bytes are no deterministic map with text keys.
pub fn to_json(bytes: &[u8]) -> Result<Value, DecodeError> {
    check_text_map(bytes)?;
    let value: serde_cbor::Value =
        serde_cbor::from_slice(bytes).map_err(|error| DecodeError::Shape(error.to_string()))?;
    json(value)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "another crate's enum, which may grow")]
fn json(value: serde_cbor::Value) -> Result<Value, DecodeError> {
    use Value as Json;
    use serde_cbor::Value as Cbor;
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
fn integer(value: i128) -> Result<Value, DecodeError> {
    let small = i64::try_from(value).map(Value::from);
    small
        .or_else(|_| u64::try_from(value).map(Value::from))
        .map_err(|_| DecodeError::Shape(format!("the integer {value} is below -2^63")))
}

/// Writes a JSON value as deterministic CBOR.
#[must_use]
pub fn from_json(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(value, &mut out);
    out
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(value) => out.push(0xf4 + u8::from(*value)),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(whole), _) => head(0, whole, out),
            // -1 - n, as two's complement has it.
            (None, Some(negative)) => head(1, !negative as u64, out),
            (None, None) => float(number.as_f64().unwrap_or(f64::NAN), out),
        },
        Value::String(text) => text_item(text, out),
        Value::Array(items) => {
            head(4, items.len() as u64, out);
            items.iter().for_each(|item| put(item, out));
        }
        Value::Object(entries) => {
            head(5, entries.len() as u64, out);
            let mut entries: Vec<_> = entries.iter().collect();
            // Bytewise order of the encoded keys: the shorter text has the smaller head.
            entries.sort_by_key(|(key, _)| (key.len(), key.as_str()));
            for (key, value) in entries {
                text_item(key, out);
                put(value, out);
            }
        }
    }
}

fn head(major: u8, number: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match number {
        0..24 => out.push(major | number as u8),
        24..0x100 => out.extend([major | 24, number as u8]),
        0x100..0x1_0000 => {
            out.push(major | 25);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(major | 26);
            out.extend((number as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(number.to_be_bytes());
        }
    }
}

fn text_item(text: &str, out: &mut Vec<u8>) {
    head(3, text.len() as u64, out);
    out.extend(text.as_bytes());
}

/// The shortest form that holds the value exactly.
fn float(value: f64, out: &mut Vec<u8>) {
    let single = value as f32;
    if f64::from(single) != value {
        out.push(0xfb);
        out.extend(value.to_be_bytes());
        return;
    }
    match half(single) {
        Some(half) => {
            out.push(0xf9);
            out.extend(half.to_be_bytes());
        }
        None => {
            out.push(0xfa);
            out.extend(single.to_be_bytes());
        }
    }
}

/// The bits of the same number in half precision (IEEE 754 binary16), if it has it.
fn half(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = (bits >> 23 & 0xff) as i32 - 127;
    let fraction = bits & 0x7f_ffff;
    let (magnitude, dropped) = match exponent {
        _ if bits << 1 == 0 => (0, 0),
        -14..=15 => ((((exponent + 15) as u32) << 10) | fraction >> 13, fraction & 0x1fff),
        -24..=-15 => {
            let shift = (-1 - exponent) as u32;
            let whole = fraction | 0x80_0000;
            (whole >> shift, whole & ((1 << shift) - 1))
        }
        _ => return None,
    };
    (dropped == 0).then_some(sign | magnitude as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor::check;
    use serde_json::json;

    /// Criterion: T3.LA.1b (positive)
    #[test]
    fn values_survive_the_way_there_and_back_and_are_deterministic() {
        let numbers = [
            0.5,
            -0.0,
            1.0,
            0.1,
            65504.0,
            65505.0,
            5.960_464_477_539_063e-8,
            1e300,
            -2.5e-5,
            1.0e-40,
        ];
        let numbers = numbers.iter().map(|number| json!({ "value": number }));
        let others = [
            json!({}),
            json!({ "b": 1, "aa": [true, null, -1, -25, 300, 70_000, 5_000_000_000_u64], "a": { "x": "" } }),
            json!({ "n": i64::MIN, "u": u64::MAX }),
        ];
        for value in numbers.chain(others) {
            let bytes = from_json(&value);
            assert_eq!(check(&bytes), Ok(()), "{value}: {bytes:x?}");
            assert_eq!(to_json(&bytes).unwrap(), value, "{bytes:x?}");
        }
    }

    #[test]
    fn byte_strings_become_base64url() {
        assert_eq!(
            to_json(&[0xa1, 0x61, b'd', 0x43, 0xff, 0xfe, 0xfd]).unwrap(),
            json!({ "d": "__79" })
        );
    }

    /// Criterion: T3.LA.1b (negative)
    #[test]
    fn what_json_has_no_place_for_is_refused_or_null() {
        assert_eq!(
            to_json(&[0xa1, 0x61, b'd', 0xf9, 0x7e, 0x00]).unwrap(),
            json!({ "d": null }),
            "NaN"
        );
        let below = [0xa1, 0x61, b'd', 0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert!(matches!(to_json(&below), Err(DecodeError::Shape(_))), "-2^64");
        assert!(
            to_json(&[0x01]).is_err() && to_json(&[0xa1, 1, 1]).is_err(),
            "no map with text keys"
        );
    }
}
