//! Scenarios of the simulator hold, the judge is strict, and the same seed gives the same day.

mod format;
mod judge;

use std::path::{Path, PathBuf};
use tests::scenario::{
    file::{self, Scenario},
    run::run_all,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name)
}

/// The scenarios of a folder, in the order of their names.
fn scenarios(name: &str) -> Vec<Scenario> {
    let entries = std::fs::read_dir(folder(name)).expect("the folder is there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it is readable").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("it is readable");
        file::parse(&path.display().to_string(), &text).unwrap_or_else(|error| panic!("{error}"))
    };
    paths.iter().map(read).collect()
}

/// Every scenario of a folder holds with these seeds.
fn all_hold(name: &str, seeds: &[u64]) {
    let scenarios = scenarios(name);
    let mut troubles = Vec::new();
    for outcomes in run_all(&scenarios, seeds) {
        for run in &outcomes.runs {
            let run = run.as_ref().unwrap_or_else(|error| panic!("{error:#}"));
            let file = &outcomes.scenario.file;
            let of = |trouble| format!("{file}, seed {}: {trouble}", run.seed);
            troubles.extend(run.verdict.troubles().into_iter().map(of));
        }
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn every_attack_is_found_in_time_and_nothing_else() {
    let scenarios = scenarios("attacks");
    assert!(scenarios.len() >= 30);
    for number in 1..=27 {
        let id = format!("HUB-{number:02}");
        let has = |one: &Scenario| one.expect.iter().any(|wanted| wanted.incident == id);
        assert!(scenarios.iter().any(has), "no scenario expects {id}");
    }
    all_hold("attacks", &[3]);
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn benign_life_stays_silent() {
    assert!(scenarios("benign").len() >= 18);
    all_hold("benign", &[4]);
}

/// Criterion: T3.CSA.2 (positive)
#[test]
fn the_same_seed_gives_the_same_day_and_another_seed_another_one() {
    for name in ["benign/firmware-day.yml", "attacks/all-at-once.yml", "benign/onboarding.yml"] {
        let path = folder(name);
        let text = std::fs::read_to_string(&path).expect("it is readable");
        let scenario = file::parse(name, &text).unwrap_or_else(|error| panic!("{error}"));
        let digest = |seed| {
            let outcome = tests::scenario::run::run(&scenario, seed);
            outcome.unwrap_or_else(|error| panic!("{error:#}")).digest
        };
        assert_eq!(digest(7), digest(7), "{name}");
        assert_ne!(digest(7), digest(8), "{name}");
    }
}

#[test]
fn every_scenario_says_what_it_is_about_and_which_criteria_it_covers() {
    for scenario in scenarios("attacks").into_iter().chain(scenarios("benign")) {
        assert!(scenario.about.len() > 20, "{}", scenario.file);
        assert!(scenario.criteria.iter().all(|id| id.starts_with('T')), "{}", scenario.file);
    }
}
