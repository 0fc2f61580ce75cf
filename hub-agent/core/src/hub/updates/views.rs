//! What is shown of campaigns, jobs and what components run.

use crate::{
    access::trust::{Hold, may_connect},
    hub::Hub,
    input::Actor,
    inventory::{
        export::{UpdateState, UpdateView},
        record::Record,
    },
    update::{Campaign, CampaignView, Ended, Firmware, JobView, Outcome, Stage},
};
use protocol::id::{ComponentId, Digest, ModelId};
use std::collections::BTreeSet;

impl Hub {
    /// Releases that this person is to be told of: not everywhere yet, and wanted notices of.
    #[must_use]
    pub fn notices(&self, by: &Actor) -> Vec<CampaignView> {
        let who = by.account().cloned();
        let mut told = Vec::new();
        for campaign in self.updates.campaigns.values().filter(|one| one.is_live()) {
            let mut view = self.campaign_view(campaign.number);
            let lacks = self.lacking(campaign.number);
            let loud = lacks.iter().any(|id| !self.updates.quiet.contains(&(who.clone(), *id)));
            if let Some(view) = view.take().filter(|_| loud) {
                told.push(view);
            }
        }
        told
    }

    /// Every campaign, newest first.
    #[must_use]
    pub fn campaigns(&self) -> Vec<CampaignView> {
        let numbers = self.updates.campaigns.keys().rev();
        numbers.filter_map(|number| self.campaign_view(*number)).collect()
    }

    fn campaign_view(&self, number: u64) -> Option<CampaignView> {
        let campaign = self.updates.campaigns.get(&number)?;
        let mut view = CampaignView::of(campaign);
        view.waits = campaign.is_live().then(|| self.waits(campaign)).flatten();
        let runs_on = |record: &Record| {
            let hardware = record.facts.as_ref().map(|facts| facts.hardware);
            hardware.is_none_or(|hardware| campaign.hardware.contains(&hardware))
        };
        let members = self.inventory.all().filter(|record| {
            may_connect(record.trust.state)
                && runs_on(record)
                && self.model_of(record.id).as_ref() == Some(&campaign.model)
        });
        let ids: Vec<_> = match self.is_own_model(&campaign.model) {
            true => vec![self.own.id],
            false => members.map(|record| record.id).collect(),
        };
        (view.of, view.have_it) =
            (ids.len(), ids.iter().filter(|id| self.has(**id, campaign)).count());
        view.overdue = view.have_it < view.of && self.may_be_overdue(campaign);
        let jobs = self.updates.jobs.values().filter(|job| job.campaign == number);
        view.jobs = jobs
            .map(|job| {
                let record = self.inventory.get(job.component);
                let name = record.and_then(|record| record.name.as_ref());
                let own = (job.component == self.own.id).then(|| "this hub".to_owned());
                JobView::of(job, name.map(ToString::to_string).or(own), campaign.size)
            })
            .collect();
        Some(view)
    }

    /// Whether a campaign matters for security, is the newest of its model, and had its time.
    fn may_be_overdue(&self, campaign: &Campaign) -> bool {
        let late = campaign.found.plus(self.settings.updates.overdue) < self.now.wall;
        campaign.note.importance.is_security() && late && self.is_newest(campaign.number)
    }

    /// Security updates that are overdue.
    #[must_use]
    pub fn overdue_updates(&self) -> usize {
        let campaigns = self.updates.campaigns.values();
        let may_be = campaigns.filter(|one| self.may_be_overdue(one));
        may_be.filter_map(|one| self.campaign_view(one.number)).filter(|view| view.overdue).count()
    }

    /// Updates that ended, newest last.
    pub fn update_history(&self) -> impl Iterator<Item = &Ended> {
        self.updates.history.iter()
    }

    /// What a component runs, as it signed it.
    #[must_use]
    pub fn firmware(&self, id: ComponentId) -> Option<&Firmware> {
        self.updates.firmware.get(&id)
    }

    /// What is known of a component's updates.
    pub(in crate::hub) fn update_of(&self, record: &Record) -> UpdateView {
        let model = self.kind_of(record).and_then(|kind| kind.definition().update_model.as_ref());
        let Some(model) = model else { return UpdateView::default() };
        let job = self.updates.jobs.get(&record.id);
        let firmware = self.updates.firmware.get(&record.id);
        let hardware = record.facts.as_ref().map(|facts| facts.hardware);
        let newer = |than: u32| {
            let mut campaigns = self.updates.campaigns.values();
            campaigns.any(|one| {
                let offered = one.is_live() || matches!(one.stage, Stage::Done { .. });
                let fits = hardware.is_some_and(|hardware| one.hardware.contains(&hardware));
                offered && fits && one.model == *model && one.counter > than
            })
        };
        let failed = |firmware: &Firmware| {
            let failed = job.and_then(|job| job.outcome).is_some_and(Outcome::is_failure);
            failed && job.is_some_and(|job| job.image != firmware.image)
        };
        let state = match firmware {
            Some(firmware) if firmware.doubt.is_some() => UpdateState::Doubted,
            _ if job.is_some_and(|job| job.outcome.is_none()) => UpdateState::Updating,
            None => UpdateState::Unknown,
            Some(firmware) if failed(firmware) => UpdateState::Failed,
            Some(firmware) if newer(firmware.counter) => UpdateState::Behind,
            Some(_) => UpdateState::Current,
        };
        let firmware = firmware.filter(|firmware| firmware.doubt.is_none());
        UpdateView {
            state,
            counter: firmware.map(|firmware| firmware.counter),
            image: firmware.map(|firmware| firmware.image),
        }
    }

    /// Releases that are on their way.
    #[must_use]
    pub fn live_releases(&self) -> Vec<(ModelId, u32)> {
        let live = self.updates.campaigns.values().filter(|one| one.is_live());
        live.map(|one| (one.model.clone(), one.counter)).collect()
    }

    /// Files that are still needed: images and chunk lists of what was verified.
    #[must_use]
    pub fn needed_images(&self) -> Vec<Digest> {
        let images = self.updates.images.values();
        images.flat_map(|image| [image.manifest().image, image.manifest().chunks]).collect()
    }

    /// Models of the product's members, of which releases are wanted, with the least counter there is of each.
    #[must_use]
    pub fn update_models(&self) -> Vec<ModelId> {
        let members = self.inventory.all().filter(|record| {
            may_connect(record.trust.state) && record.trust.hold != Some(Hold::Cloned)
        });
        let own = self.updates.own.iter().map(|own| own.model.clone());
        let models: BTreeSet<_> =
            members.filter_map(|record| self.model_of(record.id)).chain(own).collect();
        models.into_iter().collect()
    }
}
