//! The state log in a process of its own, which commits as fast as it can.

use crate::{executable, mounted, rounds};
use state_log::{Content, Error, Outside, Signer, Verdict, Verifier, verify};
use std::{path::Path, time::Duration};
use tests::{
    harness::Process,
    power_loss::{
        Mode,
        log_load::{Key, ORIGIN, entry, open},
    },
};

/// Criterion: T3.AI.3 (positive)
/// Criterion: T1.CSA.3 (positive)
#[test]
fn no_committed_record_is_lost_when_the_power_goes_and_the_log_verifies() {
    let rounds = rounds(8, 100);
    for mode in Mode::ALL {
        let (mut committed, mut torn) = (0, 0);
        for seed in 0..rounds {
            match round(mode, seed) {
                Some((last, Ok(was_torn))) => {
                    committed += last;
                    torn += u64::from(was_torn);
                }
                Some((last, Err(lost))) => panic!("{mode:?}, seed {seed}, after {last}: {lost}"),
                None => return,
            }
        }
        println!(
            "{mode:?}: {rounds} cuts, {committed} records committed, none lost; {torn} torn batches cut off"
        );
    }
}

/// One cut; the answer is how many records were committed before it, and whether a torn batch was there.
fn round(mode: Mode, seed: u64) -> Option<(u64, Result<bool, String>)> {
    let (folder, disk) = mounted()?;
    let (mounted, image) = (folder.path().join("disk"), folder.path().join("image"));
    let there = mounted.display().to_string();
    let mut load =
        Process::start(&executable(), "log-load", [there.as_str()], &folder.path().join("log"))
            .unwrap();
    let mut last = 0;
    for _ in 0..5 + seed * 7 % 40 {
        let line = load.line(Duration::from_secs(20)).expect("the load goes on");
        last = line.parse().unwrap();
    }
    disk.cut(mode, seed, &image).unwrap();
    load.kill().unwrap();
    Some((last, check(&image, last)))
}

/// Everything that was committed is there or was taken out by retention, and the whole verifies.
fn check(image: &Path, last: u64) -> Result<bool, String> {
    let (mut log, opening) = open(image).map_err(|error| error.to_string())?;
    if log.size() < last {
        return Err(format!("{last} were committed, {} are there", log.size()));
    }
    for index in 0..log.size() {
        match log.get(index).map(|record| record.content) {
            Ok(Content::Readable { body, .. }) if body == entry(index).body => {}
            Ok(Content::Act(_)) | Err(Error::Gone(_)) => {}
            Ok(other) => return Err(format!("record {index} is {other:?}")),
            Err(error) => return Err(format!("record {index}: {error}")),
        }
    }
    log.close().map_err(|error| error.to_string())?;
    let key = Verifier::log(ORIGIN, Key::new().public_key()).map_err(|error| error.to_string())?;
    let outside = Outside { log: &key, witness: None, heads: &[], every_signature: true };
    let report =
        verify(&image.join("log"), &outside, &mut |_| ()).map_err(|error| error.to_string())?;
    match report.verdict() {
        Verdict::Intact => Ok(opening.torn.is_some()),
        other @ (Verdict::Rebuildable | Verdict::Unfinished | Verdict::Damaged) => {
            Err(format!("{other:?}: {:?}", report.findings))
        }
    }
}
