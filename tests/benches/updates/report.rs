//! The tables: medians, ratios to raw copies in the same run, and which targets are missed.

use crate::transfer::Copy;
use comfy_table::{Table, presets};
use std::{collections::BTreeMap, io::Write, time::Instant};

const MIB: f64 = 1024.0 * 1024.0;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    RawOne,
    PulledOne,
    DeviceOne,
    RawMany,
    PulledMany,
}

impl Row {
    fn name(self) -> &'static str {
        match self {
            Self::RawOne | Self::RawMany => "raw copies, SHA-256 at the receiver",
            Self::PulledOne | Self::PulledMany => "hub to lean components",
            Self::DeviceOne => "hub to the simulated device, with its flash",
        }
    }
}

pub(crate) struct Report {
    sizes: (u32, u32),
    count: usize,
    copies: BTreeMap<Row, Vec<Copy>>,
    memory: Vec<[u64; 3]>,
    read: Vec<f64>,
    busy: Vec<f64>,
    quiet: Vec<f64>,
    repository: (usize, u64),
    verification: Vec<[f64; 3]>,
}

impl Report {
    pub(crate) fn new(one: u32, many: u32, count: usize) -> Self {
        Self {
            sizes: (one, many),
            count,
            copies: BTreeMap::new(),
            memory: Vec::new(),
            read: Vec::new(),
            busy: Vec::new(),
            quiet: Vec::new(),
            repository: (0, 0),
            verification: Vec::new(),
        }
    }

    /// Bytes of the image where there are many.
    pub(crate) fn many_size(&self) -> u32 {
        self.sizes.1
    }

    pub(crate) fn copy(&mut self, row: Row, copy: Copy) {
        self.copies.entry(row).or_default().push(copy);
    }

    /// Memory in KiB: idle, with all connected, at most while they pulled; and images read from files.
    pub(crate) fn hub(&mut self, memory: [u64; 3], images: f64) {
        self.memory.push(memory);
        self.read.push(images);
    }

    pub(crate) fn telemetry(&mut self, times: Vec<f64>) {
        self.busy.extend(times);
    }

    pub(crate) fn quiet(&mut self, times: Vec<f64>) {
        self.quiet.extend(times);
    }

    pub(crate) fn repository(&mut self, targets: usize, bytes: u64) {
        self.repository = (targets, bytes);
    }

    /// Milliseconds to parse, to verify for the first time, and to verify again what has not changed.
    pub(crate) fn verification(&mut self, times: [f64; 3]) {
        self.verification.push(times);
    }

    pub(crate) fn print(&self) {
        let mut lines = Vec::new();
        let mut missed = Vec::new();
        if self.copies.contains_key(&Row::RawOne) {
            let size = self.sizes.0 >> 20;
            lines.push(format!("one image of {size} MiB to one component, mutual TLS 1.3"));
            lines.push(self.transfers(&[Row::RawOne, Row::PulledOne, Row::DeviceOne]).to_string());
            self.check_rate(Row::PulledOne, &mut missed);
            lines.push(self.costs(Row::PulledOne));
        }
        if self.copies.contains_key(&Row::RawMany) {
            let (count, size) = (self.count, self.sizes.1 >> 20);
            lines.push(format!(
                "{count} components at once, {size} MiB to each, half of them of another model, because a campaign \
                 serves 64 at once"
            ));
            if self.sizes.1 < self.sizes.0 {
                lines.push("a smaller image, to be short; `-- whole` takes the whole".to_owned());
            }
            lines.push(self.transfers(&[Row::RawMany, Row::PulledMany]).to_string());
            self.check_rate(Row::PulledMany, &mut missed);
            lines.push(self.meanwhile(&mut missed).to_string());
            lines.push(self.costs(Row::PulledMany));
        }
        if !self.verification.is_empty() {
            let (targets, bytes) = self.repository;
            let size = bytes as f64 / MIB;
            lines.push(format!("a repository of {targets} targets, {size:.2} MiB of metadata"));
            lines.push(self.verifications(&mut missed).to_string());
        }
        lines.push(match missed.is_empty() {
            true => "every target is met".to_owned(),
            false => format!("missed: {}", missed.join("; ")),
        });
        let mut out = std::io::stdout().lock();
        // Whoever reads may be gone.
        let _ = writeln!(out, "{}", lines.join("\n"));
    }

    fn of(&self, row: Row, pick: fn(&Copy) -> f64) -> f64 {
        median(self.copies[&row].iter().map(pick))
    }

    fn beside(row: Row) -> Row {
        match row {
            Row::RawOne | Row::PulledOne | Row::DeviceOne => Row::RawOne,
            Row::RawMany | Row::PulledMany => Row::RawMany,
        }
    }

