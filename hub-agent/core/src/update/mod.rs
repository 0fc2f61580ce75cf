//! Updates of other components: which release goes to whom and when, how far each got, and what runs.
//!
//! A [`Campaign`] brings one release to every component of its model: first to one, which must prove itself for
//! a while, then to groups that grow. A [`Job`] is one component's part of it. Everything here is plain state;
//! `hub::update` moves it, and writes each step before anything of it is seen.
//!
//! | module | holds |
//! |---|---|
//! | `campaign` | one release on its way, and when it may go on |
//! | `job` | one component's update |
//! | `firmware` | what a component runs, as it signed it |
//! | `own` | the hub's own software, its only member |
//! | `rules` | what the owner wants of updates: automatic or not, the window, notices |
//! | `transfer` | which blocks may be asked for |
//! | `view` | all of it as people and tools see it |

mod campaign;
mod firmware;
mod job;
mod own;
mod rules;
mod transfer;
mod view;

pub use crate::crypto::AwsLc;
pub use campaign::{Approval, Campaign, Note as ReleaseNote, Stage};
pub use firmware::{Firmware, ReportError, read as read_report};
pub use job::{Ended, Job, Outcome};
pub use own::{OwnNews, OwnOrder, OwnSoftware};
pub use rules::{Importance, UpdateRules, Window};
pub use transfer::{BLOCK, Blocks, WINDOW, check as check_request};
pub use view::{CampaignView, JobView};

pub(crate) use job::KEPT;

use crate::record::RecordKind;
use protocol::{
    id::{ComponentId, Digest, Nonce},
    update::{Image, Verified},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Campaigns kept; the oldest that ended makes room.
pub const MAX_CAMPAIGNS: usize = 256;

/// Everything about updates.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    pub(crate) campaigns: BTreeMap<u64, Campaign>,
    /// The newest job of each component; as many as the inventory has records.
    pub(crate) jobs: BTreeMap<ComponentId, Job>,
    /// What each component runs.
    pub(crate) firmware: BTreeMap<ComponentId, Firmware>,
    /// Releases that were verified in this life of the hub, by campaign: only these are relayed.
    pub(crate) images: BTreeMap<u64, Verified<Image>>,
    /// What ended, newest last.
    pub(crate) history: VecDeque<Ended>,
    /// Reports that are asked for.
    pub(crate) asked: BTreeMap<ComponentId, (Nonce, Duration)>,
    /// Models and components about which nobody is to be told, by the name of the person; `None` for the
    /// owner of the system.
    pub(crate) quiet: BTreeSet<(Option<protocol::id::Slug>, ComponentId)>,
    /// Counts jobs and nonces.
    pub(crate) counter: u64,
    /// What the hub itself runs, if it updates itself.
    pub(crate) own: Option<OwnSoftware>,
    /// Images of which components got other bytes than they must, and the last one that did; at most
    /// [`MAX_CAMPAIGNS`].
    pub(crate) doubted: BTreeMap<Digest, ComponentId>,
    /// Why updates are stopped, if they are.
    pub(crate) stopped: Option<String>,
    /// Whether something happened that may let a campaign go on.
    pub(crate) stirred: bool,
    /// When campaigns are looked at next, whatever happened.
    pub(crate) look_at: Duration,
}

impl Updates {
    /// Whether records of this kind tell how an update ended.
    pub(crate) fn is_end(kind: RecordKind) -> bool {
        use RecordKind::{UpdateFailed, UpdateInstalled, UpdateRefused};
        matches!(kind, UpdateInstalled | UpdateFailed | UpdateRefused)
    }

    /// Whether the hub has told how a component's newest update ended, and this is the component's own record of the
    /// same, which comes once.
    pub(crate) fn has_told(&mut self, id: ComponentId, kind: RecordKind) -> bool {
        let ended = |job: &&mut Job| {
            let told = match job.outcome {
                Some(Outcome::Confirmed) => RecordKind::UpdateInstalled,
                Some(Outcome::Refused) => RecordKind::UpdateRefused,
                Some(Outcome::RolledBack | Outcome::Failed) => RecordKind::UpdateFailed,
                Some(Outcome::Cancelled) | None => return false,
            };
            told == kind && !job.logged
        };
        let job = self.jobs.get_mut(&id).filter(ended);
        job.map(|job| job.logged = true).is_some()
    }

    /// Jobs of a campaign that have not ended.
    pub(crate) fn under_way(&self, campaign: u64) -> impl Iterator<Item = &Job> {
        let jobs = self.jobs.values();
        jobs.filter(move |job| job.campaign == campaign && job.outcome.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{id::JobId, time::Timestamp};

    /// Criterion: T3.CSA.2 (negative)
    #[test]
    fn a_failure_that_the_hub_told_of_is_the_components_own_once() {
        let id = ComponentId::from_key_digest(&Digest([1; 32]));
        let job = Job::new(id, JobId([0; 16]), (1, Digest([2; 32])), Timestamp(0));
        let mut updates = Updates::default();
        assert!(!updates.has_told(id, RecordKind::UpdateFailed), "nothing was brought to it");
        updates.jobs.insert(id, job);
        assert!(!updates.has_told(id, RecordKind::UpdateFailed), "it is under way");
        updates.jobs.get_mut(&id).unwrap().outcome = Some(Outcome::RolledBack);
        assert!(!updates.has_told(id, RecordKind::UpdateInstalled), "that is something else");
        assert!(updates.has_told(id, RecordKind::UpdateFailed));
        assert!(!updates.has_told(id, RecordKind::UpdateFailed), "further ones are its own");
    }
}
