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

pub(super) use closed_numbers;

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

closed_numbers! {
    /// What went wrong with an update.
    UpdateFault {
        /// Bytes that are no valid offer, block or object.
        1 Malformed "malformed",
        /// Too few of the trusted keys signed.
        2 Signature "signature",
        /// An anchor that does not follow the one in force.
        3 AnchorChain "anchor-chain",
        /// The release is of another model or for other hardware.
        4 WrongModel "wrong-model",
        /// The release is not newer than what runs.
        5 Rollback "rollback",
        /// The release must not be installed any more.
        6 Expired "expired",
        /// The image does not fit the slot, or does not end.
        7 TooLarge "too-large",
        /// A chunk has another digest.
        8 ChunkHash "chunk-hash",
        /// The image has another digest.
        9 ImageHash "image-hash",
        /// No such update is under way.
        10 UnknownJob "unknown-job",
        /// Bytes were asked for that are not there.
        11 Range "range",
        /// Wait, then ask again.
        12 Busy "busy",
        /// The blocks stopped coming.
        13 Stalled "stalled",
        /// The slot could not be written.
        14 SlotWrite "slot-write",
        /// The new software did not start.
        15 NoBoot "no-boot",
        /// The new software did not prove in time that it works.
        16 Health "health",
        /// Somebody cancelled it.
        17 Cancelled "cancelled",
        /// Another component must be updated first.
        18 Prerequisite "prerequisite",
        /// The component's own policy does not allow it.
        19 Policy "policy",
        /// A mistake inside.
        20 Internal "internal",
    }
}

closed_numbers! {
    /// How far an update got on its component.
    UpdateStep {
        /// Nothing is under way.
        0 Idle "idle",
        /// The offer was checked and is good.
        1 Accepted "accepted",
        /// Blocks are fetched.
        2 Fetching "fetching",
        /// The whole image is there and verified.
        3 Verified "verified",
        /// It waits to be told to install.
        4 Ready "ready",
        /// The slot is switched.
        5 Installing "installing",
        /// The new software runs and proves itself.
        6 Trial "trial",
        /// The new software stays.
        7 Confirmed "confirmed",
        /// The former software runs again.
        8 RolledBack "rolled-back",
        /// The offer was not believed.
        9 Refused "refused",
        /// It failed before anything was switched.
        10 Failed "failed",
        /// It was called off.
        11 Cancelled "cancelled",
    }
}

impl UpdateStep {
    /// Whether a component may go from here to there.
    #[must_use]
    pub fn may_go(self, to: Self) -> bool {
        use UpdateStep::{
            Accepted, Cancelled, Confirmed, Failed, Fetching, Idle, Installing, Ready, Refused,
            RolledBack, Trial, Verified,
        };
        match self {
            Idle => matches!(to, Accepted | Refused),
            Accepted => matches!(to, Fetching | Failed | Cancelled),
            Fetching => matches!(to, Fetching | Verified | Failed | Cancelled),
            Verified => matches!(to, Ready | Failed),
            Ready => matches!(to, Installing | Failed | Cancelled),
            Installing => matches!(to, Trial | RolledBack | Failed),
            Trial => matches!(to, Confirmed | RolledBack),
            Confirmed | RolledBack | Refused | Failed | Cancelled => matches!(to, Idle),
        }
    }

    /// Whether an update ends here.
    #[must_use]
    pub fn is_end(self) -> bool {
        match self {
            Self::Confirmed | Self::RolledBack | Self::Refused | Self::Failed | Self::Cancelled => {
                true
            }
            Self::Idle
            | Self::Accepted
            | Self::Fetching
            | Self::Verified
            | Self::Ready
            | Self::Installing
            | Self::Trial => false,
        }
    }
}

closed_numbers! {
    /// What blocks are of.
    UpdateObject {
        /// The image.
        0 Image "image",
        /// The chunk list: the SHA-256 of each chunk, one after the other.
        1 Chunks "chunks",
    }
}

closed_numbers! {
    /// What a component shall do about an update.
    UpdateOrder {
        /// Install what is ready.
        1 Install "install",
        /// Call it off.
        2 Cancel "cancel",
        /// Say what runs.
        3 Report "report",
    }
}
