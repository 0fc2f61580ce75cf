//! What a device records of itself, and how its log reaches the hub: one batch on its way at a time, each kept in
//! flash before it is said.

use super::{Device, Now, Output};
use crate::{
    log::{Draft, Mischief},
    update::Updater,
};
use protocol::{
    cbor,
    id::{JobId, Label, LogHost, LogLife, Slug},
    message::{
        LogControl, LogCounters, LogEnd, LogKind, LogOrder, LogRecord, MAX_LOG_RECORDS,
        UpdateStatus, UpdateStep,
    },
    time::Timestamp,
};
use rand_chacha::rand_core::Rng;

/// After a connection the hub gets this many milliseconds to say what it has, before records are sent.
const GREETING: u64 = 500;

/// A clock drifts by less than this between two signs of life, in milliseconds.
const DRIFT: u64 = 60_000;

/// What may be an attack is sent within so many milliseconds.
const URGENT: u64 = 5_000;

/// Whether a record may tell of an attack, so that it does not wait for its batch.
fn is_urgent(kind: LogKind) -> bool {
    match kind {
        LogKind::AuthFailure
        | LogKind::BootMismatch
        | LogKind::ClockJump
        | LogKind::CommandRefused
        | LogKind::LogStopped
        | LogKind::NetDestination
        | LogKind::Tamper
        | LogKind::UpdateFailed
        | LogKind::UpdateRefused => true,
        LogKind::AuthSuccess
        | LogKind::BootVerified
        | LogKind::CommandReceived
        | LogKind::ConfigChanged
        | LogKind::Health
        | LogKind::NetCounters
        | LogKind::Restart
        | LogKind::UpdateInstalled => false,
    }
}

impl Device {
    /// The same device, taken over: it abuses its log like this.
    #[must_use]
    pub fn with_mischief(mut self, mischief: Mischief) -> Self {
        self.abuses(mischief);
        self
    }

    /// From now on it abuses its log like this.
    pub fn abuses(&mut self, mischief: Mischief) {
        self.log.mischief = Some(mischief);
    }

    /// Its battery has so much charge now, in percent.
    pub fn has_charge(&mut self, percent: u8) {
        self.log.vitals.charged(percent);
    }

    /// Something happens to it from outside: somebody opens it, or logs in at its own interface.
    pub fn happened(&mut self, kind: LogKind, now: Now, with: impl FnOnce(&mut LogRecord)) {
        self.note(kind, now, with);
    }

    /// Notes that something happened. Without an identity there is no log yet.
    pub(super) fn note(&mut self, kind: LogKind, now: Now, with: impl FnOnce(&mut LogRecord)) {
        let Some(own) = self.id().filter(|_| self.pace.log > 0) else { return };
        let mut life = [0; 8];
        if self.flash.log.life.is_none() {
            self.random.fill_bytes(&mut life);
        }
        self.flash.log.open(own, LogLife(life));
        let uptime = now.mono.saturating_sub(self.booted);
        let mut record = LogRecord::new(kind, Some(Timestamp(now.unix_ms)), uptime);
        with(&mut record);
        self.flash.log.append(&record);
        // Where it talks to is a matter of seconds: a scan must not be cut in two by a batch's end.
        if (is_urgent(kind) || record.to.is_some()) && self.log.on_its_way.is_none() {
            self.log.next = self.log.next.min(now.mono + URGENT);
        }
    }

    /// Its start, what its bootloader measured, and where it will talk to.
    pub(super) fn note_start(&mut self, now: Now) {
        if self.id().is_none() || std::mem::replace(&mut self.log.start_noted, true) {
            return;
        }
        self.note(LogKind::Restart, now, |_| {});
        match self.updater().and_then(Updater::started_as_chosen) {
            Some(true) => self.note(LogKind::BootVerified, now, |_| {}),
            Some(false) => self.note(LogKind::BootMismatch, now, |_| {}),
            None => {}
        }
        let declared = self.profile.definition().destinations.first();
        let cloud = declared.and_then(|to| {
            Some(LogEnd { host: LogHost::new(to.host.as_str()).ok()?, port: to.port })
        });
        if cloud.is_some() {
            self.note(LogKind::NetDestination, now, |record| record.to = cloud);
        }
    }

    pub(super) fn note_counters(&mut self, kind: LogKind, counters: LogCounters, now: Now) {
        self.note(kind, now, |record| record.counters = Some(counters));
    }

    /// A command that the hub vouches for, which it obeyed or not.
    pub(super) fn note_command(&mut self, name: &Slug, is_obeyed: bool, now: Now) {
        let kind = if is_obeyed { LogKind::CommandReceived } else { LogKind::CommandRefused };
        let subject = Label::new(name.as_str()).ok();
        self.note(kind, now, |record| record.subject = subject);
    }

    /// A clock that goes another way than its uptime was set.
    fn note_clock(&mut self, now: Now) {
        let off = now.unix_ms.saturating_sub(now.mono);
        let before = self.log.clock.replace(off);
        if before.is_some_and(|before| off.abs_diff(before) > DRIFT) {
            self.note(LogKind::ClockJump, now, |_| {});
        }
    }

    /// What it measures at each sign of life.
    pub(super) fn note_vitals(&mut self, now: Now) {
        self.note_clock(now);
        let kind = self.profile.definition().kind.clone();
        let health = self.log.vitals.health(&kind, &mut self.random);
        self.note_counters(LogKind::Health, health, now);
        let traffic = self.log.vitals.traffic();
        self.note_counters(LogKind::NetCounters, traffic, now);
    }

