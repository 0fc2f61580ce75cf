//! Types and values of settings.

use crate::id::Label;
use serde::{Deserialize, Serialize};
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

/// A value of a setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
