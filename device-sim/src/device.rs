//! One component's decisions, without I/O: time and randomness are arguments, so the same seed gives
//! the same life, in simulation and on the wire.

use crate::{
    assertion::Believer,
    flaky::Flaky,
    flash::{Credentials, Flash},
    log::Desk,
    profile::Profile,
    update::Updater,
};
use protocol::{
    cbor,
    id::{BootId, ComponentId, InvalidText, Label, Note},
    message::{ConfigOutcome, Interval, TrustNotice, TrustState},
    topic::{Down, Route, Up},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::sync::Arc;

mod config;
mod events;
mod log;
mod peers;
mod speech;
mod update;

pub use config::Temper;
pub use events::{Input, Output, Token};
use peers::Peers;

/// First and longest wait before the next try, in milliseconds.
const BACKOFF: (u64, u64) = (1_000, 60_000);

/// The time as the device has it.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Milliseconds since the device started.
    pub mono: u64,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// How often a device says what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Seconds between heartbeats.
    pub interval: Interval,
    /// Milliseconds between two values of a stream; 0 for none.
    pub stream: u64,
    /// Milliseconds between two batches of its log; 0 for no log.
    pub log: u64,
}

enum Stage {
    Off,
    Enrolling { retry_at: u64 },
    Offline { retry_at: u64 },
    Connecting,
    Online,
}

/// One device.
pub struct Device {
    profile: Arc<Profile>,
    serial: Label,
    flash: Flash,
    pace: Pace,
    random: ChaCha8Rng,
    flaky: Option<Flaky>,
    boot: BootId,
    booted: u64,
    stage: Stage,
    failures: u32,
    renewing: bool,
    announced: bool,
    /// The configuration's revision as it stands in the announcement: with its number it must not change.
    announced_config: u32,
    heartbeats: u64,
    values: u64,
    next_heartbeat: u64,
    next_value: u64,
    trust: Option<TrustNotice>,
    temper: Temper,
    believer: Believer,
    peers: Peers,
    /// What it did with the configuration it was last given, and why.
    outcome: (ConfigOutcome, Option<Note>),
    updater: Option<Updater>,
    /// Subscriptions of this session that were not taken yet.
    subscribing: Option<usize>,
    log: Desk,
}

