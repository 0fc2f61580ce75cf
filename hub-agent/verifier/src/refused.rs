//! Why something from a repository is not used: which attack it looks like, and what an operator does next.

use crate::source::SourceError;

/// What a refusal looks like, in the words of the TUF specification and of the hub's incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attack {
    /// Something that the right keys do not vouch for.
    ArbitrarySoftware,
    /// Something older than what was verified before.
    Rollback,
    /// Something that should have been replaced by now.
    Freeze,
    /// More data than can be meant.
    EndlessData,
    /// Data so slow that it would never end.
    SlowRetrieval,
    /// Files that do not belong together.
    MixAndMatch,
    /// A file that its signer has no say over.
    WrongSoftware,
    /// Somebody or something removed what guards against old versions.
    FloorsDamaged,
}

impl Attack {
    /// The stable word for events and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ArbitrarySoftware => "arbitrary-software",
            Self::Rollback => "rollback",
            Self::Freeze => "freeze",
            Self::EndlessData => "endless-data",
            Self::SlowRetrieval => "slow-retrieval",
            Self::MixAndMatch => "mix-and-match",
            Self::WrongSoftware => "wrong-software",
            Self::FloorsDamaged => "floors-damaged",
        }
    }
}

/// Why the repository, or a file of it, is not used.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Too few valid signatures of the role's keys.
    #[error("not signed as it must be: {0}")]
    Signature(String),
    /// Metadata that is no TUF metadata.
    #[error("malformed metadata: {0}")]
    Malformed(String),
    /// A file whose digest is not the one the metadata lists.
    #[error("{path} is not the file that the metadata lists: its SHA-256 is another")]
    WrongHash {
        /// Its path in the repository.
        path: String,
    },
    /// A file that ends before the length that the metadata list.
    #[error(
        "{path} is not the file that the metadata lists: it ends after {got} of {length} bytes"
    )]
    Short {
        /// Its path in the repository.
        path: String,
        /// Bytes there are.
        got: u64,
        /// Bytes there should be.
        length: u64,
    },
    /// A version lower than one that was verified before.
    #[error("{role} went back: version {offered} is offered, {floor} was verified before")]
    Rollback {
        /// Whose version.
        role: String,
        /// The version offered.
        offered: u64,
        /// The lowest version that is still accepted.
        floor: u64,
    },
    /// A role that the snapshot listed before is gone from it.
    #[error("the snapshot no longer lists {0}, which was verified before")]
    Removed(String),
    /// Metadata past its end.
    #[error("{role} expired at {expired}")]
    Expired {
        /// Which role.
        role: String,
        /// When, RFC 3339.
        expired: String,
    },
    /// Metadata that another file pins differently.
    #[error("files do not belong together: {0}")]
    Mismatch(String),
    /// More than a bound allows.
    #[error("too much data: {0}")]
    TooLarge(String),
    /// Less than the least rate over the whole window.
    #[error("{0} comes too slowly to ever end")]
    Slow(String),
    /// A path that a role lists without having a say over it.
    #[error("{role} lists {path}, but nobody gave it a say over that path")]
    WrongSoftware {
        /// The path.
        path: String,
        /// Who lists it.
        role: String,
    },
    /// A path that nobody lists.
    #[error("no role that has a say over {0} lists it")]
    NoSuchTarget(String),
    /// The floors do not fit the metadata they belong to.
    #[error("the version floors cannot be relied on: {0}")]
    FloorsDamaged(String),
    /// No root was ever pinned.
    #[error("no root is pinned")]
    NotPinned,
    /// Targets are asked for before a refresh succeeded.
    #[error("the metadata was not refreshed yet")]
    NotRefreshed,
    /// The repository did not answer, or not with what it must have.
    #[error("not reachable: {0}")]
    Unreachable(String),
    /// The clock shows a time no calendar has.
    #[error("the system clock shows no usable time")]
    Clock,
    /// What was verified could not be made durable.
    #[error("what was verified could not be stored: {0}")]
    Vault(String),
    /// The cache's disk failed.
    #[error("the cache cannot be used: {0}")]
    Cache(String),
    /// The cache is too small for the file.
    #[error("the cache has no room for {wanted} bytes; at most {most} may be used")]
    NoRoom {
        /// The file's length.
        wanted: u64,
        /// The cache's bound.
        most: u64,
    },
}

