//! What the state log costs: appending beside a plain file with the same bytes and the same rhythm of syncs, in turns in
//! the same run; verifying a million records; finding the newest hundred of one component among them. Trust the
//! ratios; rates belong to the machine.
//!
//! `cargo bench -p tests --bench log`, with `-- append`, `-- verify` or `-- query` for one part alone, and `-- DIR` for
//! another disk. It fails when it cannot measure; targets that are missed are named at its end.

mod append;
mod million;
mod report;

use report::Report;

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let parts = ["append", "verify", "query"];
    let place = args.iter().find(|arg| !parts.contains(&arg.as_str()));
    let everything = !args.iter().any(|arg| parts.contains(&arg.as_str()));
    let asked = |part: &str| everything || args.iter().any(|arg| arg == part);
    let folder = match place {
        Some(place) => tempfile::tempdir_in(place)?,
        None => tempfile::tempdir()?,
    };
    let mut report = Report::default();
    if asked("append") {
        append::measure(&mut report, folder.path())?;
    }
    if asked("verify") || asked("query") {
        million::measure(&mut report, folder.path())?;
    }
    report.print();
    Ok(())
}
