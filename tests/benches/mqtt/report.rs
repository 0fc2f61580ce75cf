//! The table: medians, and ratios to mosquitto in the same run.

use crate::{Load, server::Kind};
use comfy_table::{Table, presets};
use std::{collections::BTreeMap, io::Write};

#[derive(Default)]
pub(crate) struct Report {
    rates: BTreeMap<(usize, Kind), Vec<f64>>,
    cpus: BTreeMap<(usize, Kind), Vec<f64>>,
    latencies: BTreeMap<Kind, Vec<(f64, f64)>>,
    connects: BTreeMap<Kind, Vec<(f64, f64, f64)>>,
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

    pub(crate) fn print(&self) {
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
        let mut others = table(&[
            "server",
            "p50 ms",
            "p99 ms",
            "connects/s",
            "CPU ms/connect",
            "KiB/connection",
        ]);
        for (kind, times) in &self.latencies {
            let column =
                |pick: fn(&(f64, f64)) -> f64| median(&times.iter().map(pick).collect::<Vec<_>>());
            let connects = &self.connects[kind];
            let of = |pick: fn(&(f64, f64, f64)) -> f64| {
                median(&connects.iter().map(pick).collect::<Vec<_>>())
            };
            others.add_row(vec![
                kind.name().into(),
                format!("{:.3}", column(|t| t.0)),
                format!("{:.3}", column(|t| t.1)),
                format!("{:.0}", of(|c| c.0)),
                format!("{:.2}", of(|c| c.1)),
                format!("{:.1}", of(|c| c.2)),
            ]);
        }
        let mut out = std::io::stdout().lock();
        // Whoever reads may be gone.
        let _ = writeln!(
            out,
            "256-byte QoS 1 publishes over mutual TLS 1.3, window 16\n{loads}\n\none in flight; 500 connects in a row\n{others}"
        );
    }
}

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(head.to_vec());
    table
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
