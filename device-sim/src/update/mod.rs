//! A component's updates, without I/O: it believes what enough of its vendor's keys signed, pulls the image
//! into the slot that does not run, starts it once on trial and keeps it when it proves itself.
//!
//! | module | holds |
//! |---|---|
//! | [`storage`] | bytes that survive a power cut |
//! | [`slots`] | two slots and the protected words |
//! | [`bootloader`] | what may start |
//! | [`image`] | what a simulated image is |
//! | [`memory`] | what a component remembers of updates beside its slots |
//! | [`fetch`] | the pull |
//! | `offer` | what is believed and taken on, and what is not |
//! | `transfer` | blocks, until the image is whole and verified |
//! | `install` | switching slots, the trial, and what a start finds |
//! | `say` | statuses and reports |
//!
//! Slots and words are written at once, before anything a step says leaves; what a step changes in
//! [`memory::Memory`] is saved by the first thing it wants done. So whatever is said is true after a cut, and
//! a start makes good what a cut left between two writes.

pub mod bootloader;
pub mod crypto;
pub mod fetch;
pub mod image;
mod install;
pub mod memory;
mod offer;
mod say;
pub mod slots;
pub mod storage;
mod transfer;

#[cfg(test)]
pub(crate) mod tests;

pub use bootloader::{Booted, Dead};
pub use image::{Behaviour, image};
pub use memory::Memory;
pub use slots::{Board, Factory};

use crate::device::Now;
use crypto::AwsLc;
use fetch::Fetch;
use install::Trial;
use memory::Job;
use protocol::{
    cbor,
    id::{ComponentId, Digest, JobId, ModelId},
    message::{UpdateControl, UpdateFault, UpdateOrder, UpdateReport, UpdateStep},
    topic::{Down, Route},
    update::{Anchors, Manifest},
};

/// The number of no update.
pub const NO_JOB: JobId = JobId([0; 16]);

/// What an update wants done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep the memory: it changed.
    Save,
    /// Publish a status, by its number.
    Status(u64, Vec<u8>),
    /// Publish a request for blocks.
    Request(Vec<u8>),
    /// Sign and publish a report.
    Report(Box<UpdateReport>),
    /// Drop the connection.
    HangUp,
    /// Restart.
    Reboot,
    /// Run the self-test of the software on trial, which comes out like this.
    SelfTest(bool),
}

/// One step: what it may look at and change, and what it wants done.
pub struct Turn<'a> {
    memory: &'a mut Memory,
    now: Now,
    own: Option<ComponentId>,
    effects: Vec<Effect>,
    changed: bool,
}

impl<'a> Turn<'a> {
    /// A step at this time of the component with this id.
    #[must_use]
    pub fn new(memory: &'a mut Memory, now: Now, own: Option<ComponentId>) -> Self {
        Self { memory, now, own, effects: Vec::new(), changed: false }
    }

    /// What is to be done; what changed is saved before anything else.
    #[must_use]
    pub fn effects(mut self) -> Vec<Effect> {
        if self.changed {
            self.effects.insert(0, Effect::Save);
        }
        self.effects
    }
}

/// The updates of one component.
pub struct Updater {
    model: ModelId,
    hardware: u32,
    board: Board,
    booted: Option<Booted>,
    /// The manifest of the present update.
    manifest: Option<Manifest>,
    fetch: Option<Fetch>,
    trial: Option<Trial>,
    /// Whether the session is there and all topics are subscribed to.
    online: bool,
    /// Whether a status waits for its acknowledgement.
    on_its_way: bool,
    /// Blocks in a row that nobody asked for.
    junk: u32,
    refused_at: Option<u64>,
    /// When `fetching` was said last, and how many bytes there were.
    fetching_said: (u64, u32),
    /// When it switches slots also if nobody acknowledged that it will.
    install_at: Option<u64>,
}

impl Updater {
    /// The updates of a component of this model and hardware, switched off.
    #[must_use]
    pub fn new(model: ModelId, hardware: u32, board: Board) -> Self {
        Self {
            model,
            hardware,
            board,
            booted: None,
            manifest: None,
            fetch: None,
            trial: None,
            online: false,
            on_its_way: false,
            junk: 0,
            refused_at: None,
            fetching_said: (0, 0),
            install_at: None,
        }
    }

    /// The same with these slots and words.
    #[must_use]
    pub fn with_board(self, board: Board) -> Self {
        Self { board, ..self }
    }

    /// The slots and words.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// What is left without power.
    #[must_use]
    pub fn into_board(self) -> Board {
        self.board
    }

