//! `device-sim`: simulated components from the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    device_sim::main_with_args(std::env::args_os())
}
