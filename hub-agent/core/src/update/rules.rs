//! What the owner wants of updates.

use protocol::{definition::Install, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How much a release matters for security, as its vendor says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Importance {
    /// Features only.
    #[default]
    None,
    /// It closes small holes.
    Low,
    /// It closes holes.
    Medium,
    /// It closes holes that are easy to use or do much harm.
    High,
    /// It closes holes that are being used.
    Critical,
}

impl Importance {
    /// Whether it is a security update.
    #[must_use]
    pub fn is_security(self) -> bool {
        self > Self::None
    }
}

/// Minutes of the day (UTC) in which components may be updated; over midnight when the end is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First minute.
    pub from: u16,
    /// The minute after the last.
    pub to: u16,
}

impl Window {
    /// Whether this time lies in it.
    #[must_use]
    pub fn holds(self, now: Timestamp) -> bool {
        let minute = u16::try_from(now.seconds() / 60 % 1440).unwrap_or(0);
        if self.from <= self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

/// The rules; the shell reads them from its settings.
#[derive(Clone, Debug)]
pub struct UpdateRules {
    /// Whether security updates go out without being asked for, also to kinds whose definition says `ask`.
    pub automatic_security: bool,
    /// Whether other updates go out without being asked for, to kinds whose definition says `automatic`.
    pub automatic_features: bool,
    /// When components may be updated; always when there is none.
    pub window: Option<Window>,
    /// How long the first component has to run a release before others get it.
    pub soak: Duration,
    /// How long a component has for one update.
    pub deadline: Duration,
    /// Components updated at once at most.
    pub group: usize,
    /// After so long a security update that is not everywhere is overdue.
    pub overdue: Duration,
}

impl Default for UpdateRules {
    fn default() -> Self {
        Self {
            automatic_security: true,
            automatic_features: true,
            window: None,
            soak: Duration::from_secs(600),
            deadline: Duration::from_secs(6 * 3600),
            group: 64,
            overdue: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl UpdateRules {
    /// Whether a person must agree to this release for this kind.
    #[must_use]
    pub fn wants_consent(&self, importance: Importance, install: Install) -> bool {
        if importance.is_security() && self.automatic_security {
            return false;
        }
        match install {
            Install::Automatic => !self.automatic_features,
            Install::Ask => true,
        }
    }
}
