//! A store under load in a process of its own: it prints the number of each commit that is durable.

use hub_agent::store::{Batch, Disk, DiskSettings, Durability, Seal, whole_key};
use std::{ffi::OsString, io::Write, path::Path, process::ExitCode};

/// Keys the load writes in turn.
pub const SLOTS: u64 = 64;

/// Commits after which a load ends by itself.
const MOST: u64 = 100_000;

/// The store's settings for loads.
#[must_use]
pub fn settings(path: &Path, durability: Durability) -> DiskSettings {
    DiskSettings { path: path.to_owned(), low_water: 1, durability }
}

/// The seal of loads.
#[must_use]
pub fn seal() -> Seal {
    Seal::new(&[9; 32])
}

/// Commits until it is killed. Each commit writes its number under two keys, so that a torn one shows.
pub fn main_with_args(args: &[OsString]) -> ExitCode {
    let Some(folder) = args.get(1) else { return ExitCode::from(2) };
    let flush_only = args.get(2).is_some_and(|arg| arg == "--without-sync");
    let durability = if flush_only { Durability::Off } else { Durability::Full };
    let Ok(mut disk) = Disk::open(settings(Path::new(folder), durability), seal()) else {
        return ExitCode::FAILURE;
    };
    let mut out = std::io::stdout().lock();
    for number in 1..MOST {
        let value = [&number.to_be_bytes()[..], &[0x5a; 300]].concat();
        let slot = whole_key("components", &(number % SLOTS).to_be_bytes());
        let batch: Batch =
            [(slot, Some(value.clone())), (whole_key("meta", b"latest"), Some(value))].into();
        if disk.commit(&batch).is_err()
            || writeln!(out, "{number}").and_then(|()| out.flush()).is_err()
        {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
