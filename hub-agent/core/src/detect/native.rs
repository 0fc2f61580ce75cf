//! Detectors that no rule can be: silence, clocks, many lost at once, floods of the unknown. What they find
//! are records of their own, which rules name.

use super::{Now, baseline::Baseline};
use crate::record::{Counters, Destination, Record, RecordKind, Source, Status, Word};
use protocol::{id::ComponentId, time::Timestamp};
use std::{collections::VecDeque, time::Duration};

/// Intervals without a sign of life, or without a record.
const INTERVALS: u32 = 3;

/// Spans between batches of a log that are looked at, batches nearer than this are one, and how long a component may
/// always wait with the next.
const GAPS: usize = 6;
const BURST_MS: u64 = 5_000;
const LEAST_LOG_MS: u64 = 300_000;

/// Losses within this time are one event.
const MASS_MS: u64 = 120_000;

/// Losses remembered for that.
const MAX_LOST: usize = 1024;

/// Percent of charge from which silence is no surprise.
const EMPTY: u8 = 5;

/// Steps of a clock: up to this it drifted or was corrected.
const STEP_MS: u64 = 15 * 60_000;
const DRIFT_MS: u64 = 120_000;
const HALF_HOUR_MS: u64 = 30 * 60_000;

/// However small the steps: no summer time leads farther from the hub's clock than this.
const FARTHEST_MS: u64 = 4 * HALF_HOUR_MS + STEP_MS;

/// 2020-01-01: before that, no clock that was ever set is.
const UNSET: Timestamp = Timestamp(1_577_836_800_000);

/// Windows of unknown groups that made room within ten seconds, from which it is a flood.
const FLOOD: u64 = 512;
const FLOOD_MS: u64 = 10_000;

/// A flood is told of once in this time.
const FLOOD_EVERY_MS: u64 = 60_000;

/// What a component's definition says that detection needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// How often it gives a sign of life; unknown: silence means nothing.
    pub interval: Option<Duration>,
    /// Whether it may send no records, so that having none means nothing.
    pub is_mute: bool,
    /// Hosts and ports it may talk to; unknown: nothing is undeclared. `*.maker.example` is any name below.
    pub destinations: Option<Vec<(Word, u16)>>,
}

impl Profile {
    pub(super) fn declares(&self, to: &Destination) -> Option<bool> {
        let known = self.destinations.as_ref()?;
        let ip = to.ip.map(|ip| ip.0.to_string());
        let names = || to.host.as_deref().into_iter().chain(ip.as_deref());
        let fits = |(host, port): &(Word, u16)| {
            *port == to.port && names().any(|name| is_named(host, name))
        };
        Some(known.iter().any(fits))
    }
}

fn is_named(declared: &str, name: &str) -> bool {
    match declared.strip_prefix("*.") {
        Some(below) => name.len().checked_sub(below.len() + 1).is_some_and(|at| {
            name.is_char_boundary(at + 1)
                && name.as_bytes()[at] == b'.'
                && name[at + 1..].eq_ignore_ascii_case(below)
        }),
        None => declared.eq_ignore_ascii_case(name),
    }
}

/// One component, as detection sees it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) profile: Profile,
    pub(super) baseline: Baseline,
    alive: u64,
    logged: u64,
    is_lost: bool,
    /// It was lost while the line to the cloud was down, which explains nothing once that is up again.
    is_lost_with_network: bool,
    said_goodbye: bool,
    is_silent: bool,
    pace: LogPace,
}

impl Member {
    pub(super) fn new(profile: Profile, engine_ms: u64) -> Self {
        Self {
            profile,
            baseline: Baseline::default(),
            alive: engine_ms,
            logged: engine_ms,
            is_lost: false,
            is_lost_with_network: false,
            said_goodbye: false,
            is_silent: false,
            pace: LogPace::default(),
        }
    }

    /// It gave a sign of life.
    pub(super) fn alive(&mut self, engine_ms: u64) {
        // Who was away has something to send, and gets the time for it.
        if self.is_lost {
            self.logged = engine_ms;
            self.pace.pauses();
        }
        (self.alive, self.is_lost) = (engine_ms, false);
    }

    /// The line to the cloud is up again: who is away still gets as long as anybody.
    pub(super) fn network_is_back(&mut self, engine_ms: u64) {
        if std::mem::take(&mut self.is_lost_with_network) && self.is_lost {
            (self.is_lost, self.alive) = (false, engine_ms);
        }
    }

