//! `hub-agent`: daemon and command line in one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    hub_agent::main_with_args(std::env::args_os())
}
