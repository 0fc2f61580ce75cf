//! Campaigns: releases are brought to components step by step, and each step is written before it is seen.

use super::Hub;
use crate::{
    access::{gate, trust::Hold},
    event::EventKind,
    persist,
    update::{
        Campaign, Ended, Job, KEPT, MAX_CAMPAIGNS, Outcome, ReleaseNote, Stage, check_request,
    },
};
use protocol::{
    definition::Install,
    id::{ComponentId, JobId, ModelId},
    message::{
        Blob, BlockRequest, BlockSize, Sequence, UpdateFault, UpdateOffer, UpdateOrder,
        UpdateStatus, UpdateStep, V1, Window,
    },
    refusal::Refusal,
    update::{Image, Verified},
};
use std::{collections::BTreeSet, time::Duration};

/// An offer that nobody answers is sent again after this time, and each time later.
const AGAIN: Duration = Duration::from_secs(30);

/// Campaigns are looked at this often, also when nothing happened: windows open, postponements end.
const LOOK: Duration = Duration::from_secs(10);

/// Offers, orders and questions that nobody answers.
const TRIES: u32 = 5;

impl Hub {
    /// The repository has a release that everything vouches for.
    pub(super) fn released(&mut self, image: Verified<Image>, note: ReleaseNote, rollout: u8) {
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
            Some(_) | None => self.begin(&image, note),
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

    fn set_stage(&mut self, number: u64, stage: Stage) {
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

    fn advance(&mut self, number: u64) {
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
        let of = |definition: &&std::sync::Arc<crate::access::policy::Kind>| {
            definition.definition().update_model.as_ref() == Some(model)
        };
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

    /// Members of the campaign's model that do not have its release and have not failed with it.
    pub(super) fn lacking(&self, number: u64) -> Vec<ComponentId> {
        let Some(campaign) = self.updates.campaigns.get(&number) else { return Vec::new() };
        let has = |id: ComponentId| {
            let firmware = self.updates.firmware.get(&id);
            firmware.is_some_and(|one| one.doubt.is_none() && one.counter >= campaign.counter)
        };
        let failed = |id: ComponentId| {
            let job = self.updates.jobs.get(&id).filter(|job| job.image == campaign.image);
            job.and_then(|job| job.outcome).is_some()
        };
        if self.is_own_model(&campaign.model) {
            let id = self.own.id;
            let lacks = self.own_fits(campaign) && !has(id) && !failed(id);
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
            .filter(|id| !has(*id) && !failed(*id))
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

    fn start(&mut self, number: u64, id: ComponentId) {
        let Some(image) = self.updates.campaigns.get(&number).map(|one| one.image) else { return };
        let count = self.next_update();
        let job = Job::new(id, self.fresh(b"job", count), (number, image), self.now.wall);
        self.write(persist::put_job(&job));
        self.updates.jobs.insert(id, job);
        self.event(EventKind::UpdateStarted, Some(id), None, self.release_words(number));
    }

    fn release_words(&self, number: u64) -> String {
        let campaign = self.updates.campaigns.get(&number);
        campaign
            .map_or_else(String::new, |one| format!("{} {} ({})", one.model, one.name, one.counter))
    }

    /// Sixteen bytes that nobody can foretell and that never come again.
    pub(super) fn fresh(&self, what: &[u8], count: u64) -> JobId {
        let seed = [&self.settings.seed[..], what, &count.to_be_bytes()].concat();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &seed);
        JobId(digest.as_ref()[..16].try_into().expect("SHA-256 has 32 bytes"))
    }

    /// Offers a component the release of its job.
    fn offer(&mut self, id: ComponentId) {
        let (deadline, own) = (self.settings.updates.deadline, id == self.own.id);
        let Some(job) = self.updates.jobs.get(&id) else { return };
        let Some(image) = self.updates.images.get(&job.campaign) else { return };
        if own {
            self.store_own(job.image);
            return self.wait_for_answer(id, deadline);
        }
        let known = self.updates.firmware.get(&id).map_or(1, |firmware| firmware.anchor);
        let lacks = image.anchors_after(known).iter().cloned().map(Blob::new).collect();
        let anchors = Option::<Vec<_>>::and_then(lacks, Sequence::new);
        let manifest = Blob::new(image.signed_manifest().to_vec());
        let (Some(anchors), Some(manifest)) = (anchors, manifest) else {
            self.end(id, Outcome::Failed, Some(UpdateFault::AnchorChain));
            return;
        };
        let offer = UpdateOffer {
            version: V1,
            job: job.id,
            anchors,
            manifest,
            block: BlockSize::new(crate::update::BLOCK).expect("a power of two in range"),
            window: Window::new(crate::update::WINDOW).expect("in range"),
            automatic: self.settings.updates.window.is_none(),
            deadline: u32::try_from(deadline.as_secs()).unwrap_or(u32::MAX),
        };
        self.out.sends.push(gate::permit_offer(id, &offer));
        self.wait_for_answer(id, deadline);
    }

    fn wait_for_answer(&mut self, id: ComponentId, deadline: Duration) {
        let mono = self.now.mono;
        if let Some(job) = self.updates.jobs.get_mut(&id) {
            job.deadline = job.deadline.or(Some(mono + deadline));
            let tries = job.again.map_or(0, |(_, tries)| tries) + 1;
            job.again = Some((mono + AGAIN * tries, tries));
        }
    }

    /// Whether it can be told something now.
    fn is_there(&self, id: ComponentId) -> bool {
        id == self.own.id || self.links.get(&id).is_some_and(|link| link.announced)
    }

    fn order(&mut self, id: ComponentId, order: UpdateOrder) {
        let job = self.updates.jobs.get(&id).filter(|job| job.component != self.own.id);
        if let Some(job) = job {
            self.out.sends.push(gate::permit_control(id, job.id, order, None));
        }
    }

    /// A component said on this connection what it is: it is asked what it runs, and its update goes on.
    pub(super) fn greet_for_updates(&mut self, id: ComponentId) {
        self.updates.stirred = true;
        if self.model_of(id).is_none() {
            return;
        }
        if let Some(job) = self.updates.jobs.get_mut(&id).filter(|job| job.outcome.is_none()) {
            (job.link, job.told_to_install, job.again) = (None, false, None);
            if job.may_fetch() {
                self.offer(id);
            }
        }
        self.ask_for_report(id);
    }

    /// A component wants blocks.
    pub(super) fn update_request(&mut self, id: ComponentId, request: &BlockRequest) {
        let job = self.updates.jobs.get(&id);
        let job = job.filter(|job| job.id == request.job && job.may_fetch());
        let judged = match job {
            None => Err(UpdateFault::UnknownJob),
            Some(job) => match self.updates.images.get(&job.campaign) {
                // After a restart of the hub everything is verified again first.
                None => Err(UpdateFault::Busy),
                Some(image) => check_request(request, image),
            },
        };
        let busy = self.flows.entry(id).or_default().admit_request(self.now.mono).is_err();
        match judged {
            Ok(_) if busy => self.fault_block(id, request, UpdateFault::Busy),
            Ok(blocks) => {
                let mono = self.now.mono;
                if let Some(job) = self.updates.jobs.get_mut(&id) {
                    job.again = Some((mono + AGAIN * TRIES, 0));
                }
                self.out.sends.push(gate::permit_blocks(id, blocks));
            }
            Err(fault) => {
                if fault != UpdateFault::Busy {
                    let text = format!("blocks it may not ask for: {fault}");
                    self.message_refused(id, Refusal::NotPermitted, &text);
                }
                self.fault_block(id, request, fault);
            }
        }
    }

    fn fault_block(&mut self, id: ComponentId, request: &BlockRequest, fault: UpdateFault) {
        self.out.sends.push(gate::permit_no_block(id, request, fault));
    }

    /// A component says how far its update got.
    pub(super) fn update_status(&mut self, id: ComponentId, status: &UpdateStatus) {
        if let Err(held) = self.flows.entry(id).or_default().admit_progress(self.now.mono) {
            return self.held(id, "upd/st", held);
        }
        let link = self.links.get(&id).map(|link| link.number);
        let Some(job) = self.updates.jobs.get_mut(&id) else {
            return self.status_without_job(id, status);
        };
        if job.id != status.job || job.outcome.is_some() {
            return self.status_without_job(id, status);
        }
        if job.seq == status.seq && job.step == Some(status.step) {
            // Its acknowledgement was lost.
            return;
        }
        let same_link = job.link == link;
        if status.seq <= job.seq || !job.may_follow(status.step, same_link) {
            let from = job.step.map_or("offered", UpdateStep::word);
            let text = format!("it says {} after {from}, number {}", status.step, status.seq);
            self.update_incident(id, &text);
            self.order(id, UpdateOrder::Cancel);
            self.end(id, Outcome::Failed, Some(UpdateFault::Malformed));
            return;
        }
        (job.seq, job.step, job.got, job.fault) =
            (status.seq, Some(status.step), status.got, status.fault);
        (job.link, job.again) = (link, None);
        let write = persist::put_job(job);
        self.write(write);
        if status.step != UpdateStep::Fetching {
            let words = format!("{}: {}", self.job_words(id), status.step);
            self.event(EventKind::UpdateStep, Some(id), None, words);
        }
        self.follow_step(id, status);
    }

    pub(super) fn job_words(&self, id: ComponentId) -> String {
        self.updates.jobs.get(&id).map_or_else(String::new, |job| self.release_words(job.campaign))
    }

    fn follow_step(&mut self, id: ComponentId, status: &UpdateStatus) {
        match status.step {
            UpdateStep::Ready => self.install_if_due(id),
            // Its word is not enough: it signs what it runs.
            UpdateStep::Confirmed => self.ask_for_report(id),
            UpdateStep::RolledBack => self.end(id, Outcome::RolledBack, status.fault),
            UpdateStep::Refused => self.end(id, Outcome::Refused, status.fault),
            UpdateStep::Failed => self.end(id, Outcome::Failed, status.fault),
            UpdateStep::Cancelled => self.end(id, Outcome::Cancelled, status.fault),
            UpdateStep::Idle
            | UpdateStep::Accepted
            | UpdateStep::Fetching
            | UpdateStep::Verified
            | UpdateStep::Installing
            | UpdateStep::Trial => {}
        }
    }

    /// A status about no update that is under way: idle, or the end of one that ended.
    fn status_without_job(&mut self, id: ComponentId, status: &UpdateStatus) {
        if status.step != UpdateStep::Idle && !status.step.is_end() {
            self.message_refused(id, Refusal::WrongState, "a status of no update under way");
            self.out.sends.push(gate::permit_control(id, status.job, UpdateOrder::Cancel, None));
        }
    }

    fn install_if_due(&mut self, id: ComponentId) {
        if id == self.own.id {
            return self.switch_if_due();
        }
        if self.own_in_trial() {
            return;
        }
        let open = self.settings.updates.window.is_none_or(|window| window.holds(self.now.wall));
        let Some(job) = self.updates.jobs.get_mut(&id) else { return };
        let ready = job.outcome.is_none() && job.step == Some(UpdateStep::Ready);
        if ready && open && !job.told_to_install && self.links.contains_key(&id) {
            job.told_to_install = true;
            self.order(id, UpdateOrder::Install);
        }
    }

    pub(super) fn update_incident(&mut self, id: ComponentId, text: &str) {
        self.count("update-incident");
        self.event(EventKind::UpdateIncident, Some(id), None, text);
        self.suspect(id);
    }

    /// An update ended.
    pub(super) fn end(&mut self, id: ComponentId, outcome: Outcome, fault: Option<UpdateFault>) {
        let number = self.next_update();
        let at = self.now.wall;
        let Some(job) = self.updates.jobs.get_mut(&id).filter(|job| job.outcome.is_none()) else {
            return;
        };
        (job.outcome, job.fault) = (Some(outcome), fault);
        let (job, write) = (job.clone(), persist::put_job(job));
        self.write(write);
        if let Some(campaign) = self.updates.campaigns.get(&job.campaign) {
            let (model, counter, name) =
                (campaign.model.clone(), campaign.counter, campaign.name.clone());
            let since = job.since;
            let component = id;
            let ended =
                Ended { number, at, component, model, counter, name, outcome, fault, since };
            self.write(persist::put_ended(&ended, KEPT));
            if self.updates.history.len() as u64 >= KEPT {
                self.updates.history.pop_front();
            }
            self.updates.history.push_back(ended);
        }
        let why = fault.map_or_else(String::new, |fault| format!(": {fault}"));
        let text = format!("{}{why}", self.job_words(id));
        let kind = match outcome {
            Outcome::Confirmed => EventKind::UpdateConfirmed,
            Outcome::RolledBack | Outcome::Refused | Outcome::Failed => EventKind::UpdateFailed,
            Outcome::Cancelled => EventKind::UpdateStep,
        };
        self.event(kind, Some(id), None, text);
        self.updates.stirred = true;
        self.advance(job.campaign);
    }

    /// Time passes: what nobody answered is said again, what takes too long is given up.
    pub(super) fn tick_updates(&mut self) {
        let mono = self.now.mono;
        let under_way = self.updates.jobs.values().filter(|job| job.outcome.is_none());
        let jobs: Vec<_> = under_way.map(|job| job.component).collect();
        for id in jobs {
            let Some(job) = self.updates.jobs.get_mut(&id) else { continue };
            let deadline = *job.deadline.get_or_insert(mono + self.settings.updates.deadline);
            if mono >= deadline {
                self.order(id, UpdateOrder::Cancel);
                self.end(id, Outcome::Failed, Some(UpdateFault::Stalled));
                continue;
            }
            self.install_if_due(id);
            self.say_again(id);
        }
        if self.updates.stirred || mono >= self.updates.look_at {
            self.advance_updates();
        } else {
            self.end_soaks();
        }
    }

    /// Times that are over, without looking at every component.
    fn end_soaks(&mut self) {
        let now = self.now.wall;
        let over = |one: &&Campaign| matches!(one.stage, Stage::Soaking { until } if now >= until);
        let over: Vec<_> =
            self.updates.campaigns.values().filter(over).map(|one| one.number).collect();
        over.into_iter().for_each(|number| self.advance(number));
    }

    fn say_again(&mut self, id: ComponentId) {
        let mono = self.now.mono;
        let Some(job) = self.updates.jobs.get(&id) else { return };
        let due = job.again.is_none_or(|(at, _)| mono >= at);
        if !due || !self.is_there(id) {
            return;
        }
        let tries = job.again.map_or(0, |(_, tries)| tries);
        match job.step {
            None if tries >= TRIES => self.end(id, Outcome::Failed, Some(UpdateFault::Stalled)),
            None => self.offer(id),
            Some(UpdateStep::Confirmed) if tries >= TRIES => {
                self.update_incident(id, "it confirmed, but does not sign what it runs");
                self.end(id, Outcome::Failed, Some(UpdateFault::Internal));
            }
            Some(UpdateStep::Confirmed) => {
                if let Some(job) = self.updates.jobs.get_mut(&id) {
                    job.again = Some((mono + AGAIN, tries + 1));
                }
                self.ask_for_report(id);
            }
            Some(_) => {}
        }
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