    /// The hub was away and heard nobody: silence counts from now on.
    pub(super) fn wake(&mut self, engine_ms: u64) {
        (self.alive, self.logged) = (engine_ms, engine_ms);
        (self.is_lost, self.is_silent, self.said_goodbye) = (false, false, false);
    }

    /// Learns of its life from a record; says what its clock did.
    pub(super) fn observe(&mut self, record: &Record, engine_ms: u64) -> Option<Record> {
        if record.kind == RecordKind::ComponentLost {
            self.is_lost = true;
            self.is_lost_with_network = record.code.as_deref() == Some("network");
        } else if record.kind == RecordKind::ConnDown {
            self.said_goodbye = matches!(record.code.as_deref(), Some("goodbye" | "bye"));
        } else if matches!(record.kind, RecordKind::ConnUp | RecordKind::ComponentSeen) {
            self.said_goodbye = false;
            self.alive(engine_ms);
        } else if record.source == Source::Component {
            self.alive(engine_ms);
        }
        if record.source != Source::Component {
            return None;
        }
        self.pace.logs(engine_ms.saturating_sub(self.logged), record);
        (self.logged, self.is_silent) = (engine_ms, false);
        self.clock(record)
    }

    /// A clock that differs from the hub's by another amount than before was set.
    fn clock(&mut self, record: &Record) -> Option<Record> {
        let original = record.original?;
        let then = record.at.0.saturating_sub(record.age.unwrap_or(0));
        let off = (original.0 as i64).wrapping_sub(then as i64);
        let before = self.baseline.clock(off)?;
        let by = off.abs_diff(before);
        let was_unset = before.saturating_add_unsigned(record.at.0) < UNSET.0 as i64;
        let beside_half_hours = (by + DRIFT_MS) % HALF_HOUR_MS;
        let code = match by {
            by if by <= DRIFT_MS => return None,
            _ if original < UNSET => "unset",
            _ if was_unset && off.unsigned_abs() <= STEP_MS => "unset",
            _ if off.unsigned_abs() > FARTHEST_MS => "jump",
            by if by <= STEP_MS => "step",
            by if by <= 4 * HALF_HOUR_MS && beside_half_hours <= 2 * DRIFT_MS => "dst",
            _ => "jump",
        };
        let counters = Counters { value: Some(by / 1000), ..Counters::NONE };
        let found = Record::new(record.at, RecordKind::ClockJump).because(code);
        Some(Record { component: record.component, counters, original: Some(original), ..found })
    }

    /// Time has passed: what silence there is.
    pub(super) fn tick(&mut self, id: ComponentId, now: Now, is_uplink_up: bool) -> Vec<Record> {
        let mut told = Vec::new();
        let over = |interval: Option<Duration>, since: u64| {
            interval.is_some_and(|interval| {
                now.engine_ms.saturating_sub(since) >= (interval * INTERVALS).as_millis() as u64
            })
        };
        if !self.is_lost && over(self.profile.interval, self.alive) {
            self.is_lost = true;
            let lost = Record::new(now.wall, RecordKind::ComponentLost).about(id);
            let expected = self.expected(is_uplink_up);
            self.is_lost_with_network = expected == Some("network");
            told.push(match expected {
                Some(code) => lost.because(code),
                None => lost,
            });
        }
        if !self.is_lost && !self.is_silent && self.withholds(now.engine_ms) {
            self.is_silent = true;
            told.push(Record::new(now.wall, RecordKind::LogStopped).about(id).because("silent"));
        }
        told
    }

    /// Whether it goes on giving signs of life, but sent no record for three of the intervals that it keeps to.
    fn withholds(&self, engine_ms: u64) -> bool {
        let interval = self.pace.interval().filter(|_| !self.profile.is_mute);
        let Some(interval) = interval else { return false };
        let span = interval.saturating_mul(INTERVALS.into());
        engine_ms.saturating_sub(self.logged) >= span && self.alive >= self.logged + span / 3 * 2
    }

    /// Why nobody need wonder.
    pub(super) fn expected(&self, is_uplink_up: bool) -> Option<&'static str> {
        match self.baseline.battery() {
            _ if self.said_goodbye => Some("goodbye"),
            Some(charge) if charge <= EMPTY => Some("low-battery"),
            _ if !is_uplink_up => Some("network"),
            _ => None,
        }
    }
}