impl Device {
    /// A device with this memory, switched off.
    ///
    /// # Errors
    /// When its serial number is no label.
    pub fn new(
        profile: Arc<Profile>,
        flash: Flash,
        pace: Pace,
        seed: u64,
    ) -> Result<Self, InvalidText> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let boot = new_boot(&mut random);
        let updater = profile.updater();
        Ok(Self {
            profile,
            serial: Label::new(&flash.serial)?,
            flash,
            pace,
            random,
            flaky: None,
            boot,
            booted: 0,
            stage: Stage::Off,
            failures: 0,
            renewing: false,
            announced: false,
            announced_config: 0,
            heartbeats: 0,
            values: 0,
            next_heartbeat: 0,
            next_value: 0,
            trust: None,
            temper: Temper::default(),
            believer: Believer::default(),
            peers: Peers::default(),
            outcome: (ConfigOutcome::Applied, None),
            updater,
            subscribing: None,
            log: Desk::default(),
        })
    }

    /// The same device with these troubles.
    #[must_use]
    pub fn with_flaws(self, flaky: Flaky) -> Self {
        Self { flaky: Some(flaky), ..self }
    }

    /// How often something went wrong with it so far.
    #[must_use]
    pub fn flaws(&self) -> u64 {
        self.flaky.as_ref().map_or(0, Flaky::count)
    }

    /// What survives.
    #[must_use]
    pub fn flash(&self) -> &Flash {
        &self.flash
    }

    /// Its profile.
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// Its logical id, once it has one.
    #[must_use]
    pub fn id(&self) -> Option<ComponentId> {
        self.flash.credentials.as_ref().map(|credentials| credentials.id)
    }

    /// How the hub said it regards it.
    #[must_use]
    pub fn trust(&self) -> Option<TrustState> {
        self.trust.as_ref().map(|notice| notice.state)
    }

    /// Whether its announcement of this life was acknowledged.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        self.announced
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        match input {
            Input::Start => self.start(now),
            Input::Enrolled(credentials) => self.enrolled(credentials, now),
            Input::EnrolLater(seconds) => {
                self.stage = Stage::Enrolling { retry_at: now.mono + seconds * 1000 };
                Vec::new()
            }
            Input::EnrolFailed => self.enrol_failed(now),
            Input::Connected => self.connected(now),
            Input::Disconnected => {
                self.disconnected(now);
                Vec::new()
            }
            Input::Answered(Token::Announcement(seq), true) if seq == self.flash.seq => {
                self.announced = true;
                self.failures = 0;
                Vec::new()
            }
            Input::Answered(Token::Status(seq), _) => {
                self.update(now, |updater, turn| updater.answered(seq, turn))
            }
            Input::Answered(Token::Log(last), taken) => {
                self.log_answered(last, taken, now);
                Vec::new()
            }
            Input::Answered(..) => Vec::new(),
            Input::Subscribed(taken) => self.subscription(taken, now),
            Input::SelfTested(passed) => {
                self.update(now, |updater, turn| updater.self_tested(passed, turn))
            }
            Input::Restarted => self.restart(now),
            Input::Received(Down::Relayed, payload) => self.relayed(&payload, now),
            Input::Received(Down::Config, payload) => self.configure(&payload, now),
            Input::Received(Down::LogControl, payload) => self.log_control(&payload, now),
            Input::Received(Down::Trust, payload) => {
                self.trust = cbor::decode(&payload, payload.len()).ok().or(self.trust.take());
                Vec::new()
            }
            Input::Received(
                down @ (Down::UpdateOffer | Down::UpdateBlock | Down::UpdateControl),
                payload,
            ) => self.update_message(down, &payload, now),
            Input::Timer => {
                let mut outputs = self.update(now, Updater::timer);
                outputs.extend(self.timer(now));
                outputs
            }
        }
    }

    /// When the device wants its timer, in milliseconds since its start.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let update = self.updater.as_ref().and_then(Updater::deadline);
        self.next_step().into_iter().chain(update).min()
    }

    fn next_step(&self) -> Option<u64> {
        match self.stage {
            Stage::Off | Stage::Connecting => None,
            Stage::Enrolling { retry_at } | Stage::Offline { retry_at } => Some(retry_at),
            Stage::Online => {
                let value = (self.pace.stream > 0).then_some(self.next_value);
                let others = value.into_iter().chain(self.log_deadline());
                others.chain([self.next_heartbeat]).min()
            }
        }
    }

    /// Its announcement of this life.
    #[must_use]
    pub fn announcement(&self) -> Vec<u8> {
        let Flash { seq, .. } = &self.flash;
        cbor::encode(&self.with_running(self.profile.announcement(
            &self.serial,
            *seq,
            self.boot,
            self.pace.interval,
            self.announced_config,
        )))
    }

    /// What it announces changed: it counts on.
    pub fn count_on(&mut self) {
        self.flash.seq += 1;
        self.announced_config = self.flash.config;
        self.announced = false;
    }

    /// Each life has its own announcement, so its number is taken before anything is said. Without software
    /// that may start there is no life.
    fn start(&mut self, now: Now) -> Vec<Output> {
        let Ok(booted) = self.boot(now) else {
            self.stage = Stage::Off;
            return Vec::new();
        };
        self.count_on();
        self.log.start_noted = false;
        self.note_start(now);
        let (stage, next) = match self.flash.credentials {
            Some(_) => (Stage::Connecting, Output::Connect),
            None => (Stage::Enrolling { retry_at: u64::MAX }, Output::Enrol),
        };
        self.stage = stage;
        let more = booted.into_iter().filter(|output| *output != Output::Save);
        [Output::Save, next].into_iter().chain(more).collect()
    }

    fn disconnected(&mut self, now: Now) {
        self.subscribing = None;
        self.updater.iter_mut().for_each(Updater::disconnected);
        let retry_at = now.mono + self.backoff();
        self.stage = Stage::Offline { retry_at };
    }

    /// The power went and came back.
    fn restart(&mut self, now: Now) -> Vec<Output> {
        self.boot = new_boot(&mut self.random);
        (self.booted, self.heartbeats) = (now.mono, 0);
        [Output::HangUp].into_iter().chain(self.start(now)).collect()
    }

    fn enrolled(&mut self, credentials: Credentials, now: Now) -> Vec<Output> {
        self.flash.credentials = Some(credentials);
        self.note_start(now);
        self.failures = 0;
        if std::mem::take(&mut self.renewing) {
            // The session goes on; the next connection uses the new certificate.
            return vec![Output::Save];
        }
        self.stage = Stage::Connecting;
        vec![Output::Save, Output::Connect]
    }

    fn enrol_failed(&mut self, now: Now) -> Vec<Output> {
        let wait = self.backoff();
        if std::mem::take(&mut self.renewing) {
            return Vec::new();
        }
        self.stage = Stage::Enrolling { retry_at: now.mono + wait };
        Vec::new()
    }

    fn connected(&mut self, now: Now) -> Vec<Output> {
        self.stage = Stage::Online;
        self.next_heartbeat = now.mono + self.interval();
        self.next_value = now.mono + self.pace.stream;
        let mut topics = vec![Down::Trust, Down::Config, Down::Relayed];
        if self.pace.log > 0 {
            topics.push(Down::LogControl);
            self.log_connected(now);
        }
        if let Some(updater) = &mut self.updater {
            updater.connected(now.mono);
            topics.extend([Down::UpdateOffer, Down::UpdateBlock, Down::UpdateControl]);
        }
        self.subscribing = Some(topics.len());
        let subscribe = |id, down| Output::Subscribe(Route::Down(id, down).to_string());
        let subscribed = self
            .id()
            .into_iter()
            .flat_map(|id| topics.iter().map(move |down| subscribe(id, *down)));
        subscribed.chain(self.announce()).chain(self.report()).collect()
    }

    fn announce(&self) -> Option<Output> {
        self.publish(Token::Announcement(self.flash.seq), Up::Announce, self.announcement(), 1)
    }

    fn timer(&mut self, now: Now) -> Vec<Output> {
        match self.stage {
            Stage::Enrolling { retry_at } if now.mono >= retry_at => {
                self.stage = Stage::Enrolling { retry_at: u64::MAX };
                vec![Output::Enrol]
            }
            Stage::Offline { retry_at } if now.mono >= retry_at => {
                self.stage = Stage::Connecting;
                vec![Output::Connect]
            }
            Stage::Online => self.speak(now),
            Stage::Enrolling { .. } | Stage::Offline { .. } | Stage::Off | Stage::Connecting => {
                Vec::new()
            }
        }
    }

    fn publish(&self, token: Token, up: Up, payload: Vec<u8>, qos: u8) -> Option<Output> {
        let topic = Route::Up(self.id()?, up).to_string();
        Some(Output::Publish { token, topic, payload, qos })
    }

    fn interval(&self) -> u64 {
        u64::from(self.pace.interval.get()) * 1000
    }

    /// Exponential, with full jitter.
    fn backoff(&mut self) -> u64 {
        let ceiling = (BACKOFF.0 << self.failures.min(6)).min(BACKOFF.1);
        self.failures += 1;
        1 + u64::from(self.random.next_u32()) % ceiling
    }
}

fn new_boot(random: &mut ChaCha8Rng) -> BootId {
    let mut boot = [0; 8];
    random.fill_bytes(&mut boot);
    BootId(boot)
}

#[cfg(test)]
mod tests;
