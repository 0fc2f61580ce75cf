//! Types and values of settings.

use crate::id::Label;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::{collections::BTreeSet, fmt};

/// Longest text a setting may hold, in bytes.
pub(super) const MAX_TEXT: usize = 256;

/// Values a setting takes.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingType {
    /// On or off.
    Boolean,
    /// A whole number.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
        /// Its unit.
        unit: Option<Label>,
    },
    /// A number.
    Number {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
        /// Its unit.
        unit: Option<Label>,
    },
    /// A text.
    Text {
        /// Most bytes.
        max_bytes: usize,
    },
    /// One of several words.
    Choice {
        /// The words.
        values: BTreeSet<Label>,
    },
}

/// A value of a setting. An integer is read as an integer and a number with a fraction as a number, so
/// that one value has one form.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// On or off.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text, or the word of a choice.
    Text(String),
}

impl<'de> Deserialize<'de> for SettingValue {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl de::Visitor<'_> for AnyValue {
    type Value = SettingValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, a number or a text")
    }

    fn visit_bool<E>(self, value: bool) -> Result<SettingValue, E> {
        Ok(SettingValue::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<SettingValue, E> {
        Ok(SettingValue::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<SettingValue, E> {
        let whole = i64::try_from(value);
        whole.map(SettingValue::Integer).map_err(|_| E::custom("not a value of a setting"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<SettingValue, E> {
        Ok(SettingValue::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<SettingValue, E> {
        Ok(SettingValue::Text(value.to_owned()))
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// A value that a setting does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be {takes}, not {value}")]
pub struct OutOfRange {
    /// What the setting takes, in words.
    pub takes: String,
    /// What was given.
    pub value: String,
}

impl SettingType {
    /// A value as people and JSON give it: a whole number stands for a number too.
    #[must_use]
    pub fn read(&self, value: SettingValue) -> SettingValue {
        match (self, value) {
            (Self::Number { .. }, SettingValue::Integer(whole)) => {
                SettingValue::Number(whole as f64)
            }
            (_, value) => value,
        }
    }

    /// Most bytes that a value takes on the wire.
    #[must_use]
    pub fn most_bytes(&self) -> usize {
        match self {
            Self::Boolean => 1,
            Self::Integer { .. } | Self::Number { .. } => 9,
            Self::Text { max_bytes } => 3 + max_bytes,
            Self::Choice { values } => {
                3 + values.iter().map(|word| word.as_str().len()).max().unwrap_or(0)
            }
        }
    }

    /// Checks a value.
    ///
    /// # Errors
    /// When the setting does not take it.
    pub fn check(&self, value: &SettingValue) -> Result<(), OutOfRange> {
        let taken = match (self, value) {
            (Self::Boolean, SettingValue::Boolean(_)) => true,
            (Self::Integer { min, max, .. }, SettingValue::Integer(value)) => {
                (min..=max).contains(&value)
            }
            (Self::Number { min, max, .. }, SettingValue::Number(value)) => {
                (min..=max).contains(&value)
            }
            (Self::Text { max_bytes }, SettingValue::Text(value)) => {
                value.len() <= *max_bytes && !value.chars().any(char::is_control)
            }
            (Self::Choice { values }, SettingValue::Text(value)) => {
                values.iter().any(|word| word.as_str() == value)
            }
            (
                Self::Boolean
                | Self::Integer { .. }
                | Self::Number { .. }
                | Self::Text { .. }
                | Self::Choice { .. },
                _,
            ) => false,
        };
        match taken {
            true => Ok(()),
            false => Err(OutOfRange { takes: self.to_string(), value: value.to_string() }),
        }
    }
}

impl fmt::Display for SettingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |unit: &Option<Label>| unit.as_ref().map(|u| format!(" {u}")).unwrap_or_default();
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::Integer { min, max, unit } => {
                write!(f, "a whole number from {min} to {max}{}", of(unit))
            }
            Self::Number { min, max, unit } => {
                write!(f, "a number from {min} to {max}{}", of(unit))
            }
            Self::Text { max_bytes } => {
                write!(f, "a text of at most {max_bytes} bytes without control characters")
            }
            Self::Choice { values } => {
                let words: Vec<_> = values.iter().map(Label::as_str).collect();
                write!(f, "one of {}", words.join(", "))
            }
        }
    }
}
