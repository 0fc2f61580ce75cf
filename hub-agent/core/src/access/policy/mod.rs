//! What each kind of component may do: the signed definitions in force, compiled once per revision.
//!
//! | module | holds |
//! |---|---|
//! | `verify` | the way from bytes to [`Verified`]: chain, purpose, maker, signature |
//! | `kind` | a definition ready for use: schemas compiled, bounds at hand |

mod kind;
mod verify;

pub use kind::{Kind, check};
pub use verify::{Anchor, Authored, DefinitionError, Verified, verify};

use protocol::{
    definition::Definition,
    id::{Label, Slug},
};
use std::{collections::BTreeMap, sync::Arc};

/// Kinds in force at most.
pub const MAX_KINDS: usize = 128;

/// The definitions in force, one per maker and kind.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    kinds: BTreeMap<Label, BTreeMap<Slug, Arc<Kind>>>,
}

/// What putting a definition in force did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Installed {
    /// The first one of its kind.
    New,
    /// It replaced this revision.
    Replaced(u32),
    /// It was in force already.
    Same,
}

impl Policy {
    /// Puts a definition in force. The one before stays in force when this one is refused.
    ///
    /// # Errors
    /// When a newer one or another of the same revision is in force, its signer's root is not that of
    /// the one in force, or there are too many.
    pub fn install(&mut self, kind: Kind) -> Result<Installed, DefinitionError> {
        let Definition { maker, kind: name, .. } = kind.definition().clone();
        let installed = match self.of(&maker, &name) {
            None if self.all().count() >= MAX_KINDS => return Err(DefinitionError::Full),
            None => Installed::New,
            Some(known) => replaces(known, &kind)?,
        };
        if installed != Installed::Same {
            self.kinds.entry(maker).or_default().insert(name, Arc::new(kind));
        }
        Ok(installed)
    }

    /// The definition of a maker's kind.
    #[must_use]
    pub fn of(&self, maker: &Label, kind: &Slug) -> Option<&Arc<Kind>> {
        self.kinds.get(maker)?.get(kind)
    }

    /// Every definition in force, by maker and kind.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.values().flat_map(BTreeMap::values)
    }
}

fn replaces(known: &Kind, new: &Kind) -> Result<Installed, DefinitionError> {
    if known.anchor() != new.anchor() {
        return Err(DefinitionError::OtherRoot { known: known.anchor().clone() });
    }
    let (has, given) = (known.definition().revision, new.definition().revision);
    match given.cmp(&has) {
        std::cmp::Ordering::Greater => Ok(Installed::Replaced(has)),
        std::cmp::Ordering::Equal if known.document() == new.document() => Ok(Installed::Same),
        std::cmp::Ordering::Equal | std::cmp::Ordering::Less => {
            Err(DefinitionError::Older { known: has, given })
        }
    }
}
