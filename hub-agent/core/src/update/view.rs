//! Updates as people and tools see them.

use super::{Campaign, Job, Stage};
use crate::inventory::export::rfc3339;
use protocol::id::ComponentId;
use serde::Serialize;

/// One campaign.
#[derive(Clone, Debug, Serialize)]
pub struct CampaignView {
    /// Its number.
    pub number: u64,
    /// Line of releases.
    pub model: String,
    /// The release.
    pub counter: u32,
    /// What people call it.
    pub version: String,
    /// How much it matters for security.
    pub importance: super::Importance,
    /// What the vendor says about it.
    pub notes: String,
    /// Whether components restart.
    pub reboot: bool,
    /// SHA-256 of its image.
    pub image: String,
    /// Size of its image in bytes.
    pub size: u32,
    /// When the hub first saw it.
    pub found: String,
    /// How far it got.
    #[serde(flatten)]
    pub stage: Stage,
    /// Why it does not go on at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// Whose consent it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Not before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postponed: Option<String>,
    /// Components that have it.
    pub have_it: usize,
    /// Components of its model.
    pub of: usize,
    /// Whether it matters for security and is not everywhere after the time that the owner allows.
    pub overdue: bool,
    /// The components that are getting it, or failed to.
    pub jobs: Vec<JobView>,
}

/// One component's update.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// Whose.
    pub component: ComponentId,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How far the component says it got.
    pub step: &'static str,
    /// Bytes it has.
    pub got: u32,
    /// Bytes there are.
    pub size: u32,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<super::Outcome>,
}

impl JobView {
    pub(crate) fn of(job: &Job, name: Option<String>, size: u32) -> Self {
        Self {
            component: job.component,
            name,
            step: job.step.map_or("offered", |step| step.word()),
            got: job.got,
            size,
            fault: job.fault.map(|fault| fault.word()),
            outcome: job.outcome,
        }
    }
}

impl CampaignView {
    pub(crate) fn of(campaign: &Campaign) -> Self {
        Self {
            number: campaign.number,
            model: campaign.model.to_string(),
            counter: campaign.counter,
            version: campaign.name.to_string(),
            importance: campaign.note.importance,
            notes: campaign.note.text.clone(),
            reboot: campaign.note.reboot,
            image: campaign.image.to_string(),
            size: campaign.size,
            found: rfc3339(campaign.found),
            stage: campaign.stage.clone(),
            waits: None,
            approved_by: campaign.approved.as_ref().map(|approval| approval.by.clone()),
            postponed: campaign.postponed.map(rfc3339),
            have_it: 0,
            of: 0,
            overdue: false,
            jobs: Vec::new(),
        }
    }
}
