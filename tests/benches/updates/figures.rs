//! What the system knows of a process: its memory, its CPU time, what it read.

use anyhow::Context;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(10);

/// CPU seconds so far, of user and kernel. `pid` may be `thread-self`.
pub(crate) fn cpu(pid: &str) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    let ticks = ticks(11).zip(ticks(12)).context("CPU time")?;
    Ok((ticks.0 + ticks.1) as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Bytes that it read from files so far, also those that were in the system's cache.
pub(crate) fn read_bytes(pid: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/io"), "rchar:")
}

/// Resident memory in KiB.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/status"), "VmRSS:")
}

fn field(file: &str, name: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("a figure")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The most memory that a process has while this is there.
pub(crate) struct Peak {
    most: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peak {
    pub(crate) fn watch(pid: u32) -> Self {
        let (most, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, ends) = (most.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                // A process that ended has none.
                seen.fetch_max(resident(pid).unwrap_or(0), Ordering::Relaxed);
                std::thread::park_timeout(EVERY);
            }
        });
        Self { most, over, thread: Some(thread) }
    }

    /// Stops looking; the answer is in KiB.
    pub(crate) fn end(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic.
            let _ = thread.join();
        }
        self.most.load(Ordering::Relaxed)
    }
}
