//! The store's thread: takes one batch at a time, and says how each ended.

use super::{
    StoreError,
    disk::{Batch, Disk},
};
use crate::journal::{Ask, Journal, Written};
use hub_core::record::Record;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};
use tokio::sync::mpsc;

/// Batches under way; the loop submits the next only when the last has ended.
const UNDER_WAY: usize = 1;

/// Questions about the log that wait or are being answered; whoever asks takes a place first, so that none is ever in
/// the way of a commit.
pub const ASKS: usize = 8;

/// Portions of the log that are being read for the cloud: one after the other, in a place of their own.
pub const SHIPPED: usize = 1;

/// What the thread is asked.
pub enum Job {
    /// Make this durable.
    Commit {
        /// Its number.
        id: u64,
        /// What.
        batch: Batch,
        /// What happened, for the log: it is durable before what it is about is.
        records: Vec<Record>,
    },
    /// Something else of the log.
    Ask(Box<Ask>),
    /// See whether a commit would work again.
    Probe,
}

/// How a job ended.
pub struct Completion {
    /// The commit's number; nothing for a probe.
    pub id: Option<u64>,
    /// Records that are in the log, and the number of the first.
    pub recorded: Option<(u64, Vec<Record>)>,
    /// How it ended; what is not durable comes back, so that nothing is lost.
    pub result: Result<(), (StoreError, Batch, Vec<Record>)>,
}

/// The loop's end of the store's thread.
pub struct Committer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread; completions arrive at the receiver.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(disk: Disk, log: Journal) -> std::io::Result<(Self, mpsc::Receiver<Completion>)> {
        let (jobs, work) = sync_channel(UNDER_WAY + ASKS + SHIPPED);
        let (done, completions) = mpsc::channel(UNDER_WAY + 1);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || run(disk, log, &work, &done))?;
        Ok((Self { jobs: Some(jobs), thread: Some(thread) }, completions))
    }

    /// Hands a job over; it comes back when one is under way already or the thread is gone.
    ///
    /// # Errors
    /// The job itself.
    pub fn submit(&self, job: Job) -> Result<(), Box<Job>> {
        let Some(jobs) = &self.jobs else { return Err(Box::new(job)) };
        jobs.try_send(job).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(job)
            | std::sync::mpsc::TrySendError::Disconnected(job) => Box::new(job),
        })
    }

    /// Ends the thread after the job under way and waits for it.
    pub fn stop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The thread catches panics of its own; one that escaped has nothing left to say.
            let _ = thread.join();
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(mut disk: Disk, mut log: Journal, work: &Receiver<Job>, done: &mpsc::Sender<Completion>) {
    while let Ok(job) = work.recv() {
        let completion = match job {
            Job::Commit { id, batch, records } => both(&mut disk, &mut log, id, batch, records),
            Job::Ask(ask) => {
                let Ask { work, place } = *ask;
                let before = log.remembered();
                work(&mut log);
                let after = log.remembered();
                if after != before {
                    // The log acted by itself. Where this fails, the next commit says how far it is.
                    drop(commit(&mut disk, &after.into_iter().collect()));
                }
                drop(place);
                continue;
            }
            Job::Probe => {
                let probe = commit(&mut disk, &Batch::new());
                let result = probe.map_err(|error| (error, Batch::new(), Vec::new()));
                Completion { id: None, recorded: None, result }
            }
        };
        if done.blocking_send(completion).is_err() {
            break;
        }
    }
    log.close();
}

/// The log first: that something is told of which did not come to be is better than the other way round. The
/// store then remembers how far the log is, so that a log that was set back is found at the next start.
fn both(
    disk: &mut Disk,
    log: &mut Journal,
    id: u64,
    mut batch: Batch,
    records: Vec<Record>,
) -> Completion {
    let id = Some(id);
    if let Err(error) = disk.check_space() {
        return Completion { id, recorded: None, result: Err((error, batch, records)) };
    }
    let (recorded, unsaid) = record(log, records);
    if let Some((error, records)) = unsaid {
        return Completion { id, recorded, result: Err((error, batch, records)) };
    }
    if recorded.is_some() {
        batch.extend(log.remembered());
    }
    let result = commit(disk, &batch).map_err(|error| (error, batch, Vec::new()));
    Completion { id, recorded, result }
}

type Recorded = Option<(u64, Vec<Record>)>;

/// Writes records into the log: those that are there, and those that are not and why.
fn record(
    log: &mut Journal,
    mut records: Vec<Record>,
) -> (Recorded, Option<(StoreError, Vec<Record>)>) {
    if records.is_empty() {
        return (None, None);
    }
    let Written { first, count, error } = log.write(&records);
    let unsaid = records.split_off(count.min(records.len()));
    ((count > 0).then_some((first, records)), error.map(|error| (error, unsaid)))
}

/// sled may panic when the disk fails under it: that is a failed commit, not the end of the hub.
fn commit(disk: &mut Disk, batch: &Batch) -> Result<(), StoreError> {
    match catch_unwind(AssertUnwindSafe(|| disk.commit(batch))) {
        Ok(result) => result,
        Err(_) => {
            disk.abandon();
            Err(StoreError::Io("the storage engine stopped".to_owned()))
        }
    }
}