/// How often a component sends records, as it has done so far.
#[derive(Clone, Debug, Default)]
struct LogPace {
    /// The newest spans between two batches, in seconds, oldest first; zero where there were fewer.
    gaps: [u16; GAPS],
    /// The longest of them when they were regular last, in seconds; zero until they were.
    known: u16,
    /// The next span is none: the component was away.
    is_paused: bool,
}

impl LogPace {
    fn pauses(&mut self) {
        self.is_paused = true;
    }

    /// Records came so long after the last ones. What it sends early, because much happens, is no pace.
    fn logs(&mut self, gap: u64, record: &Record) {
        if record.kind == RecordKind::LogStopped && record.code.as_deref() == Some("opted-out") {
            // Its owner wants it to record less from now on.
            return *self = Self::default();
        }
        if gap == 0 || std::mem::take(&mut self.is_paused) {
            return;
        }
        if gap >= BURST_MS && self.interval().is_none_or(|known| gap >= known / 4) {
            self.gaps.rotate_left(1);
            self.gaps[GAPS - 1] = u16::try_from(gap / 1000).unwrap_or(u16::MAX);
            self.learn();
        }
    }

    /// Spans as regular as a timer makes them are a pace. It stays when later ones are not: else a component could take
    /// it back with two batches.
    fn learn(&mut self) {
        let (least, most) = self
            .gaps
            .iter()
            .fold((u16::MAX, 0), |(least, most), gap| (least.min(*gap), most.max(*gap)));
        if least > 0 && most <= least.saturating_mul(4) {
            self.known = most;
        }
    }

    fn interval(&self) -> Option<u64> {
        (self.known > 0).then(|| (u64::from(self.known) * 1000).max(LEAST_LOG_MS))
    }
}

/// What concerns the whole product.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) is_uplink_up: bool,
    lost: VecDeque<(u64, ComponentId)>,
    told_mass: Option<u64>,
    flood: (u64, u64),
    told_flood: Option<u64>,
}

impl Product {
    pub(super) fn new() -> Self {
        Self {
            is_uplink_up: true,
            lost: VecDeque::new(),
            told_mass: None,
            flood: (0, 0),
            told_flood: None,
        }
    }

    /// What was lost before the hub was away is no loss now.
    pub(super) fn wake(&mut self) {
        self.lost.clear();
    }

    pub(super) fn observe(&mut self, record: &Record, now: Now, members: usize) -> Option<Record> {
        match (record.kind, record.component) {
            (RecordKind::UplinkChanged, _) => {
                self.is_uplink_up = record.status == Status::Success;
                None
            }
            (RecordKind::ComponentLost, Some(id)) => self.lost(id, record, now, members),
            _ => None,
        }
    }

    /// Many lost at once: three, or three in ten, whichever is more, while the line to the cloud is up.
    fn lost(
        &mut self,
        id: ComponentId,
        record: &Record,
        now: Now,
        members: usize,
    ) -> Option<Record> {
        if !self.is_uplink_up || matches!(record.code.as_deref(), Some("goodbye" | "low-battery")) {
            return None;
        }
        let within = |at: u64| now.engine_ms.saturating_sub(at) < MASS_MS;
        self.lost.retain(|(at, other)| within(*at) && *other != id);
        if self.lost.len() == MAX_LOST {
            self.lost.pop_front();
        }
        self.lost.push_back((now.engine_ms, id));
        let bound = (members * 3).div_ceil(10).clamp(3, MAX_LOST);
        if self.lost.len() < bound || self.told_mass.is_some_and(within) {
            return None;
        }
        self.told_mass = Some(now.engine_ms);
        let mut found = Record::new(now.wall, RecordKind::ComponentLost).because("mass");
        found.counters.value = Some(self.lost.len() as u64);
        found.counters.bound = Some(bound as u64);
        Some(found)
    }

    /// Unknown groups made room too early.
    pub(super) fn evicted(&mut self, many: u64, now: Now) -> Option<Record> {
        let (since, so_far) = self.flood;
        let is_same = now.engine_ms.saturating_sub(since) < FLOOD_MS;
        self.flood = if is_same { (since, so_far + many) } else { (now.engine_ms, many) };
        let told = |at: u64| now.engine_ms.saturating_sub(at) < FLOOD_EVERY_MS;
        if self.flood.1 < FLOOD || self.told_flood.is_some_and(told) {
            return None;
        }
        self.told_flood = Some(now.engine_ms);
        let mut found = Record::new(now.wall, RecordKind::GuestFlood);
        found.counters.value = Some(self.flood.1);
        found.counters.bound = Some(FLOOD);
        Some(found)
    }
}
