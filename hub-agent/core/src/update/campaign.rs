//! One release on its way to the components of its model.

use super::rules::Importance;
use protocol::{
    id::{ComponentId, Digest, Label, ModelId},
    time::Timestamp,
    update::Manifest,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the vendor tells people about a release; from the repository's signed metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// How much it matters for security.
    pub importance: Importance,
    /// In plain words.
    pub text: String,
    /// Whether the component restarts.
    pub reboot: bool,
}

/// Somebody's consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whose.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// How far a campaign got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
    /// It has not begun.
    Ready,
    /// One component tries it for the others.
    Canary,
    /// That one runs it; the others wait whether it keeps running.
    Soaking {
        /// Until then.
        until: Timestamp,
    },
    /// Groups get it, one after the other.
    Groups,
    /// Too much went wrong, or somebody wanted it: a person lets it go on or ends it.
    Paused {
        /// Why.
        why: String,
    },
    /// Every component of the model has it, or has tried it and failed.
    Done {
        /// Since when.
        at: Timestamp,
    },
    /// Somebody ended it, or the vendor withdrew it.
    Cancelled {
        /// Who.
        by: String,
    },
    /// A newer release took its place.
    Superseded {
        /// Its counter.
        by: u32,
    },
}

/// One release on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Campaign {
    /// Counts campaigns.
    pub number: u64,
    /// Its line of releases.
    pub model: ModelId,
    /// The release.
    pub counter: u32,
    /// What people call it.
    pub name: Label,
    /// SHA-256 of its image.
    pub image: Digest,
    /// Size of its image in bytes.
    pub size: u32,
    /// Hardware revisions it is for.
    pub hardware: Vec<u32>,
    /// Least counters that other models must have before.
    pub needs: Vec<(ModelId, u32)>,
    /// What the vendor says about it.
    pub note: Note,
    /// When the hub first saw it.
    pub found: Timestamp,
    /// How far it got.
    #[serde(flatten)]
    pub stage: Stage,
    /// The consent, once it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Approval>,
    /// Not before then, because somebody wanted that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postponed: Option<Timestamp>,
    /// Who is getting it now.
    #[serde(default)]
    pub round: BTreeSet<ComponentId>,
    /// How many the next group has.
    pub next_group: usize,
}

impl Campaign {
    pub(crate) fn new(number: u64, manifest: &Manifest, note: Note, found: Timestamp) -> Self {
        Self {
            number,
            model: manifest.model.clone(),
            counter: manifest.counter,
            name: manifest.name.clone(),
            image: manifest.image,
            size: manifest.size,
            hardware: manifest.hardware.items().to_vec(),
            needs: manifest.needs.items().to_vec(),
            note,
            found,
            stage: Stage::Ready,
            approved: None,
            postponed: None,
            round: BTreeSet::new(),
            next_group: 2,
        }
    }

    /// Whether it may still bring its release to somebody.
    #[must_use]
    pub fn is_live(&self) -> bool {
        match self.stage {
            Stage::Ready
            | Stage::Canary
            | Stage::Soaking { .. }
            | Stage::Groups
            | Stage::Paused { .. } => true,
            Stage::Done { .. } | Stage::Cancelled { .. } | Stage::Superseded { .. } => false,
        }
    }

    /// Whether so many failures in this round stop it: the first one's, or a fifth of a group.
    #[must_use]
    pub fn stops_at(&self, failures: usize) -> bool {
        match self.stage {
            Stage::Canary => failures > 0,
            Stage::Groups => failures * 5 >= self.round.len().max(1) && failures > 0,
            Stage::Ready
            | Stage::Soaking { .. }
            | Stage::Paused { .. }
            | Stage::Done { .. }
            | Stage::Cancelled { .. }
            | Stage::Superseded { .. } => false,
        }
    }
}
