//! On a disk that loses power: what was acknowledged is there, whole, afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints its counts"
)]

mod daemon;
mod log;
mod store;

use tempfile::TempDir;
use tests::{harness::Executable, power_loss::PowerLoss};

fn executable() -> Executable {
    Executable(env!("CARGO_BIN_EXE_demo").into())
}

/// Rounds of each mode in a usual run, and in a long one (LONG_TESTS=1).
fn rounds(usual: u64, long: u64) -> u64 {
    if std::env::var_os("LONG_TESTS").is_some() { long } else { usual }
}

/// A folder whose `disk` loses power; nothing where no file system can be mounted.
fn mounted() -> Option<(TempDir, PowerLoss)> {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    match PowerLoss::mount(&disk) {
        Ok(mounted) => Some((folder, mounted)),
        Err(error) => {
            println!(
                "SKIPPED: no file system can be mounted here ({error}); this test needs root and /dev/fuse"
            );
            None
        }
    }
}