    /// How an update ended, once.
    pub(super) fn note_update(&mut self, status: &[u8], now: Now) {
        let Ok(status) = cbor::decode::<UpdateStatus>(status, status.len()) else { return };
        let kind = match status.step {
            UpdateStep::Confirmed => LogKind::UpdateInstalled,
            UpdateStep::Failed | UpdateStep::RolledBack => LogKind::UpdateFailed,
            UpdateStep::Refused => LogKind::UpdateRefused,
            UpdateStep::Idle
            | UpdateStep::Accepted
            | UpdateStep::Fetching
            | UpdateStep::Verified
            | UpdateStep::Ready
            | UpdateStep::Installing
            | UpdateStep::Trial
            | UpdateStep::Cancelled => return,
        };
        let told: Option<(JobId, UpdateStep)> = Some((status.job, status.step));
        if std::mem::replace(&mut self.log.update, told) != told {
            let code = status.fault.and_then(|fault| Slug::new(fault.word()).ok());
            self.note(kind, now, |record| record.code = code);
        }
    }

    pub(super) fn note_config(&mut self, revision: u32, now: Now) {
        let subject = Label::new(&format!("revision {revision}")).ok();
        self.note(LogKind::ConfigChanged, now, |record| record.subject = subject);
    }

    /// A session began: nothing is on its way.
    pub(super) fn log_connected(&mut self, now: Now) {
        self.log.on_its_way = None;
        self.log.next = now.mono + GREETING.min(self.pace.log);
        self.log.vitals.connected();
    }

    /// When the log wants the timer while the device is online.
    pub(super) fn log_deadline(&self) -> Option<u64> {
        (self.pace.log > 0).then_some(self.log.next)
    }

    /// A batch, when its time has come or enough waits.
    pub(super) fn speak_log(&mut self, now: Now) -> Vec<Output> {
        let is_full = self.flash.log.waiting() >= MAX_LOG_RECORDS && self.log.on_its_way.is_none();
        if self.pace.log == 0 || (now.mono < self.log.next && !is_full) {
            return Vec::new();
        }
        for _ in 0..self.log.mischief.map_or(0, Mischief::flood) {
            self.note(LogKind::AuthFailure, now, |_| {});
        }
        self.send_log(self.flash.log.acknowledged + 1, MAX_LOG_RECORDS, now)
    }

    /// A batch from this record on. It is in flash before it is said, so that no number is ever said twice with
    /// different content.
    fn send_log(&mut self, from: u64, most: usize, now: Now) -> Vec<Output> {
        self.log.next = now.mono + self.pace.log;
        let uptime = now.mono.saturating_sub(self.booted);
        let time = Some(Timestamp(now.unix_ms));
        let Some(draft) = self.flash.log.draft(from, most, time, uptime) else { return Vec::new() };
        self.log.on_its_way = Some(draft.last());
        let drafts = match self.log.mischief {
            Some(mischief) => mischief.spoil(draft),
            None => vec![draft],
        };
        let said = drafts.into_iter().map(|draft: Draft| Output::Log(Box::new(draft)));
        [Output::Save].into_iter().chain(said).collect()
    }

    /// The hub says something about the log.
    pub(super) fn log_control(&mut self, payload: &[u8], now: Now) -> Vec<Output> {
        let Ok(control) = cbor::decode::<LogControl>(payload, payload.len()) else {
            return Vec::new();
        };
        if self.pace.log == 0 {
            return Vec::new();
        }
        match control.order {
            LogOrder::Ack => self.log_acknowledged(&control, now),
            LogOrder::Pull => {
                let most = usize::try_from(control.count.unwrap_or(1)).unwrap_or(usize::MAX);
                self.send_log(control.seq.unwrap_or(1), most, now)
            }
            LogOrder::Quiet => self.log_quiet(&control, now),
        }
    }

    fn log_acknowledged(&mut self, control: &LogControl, now: Now) -> Vec<Output> {
        let (Some(seq), Some(chain)) = (control.seq, control.chain) else { return Vec::new() };
        if control.life != self.flash.log.life {
            // Of a log that ended; it says nothing about this one.
            return Vec::new();
        }
        if !self.flash.log.acknowledge(seq, chain) {
            // This memory is older than the hub's: what it would count on was said before.
            self.flash.log.abandon();
            self.log.start_noted = false;
            self.note_start(now);
            return vec![Output::Save];
        }
        let was_ours = self.log.on_its_way.take_if(|last| *last <= seq).is_some();
        let more = self.flash.log.waiting() >= MAX_LOG_RECORDS / 2;
        if was_ours && more { self.send_log(seq + 1, MAX_LOG_RECORDS, now) } else { Vec::new() }
    }

    fn log_quiet(&mut self, control: &LogControl, now: Now) -> Vec<Output> {
        let wanted = control.classes.as_ref().map_or(&[][..], |classes| classes.items());
        if self.flash.log.quiet == wanted {
            return Vec::new();
        }
        let is_less = wanted.iter().any(|class| !self.flash.log.quiet.contains(class));
        self.flash.log.quiet = wanted.to_vec();
        if is_less {
            let code = Slug::new("opted-out").ok();
            self.note(LogKind::LogStopped, now, |record| record.code = code);
        }
        vec![Output::Save]
    }

    /// The hub took a batch, or refused it: then the next one waits.
    pub(super) fn log_answered(&mut self, last: u64, taken: bool, now: Now) {
        if !taken && self.log.on_its_way == Some(last) {
            self.log.on_its_way = None;
            self.log.next = now.mono + self.pace.log;
        }
    }
}
