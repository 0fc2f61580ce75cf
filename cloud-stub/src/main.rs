//! `cloud-stub`: the simulated cloud from the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloud_stub::main_with_args(std::env::args_os())
}
