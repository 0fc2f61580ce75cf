//! The demo: brings a product up, lets attackers try, and prints only claims it has checked.

mod claims;
mod evidence;
mod living;
mod release;
mod show;
mod story;

use crate::harness::Executable;
use clap::Parser;
use std::{ffi::OsString, path::PathBuf, process::ExitCode};

/// What the demo may be told.
#[derive(Parser)]
#[command(
    name = "demo",
    about = "A hub, a cloud and a simulated product, end to end on this machine"
)]
pub struct Options {
    /// How many components
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    components: u32,
    /// How long the product runs before it is looked at, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Makes serial numbers, timing and values reproducible
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes what was seen and claimed
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keeps everything running and says how to talk to the hub
    #[arg(long)]
    stay: bool,
}

/// Runs the demo; it succeeds only if every claim held.
#[must_use]
pub fn main_with_args(args: Vec<OsString>) -> ExitCode {
    let options = match Options::try_parse_from(args) {
        Ok(options) => options,
        Err(error) => {
            // Help is an answer, not a failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let told =
        Executable::own().map_err(anyhow::Error::from).and_then(|own| story::tell(&options, &own));
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            show::line(&format!("\nthe demo could not go on: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
