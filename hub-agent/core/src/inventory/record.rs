//! What is known of one component, and how it came to be so.

use super::boots::Boots;
use crate::access::{credential::Credentials, trust::Trust};
use protocol::{
    id::{ComponentId, Digest, Label, Slug},
    message::{Announcement, Bye},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeSet, VecDeque},
    fmt::Display,
};

/// Changes remembered per component; the oldest is dropped.
pub const HISTORY: usize = 64;

/// Groups a component may be in at once.
pub const MAX_GROUPS: usize = 8;

/// One component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Logical id.
    pub id: ComponentId,
    /// Name its owner gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Label>,
    /// Groups it is in, for settings that several shall have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<Slug>,
    /// The greatest security version it reported in a membership before: a smaller one is a rollback.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub security: u32,
    /// Whether what its definition would refuse is only reported.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_trial: bool,
    /// Whether a person confirmed that it is what it says; what a maker's certificate proves needs no confirming.
    #[serde(default)]
    pub confirmed: bool,
    /// How it proved who it is.
    pub origin: Origin,
    /// How the hub regards it.
    pub trust: Trust,
    /// A request for a certificate that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// Its certificates.
    #[serde(default)]
    pub credentials: Credentials,
    /// What it says of itself: its newest announcement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Announcement>,
    /// Its newest goodbye; announcements and goodbyes are numbered by one counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goodbye: Option<Bye>,
    /// Its lives between starts.
    #[serde(default)]
    pub boots: Boots,
    /// When it was first noticed.
    pub first_seen: Timestamp,
    /// Its last sign of life, at most a minute old after a crash.
    pub last_seen: Timestamp,
    /// What changed, oldest first.
    #[serde(default)]
    pub history: VecDeque<Change>,
}

/// How a component proved who it is when it enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// With an IDevID of a trusted maker.
    Idevid {
        /// The maker's name in the settings.
        maker: Label,
        /// The serial number in the IDevID.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        serial: Option<Label>,
    },
    /// With a one-time pairing code.
    PairingCode {
        /// The serial number its request claimed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        serial: Option<Label>,
    },
}

impl Origin {
    /// The trusted maker whose IDevID it showed.
    #[must_use]
    pub fn maker(&self) -> Option<&Label> {
        match self {
            Self::Idevid { maker, .. } => Some(maker),
            Self::PairingCode { .. } => None,
        }
    }

    /// The serial number known before the first announcement.
    #[must_use]
    pub fn serial(&self) -> Option<&Label> {
        match self {
            Self::Idevid { serial, .. } | Self::PairingCode { serial } => serial.as_ref(),
        }
    }
}

/// A request for a certificate that waits for approval or to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The key it is for.
    pub key: Digest,
    /// Whether the owner approved.
    pub approved: bool,
}

/// One change of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// Before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub old: String,
    /// After.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub new: String,
}

impl Record {
    /// Whether more than its own word says that it is what it announced: its maker's certificate, or a person.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.origin.maker().is_some() || self.confirmed
    }

    /// Remembers a change.
    pub(crate) fn note(&mut self, at: Timestamp, what: &str, old: impl Display, new: impl Display) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        let (old, new) = (old.to_string(), new.to_string());
        self.history.push_back(Change { at, what: what.to_owned(), old, new });
    }

    /// The greatest number of its announcements and goodbyes so far: older ones do not count.
    pub(crate) fn passed(&self) -> Option<u64> {
        let announced = self.facts.as_ref().map(|facts| facts.seq);
        announced.max(self.goodbye.as_ref().map(|goodbye| goodbye.seq))
    }

    /// Fields an inventory should have that the component did not give.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let Some(facts) = &self.facts else { return vec!["announcement"] };
        let mut missing = Vec::new();
        if facts.sbom.is_none() {
            missing.push("sbom");
        }
        if facts.support_end.is_none() {
            missing.push("support-end");
        }
        missing
    }

    /// Remembers what differs between two announcements; the answer is the names of what does.
    pub(crate) fn note_facts(&mut self, new: &Announcement, at: Timestamp) -> Vec<&'static str> {
        let Some(old) = self.facts.clone() else {
            self.note(at, "announced", "", &new.model);
            return vec!["announced"];
        };
        let joined = |items: &[protocol::id::Slug]| {
            items.iter().map(|i| i.as_str()).collect::<Vec<_>>().join(" ")
        };
        let text = |value: Option<String>| value.unwrap_or_default();
        let pairs = [
            ("firmware", old.firmware.to_string(), new.firmware.to_string()),
            ("firmware-digest", old.firmware_digest.to_string(), new.firmware_digest.to_string()),
            ("hardware", old.hardware.to_string(), new.hardware.to_string()),
            ("config", old.config.to_string(), new.config.to_string()),
            ("interfaces", joined(old.interfaces.items()), joined(new.interfaces.items())),
            ("streams", joined(old.streams.items()), joined(new.streams.items())),
            ("data", joined(old.data.items()), joined(new.data.items())),
            ("interval", old.interval.get().to_string(), new.interval.get().to_string()),
            (
                "sbom",
                text(old.sbom.map(|v| v.to_string())),
                text(new.sbom.as_ref().map(ToString::to_string)),
            ),
            (
                "support-end",
                text(old.support_end.map(|v| v.to_string())),
                text(new.support_end.map(|v| v.to_string())),
            ),
        ];
        let changed = pairs.into_iter().filter(|(_, old, new)| old != new);
        changed
            .map(|(what, old, new)| {
                self.note(at, what, old, new);
                what
            })
            .collect()
    }
}

/// Whether there is nothing to store.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
