//! Texts of records: bounded, without control characters, and never a reason not to record something.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, ops::Deref};

/// A text of at most `N` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Clipped<const N: usize>(Box<str>);

/// A name or word that rules compare: a topic, setting, account, refusal.
pub type Word = Clipped<64>;

/// A sentence for people.
pub type Text = Clipped<256>;

impl<const N: usize> Clipped<N> {
    /// Takes what fits of a text; control characters become spaces, so that no record breaks a line.
    #[must_use]
    pub fn clip(text: &str) -> Self {
        let end = (0..=N.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        let head = &text[..end.unwrap_or(0)];
        if head.chars().any(char::is_control) {
            // A control character takes one byte or two, a space one: the text only gets shorter.
            Self(head.replace(char::is_control, " ").into())
        } else {
            Self(head.into())
        }
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> Deref for Clipped<N> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> From<&str> for Clipped<N> {
    fn from(text: &str) -> Self {
        Self::clip(text)
    }
}

impl<const N: usize> fmt::Display for Clipped<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<const N: usize> fmt::Debug for Clipped<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const N: usize> Serialize for Clipped<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Clipped<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(WholeText::<N>)
    }
}

/// Takes a text only as it would have been written: one value has one encoding.
struct WholeText<const N: usize>;

impl<const N: usize> de::Visitor<'_> for WholeText<N> {
    type Value = Clipped<N>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a text of at most {N} bytes without control characters")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Clipped<N>, E> {
        let clipped = Clipped::clip(text);
        if clipped.as_str() == text {
            Ok(clipped)
        } else {
            Err(E::custom(format_args!("not {N} bytes of plain text")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters_and_control_characters_are_gone() {
        assert_eq!(Clipped::<4>::clip("abcdef").as_str(), "abcd");
        assert_eq!(Clipped::<4>::clip("aéé€").as_str(), "aé");
        assert_eq!(Text::clip("one\ntwo\u{85}").as_str(), "one two ");
    }
}
