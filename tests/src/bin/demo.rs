//! `cargo run --release --bin demo`: the whole product on this machine, end to end.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    tests::roles::act(&args).unwrap_or_else(|| tests::demo::main_with_args(args))
}
