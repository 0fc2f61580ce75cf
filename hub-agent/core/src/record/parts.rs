//! The parts of a record: who, from where, to where, how it ended, how much.

use super::text::Word;
use protocol::{id::Digest, int_map};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Declares an enum that is a small number in CBOR and a word for people and rules.
macro_rules! small_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $number:literal $variant:ident $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant = $number,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for people and rules.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.serialize_str(self.word()) } else { s.serialize_u8(*self as u8) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let known = if d.is_human_readable() {
                    let word = String::deserialize(d)?;
                    Self::ALL.iter().find(|one| one.word() == word)
                } else {
                    let number = u64::deserialize(d)?;
                    Self::ALL.iter().find(|one| **one as u64 == number)
                };
                known.copied().ok_or_else(|| de::Error::custom(concat!("no such ", stringify!($name))))
            }
        }
    };
}

small_enum! {
    /// How grave a record is.
    Severity {
        /// Normal life.
        1 Info "informational",
        /// Worth a look when it repeats.
        2 Low "low",
        /// Worth a look.
        3 Medium "medium",
        /// The owner should act.
        4 High "high",
        /// The owner should act at once.
        5 Critical "critical",
    }
}

small_enum! {
    /// How it ended.
    Status {
        /// It happened.
        1 Success "success",
        /// It was tried in vain.
        2 Failure "failure",
        /// It was not allowed.
        3 Denied "denied",
    }
}

small_enum! {
    /// Who observed it.
    Source {
        /// The hub itself.
        1 Hub "hub",
        /// A component, in its own words.
        2 Component "component",
        /// The maker's cloud.
        3 Cloud "cloud",
    }
}

small_enum! {
    /// How it came.
    Lane {
        /// As it happened.
        1 Live "live",
        /// Kept during an outage and told afterwards: says nothing about rates now.
        2 Backlog "backlog",
    }
}

/// An IP address: 4 or 16 bytes in CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub IpAddr);

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ip if s.is_human_readable() => s.collect_str(&ip),
            IpAddr::V4(ip) => s.serialize_bytes(&ip.octets()),
            IpAddr::V6(ip) => s.serialize_bytes(&ip.octets()),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map(Self).map_err(de::Error::custom)
        } else {
            d.deserialize_bytes(AddressBytes)
        }
    }
}

struct AddressBytes;

impl de::Visitor<'_> for AddressBytes {
    type Value = Address;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("4 or 16 bytes")
    }
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Address, E> {
        let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        let sixteen = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
        four.or_else(|_| sixteen()).map(Address).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

int_map! {
    /// The other end of a connection to the hub.
    pub struct Peer {
        /// Its address.
        1 => ip: Address,
        /// Its port.
        2 => port: u16,
        /// SHA-256 of its certificate or client hello, where it is known.
        3 => fingerprint [?]: Digest,
    }
}

impl From<SocketAddr> for Peer {
    fn from(from: SocketAddr) -> Self {
        Self { ip: Address(from.ip().to_canonical()), port: from.port(), fingerprint: None }
    }
}

int_map! {
    /// Where a component talks to: by name where it is known, else by address.
    pub struct Destination {
        /// Its name, in lower case.
        1 => host [?]: Word,
        /// Its address.
        2 => ip [?]: Address,
        /// Its port.
        3 => port: u16,
    }
}

int_map! {
    /// How much. What was not measured is absent.
    pub struct Counters {
        /// How often, where several equal things are one record.
        1 => count [?]: u32,
        /// Bytes a component received.
        2 => bytes_in [?]: u64,
        /// Bytes a component sent.
        3 => bytes_out [?]: u64,
        /// Connections it made.
        4 => connections [?]: u32,
        /// Load of its processor, in percent.
        5 => cpu [?]: u8,
        /// Used memory, in percent.
        6 => memory [?]: u8,
        /// Charge of its battery, in percent.
        7 => battery [?]: u8,
        /// What was measured.
        8 => value [?]: u64,
        /// What it was measured against.
        9 => bound [?]: u64,
    }
}

impl Counters {
    /// Nothing was measured.
    pub const NONE: Self = Self {
        count: None,
        bytes_in: None,
        bytes_out: None,
        connections: None,
        cpu: None,
        memory: None,
        battery: None,
        value: None,
        bound: None,
    };
}

impl Default for Counters {
    fn default() -> Self {
        Self::NONE
    }
}
