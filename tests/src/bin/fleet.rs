//! `cargo run --release --bin fleet -- scenario FILE…`: days of a simulated product in seconds, and what must be found
//! in them.

use std::process::ExitCode;

fn main() -> ExitCode {
    tests::scenario::main_with_args(std::env::args_os().collect())
}
