//! Switching slots, the trial, and what a start finds.

use super::{
    Dead, Effect, Turn, Updater,
    bootloader::{self, Booted},
    crypto::AwsLc,
    image::Behaviour,
    memory::Job,
    slots::{Choice, SlotState},
};
use protocol::message::{UpdateFault, UpdateStep};
use std::io;

/// A hub that says nothing at all gets so many times the health check.
const HUB_SILENT: u64 = 3;

/// Milliseconds that it waits for somebody to hear that it will install.
const HEARD: u64 = 30_000;

/// Seconds for a trial of which nothing is known.
const HEALTH: u16 = 120;

/// New software that has yet to prove itself.
pub(super) struct Trial {
    /// When it has to have proved itself, and when also if the hub says nothing.
    ends: (u64, u64),
    tested: bool,
    /// Whether the hub accepted a session before the health check was over.
    answered: bool,
    /// Whether a session with all its subscriptions is there.
    pub(super) subscribed: bool,
}

impl Trial {
    fn new(now: u64, health: u16) -> Self {
        let health = u64::from(health) * 1000;
        let ends = (now + health, now + HUB_SILENT * health);
        Self { ends, tested: false, answered: false, subscribed: false }
    }

    /// The hub accepted a session.
    pub(super) fn connected(&mut self, now: u64) {
        self.answered |= now < self.ends.0;
    }

    /// A hub that is away may be late; what the software does itself may not.
    pub(super) fn deadline(&self) -> u64 {
        if self.tested && !self.answered { self.ends.1 } else { self.ends.0 }
    }
}

impl Updater {
    /// Power: finishes what was begun, starts what may be started, and goes on.
    ///
    /// # Errors
    /// When nothing may start.
    pub fn start(&mut self, turn: &mut Turn<'_>) -> Result<(), Dead> {
        (self.online, self.on_its_way, self.junk, self.refused_at) = (false, false, 0, None);
        (self.fetch, self.trial, self.install_at, self.booted) = (None, None, None, None);
        self.manifest = turn.job().and_then(|job| {
            let anchors = Self::anchors(turn.memory)?;
            anchors.manifest(&job.manifest, &AwsLc).ok().map(|manifest| manifest.into_inner())
        });
        if let Some(job) = turn.job().filter(|job| job.step == UpdateStep::Installing) {
            // A medium that fails here leaves the former software in force.
            let _ = self.switch(job.slot);
        }
        let booted = bootloader::boot(&mut self.board, &self.model)?;
        self.booted = Some(booted.clone());
        if booted.trial {
            self.on_trial(&booted, turn);
        } else if let Some(job) = turn.job().cloned() {
            self.go_on(&booted, &job, turn);
        }
        Ok(())
    }

    /// Lets the bootloader try the slot once, if it has not tried it yet.
    fn switch(&mut self, slot: usize) -> io::Result<()> {
        let choice = self.board.words.choice();
        let choice = choice.unwrap_or(Choice { active: 1 - slot, trial: None, tries: 0 });
        let Some(header) = self.board.slots[slot].header() else { return Ok(()) };
        if choice.trial.is_some() || choice.active == slot || header.state == SlotState::Confirmed {
            return Ok(());
        }
        let header = super::slots::Header { state: SlotState::Trial, ..header };
        self.board.slots[slot].set_header(&header)?;
        self.board.words.choose(Choice { trial: Some(slot), tries: 1, ..choice })
    }

    /// Software that proved itself runs: what did the update under way come to?
    fn go_on(&mut self, booted: &Booted, job: &Job, turn: &mut Turn<'_>) {
        match job.step {
            UpdateStep::Installing | UpdateStep::Trial if booted.slot == job.slot => {
                self.confirmed(turn);
            }
            UpdateStep::Installing | UpdateStep::Trial => self.rolled_back(job, turn),
            UpdateStep::Accepted | UpdateStep::Fetching => match self.manifest {
                Some(_) => self.begin(turn),
                None => self.ended(turn, UpdateStep::Failed, Some(UpdateFault::Internal)),
            },
            UpdateStep::Verified => self.ready(turn),
            UpdateStep::Ready if job.automatic => self.install(turn),
            UpdateStep::Idle
            | UpdateStep::Ready
            | UpdateStep::Confirmed
            | UpdateStep::RolledBack
            | UpdateStep::Refused
            | UpdateStep::Failed
            | UpdateStep::Cancelled => {}
        }
    }

