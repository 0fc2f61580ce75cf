//! Identifiers and bounded texts: a value that exists is valid, also when serde made it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, marker::PhantomData, str::FromStr};
use uuid::{Uuid, Variant};

/// Logical id of a component, the hub or the cloud: a UUID version 8 (RFC 9562) made of the first
/// 16 bytes of the SHA-256 of its SubjectPublicKeyInfo.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(Uuid);

impl ComponentId {
    /// The id that belongs to a key, given the SHA-256 of its DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn from_key_digest(digest: &Digest) -> Self {
        let mut first = [0; 16];
        first.copy_from_slice(&digest.0[..16]);
        Self(uuid::Builder::from_custom_bytes(first).into_uuid())
    }

    /// The 16 bytes of the id, as CBOR and the store carry them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Takes 16 bytes that already are a version 8 UUID.
    ///
    /// # Errors
    /// When the version or variant bits say otherwise.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidText> {
        let uuid = Uuid::from_bytes(bytes);
        let ours = uuid.get_version_num() == 8 && uuid.get_variant() == Variant::RFC4122;
        ours.then_some(Self(uuid)).ok_or(NOT_AN_ID)
    }
}

const NOT_AN_ID: InvalidText =
    InvalidText { what: "component id", rule: "a lower-case hyphenated UUID of version 8" };

impl FromStr for ComponentId {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let canonical = text.len() == 36 && !text.bytes().any(|b| b.is_ascii_uppercase());
        let uuid = Uuid::try_parse(text).map_err(|_| NOT_AN_ID)?;
        if canonical { Self::from_bytes(uuid.into_bytes()) } else { Err(NOT_AN_ID) }
    }
}

impl fmt::Display for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for ComponentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ComponentId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(self.as_bytes()) }
    }
}

impl<'de> Deserialize<'de> for ComponentId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            deserialize_text(d)
        } else {
            Self::from_bytes(d.deserialize_bytes(FixedBytes)?).map_err(de::Error::custom)
        }
    }
}

/// A SHA-256 digest; hexadecimal in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = InvalidText;
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        const RULE: InvalidText =
            InvalidText { what: "SHA-256 digest", rule: "64 lower-case hexadecimal digits" };
        let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(hex) {
            return Err(RULE);
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            let pair = &text[2 * index..2 * index + 2];
            *byte = u8::from_str_radix(pair, 16).map_err(|_| RULE)?;
        }
        Ok(Self(digest))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            deserialize_text(d)
        } else {
            Ok(Self(d.deserialize_bytes(FixedBytes)?))
        }
    }
}

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;
            fn from_str(text: &str) -> Result<Self, InvalidText> {
                const RULE: InvalidText = InvalidText {
                    what: stringify!($name),
                    rule: "lower-case hexadecimal digits of the right number",
                };
                let mut bytes = [0; $length];
                let hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
                if text.len() != 2 * $length || !text.bytes().all(hex) {
                    return Err(RULE);
                }
                for (index, byte) in bytes.iter_mut().enumerate() {
                    let pair = &text[2 * index..2 * index + 2];
                    *byte = u8::from_str_radix(pair, 16).map_err(|_| RULE)?;
                }
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    deserialize_text(d)
                } else {
                    Ok(Self(d.deserialize_bytes(FixedBytes)?))
                }
            }
        }
    };
}

fixed_bytes!(
    /// An Ed25519 public key (RFC 8032); hexadecimal in text.
    PublicKey, 32
);
fixed_bytes!(
    /// The number of one update of one component, drawn at random; hexadecimal in text.
    JobId, 16
);
fixed_bytes!(
    /// A number used once: an answer that holds it is no older than the question; hexadecimal in text.
    Nonce, 16
);

fixed_bytes!(
    /// The beginning of a component's log, drawn at random when there is none; hexadecimal in text.
    LogLife, 8
);

/// Eight random bytes a component draws at each start: one value, one life between two starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BootId(pub [u8; 8]);

impl Serialize for BootId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for BootId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // JSON has no byte strings: a list of numbers stands for them there, and only there.
        let readable = d.is_human_readable();
        let bytes =
            if readable { <[u8; 8]>::deserialize(d) } else { d.deserialize_bytes(FixedBytes) };
        Ok(Self(bytes?))
    }
}

/// Takes a byte string only: a list of numbers would be a second encoding of the same value.
struct FixedBytes<const N: usize>;

impl<const N: usize> de::Visitor<'_> for FixedBytes<N> {
    type Value = [u8; N];
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a byte string of {N} bytes")
    }
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

/// Reads a text and parses it. Unlike `String`, it takes no byte string, which would be a second
/// encoding of the same value.
pub(crate) fn deserialize_text<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = InvalidText>,
{
    d.deserialize_str(TextOnly(PhantomData))
}

struct TextOnly<T>(PhantomData<T>);

impl<T: FromStr<Err = InvalidText>> de::Visitor<'_> for TextOnly<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// A text broke the rule of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what}: it must be {rule}")]
pub struct InvalidText {
    /// What the text should have been.
    pub what: &'static str,
    /// The rule it broke, in words.
    pub rule: &'static str,
}

macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the rule of this type.
            ///
            /// # Errors
            /// When the text breaks it.
            pub fn new(text: &str) -> Result<Self, InvalidText> {
                let valid: fn(&str) -> bool = $valid;
                valid(text)
                    .then(|| Self(text.into()))
                    .ok_or(InvalidText { what: $what, rule: $rule })
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidText;
            fn from_str(text: &str) -> Result<Self, InvalidText> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                deserialize_text(d)
            }
        }
    };
}

bounded_text!(
    /// A name that stands in topics and keys: kinds, streams, interfaces, data classes.
    Slug, "name", "1 to 32 of a-z, 0-9 and '-', starting with a letter", is_slug
);
bounded_text!(
    /// A short text for people: maker, model, serial number, version.
    Label, "label", "1 to 64 characters without control characters or outer spaces",
    |text| is_printable(text, 64) && text.trim() == text
);
bounded_text!(
    /// A sentence for people: reasons, notes.
    Note, "note", "1 to 160 characters without control characters", |text| is_printable(text, 160)
);
bounded_text!(
    /// A reference to a document elsewhere, such as an SBOM: an absolute URI (RFC 3986).
    Uri, "URI", "an absolute URI of at most 256 ASCII characters", is_uri
);

bounded_text!(
    /// The other end of a connection: a name in lower case, or an IP address in its text form.
    LogHost, "host", "1 to 64 of a-z, 0-9, '.', ':', '_' and '-'",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b':' | b'_' | b'-'))
);

bounded_text!(
    /// A line of releases: the vendor, a dot, and the vendor's name for it. What it names runs the same images.
    ModelId, "model id", "a vendor, a dot and a name of a-z, 0-9 and '-', at most 32 in all", is_model
);

impl ModelId {
    /// Whose releases they are.
    #[must_use]
    pub fn vendor(&self) -> &str {
        self.0.split_once('.').map_or("", |(vendor, _)| vendor)
    }
}

fn is_model(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let named = |name: &str| !name.is_empty() && name.bytes().all(word);
    text.len() <= 32
        && text.split_once('.').is_some_and(|(vendor, name)| is_slug(vendor) && named(name))
}

fn is_slug(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.as_bytes()[0].is_ascii_lowercase()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_printable(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_uri(text: &str) -> bool {
    let scheme = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    text.len() <= 256
        && text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\'))
        && text.split_once(':').is_some_and(|(s, rest)| scheme(s) && !rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_id() -> ComponentId {
        ComponentId::from_key_digest(&Digest([0xab; 32]))
    }

    /// Criterion: T1.AI.1 (positive)
    #[test]
    fn id_comes_from_the_key_and_survives_text_and_bytes() {
        let id = some_id();
        assert_eq!(id.to_string(), "abababab-abab-8bab-abab-abababababab");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(ComponentId::from_bytes(*id.as_bytes()), Ok(id));
    }

    /// Criterion: T1.AI.1 (negative)
    #[test]
    fn refuses_texts_that_are_not_the_one_form_of_an_id() {
        for wrong in [
            "",
            "ABABABAB-ABAB-8BAB-ABAB-ABABABABABAB",
            "abababababab8bababababababababab",
            "abababab-abab-4bab-abab-abababababab",
            "abababab-abab-8bab-cbab-abababababab",
            "{abababab-abab-8bab-abab-abababababab}",
        ] {
            assert!(wrong.parse::<ComponentId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn texts_keep_their_rules() {
        assert!(Slug::new("leak-sensor2").is_ok());
        for wrong in ["", "Lamp", "2lamp", "a/b", "a+", &"a".repeat(33)] {
            assert!(Slug::new(wrong).is_err(), "{wrong}");
        }
        assert!(Label::new("Büro 3").is_ok());
        for wrong in ["", " a", "a\n", "a\u{7f}", &"é".repeat(65)] {
            assert!(Label::new(wrong).is_err(), "{wrong:?}");
        }
        assert!(Uri::new("https://maker.example/sbom/1").is_ok());
        for wrong in ["", "nothing", "1http://x", "http:", "http://a b"] {
            assert!(Uri::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn digests_read_what_they_print() {
        let digest = Digest(core::array::from_fn(|i| i as u8));
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("00".parse::<Digest>().is_err());
        assert!("G".repeat(64).parse::<Digest>().is_err());
    }

    /// Criterion: T3.LA.1b (negative)
    #[test]
    fn a_byte_string_is_no_text_and_a_list_of_numbers_no_byte_string() {
        let as_cbor = |bytes: &[u8]| crate::cbor::decode::<Slug>(bytes, 99);
        assert!(as_cbor(b"\x64lamp").is_ok() && as_cbor(b"\x44lamp").is_err());
        let boot = |bytes: &[u8]| crate::cbor::decode::<BootId>(bytes, 99);
        assert!(
            boot(b"\x4812345678").is_ok() && boot(b"\x88\x01\x01\x01\x01\x01\x01\x01\x01").is_err()
        );
    }

    #[test]
    fn boot_ids_are_lists_of_numbers_in_json() {
        let boot = BootId([1, 2, 3, 4, 5, 6, 7, 8]);
        let json = serde_json::to_string(&boot).unwrap();
        assert_eq!(json, "[1,2,3,4,5,6,7,8]");
        assert_eq!(serde_json::from_str::<BootId>(&json).unwrap(), boot);
    }
}
