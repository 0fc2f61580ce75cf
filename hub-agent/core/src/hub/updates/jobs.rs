//! Jobs: one release on its way to one component, from the offer to how it ended.

use crate::{
    access::gate,
    effect::Answer,
    event::EventKind,
    hub::{Hub, state::Details},
    persist,
    update::{BLOCK, Ended, Job, KEPT, MAX_CAMPAIGNS, Outcome, WINDOW, check_request},
};
use protocol::{
    id::{ComponentId, Digest, JobId},
    message::{
        Blob, BlockRequest, BlockSize, Sequence, UpdateFault, UpdateOffer, UpdateOrder,
        UpdateStatus, UpdateStep, V1, Window,
    },
    refusal::Refusal,
};
use std::time::Duration;

/// An offer that nobody answers is sent again after this time, and each time later.
const AGAIN: Duration = Duration::from_secs(30);

/// Offers, orders and questions that nobody answers.
const TRIES: u32 = 5;

impl Hub {
    pub(super) fn start(&mut self, number: u64, id: ComponentId) {
        let Some(image) = self.updates.campaigns.get(&number).map(|one| one.image) else { return };
        let count = self.next_update();
        let job = Job::new(id, self.fresh(b"job", count), (number, image), self.now.wall);
        self.write(persist::put_job(&job));
        self.updates.jobs.insert(id, job);
        self.event(EventKind::UpdateStarted, Some(id), None, self.release_words(number));
    }

    /// Sixteen bytes that nobody can foretell and that never come again.
    pub(super) fn fresh(&self, what: &[u8], count: u64) -> JobId {
        let seed = [&self.settings.seed[..], what, &count.to_be_bytes()].concat();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &seed);
        JobId(digest.as_ref()[..16].try_into().expect("SHA-256 has 32 bytes"))
    }

    /// Offers a component the release of its job.
    pub(super) fn offer(&mut self, id: ComponentId) {
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
            block: BlockSize::new(BLOCK).expect("a power of two in range"),
            window: Window::new(WINDOW).expect("in range"),
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
    pub(super) fn is_there(&self, id: ComponentId) -> bool {
        id == self.own.id || self.links.get(&id).is_some_and(|link| link.announced)
    }

    fn order(&mut self, id: ComponentId, order: UpdateOrder) {
        let job = self.updates.jobs.get(&id).filter(|job| job.component != self.own.id);
        if let Some(job) = job {
            self.out.sends.push(gate::permit_control(id, job.id, order, None));
        }
    }

    /// A component said on this connection what it is: it is asked what it runs, and its update goes on.
    pub(in crate::hub) fn greet_for_updates(&mut self, id: ComponentId) {
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
    pub(in crate::hub) fn update_request(&mut self, id: ComponentId, request: &BlockRequest) {
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
        let flow = self.flows.entry(id).or_default();
        let busy = flow.admit_blocks(request.count.get(), self.now.mono).is_err();
        match judged {
            Ok(_) if busy => self.fault_block(id, request, UpdateFault::Busy),
            Ok(blocks) => {
                let mono = self.now.mono;
                if let Some(job) = self.updates.jobs.get_mut(&id) {
                    job.again = Some((mono + AGAIN * TRIES, 0));
                }
                self.out.sends.push(gate::permit_blocks(id, blocks));
                self.out.answer = Answer::Paced;
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
    pub(in crate::hub) fn update_status(&mut self, id: ComponentId, status: &UpdateStatus) {
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
            UpdateStep::Failed => {
                self.doubt_if_hash(id, status.fault);
                self.end(id, Outcome::Failed, status.fault);
            }
            UpdateStep::Cancelled => self.end(id, Outcome::Cancelled, status.fault),
            UpdateStep::Idle
            | UpdateStep::Accepted
            | UpdateStep::Fetching
            | UpdateStep::Verified
            | UpdateStep::Installing
            | UpdateStep::Trial => {}
        }
    }

    /// A component that got wrong bytes several times: either what the hub keeps is damaged, or the way there.
    fn doubt_if_hash(&mut self, id: ComponentId, fault: Option<UpdateFault>) {
        let wrong = matches!(fault, Some(UpdateFault::ChunkHash | UpdateFault::ImageHash));
        let image = self.updates.jobs.get(&id).map(|job| job.image);
        if let Some(image) = image.filter(|_| wrong && self.updates.doubted.len() < MAX_CAMPAIGNS) {
            self.updates.doubted.insert(image, id);
        }
    }

    /// Images that should be hashed anew, because components got other bytes.
    #[must_use]
    pub fn doubted_images(&self) -> Vec<Digest> {
        self.updates.doubted.keys().copied().collect()
    }

    /// What the hub keeps is right: the bytes were changed on their way. Or it is damaged, and is fetched again.
    pub(in crate::hub) fn rehashed(&mut self, image: Digest, clean: bool) {
        let Some(id) = self.updates.doubted.remove(&image) else { return };
        if clean {
            let text = "path corruption: it got other bytes than the hub sent; look at what is between both";
            self.count("update-incident");
            let details = Details::because("path-corruption");
            self.event_with(EventKind::UpdateIncident, Some(id), None, text, details);
            return self.suspect(id);
        }
        self.count("update-refused");
        let text = format!(
            "store damage: image {image} in the cache is damaged and is fetched again; look at the disk"
        );
        self.event(EventKind::UpdateRefused, None, None, text);
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
            Outcome::Refused => EventKind::UpdateRefused,
            Outcome::RolledBack | Outcome::Failed => EventKind::UpdateFailed,
            Outcome::Cancelled => EventKind::UpdateStep,
        };
        let details = fault.map_or_else(Details::default, |fault| Details::because(fault.word()));
        self.event_with(kind, Some(id), None, text, details);
        self.updates.stirred = true;
        self.advance(job.campaign);
    }

    /// Time passes: what nobody answered is said again, what takes too long is given up.
    pub(in crate::hub) fn tick_updates(&mut self) {
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
