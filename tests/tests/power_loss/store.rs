//! The store in a process of its own, which commits as fast as it can.

use crate::{executable, mounted, rounds};
use hub_agent::store::{Disk, Durability};
use std::{collections::BTreeMap, path::Path, time::Duration};
use tests::{
    harness::Process,
    power_loss::{
        Mode,
        load::{SLOTS, seal, settings},
    },
};

/// Criterion: T3.AI.3 (positive)
#[test]
fn no_acknowledged_commit_is_lost_or_torn_when_the_power_goes() {
    let rounds = rounds(8, 100);
    for mode in Mode::ALL {
        let mut acknowledged = 0;
        for seed in 0..rounds {
            match round(mode, seed, &[]) {
                Some((last, found)) => {
                    assert!(found.is_ok(), "{mode:?}, seed {seed}: {}", found.unwrap_err());
                    acknowledged += last;
                }
                None => return,
            }
        }
        println!(
            "{mode:?}: {rounds} cuts, {acknowledged} acknowledged commits, none lost, none torn"
        );
    }
}

/// The simulation would show a store that does not sync: this one must lose something.
#[test]
fn a_store_that_does_not_sync_is_caught() {
    for seed in 0..20 {
        match round(Mode::None, seed, &["--without-sync"]) {
            Some((_, Err(lost))) => return println!("caught: {lost}"),
            Some((_, Ok(()))) => {}
            None => return,
        }
    }
    panic!("20 cuts without sync lost nothing: the simulation simulates nothing");
}

/// One cut; the answer is how many commits were acknowledged before it and whether they are there.
/// Nothing where no file system can be mounted.
fn round(mode: Mode, seed: u64, args: &[&str]) -> Option<(u64, Result<(), String>)> {
    let (folder, disk) = mounted()?;
    let (mounted, image) = (folder.path().join("disk"), folder.path().join("image"));
    let store = mounted.join("store").display().to_string();
    let args = [store.as_str()].into_iter().chain(args.iter().copied());
    let mut load =
        Process::start(&executable(), "store-load", args, &folder.path().join("log")).unwrap();
    let mut last = 0;
    for _ in 0..5 + seed * 7 % 40 {
        let line = load.line(Duration::from_secs(20)).expect("the load goes on");
        last = line.parse().unwrap();
    }
    disk.cut(mode, seed, &image).unwrap();
    load.kill().unwrap();
    Some((last, check(&image.join("store"), last)))
}

/// Everything up to the last acknowledged commit is there; the newest one is whole.
fn check(store: &Path, last: u64) -> Result<(), String> {
    let disk = Disk::open(settings(store, Durability::Full), seal()).map_err(|e| e.to_string())?;
    let number = |value: &[u8]| u64::from_be_bytes(value[..8].try_into().unwrap());
    let (mut latest, mut slots) = (0, BTreeMap::new());
    for (table, key, value) in disk.load().map_err(|e| e.to_string())? {
        match table.as_str() {
            "meta" => latest = number(&value),
            _ => drop(
                slots
                    .insert(u64::from_be_bytes(key.as_slice().try_into().unwrap()), number(&value)),
            ),
        }
    }
    if latest < last {
        return Err(format!("{last} was acknowledged, {latest} is the newest there"));
    }
    for acknowledged in last.saturating_sub(SLOTS - 1).max(1)..=latest {
        let there = slots.get(&(acknowledged % SLOTS)).copied().unwrap_or(0);
        if there < acknowledged || there > latest {
            return Err(format!(
                "commit {acknowledged} is torn: {there} stands in its place, {latest} is the newest"
            ));
        }
    }
    Ok(())
}
