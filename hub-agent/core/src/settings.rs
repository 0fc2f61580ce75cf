//! Bounds and times of the hub's decisions.

use crate::{
    access::{people::LONGEST, policy::Anchor},
    detect::RuleSet,
    log::LogRules,
    update::UpdateRules,
};
use std::{sync::OnceLock, time::Duration};

/// What the owner may set; the shell reads it from its settings.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// Components known at most, the retired and revoked included; further enrolments are refused.
    pub max_components: usize,
    /// Requests that may wait for approval at once; further ones are refused.
    pub max_pending: usize,
    /// Intervals without a sign of life after which a component is stale.
    pub missed_intervals: u32,
    /// How long after its expiry a certificate may still ask for a new one.
    pub grace: Duration,
    /// How long the former certificate stays in force beside a new one that was never used.
    pub overlap: Duration,
    /// What a waiting component is told to wait before it asks again.
    pub retry_after: Duration,
    /// How long a login lasts at most.
    pub login_life: Duration,
    /// Makers' roots that may vouch for definitions.
    pub anchors: Vec<Anchor>,
    /// What the owner wants of updates.
    pub updates: UpdateRules,
    /// What the owner wants of components' logs.
    pub log: LogRules,
    /// What is looked for in records, and what the hub does about it by itself.
    pub detection: DetectionRules,
    /// Drawn at each start: nobody can foretell the numbers made of it.
    pub seed: [u8; 32],
}

/// What the owner wants of detection.
#[derive(Clone, Debug)]
pub struct DetectionRules {
    /// The rules in force.
    pub rules: RuleSet,
    /// Whether the hub does by itself what a rule lets it do: quarantine or cut a component, pause campaigns.
    pub respond: bool,
}

impl Default for DetectionRules {
    fn default() -> Self {
        static SHIPPED: OnceLock<RuleSet> = OnceLock::new();
        Self { rules: SHIPPED.get_or_init(RuleSet::shipped).clone(), respond: false }
    }
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            max_components: 12_000,
            max_pending: 1024,
            missed_intervals: 3,
            grace: Duration::from_secs(90 * 24 * 3600),
            overlap: Duration::from_secs(3600),
            retry_after: Duration::from_secs(5),
            login_life: LONGEST,
            anchors: Vec::new(),
            updates: UpdateRules::default(),
            log: LogRules::default(),
            detection: DetectionRules::default(),
            seed: [0; 32],
        }
    }
}
