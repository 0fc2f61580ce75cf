//! One component's update.

use protocol::{
    id::{ComponentId, Digest, JobId, Label, ModelId},
    message::{UpdateFault, UpdateStep},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Ended updates kept; the oldest makes room.
pub(crate) const KEPT: u64 = 1024;

/// How an update ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The component runs it and signed that it does.
    Confirmed,
    /// The component runs what it had.
    RolledBack,
    /// The component did not believe the offer.
    Refused,
    /// It failed before anything was switched.
    Failed,
    /// Somebody called it off.
    Cancelled,
}

impl Outcome {
    /// Whether it counts against the release.
    #[must_use]
    pub fn is_failure(self) -> bool {
        match self {
            Self::RolledBack | Self::Refused | Self::Failed => true,
            Self::Confirmed | Self::Cancelled => false,
        }
    }
}

/// One component's update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Of whom.
    pub component: ComponentId,
    /// Its number on the wire.
    pub id: JobId,
    /// The campaign it is part of.
    pub campaign: u64,
    /// SHA-256 of the image.
    pub image: Digest,
    /// How far the component says it got; nothing before it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<UpdateStep>,
    /// Number of its newest status.
    #[serde(default)]
    pub seq: u64,
    /// Bytes it has.
    #[serde(default)]
    pub got: u32,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<UpdateFault>,
    /// When it was offered first.
    pub since: Timestamp,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// When it must have ended, by the hub's own clock in this life.
    #[serde(skip)]
    pub deadline: Option<Duration>,
    /// When an offer, an order or a question is sent again, and how often it was.
    #[serde(skip)]
    pub again: Option<(Duration, u32)>,
    /// The link on which its newest status came.
    #[serde(skip)]
    pub link: Option<u64>,
    /// Whether it was told to install on this link.
    #[serde(skip)]
    pub told_to_install: bool,
    /// Whether the component's own record of its end came.
    #[serde(skip)]
    pub logged: bool,
}

impl Job {
    pub(crate) fn new(
        component: ComponentId,
        id: JobId,
        (campaign, image): (u64, Digest),
        since: Timestamp,
    ) -> Self {
        Self {
            component,
            id,
            campaign,
            image,
            step: None,
            seq: 0,
            got: 0,
            fault: None,
            since,
            outcome: None,
            deadline: None,
            again: None,
            link: None,
            told_to_install: false,
            logged: false,
        }
    }

    /// Whether blocks may be asked for.
    #[must_use]
    pub fn may_fetch(&self) -> bool {
        let fetching = matches!(
            self.step,
            None | Some(UpdateStep::Accepted | UpdateStep::Fetching | UpdateStep::Idle)
        );
        self.outcome.is_none() && fetching
    }

    /// Whether a status may follow what is known. On a new connection steps may have been missed.
    #[must_use]
    pub fn may_follow(&self, step: UpdateStep, same_link: bool) -> bool {
        let now = self.step.unwrap_or(UpdateStep::Idle);
        now == step || now.may_go(step) || (!same_link && reaches(now, step))
    }
}

/// Whether steps lead from here to there without ending in between.
fn reaches(from: UpdateStep, to: UpdateStep) -> bool {
    let mut open = vec![from];
    let mut seen = Vec::new();
    while let Some(step) = open.pop() {
        if step == to {
            return true;
        }
        if !step.is_end() && !seen.contains(&step) {
            seen.push(step);
            open.extend(UpdateStep::ALL.iter().copied().filter(|next| step.may_go(*next)));
        }
    }
    false
}

/// An update that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Counts them.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Whose.
    pub component: ComponentId,
    /// Of which line of releases.
    pub model: ModelId,
    /// Which release.
    pub counter: u32,
    /// What people call it.
    pub name: Label,
    /// How.
    pub outcome: Outcome,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<UpdateFault>,
    /// When it was offered.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use UpdateStep::{Accepted, Cancelled, Confirmed, Fetching, Idle, Ready, Refused, Trial};

    fn job(step: UpdateStep) -> Job {
        let id = ComponentId::from_key_digest(&Digest([7; 32]));
        let mut job = Job::new(id, JobId([1; 16]), (1, Digest([2; 32])), Timestamp(0));
        job.step = Some(step);
        job
    }

    /// Criterion: T3.SU.1 (negative)
    #[test]
    fn a_component_says_only_what_can_follow() {
        assert!(job(Idle).may_follow(Accepted, true) && job(Idle).may_follow(Refused, true));
        assert!(!job(Idle).may_follow(Confirmed, true));
        assert!(!job(Accepted).may_follow(Trial, true));
        assert!(job(Fetching).may_follow(Fetching, true));
        assert!(job(Accepted).may_follow(Trial, false), "steps were missed while it was away");
        assert!(!job(Trial).may_follow(Fetching, false), "but none goes back");
        assert!(!job(Confirmed).may_follow(Accepted, false), "and none leads on from an end");
        assert!(!job(Trial).may_follow(Cancelled, false));
        assert!(job(Ready).may_follow(Cancelled, true));
    }
}
