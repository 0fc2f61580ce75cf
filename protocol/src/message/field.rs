//! Field types that several messages share.

use crate::WIRE_VERSION;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, marker::PhantomData};

/// The wire version, field 1 of every message: reading any other fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V1;

impl Serialize for V1 {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(WIRE_VERSION)
    }
}

impl<'de> Deserialize<'de> for V1 {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match u64::deserialize(d)? {
            1 => Ok(Self),
            other => {
                Err(de::Error::custom(format_args!("wire version {other}, this side speaks 1")))
            }
        }
    }
}

/// A list of at most `MAX` different items, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T: Ord, const MAX: usize> List<T, MAX> {
    /// Sorts the items; `None` when one stands twice or they are too many.
    #[must_use]
    pub fn new(mut items: Vec<T>) -> Option<Self> {
        items.sort_unstable();
        (items.len() <= MAX && items.is_sorted_by(|a, b| a < b)).then_some(Self(items))
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// The items in ascending order.
    #[must_use]
    pub fn items(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<'de, T: Deserialize<'de> + Ord, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_seq(Items::<T, MAX>(PhantomData))
    }
}

/// Stops at the first item too many, before memory is spent on it.
struct Items<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Ord, const MAX: usize> de::Visitor<'de> for Items<T, MAX> {
    type Value = List<T, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} items in ascending order")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items: Vec<T> = Vec::new();
        while let Some(item) = seq.next_element()? {
            if items.len() == MAX || items.last().is_some_and(|last| *last >= item) {
                return Err(de::Error::custom(format_args!(
                    "a list must hold at most {MAX} items in ascending order"
                )));
            }
            items.push(item);
        }
        Ok(List(items))
    }
}

/// Seconds between two signs of life, 1 to 3600.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Interval(u16);

impl Interval {
    /// Checks the range.
    #[must_use]
    pub fn new(seconds: u16) -> Option<Self> {
        (1..=3600).contains(&seconds).then_some(Self(seconds))
    }

    /// The seconds.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let seconds = u16::deserialize(d)?;
        Self::new(seconds).ok_or_else(|| de::Error::custom("an interval must be 1 to 3600 seconds"))
    }
}

macro_rules! closed_numbers {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $number:literal $item:ident $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$item_doc])* $item,)+ }

        impl $name {
            /// Every value there is.
            pub const ALL: &'static [Self] = &[$(Self::$item,)+];

            /// The word people read.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$item => $word,)+ }
            }

            /// The number on the wire.
            #[must_use]
            pub fn number(self) -> u8 {
                match self { $(Self::$item => $number,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() {
                    s.serialize_str(self.word())
                } else {
                    s.serialize_u8(self.number())
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let found = if d.is_human_readable() {
                    let word = String::deserialize(d)?;
                    Self::ALL.iter().find(|value| value.word() == word)
                } else {
                    let number = u64::deserialize(d)?;
                    Self::ALL.iter().find(|value| u64::from(value.number()) == number)
                };
                found.copied().ok_or_else(|| {
                    de::Error::custom(concat!("not a value of ", stringify!($name)))
                })
            }
        }
    };
}

closed_numbers! {
    /// How the hub regards a component.
    TrustState {
        /// It was noticed and has proved nothing.
        0 Seen "seen",
        /// It proved who it is and waits for the owner's approval.
        1 Pending "pending",
        /// It may only renew, announce itself and give signs of life.
        2 Quarantined "quarantined",
        /// It is a member with its full rights.
        3 Active "active",
        /// It is a member that has been silent for too long.
        4 Stale "stale",
        /// Its identity was withdrawn.
        5 Revoked "revoked",
        /// It has left the product.
        6 Retired "retired",
    }
}

closed_numbers! {
    /// Why a component says goodbye.
    ByeReason {
        /// It goes to sleep or is switched off and means to return.
        0 Sleep "sleep",
        /// It restarts at once.
        1 Restart "restart",
        /// It was reset by its user and leaves the product.
        2 Leave "leave",
    }
}

closed_numbers! {
    /// What a configuration is for.
    ConfigPurpose {
        /// The settings change.
        0 Set "set",
        /// The component first wipes its settings and its user's data: it goes back to its secure default.
        1 Restore "restore",
    }
}

closed_numbers! {
    /// What a component did with the configuration it was given.
    ConfigOutcome {
        /// It applied it.
        0 Applied "applied",
        /// It cannot or will not.
        1 Refused "refused",
    }
}

closed_numbers! {
    /// What is relayed.
    Action {
        /// A value of a stream that the receiver may hear.
        0 Stream "stream",
        /// A command that the receiver shall obey.
        1 Command "command",
    }
}