    /// The former software runs again. First the slot is emptied, then the words: a start between both finds
    /// that there was a trial.
    fn rolled_back(&mut self, job: &Job, turn: &mut Turn<'_>) {
        let started = job.step == UpdateStep::Trial;
        let fault = if started { UpdateFault::Health } else { UpdateFault::NoBoot };
        let active = 1 - job.slot;
        let cleaned = self.board.slots[job.slot]
            .erase()
            .and_then(|()| self.board.words.choose(Choice { active, trial: None, tries: 0 }));
        turn.memory.rolled_back = self.manifest.as_ref().map(|manifest| manifest.image);
        turn.memory.progress = None;
        let fault = if cleaned.is_ok() { fault } else { UpdateFault::SlotWrite };
        self.ended(turn, UpdateStep::RolledBack, Some(fault));
    }

    /// Told to install, or allowed to.
    pub(super) fn install(&mut self, turn: &mut Turn<'_>) {
        let Some(slot) = turn.job().filter(|job| job.step == UpdateStep::Ready).map(|job| job.slot)
        else {
            return;
        };
        let header = self.board.slots[slot].header();
        if header.is_none_or(|header| header.state != SlotState::Verified) {
            return self.ended(turn, UpdateStep::Failed, Some(UpdateFault::SlotWrite));
        }
        self.go(turn, UpdateStep::Installing, None);
        // The hub shall hear of it before the connection ends; if it cannot, it learns it afterwards.
        self.install_at = Some(turn.now.mono + HEARD);
    }

    /// Restarts; a start switches the slots first when that is due.
    pub(super) fn reboot(&mut self, turn: &mut Turn<'_>) {
        (self.install_at, self.trial) = (None, None);
        turn.effects.push(Effect::Reboot);
    }

    fn on_trial(&mut self, booted: &Booted, turn: &mut Turn<'_>) {
        let health = self.manifest.as_ref().map_or(HEALTH, |manifest| manifest.health);
        self.trial = Some(Trial::new(turn.now.mono, health));
        if turn.step() == UpdateStep::Installing {
            self.go(turn, UpdateStep::Trial, None);
        }
        turn.effects.push(Effect::SelfTest(booted.behaviour == Behaviour::Good));
    }

    /// How the self-test came out.
    pub fn self_tested(&mut self, passed: bool, turn: &mut Turn<'_>) {
        let Some(trial) = &mut self.trial else { return };
        if !passed {
            return self.reboot(turn);
        }
        trial.tested = true;
        self.prove(turn);
    }

    pub(super) fn trial_timer(&mut self, turn: &mut Turn<'_>) {
        if self.trial.as_ref().is_some_and(|trial| turn.now.mono >= trial.deadline()) {
            // Nothing to write: the bootloader spent the try before this software ran.
            self.reboot(turn);
        }
    }

    /// Keeps the new software once it works and reaches the hub.
    pub(super) fn prove(&mut self, turn: &mut Turn<'_>) {
        if self.trial.as_ref().is_some_and(|trial| trial.tested && trial.subscribed) {
            self.trial = None;
            match self.keep() {
                Ok(()) => self.confirmed(turn),
                Err(_) => self.reboot(turn),
            }
        }
    }

    /// First the slot says that it is good, then the bootloader's choice makes it so.
    fn keep(&mut self) -> io::Result<()> {
        let Some(booted) = &mut self.booted else { return Ok(()) };
        booted.header.state = SlotState::Confirmed;
        self.board.slots[booted.slot].set_header(&booted.header)?;
        self.board.words.choose(Choice { active: booted.slot, trial: None, tries: 0 })?;
        booted.trial = false;
        Ok(())
    }

    /// The new software stays; now nothing below its floor starts any more.
    fn confirmed(&mut self, turn: &mut Turn<'_>) {
        let floor = self.manifest.as_ref().map_or(0, |manifest| manifest.floor);
        // A floor that is not written now is written by the next start, before anything is said.
        if self.board.words.raise_floor(floor).is_err() {
            return self.reboot(turn);
        }
        self.ended(turn, UpdateStep::Confirmed, None);
    }
}
