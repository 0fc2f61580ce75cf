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
        let report = crate::world::verify_with(&dir, &[]);
        assert_eq!(report.verdict(), Verdict::Intact, "no half batch stays: {:?}", report.findings);
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

/// A segment with batches of 30 committed, the last of them begins at the answer's second part.
fn with_last_batch(world: &World) -> (std::path::PathBuf, usize) {
    let mut log = world.open();
    fill(&mut log, 60, 30);
    let path = crate::world::segments(&world.dir()).pop().unwrap();
    let start = fs::metadata(&path).unwrap().len() as usize;
    fill(&mut log, 30, 30);
    (path, start)
}

/// Pages of the last batch that never reached the disk, in any order, and ends that are missing.
#[test]
fn a_torn_batch_is_cut_off_wherever_it_tore_and_nothing_before_it() {
    const SEED: u64 = 11;
    println!("seed {SEED}");
    let world = World::new();
    let (path, start) = with_last_batch(&world);
    let whole = fs::read(&path).unwrap();
    let mut random = crate::world::Random(SEED);
    let (mut signed, mut kept) = (0, 0);
    for round in 0..300 {
        let mut bytes = whole.clone();
        if round % 2 == 0 {
            bytes.truncate(start + random.below((whole.len() - start) as u64) as usize);
        }
        for page in bytes[start..].chunks_mut(512) {
            if random.below(3) == 0 {
                page.fill(0);
            }
        }
        let changed = bytes != whole;
        fs::write(&path, &bytes).unwrap();
        let (mut log, opening) = world.opened();
        assert_eq!(log.size(), if changed { 60 } else { 90 }, "round {round}");
        assert_eq!(opening.torn.is_some(), changed && bytes.len() > start, "round {round}");
        signed += u64::from(opening.torn.is_some_and(|torn| torn.signed == Some(90)));
        kept += u64::from(!changed);
        assert_eq!(world.verify().verdict(), Verdict::Intact, "nothing of it stays");
        fill(&mut log, 30, 30);
        assert_eq!(log.get(75).unwrap().at, entry(75).at);
    }
    println!("{kept} whole, {signed} with their mark, of 300");
    assert!(signed > 10);
}

/// Criterion: T1.DP.2 (negative)
#[test]
fn a_batch_that_another_followed_is_not_torn_but_damaged() {
    let world = World::new();
    let (path, start) = with_last_batch(&world);
    let mut log = world.open();
    fill(&mut log, 1, 1);
    drop(log);
    let mut bytes = fs::read(&path).unwrap();
    bytes[start + 100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(world.try_open().err(), Some(Error::Damaged(_))));
    assert_eq!(fs::read(&path).unwrap(), bytes, "and left as it is");
}

/// A closed log says that its last batch was durable.
#[test]
fn a_last_batch_that_a_close_followed_is_not_torn_but_damaged() {
    let world = World::new();
    let (path, start) = with_last_batch(&world);
    world.open().close().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[start + 100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(world.try_open().err(), Some(Error::Damaged(_))));
}