    fn transfers(&self, rows: &[Row]) -> Table {
        let mut all = table(&[
            "who",
            "MB/s",
            "× raw",
            "sender's CPU ms/MiB",
            "receiver's CPU ms/MiB",
            "asked again",
        ]);
        for row in rows {
            let (here, raw) = (self.of(*row, rate), self.of(Self::beside(*row), rate));
            let cpu = |pick: fn(&Copy) -> f64| match self.of(*row, pick) {
                0.0 => "–".to_owned(),
                cpu => format!("{cpu:.2}"),
            };
            let again: u32 = self.copies[row].iter().map(|copy| copy.again).sum();
            all.add_row(vec![
                row.name().to_owned(),
                format!("{here:.0}"),
                format!("{:.2}", here / raw),
                cpu(|copy| copy.sender * 1e3 * MIB / copy.bytes as f64),
                cpu(|copy| copy.receivers * 1e3 * MIB / copy.bytes as f64),
                again.to_string(),
            ]);
        }
        all
    }

    fn check_rate(&self, row: Row, missed: &mut Vec<String>) {
        let ratio = self.of(row, rate) / self.of(Self::beside(row), rate);
        if ratio < 0.7 {
            missed.push(format!("{}: {ratio:.2} of a raw copy, not 0.7", row.name()));
        }
    }

    fn meanwhile(&self, missed: &mut Vec<String>) -> Table {
        let mut all = table(&["meanwhile", "found", "target"]);
        let memory = |at: usize| median(self.memory.iter().map(|all| all[at] as f64)) / 1024.0;
        let grown = memory(2) - memory(0);
        let each = median(self.read.iter().copied()) / self.count as f64;
        let (busy, quiet) = (p99(&self.busy), p99(&self.quiet));
        let rows = [
            (
                "hub's memory above idle, MiB",
                format!("{grown:.1}, {:.1} of it connections", memory(1) - memory(0)),
                "below 32",
                grown < 32.0,
            ),
            (
                "read from files for each component, images",
                format!("{each:.3}, of 2 models to {} components", self.count),
                "about 0.02",
                each < 0.1,
            ),
            (
                "a value to its acknowledgement, p99 ms",
                format!("{busy:.1} of {} values; {quiet:.1} when quiet", self.busy.len()),
                "below 50",
                busy < 50.0,
            ),
        ];
        for (what, found, target, met) in rows {
            if !met {
                missed.push(format!("{what}: {found}, not {target}"));
            }
            all.add_row(vec![what, &found, target]);
        }
        all
    }

    /// Who was busy, and what it did most.
    fn costs(&self, row: Row) -> String {
        let raw = Self::beside(row);
        let hub = self.of(row, |copy| copy.sender / copy.seconds) * 100.0;
        let receivers = self.of(row, |copy| copy.receivers / copy.seconds) * 100.0;
        let each = |row: Row, pick: fn(&Copy) -> f64| self.of(row, pick);
        let sender = |copy: &Copy| copy.sender * 1e3 * MIB / copy.bytes as f64;
        let more = each(row, sender) - each(raw, sender);
        let hash = hashing();
        let largest = match receivers > hub {
            true => format!(
                "the receivers, whose SHA-256 of everything takes {hash:.2} ms/MiB, as in a raw copy"
            ),
            false => format!("the hub: {more:.2} ms/MiB more than a raw sender"),
        };
        format!(
            "of one core the hub took {hub:.0} % and the receivers {receivers:.0} %; the largest cost: {largest}\n"
        )
    }

    fn verifications(&self, missed: &mut Vec<String>) -> Table {
        let mut all = table(&["what", "ms", "× parsing", "target"]);
        let of = |at: usize| median(self.verification.iter().map(|times| times[at]));
        let rows = [
            ("read and parse with serde_json alone", 0, ""),
            ("first refresh and find", 1, "below 100"),
            ("again, nothing changed", 2, ""),
        ];
        for (what, at, target) in rows {
            let (time, ratio) = (format!("{:.1}", of(at)), format!("{:.1}", of(at) / of(0)));
            all.add_row(vec![what, &time, &ratio, target]);
        }
        if of(1) >= 100.0 {
            missed.push(format!("refresh and find: {:.0} ms, not below 100", of(1)));
        }
        all
    }
}

/// Milliseconds that SHA-256 takes for a MiB here.
fn hashing() -> f64 {
    let bytes = vec![7; 16 << 20];
    let started = Instant::now();
    std::hint::black_box(device_sim::identity::sha256(&bytes));
    started.elapsed().as_secs_f64() * 1e3 / 16.0
}

fn rate(copy: &Copy) -> f64 {
    copy.bytes as f64 / 1e6 / copy.seconds
}

fn p99(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(head.to_vec());
    table
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
