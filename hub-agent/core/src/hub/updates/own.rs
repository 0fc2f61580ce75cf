//! The hub's own update: a campaign like any other, with the hub as its only member.

use crate::{
    effect::Answer,
    event::EventKind,
    hub::Hub,
    input::Actor,
    persist,
    update::{Campaign, Firmware, Outcome, OwnNews, OwnOrder, OwnSoftware, Stage},
};
use protocol::{
    id::{ComponentId, Digest, ModelId},
    message::{UpdateFault, UpdateStep},
    refusal::Refusal,
};

impl Hub {
    /// The hub's own logical id.
    #[must_use]
    pub fn own_id(&self) -> ComponentId {
        self.own.id
    }

    /// The hub's own software, if it updates itself.
    #[must_use]
    pub fn own_software(&self) -> Option<&OwnSoftware> {
        self.updates.own.as_ref()
    }

    pub(super) fn is_own_model(&self, model: &ModelId) -> bool {
        self.updates.own.as_ref().is_some_and(|own| own.model == *model)
    }

    /// Whether the hub's hardware may run this release.
    pub(super) fn own_fits(&self, campaign: &Campaign) -> bool {
        let own = self.updates.own.as_ref();
        own.is_some_and(|own| campaign.hardware.contains(&own.hardware))
    }

    /// Something happened to the hub's own software.
    pub(in crate::hub) fn own_news(&mut self, news: OwnNews) {
        match news {
            OwnNews::Runs { software, rolled_back, trouble } => {
                self.own_runs(*software, rolled_back, &trouble);
            }
            OwnNews::Stored(image) => {
                if self.own_step(image, UpdateStep::Ready) {
                    self.switch_if_due();
                }
            }
            OwnNews::Failed(image, fault) => {
                if self.own_job_is(image) {
                    self.end(self.own.id, Outcome::Failed, Some(fault));
                }
            }
            OwnNews::Confirmed => {
                if let Some(own) = self.updates.own.as_mut() {
                    own.trial = false;
                    let image = own.image;
                    if self.own_job_is(image) {
                        self.end(self.own.id, Outcome::Confirmed, None);
                    }
                }
            }
        }
    }

    /// The hub was started, and its open update ended or goes on by what it runs now.
    fn own_runs(
        &mut self,
        software: OwnSoftware,
        rolled_back: Option<(Digest, UpdateFault)>,
        trouble: &str,
    ) {
        let id = self.own.id;
        let OwnSoftware { model, counter, name, image, trial, .. } = software.clone();
        let (at, doubt, fault) = (self.now.wall, None, rolled_back.map(|(_, fault)| fault));
        // Not written: each start says it anew.
        let firmware =
            Firmware { model, counter, name, image, anchor: 0, at, doubt, fault, attacks: 0 };
        self.updates.firmware.insert(id, firmware);
        self.updates.own = Some(software);
        if !trouble.is_empty() {
            self.count("update-own-trouble");
            self.event(EventKind::UpdateOwnTrouble, Some(id), None, trouble);
        }
        let open = self.updates.jobs.get_mut(&id).filter(|job| job.outcome.is_none());
        let Some(job) = open else { return };
        match rolled_back.filter(|(tried, _)| *tried == job.image) {
            Some((_, fault)) => self.end(id, Outcome::RolledBack, Some(fault)),
            // It is still being tried.
            None if image == job.image && trial => {}
            // It was confirmed, and the power went before that was recorded.
            None if image == job.image => self.end(id, Outcome::Confirmed, None),
            // Nothing was switched: it begins again once its image is verified anew.
            None => (job.step, job.told_to_install) = (None, false),
        }
    }

    fn own_job_is(&self, image: Digest) -> bool {
        let job = self.updates.jobs.get(&self.own.id);
        job.is_some_and(|job| job.outcome.is_none() && job.image == image)
    }

    fn own_step(&mut self, image: Digest, step: UpdateStep) -> bool {
        let id = self.own.id;
        if !self.own_job_is(image) {
            return false;
        }
        if let Some(job) = self.updates.jobs.get_mut(&id) {
            (job.step, job.again) = (Some(step), None);
            let write = persist::put_job(job);
            self.write(write);
        }
        let text = format!("{}: {step}", self.job_words(id));
        self.event(EventKind::UpdateStep, Some(id), None, text);
        true
    }

    /// Has the image of the hub's own job written into the slot that does not run.
    pub(super) fn store_own(&mut self, image: Digest) {
        let job = self.updates.jobs.get(&self.own.id).filter(|job| job.image == image);
        let image = job.and_then(|job| self.updates.images.get(&job.campaign)).cloned();
        if let Some(image) = image {
            self.out.own.push(OwnOrder::Store(Box::new(image)));
        }
    }

    /// Whether a component has new software in trial, or is about to: then the hub must be there for it.
    pub(super) fn component_in_trial(&self) -> bool {
        let own = self.own.id;
        let mut jobs = self.updates.jobs.values();
        jobs.any(|job| {
            let tries = matches!(job.step, Some(UpdateStep::Installing | UpdateStep::Trial));
            job.component != own && job.outcome.is_none() && (tries || job.told_to_install)
        })
    }

    /// Whether the hub's own software is new and may go again.
    pub(super) fn own_in_trial(&self) -> bool {
        let job = self.updates.jobs.get(&self.own.id);
        job.is_some_and(|job| job.outcome.is_none() && job.step == Some(UpdateStep::Trial))
    }

    /// Starts what is in the other slot, once nothing speaks against it any more.
    pub(super) fn switch_if_due(&mut self) {
        let Some(job) = self.updates.jobs.get(&self.own.id) else { return };
        let (image, number) = (job.image, job.campaign);
        if job.outcome.is_some() || job.step != Some(UpdateStep::Ready) || job.told_to_install {
            return;
        }
        let Some(campaign) = self.updates.campaigns.get(&number) else { return };
        let stopped = matches!(campaign.stage, Stage::Paused { .. }) || !campaign.is_live();
        if stopped || self.waits(campaign).is_some() || !self.own_step(image, UpdateStep::Trial) {
            return;
        }
        if let Some(job) = self.updates.jobs.get_mut(&self.own.id) {
            job.told_to_install = true;
        }
        self.out.own.push(OwnOrder::Switch(image));
    }

    /// Somebody ended the release: what was not switched yet is not switched any more.
    pub(super) fn call_off_own(&mut self) {
        if !self.own_in_trial() {
            self.end(self.own.id, Outcome::Cancelled, Some(UpdateFault::Cancelled));
        }
    }

    /// Somebody wants to be told of the hub's own updates, or not to be.
    pub(super) fn set_own_notices(&mut self, by: &Actor, on: bool) -> Result<Answer, Refusal> {
        let who = by.account().cloned();
        let key = (who.clone(), self.own.id);
        let quiet = &mut self.updates.quiet;
        let changed = if on { quiet.remove(&key) } else { quiet.insert(key) };
        if !changed {
            return Err(Refusal::WrongState);
        }
        self.write(persist::put_notices(who.as_ref(), self.own.id, !on));
        Ok(Answer::Changed(1))
    }
}
