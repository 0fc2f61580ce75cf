//! Campaigns: releases that everything vouches for go out step by step, and each step is written before it is seen.

use crate::{
    access::{policy::Kind, trust::Hold},
    event::EventKind,
    hub::{Hub, state::Details},
    input::RepositoryState,
    persist,
    update::{Campaign, MAX_CAMPAIGNS, Outcome, ReleaseNote, Stage},
};
use protocol::{
    definition::Install,
    id::{ComponentId, ModelId},
    update::{Image, Verified},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Campaigns are looked at this often, also when nothing happened: windows open, postponements end.
const LOOK: Duration = Duration::from_secs(10);

impl Hub {
    /// The repository has a release that everything vouches for.
    pub(in crate::hub) fn released(
        &mut self,
        image: Verified<Image>,
        note: ReleaseNote,
        definition: Option<&[u8]>,
        rollout: u8,
    ) {
        let manifest = image.manifest();
        let (model, counter) = (manifest.model.clone(), manifest.counter);
        if !self.takes_part(&model, counter, rollout) {
            return;
        }
        let of_model = self.updates.campaigns.values().filter(|one| one.model == model);
        let newest = of_model.max_by_key(|one| one.counter).map(|one| (one.number, one.counter));
        let number = match newest {
            Some((_, known)) if known > counter => return,
            Some((number, known)) if known == counter => {
                if self.is_another(number, &image) {
                    return;
                }
                number
            }
            Some(_) | None => {
                if let Some(envelope) = definition {
                    self.define_from_release(&model, counter, envelope);
                }
                self.begin(&image, note)
            }
        };
        // The same bytes may be releases of two models, with two manifests.
        self.updates.images.insert(number, image);
        self.forget_images();
        self.advance_updates();
    }

    /// Whether a release has other bytes than the one of this number that is known: whoever signed both lied once.
    fn is_another(&mut self, number: u64, image: &Image) -> bool {
        let known = self.updates.campaigns.get(&number).map(|campaign| campaign.image);
        let another = known.is_some_and(|known| known != image.manifest().image);
        if another {
            self.count("update-refused");
            let words = self.release_words(number);
            let text = format!("mix-and-match: {words} has other bytes than when it was found");
            self.event(EventKind::UpdateRefused, None, None, text);
        }
        another
    }

    /// Drops images that nobody gets any more, so that the cache may remove them.
    fn forget_images(&mut self) {
        let needed = |one: &&Campaign| {
            let offered = one.is_live() || matches!(one.stage, Stage::Done { .. });
            let under_way = self.updates.under_way(one.number).next().is_some();
            under_way || (offered && self.is_newest(one.number))
        };
        let needed: BTreeSet<_> =
            self.updates.campaigns.values().filter(needed).map(|one| one.number).collect();
        self.updates.images.retain(|number, _| needed.contains(number));
    }

    /// A release goes to so many of a hundred hubs; which, only its name and theirs decide.
    fn takes_part(&self, model: &ModelId, counter: u32, rollout: u8) -> bool {
        let name = format!("c/{model}/{counter}/image");
        let bytes = [&self.own.id.as_bytes()[..], name.as_bytes()].concat();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let first: [u8; 8] = digest.as_ref()[..8].try_into().expect("SHA-256 has 32 bytes");
        u64::from_be_bytes(first) % 100 < u64::from(rollout)
    }

    fn begin(&mut self, image: &Image, note: ReleaseNote) -> u64 {
        let manifest = image.manifest();
        let (now, counter) = (self.now.wall, manifest.counter);
        let older: Vec<_> = self
            .updates
            .campaigns
            .values()
            .filter(|one| one.model == manifest.model && one.is_live())
            .map(|one| one.number)
            .collect();
        for number in older {
            self.set_stage(number, Stage::Superseded { by: counter });
        }
        self.make_room();
        let number = self.next_update();
        let campaign = Campaign::new(number, manifest, note, now);
        let text = format!("{} {} ({counter})", campaign.model, campaign.name);
        self.write(persist::put_campaign(&campaign));
        self.updates.campaigns.insert(number, campaign);
        self.event(EventKind::UpdateFound, None, None, text);
        number
    }

    fn make_room(&mut self) {
        if self.updates.campaigns.len() < MAX_CAMPAIGNS {
            return;
        }
        let ended = self.updates.campaigns.values().find(|one| !one.is_live());
        let oldest = ended.or(self.updates.campaigns.values().next()).map(|one| one.number);
        if let Some(number) = oldest {
            self.updates.campaigns.remove(&number);
            self.write(persist::remove_campaign(number));
        }
    }

    pub(super) fn next_update(&mut self) -> u64 {
        self.counters.updates += 1;
        self.write(persist::put_counters(&self.counters));
        self.counters.updates
    }

    pub(in crate::hub) fn set_stage(&mut self, number: u64, stage: Stage) {
        let Some(campaign) = self.updates.campaigns.get_mut(&number) else { return };
        if campaign.stage == stage {
            return;
        }
        campaign.stage = stage;
        let write = persist::put_campaign(campaign);
        let (model, counter) = (campaign.model.clone(), campaign.counter);
        let (kind, words) = match &campaign.stage {
            Stage::Paused { why } => (EventKind::UpdatePaused, format!("paused: {why}")),
            Stage::Done { .. } => (EventKind::UpdateDone, "everywhere it can be".to_owned()),
            Stage::Cancelled { by } => (EventKind::UpdateDone, format!("ended by {by}")),
            Stage::Superseded { by } => (EventKind::UpdateDone, format!("{by} takes its place")),
            Stage::Ready | Stage::Canary | Stage::Soaking { .. } | Stage::Groups => {
                (EventKind::UpdateStage, stage_words(&campaign.stage).to_owned())
            }
        };
        self.write(write);
        self.event(kind, None, None, format!("{model} {counter}: {words}"));
    }

    /// Lets every campaign go on that may.
    pub(super) fn advance_updates(&mut self) {
        self.updates.stirred = false;
        self.updates.look_at = self.now.mono + LOOK;
        let numbers: Vec<_> = self.updates.campaigns.keys().copied().collect();
        for number in numbers {
            self.advance(number);
        }
    }

    pub(super) fn advance(&mut self, number: u64) {
        let Some(campaign) = self.updates.campaigns.get(&number) else { return };
        if self.updates.under_way(number).next().is_some() {
            return;
        }
        let stage = campaign.stage.clone();
        match stage {
            Stage::Ready => self.next_round(number, 1, Stage::Canary),
            Stage::Canary if self.round_failed(number) => {}
            Stage::Canary if self.lacking(number).is_empty() => self.done(number),
            Stage::Canary => {
                let until = self.now.wall.plus(self.settings.updates.soak);
                self.set_stage(number, Stage::Soaking { until });
            }
            Stage::Soaking { until } if self.now.wall >= until => {
                self.set_stage(number, Stage::Groups);
                self.clear_round(number);
                self.updates.stirred = true;
            }
            Stage::Soaking { .. } => {}
            Stage::Groups if self.round_failed(number) => {}
            Stage::Groups if self.lacking(number).is_empty() => self.done(number),
            Stage::Groups => {
                let group = self.updates.campaigns.get(&number).map_or(1, |one| one.next_group);
                self.next_round(number, group.min(self.settings.updates.group), Stage::Groups);
            }
            // Somebody who was away, or new, may lack it.
            Stage::Done { .. } if self.is_newest(number) => {
                self.next_round(number, 1, Stage::Groups);
            }
            Stage::Done { .. }
            | Stage::Paused { .. }
            | Stage::Cancelled { .. }
            | Stage::Superseded { .. } => {}
        }
    }

    /// Times that are over, without looking at every component.
    pub(super) fn end_soaks(&mut self) {
        let now = self.now.wall;
        let over = |one: &&Campaign| matches!(one.stage, Stage::Soaking { until } if now >= until);
        let over: Vec<_> =
            self.updates.campaigns.values().filter(over).map(|one| one.number).collect();
        over.into_iter().for_each(|number| self.advance(number));
    }

    pub(super) fn is_newest(&self, number: u64) -> bool {
        let Some(campaign) = self.updates.campaigns.get(&number) else { return false };
        let mut others = self.updates.campaigns.values();
        !others.any(|one| one.model == campaign.model && one.counter > campaign.counter)
    }

    fn done(&mut self, number: u64) {
        let at = self.now.wall;
        self.set_stage(number, Stage::Done { at });
        self.clear_round(number);
    }

    fn clear_round(&mut self, number: u64) {
        if let Some(campaign) = self.updates.campaigns.get_mut(&number) {
            campaign.round.clear();
            let write = persist::put_campaign(campaign);
            self.write(write);
        }
    }

    /// Pauses a campaign whose round went too badly.
    fn round_failed(&mut self, number: u64) -> bool {
        let Some(campaign) = self.updates.campaigns.get(&number) else { return false };
        let failed = |id: &&ComponentId| {
            let job = self.updates.jobs.get(*id).filter(|job| job.campaign == number);
            job.and_then(|job| job.outcome).is_some_and(Outcome::is_failure)
        };
        let failures = campaign.round.iter().filter(failed).count();
        let stops = campaign.stops_at(failures);
        if stops {
            let of = campaign.round.len();
            let why = format!("{failures} of {of} failed; look at: hub-agent update show");
            self.set_stage(number, Stage::Paused { why });
        }
        stops
    }

    /// Begins the next round with those that are there, if the campaign may go on.
    fn next_round(&mut self, number: u64, size: usize, stage: Stage) {
        let Some(campaign) = self.updates.campaigns.get(&number) else { return };
        if self.waits(campaign).is_some() {
            return;
        }
        let who: Vec<_> = self.wanting(number).into_iter().take(size).collect();
        if who.is_empty() {
            return;
        }
        self.set_stage(number, stage.clone());
        if let Some(campaign) = self.updates.campaigns.get_mut(&number) {
            campaign.round = who.iter().copied().collect();
            if stage == Stage::Groups {
                campaign.next_group = (campaign.next_group * 2).min(self.settings.updates.group);
            }
            let write = persist::put_campaign(campaign);
            self.write(write);
        }
        who.iter().for_each(|id| self.start(number, *id));
        // Only now: one that fails at once must not end a round that has not begun.
        who.into_iter().for_each(|id| self.offer(id));
    }

    /// Why a campaign does not go on at the moment.
    pub(super) fn waits(&self, campaign: &Campaign) -> Option<String> {
        let (rules, now) = (&self.settings.updates, self.now.wall);
        if let Some(why) = &self.updates.stopped {
            return Some(format!("updates are stopped: {why}"));
        }
        let Some(image) = self.updates.images.get(&campaign.number) else {
            return Some("its image is not verified yet".to_owned());
        };
        if image.manifest().expires.is_some_and(|end| end < now.seconds()) {
            return Some("it expired".to_owned());
        }
        let install = self.how_to_install(&campaign.model);
        if campaign.approved.is_none() && rules.wants_consent(campaign.note.importance, install) {
            return Some("it waits for consent: hub-agent update approve".to_owned());
        }
        if campaign.postponed.is_some_and(|until| now < until) {
            return Some("it was postponed".to_owned());
        }
        if rules.window.is_some_and(|window| !window.holds(now)) {
            return Some("the maintenance window is closed".to_owned());
        }
        let unmet = |need: &&(ModelId, u32)| {
            let of = self.updates.firmware.values().filter(|one| one.model == need.0);
            of.clone().next().is_none() || of.clone().any(|one| one.counter < need.1)
        };
        if let Some((model, counter)) = campaign.needs.iter().find(unmet) {
            return Some(format!("{model} must be at {counter} first"));
        }
        if self.is_own_model(&campaign.model) && self.component_in_trial() {
            return Some("a component tries new software and needs the hub".to_owned());
        }
        None
    }

    /// What the definition of a model's kind says about installing.
    fn how_to_install(&self, model: &ModelId) -> Install {
        let kinds = self.policy.all();
        let of =
            |definition: &&Arc<Kind>| definition.definition().update_model.as_ref() == Some(model);
        kinds
            .filter(of)
            .map(|kind| kind.definition().update)
            .max_by_key(|install| match install {
                Install::Automatic => 0,
                Install::Ask => 1,
            })
            .unwrap_or(Install::Ask)
    }

    /// The line of releases of a component, from its signed definition.
    pub(super) fn model_of(&self, id: ComponentId) -> Option<ModelId> {
        let record = self.inventory.get(id)?;
        self.kind_of(record)?.definition().update_model.clone()
    }

    /// Whether a component surely runs the campaign's release or a newer one.
    pub(super) fn has(&self, id: ComponentId, campaign: &Campaign) -> bool {
        let firmware = self.updates.firmware.get(&id);
        firmware.is_some_and(|one| one.doubt.is_none() && one.counter >= campaign.counter)
    }

    /// Members of the campaign's model that do not have its release and have not failed with it.
    pub(super) fn lacking(&self, number: u64) -> Vec<ComponentId> {
        let Some(campaign) = self.updates.campaigns.get(&number) else { return Vec::new() };
        let failed = |id: ComponentId| {
            let job = self.updates.jobs.get(&id).filter(|job| job.image == campaign.image);
            job.and_then(|job| job.outcome).is_some()
        };
        if self.is_own_model(&campaign.model) {
            let id = self.own.id;
            let lacks = self.own_fits(campaign) && !self.has(id, campaign) && !failed(id);
            return lacks.then_some(id).into_iter().collect();
        }
        self.inventory
            .all()
            .filter(|record| crate::access::trust::may_connect(record.trust.state))
            .filter(|record| record.trust.hold != Some(Hold::Cloned))
            .filter(|record| {
                let hardware = record.facts.as_ref().map(|facts| facts.hardware);
                hardware.is_some_and(|hardware| campaign.hardware.contains(&hardware))
            })
            .map(|record| record.id)
            .filter(|id| self.model_of(*id).as_ref() == Some(&campaign.model))
            .filter(|id| !self.has(*id, campaign) && !failed(*id))
            .collect()
    }

    /// Those of them that are there, said what they run, and get nothing else now.
    fn wanting(&self, number: u64) -> Vec<ComponentId> {
        let there = |id: &ComponentId| {
            let announced = self.is_there(*id);
            let busy = self.updates.jobs.get(id).is_some_and(|job| job.outcome.is_none());
            announced && !busy && self.updates.firmware.contains_key(id)
        };
        self.lacking(number).into_iter().filter(there).collect()
    }

    pub(super) fn release_words(&self, number: u64) -> String {
        let campaign = self.updates.campaigns.get(&number);
        campaign
            .map_or_else(String::new, |one| format!("{} {} ({})", one.model, one.name, one.counter))
    }

    /// What the repository's metadata and files turned out to be.
    pub(in crate::hub) fn repository(&mut self, state: RepositoryState) {
        match state {
            RepositoryState::Fresh => self.updates.stopped = None,
            RepositoryState::Pinned(by) => {
                self.updates.stopped = None;
                let text = format!("{by}: a root of the update repository is pinned");
                self.event(EventKind::CommandIssued, None, None, text);
            }
            RepositoryState::Refused { attack, text } => {
                self.count("update-refused");
                let (text, details) = (format!("{attack}: {text}"), Details::because(attack));
                self.event_with(EventKind::UpdateRefused, None, None, text, details);
            }
            RepositoryState::Stopped(why) => {
                if self.updates.stopped.as_ref() != Some(&why) {
                    self.event(EventKind::UpdatesStopped, None, None, &why);
                }
                self.updates.stopped = Some(why);
            }
        }
    }

    /// The vendor took a release back.
    pub(in crate::hub) fn withdrawn(&mut self, model: &ModelId, counter: u32) {
        let of =
            |one: &&mut Campaign| one.model == *model && one.counter == counter && one.is_live();
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

fn stage_words(stage: &Stage) -> &'static str {
    match stage {
        Stage::Ready => "ready",
        Stage::Canary => "one component tries it",
        Stage::Soaking { .. } => "the first one runs it; the others wait",
        Stage::Groups => "groups get it",
        Stage::Paused { .. }
        | Stage::Done { .. }
        | Stage::Cancelled { .. }
        | Stage::Superseded { .. } => "",
    }
}
