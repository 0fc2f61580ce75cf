//! Batches of 300-byte records into the log, and the same bytes into a plain file, in turns. Both sync once for each batch;
//! the log seals the next batch meanwhile, as the hub does.

use crate::{million, report::Report};
use std::{fs::File, io::Write, path::Path, time::Instant};

/// Batches, rounds of them, and how many batches one round takes: about as long for each.
const BATCHES: [(usize, usize); 3] = [(1, 400), (64, 150), (512, 60)];
const ROUNDS: usize = 7;

pub(crate) fn measure(report: &mut Report, folder: &Path) -> anyhow::Result<()> {
    let mut log = million::open(&folder.join("append"))?;
    let mut plain = File::create(folder.join("plain"))?;
    let mut stored = File::create(folder.join("stored"))?;
    for (batch, count) in BATCHES {
        let entries: Vec<_> = (0..batch as u64).map(million::entry).collect();
        let bytes = entries.iter().map(|entry| entry.body.len()).sum::<usize>();
        let before = log.bytes();
        log.append(&entries)?;
        log.commit()?;
        // What the log writes for a batch: seals, heads and the commit mark are in it.
        let written = usize::try_from(log.bytes() - before).unwrap_or(bytes);
        for _ in 0..ROUNDS {
            let (given, same) = (vec![7; bytes], vec![7; written]);
            let plain = timed(count, || append(&mut plain, &given))?;
            let stored = timed(count, || append(&mut stored, &same))?;
            let logged = timed(count, || {
                log.append(&entries)?;
                log.finish_commit()?;
                log.start_commit()?;
                Ok(())
            })?;
            log.finish_commit()?;
            report.append(batch, [plain, stored, logged].map(|time| (count * batch) as f64 / time));
        }
    }
    Ok(())
}

fn append(file: &mut File, bytes: &[u8]) -> anyhow::Result<()> {
    file.write_all(bytes)?;
    Ok(file.sync_data()?)
}

/// Seconds for so many times.
fn timed(count: usize, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let start = Instant::now();
    for _ in 0..count {
        run()?;
    }
    Ok(start.elapsed().as_secs_f64())
}
