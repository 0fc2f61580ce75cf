//! One run of a scenario, and many of them on all cores.

use super::{file::Scenario, judge::Verdict, world::World};
use protocol::id::Digest;
use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How one run came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What was found.
    pub verdict: Verdict,
    /// Digest over all records.
    pub digest: Digest,
    /// Records of the hub's log.
    pub records: u64,
    /// Messages of components.
    pub messages: u64,
    /// How long it took.
    pub took: Duration,
}

/// Runs a scenario with a seed.
///
/// # Errors
/// When keys or certificates cannot be made, or the hub cannot start anew.
pub fn run(scenario: &Scenario, seed: u64) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let mut world = World::new(scenario, seed)?;
    world.run()?;
    Ok(Outcome {
        seed,
        verdict: world.found.verdict(scenario),
        digest: world.journal.digest(),
        records: world.journal.count(),
        messages: world.messages,
        took: started.elapsed(),
    })
}

/// The outcomes of one scenario, in the order of its seeds.
pub struct Outcomes<'s> {
    /// The scenario.
    pub scenario: &'s Scenario,
    /// One for each seed.
    pub runs: Vec<anyhow::Result<Outcome>>,
}

/// Runs every scenario with every seed, on as many threads as there are cores. What comes out does not depend on that.
#[must_use]
pub fn run_all<'s>(scenarios: &'s [Scenario], seeds: &[u64]) -> Vec<Outcomes<'s>> {
    let jobs: Vec<_> =
        scenarios.iter().flat_map(|one| seeds.iter().map(move |seed| (one, *seed))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((scenario, seed)) = jobs.get(at) else { return done };
            done.push((at, run(scenario, *seed)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(jobs.len().max(1));
    let mut done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a run does not panic"))
            .collect()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    let mut runs = done.into_iter().map(|(_, outcome)| outcome);
    let of = |scenario| Outcomes { scenario, runs: runs.by_ref().take(seeds.len()).collect() };
    scenarios.iter().map(of).collect()
}
