//! The command line of `fleet`.

use super::{
    file::{self, Scenario},
    report,
    run::run_all,
};
use anyhow::Context;
use clap::{Parser, Subcommand};
use std::{
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Parser)]
#[command(name = "fleet", about = "Simulated products on a simulated clock")]
struct Options {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Subcommand)]
enum Commands {
    /// Run scenario files, and judge what was found
    Scenario(Wanted),
}

#[derive(Parser)]
struct Wanted {
    /// Scenario files, or folders with some
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, counted on from the first
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Writes the outcome as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Prints JSON lines instead of a table
    #[arg(long)]
    json: bool,
    /// Prints every incident of every run as well
    #[arg(long)]
    verbose: bool,
}

/// Runs the program: 0 when all expectations hold, 1 when one does not, 2 when a file has a mistake.
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
    let Commands::Scenario(wanted) = options.command;
    match scenarios(&wanted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody reads it where the terminal is gone.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::from(2)
        }
    }
}

fn scenarios(wanted: &Wanted) -> anyhow::Result<bool> {
    let mut files = Vec::new();
    wanted.files.iter().try_for_each(|path| found(path, &mut files))?;
    let scenarios: Vec<_> = files.iter().map(|path| read(path)).collect::<anyhow::Result<_>>()?;
    let seeds: Vec<_> = (wanted.seed..).take(usize::try_from(wanted.seeds)?).collect();
    let outcomes = run_all(&scenarios, &seeds);
    let text = match wanted.json {
        true => report::json(&outcomes),
        false => report::table(&outcomes, wanted.verbose),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    if let Some(path) = &wanted.junit {
        fs::write(path, report::junit(&outcomes)).with_context(|| path.display().to_string())?;
    }
    Ok(outcomes.iter().all(report::holds))
}

/// A file, or the scenario files below a folder in the order of their names.
fn found(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
    let mut entries: Vec<_> =
        entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    entries.sort();
    let wanted = |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|ext| ext == "yml");
    entries.iter().filter(|path| wanted(path)).try_for_each(|path| found(path, files))
}

/// Reads a scenario file.
fn read(path: &Path) -> anyhow::Result<Scenario> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).with_context(|| name.clone())?;
    Ok(file::parse(&name, &text)?)
}
