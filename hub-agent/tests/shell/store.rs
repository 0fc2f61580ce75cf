//! The store: durable, sealed, and honest about damage.

use crate::journal;
use hub_agent::{
    journal::Journal,
    store::{Batch, Committer, Disk, DiskSettings, Durability, Job, Seal, StoreError, whole_key},
};
use hub_core::record::RecordKind;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn settings(path: &Path) -> DiskSettings {
    DiskSettings { path: path.to_owned(), low_water: 1, durability: Durability::Full }
}

fn open(path: &Path) -> Result<Disk, StoreError> {
    Disk::open(settings(path), Seal::new(&[7; 32]))
}

fn batch(from: u32, to: u32) -> Batch {
    (from..to)
        .map(|n| {
            (whole_key("components", &n.to_be_bytes()), Some(format!("value {n}").into_bytes()))
        })
        .collect()
}

/// Criterion: T1.DP.2 (positive)
#[test]
fn what_was_committed_is_there_after_closing_and_removals_hold() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = open(folder.path()).unwrap();
    disk.commit(&batch(0, 100)).unwrap();
    disk.commit(&[(whole_key("components", &5_u32.to_be_bytes()), None)].into()).unwrap();
    drop(disk);
    let all = open(folder.path()).unwrap().load().unwrap();
    assert_eq!(all.len(), 99);
    assert!(all.iter().all(|(table, key, value)| {
        let n = u32::from_be_bytes(key.as_slice().try_into().unwrap());
        table == "components" && n != 5 && *value == format!("value {n}").into_bytes()
    }));
}

#[test]
fn refuses_a_second_opener_a_foreign_key_and_a_short_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = open(folder.path()).unwrap();
    disk.commit(&batch(0, 3)).unwrap();
    assert!(matches!(open(folder.path()), Err(StoreError::InUse(_))));
    drop(disk);
    let foreign = Disk::open(settings(folder.path()), Seal::new(&[8; 32])).unwrap();
    assert!(matches!(foreign.load(), Err(StoreError::Damaged { .. })));
    drop(foreign);
    let greedy = DiskSettings { low_water: u64::MAX, ..settings(folder.path()) };
    let mut disk = Disk::open(greedy, Seal::new(&[7; 32])).unwrap();
    assert!(matches!(disk.commit(&batch(3, 4)), Err(StoreError::Full { .. })));
    assert_eq!(disk.load().unwrap().len(), 3, "reads go on");
}

#[test]
fn a_failed_batch_comes_back_from_the_thread() {
    let folder = tempfile::tempdir().unwrap();
    let greedy = DiskSettings { low_water: u64::MAX, ..settings(folder.path()) };
    let disk = Disk::open(greedy, Seal::new(&[7; 32])).unwrap();
    let (log, _) = Journal::open(journal::settings(folder.path())).unwrap();
    let (mut committer, mut completions) = Committer::start(disk, log).unwrap();
    let records = vec![journal::record(1, RecordKind::AuthFailure)];
    let job = Job::Commit { id: 1, batch: batch(0, 2), records: records.clone() };
    assert!(committer.submit(job).is_ok());
    let completion = completions.blocking_recv().unwrap();
    assert_eq!((completion.id, completion.recorded), (Some(1), None));
    let (_, returned, unsaid) = completion.result.unwrap_err();
    assert_eq!((returned, unsaid), (batch(0, 2), records), "nothing is lost");
    committer.stop();
}

/// Flips tried in one run.
const FLIPS: u64 = 1000;

/// Criterion: T1.DP.2 (negative)
#[test]
fn a_flipped_bit_is_found_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = open(folder.path()).unwrap();
    disk.commit(&batch(0, 60)).unwrap();
    drop(disk);
    let original = open(folder.path()).unwrap().load().unwrap();
    // Loading may have written a snapshot: the files as they are now are what is damaged.
    let files = contents(&folder.path().join("state"));
    let places: Vec<_> = files
        .iter()
        .enumerate()
        .flat_map(|(file, (_, bytes))| {
            bytes.iter().enumerate().filter(|(_, byte)| **byte != 0).map(move |(at, _)| (file, at))
        })
        .collect();
    let (mut found, mut harmless, mut random) = (0, 0, 0x5eed_u64);
    for _ in 0..FLIPS {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let (file, at) = places[(random >> 33) as usize % places.len()];
        let copy = tempfile::tempdir().unwrap();
        let state = copy.path().join("state");
        fs::create_dir(&state).unwrap();
        for (index, (name, bytes)) in files.iter().enumerate() {
            let mut bytes = bytes.clone();
            if index == file {
                bytes[at] ^= 1 << (random >> 29 & 7);
            }
            let path = state.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        match open(copy.path()).and_then(|disk| disk.load()) {
            Err(_) => found += 1,
            Ok(loaded) if loaded == original => harmless += 1,
            Ok(loaded) => panic!(
                "a flip in {:?} at {at} gave {} records as good",
                files[file].0,
                loaded.len()
            ),
        }
    }
    println!("{FLIPS} flipped bits: {found} found, {harmless} without effect, 0 served as good");
    assert!(found > 0);
}

fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut all, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder_now) = open.pop() {
        for entry in fs::read_dir(&folder_now).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                all.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    all.sort();
    all
}
