//! What components run, as they sign it; and what people want of campaigns.

use super::Hub;
use crate::{
    access::{gate, trust::Hold},
    effect::Answer,
    event::EventKind,
    input::{Actor, UpdateWish},
    inventory::{
        export::{UpdateState, UpdateView},
        record::Record,
    },
    persist,
    update::{Approval, CampaignView, Ended, Firmware, JobView, Outcome, Stage, read_report},
};
use protocol::{
    id::{ComponentId, JobId, ModelId, Nonce, Slug},
    message::{UpdateFault, UpdateOrder, UpdateReport},
    refusal::Refusal,
    signed::Signed,
};

impl Hub {
    /// Asks a component to sign what it runs.
    pub(super) fn ask_for_report(&mut self, id: ComponentId) {
        let count = self.next_nonce();
        let JobId(bytes) = self.fresh(b"nonce", count);
        let nonce = Nonce(bytes);
        self.updates.asked.insert(id, (nonce, self.now.mono));
        let order = UpdateOrder::Report;
        self.out.sends.push(gate::permit_control(id, JobId([0; 16]), order, Some(nonce)));
    }

    /// Counts in this life; the seed is another in each.
    fn next_nonce(&mut self) -> u64 {
        self.updates.counter += 1;
        self.updates.counter
    }

    /// A component signed what it runs.
    pub(super) fn update_report(&mut self, id: ComponentId, signed: &Signed) {
        if let Err(held) = self.flows.entry(id).or_default().admit_progress(self.now.mono) {
            return self.held(id, "upd/rep", held);
        }
        let Some(record) = self.inventory.get(id) else { return };
        let credentials = &record.credentials;
        let previous = credentials.previous.as_ref().map(|(certificate, _)| certificate);
        let report = read_report(signed, credentials.current.iter().chain(previous));
        match report {
            Ok(report) => match self.contradicts(id, &report) {
                None => self.runs(id, report),
                Some(why) => self.report_refused(id, why),
            },
            Err(error) => self.report_refused(id, &error.to_string()),
        }
    }

