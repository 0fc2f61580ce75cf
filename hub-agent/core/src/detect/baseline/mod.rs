//! What is usual for one component, in at most a kibibyte, and what deviates from it.
//!
//! Nothing is judged before it was learnt; what is judged becomes a record of its own, which rules name.

mod pack;
mod sketch;

use crate::record::{Address, Counters, Destination, Peer, Record, RecordKind};
use pack::Packed;
use sketch::{Beacon, Bloom, Distinct, Drift, Histogram, Week};
use std::hash::{Hash, Hasher};

use crate::detect::engine::{Mixer, Seed};

/// Records of first contacts in a minute; further ones are only remembered.
const MAX_FIRST: u8 = 32;

/// The format of what is packed.
const FORMAT: u8 = 1;

const BIN_MS: u64 = 10_000;
const HOUR_MS: u64 = 3_600_000;

/// Below these amounts nothing is worth a word, however unusual.
const FLOORS: [u64; 6] = [50, 64 * 1024, 64 * 1024, 30, 80, 10];

/// How many times the usual something must be.
const FACTORS: [u64; 6] = [8, 8, 8, 8, 2, 4];

/// The words for the ways of deviating.
const CODES: [&str; 6] = ["rate", "bytes-out", "bytes-in", "connections", "cpu", "battery"];

/// What is measured of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Rate,
    BytesOut,
    BytesIn,
    Connections,
    Cpu,
    /// Percent of charge lost in an hour.
    Battery,
}

/// What is usual for one component.
#[derive(Clone, Debug, Default)]
pub(crate) struct Baseline {
    usual: [Histogram; 6],
    destinations: Bloom,
    distinct: Distinct,
    distinct_mean: f32,
    distinct_hour: u64,
    drift: Drift,
    week: Week,
    week_hour: u64,
    beacons: [Beacon; 4],
    addresses: [u32; 4],
    programs: [u32; 4],
    bin: u64,
    in_bin: u32,
    told_in_bin: bool,
    first_minute: u64,
    first_in_minute: u8,
    battery: Option<(u64, u8)>,
    clock: Option<i64>,
}

/// When a record came: by the engine's time, which never goes back, and by the wall.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    pub(crate) engine_ms: u64,
    pub(crate) wall_ms: u64,
}

impl Baseline {
    /// Takes a record of the component, and says what deviates. What the component may talk to by its
    /// definition is asked of `declared`; it answers nothing where no definition is known.
    pub(crate) fn observe(
        &mut self,
        record: &Record,
        when: When,
        declared: impl Fn(&Destination) -> Option<bool>,
    ) -> Vec<Record> {
        let mut told = Vec::new();
        self.rate(record, when, &mut told);
        let counters = &record.counters;
        for (measure, value) in [
            (Measure::BytesOut, counters.bytes_out),
            (Measure::BytesIn, counters.bytes_in),
            (Measure::Connections, counters.connections.map(u64::from)),
            (Measure::Cpu, counters.cpu.map(u64::from)),
        ] {
            if let Some(value) = value {
                self.measured(measure, value, record, &mut told);
            }
        }
        if let Some(bytes) = counters.bytes_out
            && let Some(much) = self.drift.add(when.wall_ms / HOUR_MS, bytes)
        {
            told.push(deviation(record, "drift", much, None));
        }
        if let Some(charge) = counters.battery {
            self.charge(charge, record, when, &mut told);
        }
        if let Some(to) = &record.destination {
            self.contact(to, record, when, declared(to), &mut told);
        }
        if let Some(peer) = &record.peer
            && matches!(
                record.kind,
                RecordKind::ConnUp | RecordKind::AuthSuccess | RecordKind::CertIssued
            )
            && self.is_new_place(peer)
        {
            told.push(first_seen(record, "new-place"));
        }
        self.hour(record, when, &mut told);
        told
    }

