//! A full disk, and a process that is killed.

use crate::world::{Key, World, entry, fill};
use state_log::{Error, FileVault, Log, Retention, Settings, Verdict};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

/// A tmpfs of so many bytes, unmounted when dropped; nothing where it cannot be mounted.
struct Small(tempfile::TempDir);

impl Small {
    fn mount(bytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path());
        let done = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !done {
            println!("SKIPPED: no tmpfs can be mounted here; this test needs root");
        }
        done.then(|| Self(folder))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn fill_until_full(log: &mut Log, at: &mut u64) -> Error {
    loop {
        log.append(&(*at..*at + 20).map(entry).collect::<Vec<_>>()).unwrap();
        match log.commit() {
            Ok(checkpoint) => *at = checkpoint.size,
            Err(error) => return error,
        }
    }
}

/// Criterion: T1.CSA.1 (negative)
#[test]
fn a_full_disk_is_said_and_appending_works_again_when_space_returns() {
    let Some(small) = Small::mount(1 << 20) else { return };
    let ballast = small.0.path().join("ballast");
    fs::write(&ballast, vec![1; 200_000]).unwrap();
    let mut world = World::new();
    world.settings.reserve_bytes = 128 * 1024;
    let dir = small.0.path().join("log");
    let (mut log, _) = world.open_in(&dir).unwrap();
    let mut at = 0;
    for round in 0..3 {
        let error = fill_until_full(&mut log, &mut at);
        assert!(matches!(error, Error::DiskFull), "{error}");
        assert_eq!(log.size(), at, "as it was at the last checkpoint");
        let last = log.get(at - 1).unwrap();
        assert_eq!(last.index, at - 1, "and readable");
        let again = fill_until_full(&mut log, &mut at);
        assert!(matches!(again, Error::DiskFull), "it says so again");
        match round {
            0 => fs::remove_file(&ballast).unwrap(),
            _ => {
                let rules = Retention { ages: BTreeMap::new(), bytes: Some(log.bytes() * 3 / 4) };
                let receipt =
                    log.retain(&rules, entry(at).at).expect("retention works on a full disk");
                assert!(receipt.freed > 50_000, "{receipt:?}");
                at = log.size();
            }
        }
        log.append(&[entry(at)]).unwrap();
        at = log.commit().expect("there is space again").size;
    }
    log.close().unwrap();
    let report = crate::world::verify_with(&dir, &[]);
    assert_eq!(report.verdict(), Verdict::Intact, "{:?}", report.findings);
    println!("{at} records, {} dropped", report.dropped);
}

/// Set for the process that is killed: the folder it writes to.
const VICTIM: &str = "STATE_LOG_VICTIM";

/// Not a test of its own: it is what the next test starts again as a process and kills.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let (folder, mut out) = (Path::new(&folder), std::io::stderr().lock());
    let mut log = open(folder);
    loop {
        let first = log.size();
        let batch = 1 + first % 7;
        log.append(&(first..first + batch).map(entry).collect::<Vec<_>>()).unwrap();
        let size = log.commit().unwrap().size;
        writeln!(out, "durable {size}").unwrap();
    }
}

fn open(folder: &Path) -> Log {
    let settings = Settings { segment_bytes: 16 * 1024, ..Settings::new(crate::world::ORIGIN) };
    let vault = Box::new(FileVault::new(folder.join("wrapping")));
    Log::open(&folder.join("log"), settings, Box::new(Key::new(1)), vault, None).unwrap().0
}

/// Criterion: T3.AI.3 (positive)
#[test]
fn nothing_committed_is_lost_when_the_process_is_killed() {
    let rounds = if std::env::var_os("LONG_TESTS").is_some() { 200 } else { 10 };
    let folder = tempfile::tempdir().unwrap();
    for round in 0..rounds {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crashes::victim", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stderr.take().unwrap()).lines();
        let sizes = lines.filter_map(|line| line.unwrap().strip_prefix("durable ")?.parse().ok());
        let last: u64 = sizes.take(3 + round * 13 % 40).last().expect("it commits");
        victim.kill().unwrap();
        victim.wait().unwrap();
        let mut log = open(folder.path());
        assert!(log.size() >= last, "round {round}: {last} were durable, {} are there", log.size());
        assert_eq!(log.get(last - 1).unwrap().at, entry(last - 1).at);
    }
    let mut log = open(folder.path());
    fill(&mut log, 1, 1);
    let size = log.close().unwrap().size;
    let report = crate::world::verify_with(&folder.path().join("log"), &[]);
    assert_eq!(
        (report.verdict(), report.records),
        (Verdict::Intact, size),
        "{:?}",
        report.findings
    );
    println!("killed {rounds} times, {size} records");
}