    /// Why a report is not this component's answer to what it was asked.
    fn contradicts(&mut self, id: ComponentId, report: &UpdateReport) -> Option<&'static str> {
        let asked = self.updates.asked.get(&id).is_some_and(|(nonce, _)| *nonce == report.nonce);
        if !asked {
            return Some("its nonce is not the one it was asked with: an older report again");
        }
        self.updates.asked.remove(&id);
        if report.component != id {
            return Some("it is another component's");
        }
        (self.model_of(id).as_ref() != Some(&report.model))
            .then_some("its definition names another line of releases")
    }

    fn report_refused(&mut self, id: ComponentId, why: &str) {
        self.update_incident(id, &format!("a report of what it runs: {why}"));
        if let Some(firmware) = self.updates.firmware.get_mut(&id) {
            firmware.doubt = Some(why.to_owned());
            let write = persist::put_firmware(id, firmware);
            self.write(write);
        }
    }

    fn runs(&mut self, id: ComponentId, report: UpdateReport) {
        let known = self.updates.firmware.get(&id);
        let fell = known.is_some_and(|known| report.counter < known.counter);
        let UpdateReport { model, counter, name, image, anchor, fault, attacks, .. } = report;
        let verified = self
            .updates
            .campaigns
            .values()
            .find(|campaign| campaign.model == model && campaign.counter == counter);
        let other = verified.is_some_and(|campaign| campaign.image != image);
        let announced = self.inventory.get(id).and_then(|record| record.facts.as_ref());
        let says_else = announced.is_some_and(|facts| facts.firmware_digest != image);
        let doubt = if fell {
            Some("the counter of what it runs fell".to_owned())
        } else if other {
            Some("it runs other bytes than the release of this number".to_owned())
        } else if says_else {
            Some("it announces another digest than it signs".to_owned())
        } else {
            None
        };
        let news = known.is_none_or(|known| known.image != image || known.doubt != doubt);
        let new_attacks = attacks & !known.map_or(0, |known| known.attacks);
        let at = self.now.wall;
        let firmware = Firmware { model, counter, name, image, anchor, at, doubt, fault, attacks };
        self.write(persist::put_firmware(id, &firmware));
        let doubt = firmware.doubt.clone();
        self.updates.firmware.insert(id, firmware);
        if let Some(doubt) = doubt.filter(|_| news) {
            self.count("firmware-mismatch");
            self.event(EventKind::FirmwareMismatch, Some(id), None, doubt);
        }
        if new_attacks != 0 {
            let words = attack_words(new_attacks).join(", ");
            self.update_incident(id, &format!("it refused what only an attack explains: {words}"));
        }
        self.updates.stirred = true;
        self.close_job(id);
    }

    /// A report may end the update that it proves, or contradict what was said of it.
    fn close_job(&mut self, id: ComponentId) {
        let Some(job) = self.updates.jobs.get(&id).filter(|job| job.outcome.is_none()) else {
            return;
        };
        let Some(firmware) = self.updates.firmware.get(&id) else { return };
        let runs_it = firmware.image == job.image && firmware.doubt.is_none();
        let said_so = job.step == Some(protocol::message::UpdateStep::Confirmed);
        match (runs_it, said_so) {
            // A trial runs it too, and may yet go back.
            (true, false) if job.step.is_some() => {}
            (true, _) => self.end(id, Outcome::Confirmed, None),
            (false, true) => {
                self.update_incident(id, "it confirmed an update and runs something else");
                self.end(id, Outcome::Failed, Some(UpdateFault::ImageHash));
            }
            (false, false) => {}
        }
    }

    /// A person wants something of the campaign of a model.
    pub(super) fn wish_of_campaign(
        &mut self,
        by: &Actor,
        model: &ModelId,
        wish: UpdateWish,
    ) -> Result<Answer, Refusal> {
        let now = self.now.wall;
        let of = self.updates.campaigns.values().filter(|one| one.model == *model);
        let number = of.max_by_key(|one| one.counter).map(|one| one.number);
        let number = number.ok_or(Refusal::Unknown)?;
        let Some(campaign) = self.updates.campaigns.get_mut(&number) else {
            return Err(Refusal::Unknown);
        };
        let mut forgotten: Vec<ComponentId> = Vec::new();
        match wish {
            UpdateWish::Approve if campaign.is_live() => {
                campaign.approved = Some(Approval { by: by.to_string(), at: now });
                campaign.postponed = None;
                let paused = matches!(campaign.stage, Stage::Paused { .. });
                if paused {
                    campaign.stage = Stage::Groups;
                    campaign.round.clear();
                }
            }
            UpdateWish::Postpone(until) if campaign.is_live() => campaign.postponed = Some(until),
            UpdateWish::Pause if campaign.is_live() => {
                campaign.stage = Stage::Paused { why: format!("{by} wanted it") };
            }
            UpdateWish::Cancel if campaign.is_live() => {
                campaign.stage = Stage::Cancelled { by: by.to_string() };
            }
            UpdateWish::Retry => {
                let image = campaign.image;
                campaign.stage = Stage::Groups;
                campaign.round.clear();
                let ended = self.updates.jobs.values();
                let ended = ended.filter(|job| job.outcome.is_some() && job.image == image);
                forgotten = ended.map(|job| job.component).collect();
            }
            UpdateWish::Approve
            | UpdateWish::Postpone(_)
            | UpdateWish::Pause
            | UpdateWish::Cancel => return Err(Refusal::WrongState),
        }
        let (write, cancelled) =
            (persist::put_campaign(campaign), matches!(campaign.stage, Stage::Cancelled { .. }));
        self.write(write);
        for id in forgotten {
            self.updates.jobs.remove(&id);
            self.write(persist::remove_job(id));
        }
        if cancelled {
            self.call_off(number);
        }
        self.advance_updates();
        Ok(Answer::Changed(1))
    }

    /// Calls off what is under way and can still be.
    fn call_off(&mut self, number: u64) {
        let jobs: Vec<_> =
            self.updates.under_way(number).map(|job| (job.component, job.id)).collect();
        for (id, job) in jobs {
            if id == self.own.id {
                self.call_off_own();
                continue;
            }
            self.out.sends.push(gate::permit_control(id, job, UpdateOrder::Cancel, None));
        }
    }

    /// Somebody wants to be told of updates of a component, or not to be.
    pub(super) fn set_notices(
        &mut self,
        by: &Actor,
        id: ComponentId,
        on: bool,
    ) -> Result<Answer, Refusal> {
        let now = self.now.wall;
        if id == self.own.id && self.updates.own.is_some() {
            return self.set_own_notices(by, on);
        }
        let who = person(by);
        let record = self.inventory.get_mut(id).ok_or(Refusal::Unknown)?;
        let quiet = &mut self.updates.quiet;
        let changed =
            if on { quiet.remove(&(who.clone(), id)) } else { quiet.insert((who.clone(), id)) };
        if !changed {
            return Err(Refusal::WrongState);
        }
        let word = if on { "on" } else { "off" };
        record.note(now, "update notices", "", format_args!("{word} for {by}"));
        self.save(id);
        self.write(persist::put_notices(who.as_ref(), id, !on));
        Ok(Answer::Changed(1))
    }

    /// Releases that this person is to be told of: not everywhere yet, and wanted notices of.
    #[must_use]
    pub fn notices(&self, by: &Actor) -> Vec<CampaignView> {
        let who = person(by);
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
            crate::access::trust::may_connect(record.trust.state)
                && runs_on(record)
                && self.model_of(record.id).as_ref() == Some(&campaign.model)
        });
        let ids: Vec<_> = match self.is_own_model(&campaign.model) {
            true => vec![self.own.id],
            false => members.map(|record| record.id).collect(),
        };
        let has = |id: &&ComponentId| {
            let firmware = self.updates.firmware.get(*id);
            firmware.is_some_and(|one| one.doubt.is_none() && one.counter >= campaign.counter)
        };
        (view.of, view.have_it) = (ids.len(), ids.iter().filter(has).count());
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
    fn may_be_overdue(&self, campaign: &crate::update::Campaign) -> bool {
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
    pub(super) fn update_of(&self, record: &Record) -> UpdateView {
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
    pub fn needed_images(&self) -> Vec<protocol::id::Digest> {
        let images = self.updates.images.values();
        images.flat_map(|image| [image.manifest().image, image.manifest().chunks]).collect()
    }

    /// Models of the product's members, of which releases are wanted, with the least counter there is of each.
    #[must_use]
    pub fn update_models(&self) -> Vec<ModelId> {
        let members = self.inventory.all().filter(|record| {
            crate::access::trust::may_connect(record.trust.state)
                && record.trust.hold != Some(Hold::Cloned)
        });
        let own = self.updates.own.iter().map(|own| own.model.clone());
        let models: std::collections::BTreeSet<_> =
            members.filter_map(|record| self.model_of(record.id)).chain(own).collect();
        models.into_iter().collect()
    }

    /// What the repository's metadata and files turned out to be.
    pub(super) fn repository(&mut self, state: crate::input::RepositoryState) {
        match state {
            crate::input::RepositoryState::Fresh => self.updates.stopped = None,
            crate::input::RepositoryState::Pinned(by) => {
                self.updates.stopped = None;
                let text = format!("{by}: a root of the update repository is pinned");
                self.event(EventKind::CommandIssued, None, None, text);
            }
            crate::input::RepositoryState::Refused { attack, text } => {
                self.count("update-refused");
                self.event(EventKind::UpdateRefused, None, None, format!("{attack}: {text}"));
            }
            crate::input::RepositoryState::Stopped(why) => {
                if self.updates.stopped.as_ref() != Some(&why) {
                    self.event(EventKind::UpdatesStopped, None, None, &why);
                }
                self.updates.stopped = Some(why);
            }
        }
    }

    /// The vendor took a release back.
    pub(super) fn withdrawn(&mut self, model: &ModelId, counter: u32) {
        let of = |one: &&mut crate::update::Campaign| {
            one.model == *model && one.counter == counter && one.is_live()
        };
        let Some(campaign) = self.updates.campaigns.values_mut().find(of) else { return };
        campaign.stage = Stage::Cancelled { by: "the vendor".to_owned() };
        let (number, write) = (campaign.number, persist::put_campaign(campaign));
        self.write(write);
        self.updates.images.remove(&number);
        let text = format!("{model} {counter}: the vendor withdrew it");
        self.event(EventKind::UpdateDone, None, None, text);
        self.call_off(number);
    }
}

pub(super) fn person(by: &Actor) -> Option<Slug> {
    match by {
        Actor::Person { name, .. } => Some(name.clone()),
        Actor::LocalUser(_) | Actor::Settings | Actor::Cloud | Actor::Setup => None,
    }
}

fn attack_words(bits: u32) -> Vec<&'static str> {
    let set = |fault: &&UpdateFault| bits & (1 << fault.number()) != 0;
    UpdateFault::ALL.iter().filter(set).map(|fault| fault.word()).collect()
}