    /// What was learnt, to be kept over a restart; what counts by the engine's time is left out.
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut packed = vec![FORMAT];
        self.usual.put(&mut packed);
        self.destinations.put(&mut packed);
        self.distinct.put(&mut packed);
        self.distinct_mean.put(&mut packed);
        self.distinct_hour.put(&mut packed);
        self.drift.put(&mut packed);
        self.week.put(&mut packed);
        self.week_hour.put(&mut packed);
        self.addresses.put(&mut packed);
        self.programs.put(&mut packed);
        packed
    }

    /// What was packed; nothing when it is damaged or of another format.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let (format, mut bytes) = bytes.split_first()?;
        let bytes = &mut bytes;
        let learnt = Self {
            usual: Packed::take(bytes)?,
            destinations: Packed::take(bytes)?,
            distinct: Packed::take(bytes)?,
            distinct_mean: Packed::take(bytes)?,
            distinct_hour: Packed::take(bytes)?,
            drift: Packed::take(bytes)?,
            week: Packed::take(bytes)?,
            week_hour: Packed::take(bytes)?,
            addresses: Packed::take(bytes)?,
            programs: Packed::take(bytes)?,
            ..Self::default()
        };
        (*format == FORMAT && bytes.is_empty()).then_some(learnt)
    }

    /// How the component's clock is off, in milliseconds, as it was before and is now.
    pub(crate) fn clock(&mut self, off: i64) -> Option<i64> {
        self.clock.replace(off)
    }

    /// The last charge of its battery.
    pub(crate) fn battery(&self) -> Option<u8> {
        self.battery.map(|(_, charge)| charge)
    }

    /// Counts records in spans of ten seconds; a span is judged as soon as it is unusual.
    fn rate(&mut self, record: &Record, when: When, told: &mut Vec<Record>) {
        let bin = when.engine_ms / BIN_MS;
        if bin != self.bin {
            if self.in_bin > 0 {
                self.usual[Measure::Rate as usize].add(self.in_bin.into());
            }
            (self.bin, self.in_bin, self.told_in_bin) = (bin, 0, false);
        }
        self.in_bin = self.in_bin.saturating_add(record.counters.count.unwrap_or(1));
        if self.told_in_bin || u64::from(self.in_bin) < FLOORS[Measure::Rate as usize] {
            return;
        }
        if let Some(usual) = self.beyond(Measure::Rate, self.in_bin.into()) {
            self.told_in_bin = true;
            told.push(deviation(record, "rate", self.in_bin.into(), Some(usual)));
        }
    }

    fn measured(&mut self, measure: Measure, value: u64, record: &Record, told: &mut Vec<Record>) {
        if let Some(usual) = self.beyond(measure, value) {
            told.push(deviation(record, CODES[measure as usize], value, Some(usual)));
        }
        self.usual[measure as usize].add(value);
    }

    /// The usual, where the value is far beyond it.
    fn beyond(&self, measure: Measure, value: u64) -> Option<u64> {
        let at = measure as usize;
        if value < FLOORS[at] {
            return None;
        }
        self.usual[at].usual().filter(|usual| value >= usual.saturating_mul(FACTORS[at]))
    }

    /// How fast a battery drains, in percent an hour; a battery that is charged begins anew.
    fn charge(&mut self, charge: u8, record: &Record, when: When, told: &mut Vec<Record>) {
        let now = when.engine_ms;
        match self.battery {
            Some((since, before)) if charge < before => {
                let ms = now.saturating_sub(since).max(60_000);
                let drain = u64::from(before - charge) * HOUR_MS / ms;
                self.measured(Measure::Battery, drain, record, told);
                self.battery = Some((now, charge));
            }
            Some((_, before)) if charge == before => {}
            _ => self.battery = Some((now, charge)),
        }
    }

    fn contact(
        &mut self,
        to: &Destination,
        record: &Record,
        when: When,
        declared: Option<bool>,
        told: &mut Vec<Record>,
    ) {
        let hash = hash(to);
        self.distinct.add(hash);
        if self.destinations.is_new(hash) && self.may_tell_first(when) {
            let code = match declared {
                Some(true) => "declared",
                Some(false) => "undeclared",
                None => "new",
            };
            told.push(first_seen(record, code));
        }
        let now_s = (when.engine_ms / 1000) as u32;
        if declared != Some(true) && Beacon::contact(&mut self.beacons, hash as u32, now_s) {
            told.push(deviation(record, "beacon", 0, None));
        }
    }

    fn may_tell_first(&mut self, when: When) -> bool {
        let minute = when.engine_ms / 60_000;
        if minute != self.first_minute {
            (self.first_minute, self.first_in_minute) = (minute, 0);
        }
        self.first_in_minute = self.first_in_minute.saturating_add(1);
        self.first_in_minute <= MAX_FIRST
    }

    /// New is a place only when address and program are both new, and others were known before: a new
    /// address alone is the router's doing, a new program alone an update's.
    fn is_new_place(&mut self, peer: &Peer) -> bool {
        let Some(program) = peer.fingerprint else { return false };
        let was_known = self.programs.iter().any(|known| *known != 0);
        let new_program = remember(&mut self.programs, short(program.0));
        let new_address = remember(&mut self.addresses, short(peer.ip));
        was_known && new_program && new_address
    }

    /// What is looked at once an hour.
    fn hour(&mut self, record: &Record, when: When, told: &mut Vec<Record>) {
        let hour = when.wall_ms / HOUR_MS;
        if hour != self.distinct_hour {
            let count = self.distinct.count();
            if self.distinct_mean >= 1.0 && count >= 30 && count as f32 >= 8.0 * self.distinct_mean
            {
                let usual = self.distinct_mean.ceil() as u64;
                told.push(deviation(record, "destinations", count, Some(usual)));
            }
            self.distinct_mean += (count.min(64) as f32 - self.distinct_mean) / 24.0;
            (self.distinct, self.distinct_hour) = (Distinct::default(), hour);
        }
        if record.kind == RecordKind::CommandIssued && hour != self.week_hour {
            self.week_hour = hour;
            if self.week.add(hour) {
                told.push(deviation(record, "unusual-hour", hour % 24, None));
            }
        }
    }
}

