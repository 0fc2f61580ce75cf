//! The store's thread: takes one batch at a time, and says how each ended.

use super::{
    StoreError,
    disk::{Batch, Disk},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::JoinHandle,
};
use tokio::sync::mpsc;

/// Batches under way; the loop submits the next only when the last has ended.
const UNDER_WAY: usize = 1;

/// What the thread is asked.
pub enum Job {
    /// Make this durable.
    Commit {
        /// Its number.
        id: u64,
        /// What.
        batch: Batch,
    },
    /// See whether a commit would work again.
    Probe,
}

/// How a job ended.
pub struct Completion {
    /// The commit's number; nothing for a probe.
    pub id: Option<u64>,
    /// How it ended; a failed batch comes back, so that nothing is lost.
    pub result: Result<(), (StoreError, Batch)>,
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
    pub fn start(disk: Disk) -> std::io::Result<(Self, mpsc::Receiver<Completion>)> {
        let (jobs, work) = sync_channel(UNDER_WAY);
        let (done, completions) = mpsc::channel(UNDER_WAY + 1);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || run(disk, &work, &done))?;
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

fn run(mut disk: Disk, work: &Receiver<Job>, done: &mpsc::Sender<Completion>) {
    while let Ok(job) = work.recv() {
        let completion = match job {
            Job::Commit { id, batch } => {
                let result = commit(&mut disk, &batch).map_err(|error| (error, batch));
                Completion { id: Some(id), result }
            }
            Job::Probe => {
                let result =
                    commit(&mut disk, &Batch::new()).map_err(|error| (error, Batch::new()));
                Completion { id: None, result }
            }
        };
        if done.blocking_send(completion).is_err() {
            return;
        }
    }
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
