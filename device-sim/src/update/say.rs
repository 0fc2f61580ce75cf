//! What a component says of its updates: statuses and reports of what runs.
//!
//! Statuses wait in its memory until they are acknowledged, and one is on its way at a time. So a hub sees
//! every step in its order whatever is lost or cut; only the one on its way may come twice, with a new number.

use super::{Effect, NO_JOB, Turn, Updater, memory::Said};
use protocol::{
    cbor,
    id::{JobId, Label, Nonce},
    message::{UpdateFault, UpdateReport, UpdateStatus, UpdateStep, V1},
    time::Timestamp,
};

/// `fetching` is said at most so often: milliseconds, or twentieths of the image.
const FETCHING: (u64, u32) = (2_000, 20);

impl Updater {
    /// A status; it is kept before it is said.
    pub(super) fn say(
        &mut self,
        turn: &mut Turn<'_>,
        job: JobId,
        step: UpdateStep,
        fault: Option<UpdateFault>,
        why: Option<String>,
    ) {
        turn.memory.say(Said { job, step, fault, why, seq: 0 });
        turn.changed = true;
        self.say_next(turn);
    }

    /// Says the first status that waits, unless one is on its way.
    fn say_next(&mut self, turn: &mut Turn<'_>) {
        if !self.online || self.on_its_way {
            return;
        }
        if let Some(said) = turn.memory.unsaid.first().cloned() {
            self.on_its_way = true;
            let status = self.status(turn, &said);
            turn.effects.push(status);
        }
    }

    /// How many bytes there are, now and then.
    pub(super) fn say_fetching(&mut self, turn: &mut Turn<'_>) {
        let (got, size) = (self.got(turn), self.manifest.as_ref().map_or(0, |one| one.size));
        let (at, before) = self.fetching_said;
        let later = turn.now.mono >= at.saturating_add(FETCHING.0);
        let more = got.saturating_sub(before) >= (size / FETCHING.1).max(1);
        if later || more {
            self.fetching_said = (turn.now.mono, got);
            self.go(turn, UpdateStep::Fetching, None);
        }
    }

    /// After a session began: what nobody acknowledged, or else where it stands.
    pub(super) fn say_again(&mut self, turn: &mut Turn<'_>) {
        if turn.memory.anchor.is_none() && turn.memory.unsaid.is_empty() {
            // It takes no part in updates.
            return;
        }
        if turn.memory.unsaid.is_empty() {
            let present = turn.job().map(|job| (job.id, job.step, job.fault));
            let (job, step, fault) = present.unwrap_or((NO_JOB, UpdateStep::Idle, None));
            self.say(turn, job, step, fault, None);
            return;
        }
        turn.memory.renumber();
        turn.changed = true;
        self.say_next(turn);
    }

    /// The status with this number was taken.
    pub fn answered(&mut self, seq: u64, turn: &mut Turn<'_>) {
        if turn.memory.unsaid.first().is_none_or(|said| said.seq != seq) {
            return;
        }
        let said = turn.memory.unsaid.remove(0);
        (turn.changed, self.on_its_way) = (true, false);
        self.say_next(turn);
        let switches = said.step == UpdateStep::Installing && turn.step() == UpdateStep::Installing;
        if switches && turn.job().is_some_and(|job| job.id == said.job) {
            self.reboot(turn);
        }
    }

    fn status(&self, turn: &Turn<'_>, said: &Said) -> Effect {
        let header = self.booted.as_ref().map(|booted| (booted.header.counter, booted.slot));
        let (counter, slot) = header.unwrap_or((0, 0));
        let status = UpdateStatus {
            job: said.job,
            step: said.step,
            fault: said.fault,
            got: self.got(turn),
            counter,
            slot: u8::from(slot != 0),
            why: said.why.as_deref().and_then(|why| Label::new(why).ok()),
            seq: said.seq,
        };
        Effect::Status(said.seq, cbor::encode(&status))
    }

    /// Bytes of the present image that are there and verified.
    pub(super) fn got(&self, turn: &Turn<'_>) -> u32 {
        let Some(manifest) = &self.manifest else { return 0 };
        let progress = turn.memory.progress.filter(|progress| progress.image == manifest.image);
        let next = progress.map_or(0, |progress| progress.next);
        next.saturating_mul(manifest.chunk).min(manifest.size)
    }

    /// What runs: the digest is of the slot's bytes as they are now.
    pub(super) fn report(&self, nonce: Nonce, turn: &Turn<'_>) -> Option<UpdateReport> {
        let booted = self.booted.as_ref()?;
        let anchor = Self::anchors(turn.memory).map_or(0, |anchors| anchors.anchor().number);
        Some(UpdateReport {
            version: V1,
            component: turn.own?,
            model: self.model.clone(),
            counter: booted.header.counter,
            name: booted.header.name.clone(),
            image: self.board.slots[booted.slot].digest(booted.header.size).ok()?,
            anchor,
            time: Timestamp(turn.now.unix_ms),
            nonce,
            fault: turn.memory.fault,
            job: turn.memory.fault_job,
            attacks: turn.memory.attacks,
        })
    }
}
