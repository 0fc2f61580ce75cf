//! The table: medians, and ratios to mosquitto in the same run.

use crate::{Load, idle::Idle, server::Kind};
use comfy_table::{Table, presets};
use std::{collections::BTreeMap, io::Write};

#[derive(Default)]
pub(crate) struct Report {
    rates: BTreeMap<(usize, Kind), Vec<f64>>,
    cpus: BTreeMap<(usize, Kind), Vec<f64>>,
    latencies: BTreeMap<Kind, Vec<(f64, f64)>>,
    connects: BTreeMap<Kind, Vec<(f64, f64, f64)>>,
    starts: BTreeMap<usize, Vec<Idle>>,
    relayed: BTreeMap<Kind, Vec<(f64, f64)>>,
    relay_latencies: BTreeMap<Kind, Vec<(f64, f64)>>,
    compiling: Vec<f64>,
    policy: Option<(f64, f64)>,
}

impl Report {
    pub(crate) fn load(&mut self, clients: usize, kind: Kind, load: Load) {
        self.rates.entry((clients, kind)).or_default().push(load.rate);
        self.cpus.entry((clients, kind)).or_default().push(load.cpu);
    }

    pub(crate) fn latency(&mut self, kind: Kind, times: (f64, f64)) {
        self.latencies.entry(kind).or_default().push(times);
    }

    pub(crate) fn connects(&mut self, kind: Kind, figures: (f64, f64, f64)) {
        self.connects.entry(kind).or_default().push(figures);
    }

    pub(crate) fn relayed(&mut self, kind: Kind, load: Load) {
        self.relayed.entry(kind).or_default().push((load.rate, load.cpu));
    }

    pub(crate) fn relay_latency(&mut self, kind: Kind, times: (f64, f64)) {
        self.relay_latencies.entry(kind).or_default().push(times);
    }

    pub(crate) fn compiling(&mut self, milliseconds: f64) {
        self.compiling.push(milliseconds);
    }

    pub(crate) fn policy(&mut self, memory: (f64, f64)) {
        self.policy = Some(memory);
    }

    pub(crate) fn start(&mut self, known: usize, figures: Idle) {
        self.starts.entry(known).or_default().push(figures);
    }

    pub(crate) fn print(&self) {
        let mut out = std::io::stdout().lock();
        let tables = [
            ("256-byte QoS 1 publishes over mutual TLS 1.3, window 16", self.loads()),
            ("one in flight", self.answers()),
            ("from one client to another, 25 pairs, 256 bytes, QoS 1 on both ways", self.relays()),
            ("1,000 connects, one after the other", self.connected()),
            ("the hub with nobody connected", self.idle()),
        ];
        // A bench of one part leaves the others' tables without rows.
        for (title, table) in tables.into_iter().filter(|(_, table)| !table.is_empty()) {
            // Whoever reads may be gone.
            let _ = writeln!(out, "{title}\n{table}\n");
        }
        if let Some((component, kind)) = self.policy {
            let text = "memory of policy in KiB: a component's configuration";
            let _ = writeln!(out, "{text} {component:.1}, a compiled kind {kind:.1}");
        }
        if !self.compiling.is_empty() {
            let text = "a changed definition, from its signed bytes to compiled schemas";
            let _ = writeln!(out, "{text}: {:.2} ms", median(&self.compiling));
        }
    }

    fn loads(&self) -> Table {
        let mut loads = table(&[
            "clients",
            "server",
            "msg/s",
            "× mosquitto forwarding",
            "CPU µs/msg",
            "× of its CPU",
        ]);
        for ((clients, kind), rates) in &self.rates {
            let peer = (*clients, Kind::MosquittoForwarding);
            let (rate, cpu) = (median(rates), median(&self.cpus[&(*clients, *kind)]));
            loads.add_row(vec![
                clients.to_string(),
                kind.name().into(),
                format!("{rate:.0}"),
                format!("{:.2}", rate / median(&self.rates[&peer])),
                format!("{cpu:.1}"),
                format!("{:.2}", cpu / median(&self.cpus[&peer])),
            ]);
        }
        loads
    }

    fn answers(&self) -> Table {
        let mut rows = table(&["server", "p50 ms", "p99 ms"]);
        for (kind, times) in &self.latencies {
            let of = |pick: fn(&(f64, f64)) -> f64| format!("{:.3}", median_of(times, pick));
            rows.add_row(vec![kind.name().into(), of(|t| t.0), of(|t| t.1)]);
        }
        rows
    }

    fn relays(&self) -> Table {
        let mut rows = table(&[
            "server",
            "msg/s",
            "× mosquitto",
            "CPU µs/msg",
            "× its CPU",
            "one in flight: p50 ms",
            "p99 ms",
        ]);
        for (kind, figures) in &self.relayed {
            let peer = &self.relayed[&Kind::Mosquitto];
            let (rate, cpu) = (median_of(figures, |r| r.0), median_of(figures, |r| r.1));
            let times = &self.relay_latencies[kind];
            rows.add_row(vec![
                kind.relaying().into(),
                format!("{rate:.0}"),
                format!("{:.2}", rate / median_of(peer, |r| r.0)),
                format!("{cpu:.1}"),
                format!("{:.2}", cpu / median_of(peer, |r| r.1)),
                format!("{:.3}", median_of(times, |t| t.0)),
                format!("{:.3}", median_of(times, |t| t.1)),
            ]);
        }
        rows
    }

    fn connected(&self) -> Table {
        let mut rows = table(&[
            "server",
            "connects/s",
            "× time of rustls alone",
            "CPU ms/connect",
            "× its CPU",
            "KiB/connection",
        ]);
        for (kind, figures) in &self.connects {
            let bare = &self.connects[&Kind::BareRustls];
            let (rate, cpu) = (median_of(figures, |c| c.0), median_of(figures, |c| c.1));
            rows.add_row(vec![
                kind.name().into(),
                format!("{rate:.0}"),
                format!("{:.2}", median_of(bare, |c| c.0) / rate),
                format!("{cpu:.2}"),
                format!("{:.2}", cpu / median_of(bare, |c| c.1)),
                format!("{:.1}", median_of(figures, |c| c.2)),
            ]);
        }
        rows
    }

    fn idle(&self) -> Table {
        let mut rows = table(&[
            "components known",
            "start to ready ms",
            "resident MiB",
            "of it no file's MiB",
        ]);
        for (known, figures) in &self.starts {
            rows.add_row(vec![
                known.to_string(),
                format!("{:.0}", median_of(figures, |s| s.ready)),
                format!("{:.1}", median_of(figures, |s| s.resident) / 1024.0),
                format!("{:.1}", median_of(figures, |s| s.own) / 1024.0),
            ]);
        }
        rows
    }
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(head.to_vec());
    table
}

fn median_of<T>(figures: &[T], pick: fn(&T) -> f64) -> f64 {
    median(&figures.iter().map(pick).collect::<Vec<_>>())
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