    /// Whether the slot that should start did: on a trial the new one, else the one in force. `None` before a start.
    #[must_use]
    pub fn started_as_chosen(&self) -> Option<bool> {
        let booted = self.booted.as_ref()?;
        let chosen = self.board.words.choice().map(|choice| choice.active);
        Some(booted.trial || chosen.is_none_or(|slot| slot == booted.slot))
    }

    /// What runs; nothing before the first start, or when nothing may start.
    #[must_use]
    pub fn booted(&self) -> Option<&Booted> {
        self.booted.as_ref()
    }

    /// Its line of releases.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// When it wants its timer.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let fetch = self.fetch.as_ref().and_then(Fetch::deadline);
        let trial = self.trial.as_ref().map(Trial::deadline);
        [fetch, trial, self.install_at].into_iter().flatten().min()
    }

    /// Its deadline has come, or another's.
    pub fn timer(&mut self, turn: &mut Turn<'_>) {
        self.trial_timer(turn);
        self.fetch_timer(turn);
        if self.install_at.is_some_and(|at| turn.now.mono >= at) {
            self.reboot(turn);
        }
    }

    /// A session is there, with all its subscriptions.
    pub fn subscribed(&mut self, turn: &mut Turn<'_>) {
        self.online = true;
        self.say_again(turn);
        self.wake(turn);
        if let Some(trial) = &mut self.trial {
            trial.subscribed = true;
        }
        self.prove(turn);
    }

    /// The hub answered, though the subscriptions are not there yet.
    pub fn connected(&mut self, now: u64) {
        if let Some(trial) = &mut self.trial {
            trial.connected(now);
        }
    }

    /// The session is gone.
    pub fn disconnected(&mut self) {
        (self.online, self.on_its_way) = (false, false);
        if let Some(trial) = &mut self.trial {
            trial.subscribed = false;
        }
        if let Some(fetch) = &mut self.fetch {
            fetch.rest();
        }
    }

    /// What the hub wants done about an update.
    pub fn control(&mut self, payload: &[u8], turn: &mut Turn<'_>) {
        let Ok(control) = cbor::decode::<UpdateControl>(payload, limit(Down::UpdateControl)) else {
            return;
        };
        let ours = turn.memory.job.as_ref().is_some_and(|job| job.id == control.job);
        match control.order {
            UpdateOrder::Install if ours => self.install(turn),
            UpdateOrder::Cancel if ours => self.cancel(turn),
            UpdateOrder::Report => {
                let report = control.nonce.and_then(|nonce| self.report(nonce, turn));
                turn.effects.extend(report.map(|report| Effect::Report(Box::new(report))));
            }
            UpdateOrder::Install | UpdateOrder::Cancel => {}
        }
    }

    fn cancel(&mut self, turn: &mut Turn<'_>) {
        if turn.step().may_go(UpdateStep::Cancelled) {
            self.ended(turn, UpdateStep::Cancelled, Some(UpdateFault::Cancelled));
        }
    }

    /// The present update ends here.
    fn ended(&mut self, turn: &mut Turn<'_>, step: UpdateStep, fault: Option<UpdateFault>) {
        (self.fetch, self.install_at) = (None, None);
        self.go(turn, step, fault);
    }

    /// The present update gets to this step.
    fn go(&mut self, turn: &mut Turn<'_>, step: UpdateStep, fault: Option<UpdateFault>) {
        let Some(job) = &mut turn.memory.job else { return };
        debug_assert!(job.step.may_go(step), "{} to {step}", job.step);
        (job.step, job.fault) = (step, fault);
        let id = job.id;
        if let Some(fault) = fault {
            turn.memory.note(id, fault);
        }
        self.say(turn, id, step, fault, None);
    }

    /// What it believes in; nothing without an anchor.
    fn anchors(memory: &Memory) -> Option<Anchors> {
        Anchors::pin(memory.anchor.as_deref()?, &AwsLc).ok()
    }
}

impl Turn<'_> {
    /// How far the present update got.
    fn step(&self) -> UpdateStep {
        self.memory.job.as_ref().map_or(UpdateStep::Idle, |job| job.step)
    }

    fn job(&self) -> Option<&Job> {
        self.memory.job.as_ref()
    }
}

/// Largest message on this topic in bytes; the limits are the same for every component.
fn limit(down: Down) -> usize {
    let anybody = ComponentId::from_key_digest(&Digest([0; 32]));
    Route::Down(anybody, down).limits().max_payload
}