/// Remembers the four newest; says whether it was none of them.
fn remember(known: &mut [u32; 4], one: u32) -> bool {
    let at = known.iter().position(|other| *other == one);
    known[..=at.unwrap_or(3)].rotate_right(1);
    known[0] = one;
    at.is_none()
}

fn mixed(value: impl Hash) -> u64 {
    // Whoever chooses destinations so that they collide only makes a known one of them look known.
    let mut mixer: Mixer = std::hash::BuildHasher::build_hasher(&Seed(0x68_75_62));
    value.hash(&mut mixer);
    mixer.finish()
}

fn short(value: impl Hash) -> u32 {
    (mixed(value) as u32).max(1)
}

/// A destination is its name where it has one: behind a name, addresses move.
fn hash(to: &Destination) -> u64 {
    match &to.host {
        Some(host) => mixed((host.as_str(), to.port)),
        None => mixed((to.ip.map(|Address(ip)| ip), to.port)),
    }
}

fn first_seen(record: &Record, code: &str) -> Record {
    let found = derived(record, RecordKind::NetFirstSeen).because(code);
    Record { destination: record.destination.clone(), peer: record.peer.clone(), ..found }
}

fn deviation(record: &Record, code: &str, value: u64, usual: Option<u64>) -> Record {
    let found = derived(record, RecordKind::BaselineDeviation).because(code);
    let counters = Counters { value: Some(value), bound: usual, ..Counters::NONE };
    Record { destination: record.destination.clone(), counters, ..found }
}

fn derived(record: &Record, kind: RecordKind) -> Record {
    Record { component: record.component, ..Record::new(record.at, kind) }
}

#[cfg(test)]
mod tests;