impl Refused {
    /// Which attack this looks like; nothing when it is no attack.
    #[must_use]
    pub fn attack(&self) -> Option<Attack> {
        match self {
            Self::Signature(_)
            | Self::Malformed(_)
            | Self::WrongHash { .. }
            | Self::Short { .. } => Some(Attack::ArbitrarySoftware),
            Self::Rollback { .. } => Some(Attack::Rollback),
            Self::Expired { .. } => Some(Attack::Freeze),
            Self::Removed(_) | Self::Mismatch(_) => Some(Attack::MixAndMatch),
            Self::TooLarge(_) => Some(Attack::EndlessData),
            Self::Slow(_) => Some(Attack::SlowRetrieval),
            Self::WrongSoftware { .. } => Some(Attack::WrongSoftware),
            Self::FloorsDamaged(_) => Some(Attack::FloorsDamaged),
            Self::NoSuchTarget(_)
            | Self::NotPinned
            | Self::NotRefreshed
            | Self::Unreachable(_)
            | Self::Clock
            | Self::Vault(_)
            | Self::Cache(_)
            | Self::NoRoom { .. } => None,
        }
    }

    /// The stable word for events and metrics.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if let Some(attack) = self.attack() {
            return attack.word();
        }
        match self {
            Self::NoSuchTarget(_) => "no-such-target",
            Self::NotPinned => "not-pinned",
            Self::NotRefreshed => "not-refreshed",
            Self::Clock => "clock",
            Self::Vault(_) => "store",
            Self::Cache(_) | Self::NoRoom { .. } => "cache",
            Self::Signature(_)
            | Self::Malformed(_)
            | Self::WrongHash { .. }
            | Self::Short { .. }
            | Self::Rollback { .. }
            | Self::Removed(_)
            | Self::Expired { .. }
            | Self::Mismatch(_)
            | Self::TooLarge(_)
            | Self::Slow(_)
            | Self::WrongSoftware { .. }
            | Self::FloorsDamaged(_)
            | Self::Unreachable(_) => "unreachable",
        }
    }

    /// What an operator does next.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Signature(_) | Self::Malformed(_) => {
                "keep what is installed; ask the maker whether the repository's keys changed or were stolen"
            }
            Self::WrongHash { .. } | Self::Short { .. } => {
                "the mirror serves another file than the maker signed; use another mirror and tell the maker"
            }
            Self::Rollback { .. } | Self::Removed(_) => {
                "the mirror serves old metadata; use another mirror, and tell the maker when all of them do"
            }
            Self::Expired { .. } => {
                "look at the system clock, then at whether the mirror still gets new metadata from the maker"
            }
            Self::Mismatch(_) => {
                "the mirror mixes releases or is being synchronised; try again later, then use another mirror"
            }
            Self::TooLarge(_) => "use another mirror and tell the maker; nothing of it was kept",
            Self::Slow(_) => "look at the network; use another mirror when only this one is slow",
            Self::WrongSoftware { .. } => {
                "tell the maker which vendor signed a file that belongs to another; install nothing of it"
            }
            Self::NoSuchTarget(_) => {
                "look for a typing error in the path, or ask the maker to release it"
            }
            Self::FloorsDamaged(_) => {
                "updates stop until an operator pins a root again, with one from the maker by a trusted way"
            }
            Self::NotPinned => "pin a root that came from the maker by a trusted way",
            Self::NotRefreshed => "refresh first",
            Self::Unreachable(_) => {
                "look at the network and at the mirror's address; it is tried again later"
            }
            Self::Clock => "set the system clock",
            Self::Vault(_) => "look at the disk; nothing was used",
            Self::Cache(_) => "look at the disk and at who may write to the cache folder",
            Self::NoRoom { .. } => "let the cache use more bytes, or remove what is kept in it",
        }
    }

    /// The graver of two refusals, for the answer when every mirror was refused: an attack before what is none.
    pub(crate) fn graver(first: Option<Self>, second: Self) -> Self {
        match first {
            Some(first) if first.attack().is_some() || second.attack().is_none() => first,
            Some(_) | None => second,
        }
    }

    /// Whether another mirror might do better.
    pub(crate) fn blames_the_mirror(&self) -> bool {
        match self {
            Self::Signature(_)
            | Self::Malformed(_)
            | Self::WrongHash { .. }
            | Self::Short { .. }
            | Self::Rollback { .. }
            | Self::Removed(_)
            | Self::Expired { .. }
            | Self::Mismatch(_)
            | Self::TooLarge(_)
            | Self::Slow(_)
            | Self::Unreachable(_) => true,
            Self::WrongSoftware { .. }
            | Self::NoSuchTarget(_)
            | Self::FloorsDamaged(_)
            | Self::NotPinned
            | Self::NotRefreshed
            | Self::Clock
            | Self::Vault(_)
            | Self::Cache(_)
            | Self::NoRoom { .. } => false,
        }
    }
}

impl From<SourceError> for Refused {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::Unreachable(why) => Self::Unreachable(why),
            SourceError::TooLarge(what) => Self::TooLarge(what),
            SourceError::Slow(what) => Self::Slow(what),
            SourceError::Forbidden(what) => Self::Malformed(what),
        }
    }
}
