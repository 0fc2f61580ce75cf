//! What a component remembers of updates over power cuts, beside its slots.

use protocol::{
    id::{Digest, JobId},
    message::{BlockSize, UpdateFault, UpdateStep, Window},
};
use serde::{Deserialize, Serialize};

/// Statuses that may wait for their acknowledgement; the oldest but the first is forgotten.
const MOST_UNSAID: usize = 16;

/// The persistent memory of a component's updates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The signed anchor in force; without one nothing is believed.
    pub anchor: Option<Vec<u8>>,
    /// Number of the newest status.
    pub seq: u64,
    /// Faults that only an attack explains: bit n is the fault n.
    pub attacks: u32,
    /// What went wrong last.
    pub fault: Option<UpdateFault>,
    /// The update that this was about.
    pub fault_job: Option<JobId>,
    /// The newest update.
    pub job: Option<Job>,
    /// How much of an image is there and verified.
    pub progress: Option<Progress>,
    /// The image that was rolled back last.
    pub rolled_back: Option<Digest>,
    /// Statuses that nobody acknowledged yet, oldest first.
    pub unsaid: Vec<Said>,
}

/// One update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Its signed manifest; empty for an offer that was refused.
    pub manifest: Vec<u8>,
    /// Whether it is installed without being told.
    pub automatic: bool,
    /// Largest block that the hub sends.
    pub block: BlockSize,
    /// How many blocks may be asked for at once.
    pub window: Window,
    /// Where the image goes.
    pub slot: usize,
    /// How far it got.
    pub step: UpdateStep,
    /// What went wrong.
    pub fault: Option<UpdateFault>,
}

/// How much of an image is there; it counts for every update to this image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// SHA-256 of the image.
    pub image: Digest,
    /// The first chunk that is not verified.
    pub next: u32,
}

/// A status on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Of which update.
    pub job: JobId,
    /// How far it got.
    pub step: UpdateStep,
    /// What went wrong.
    pub fault: Option<UpdateFault>,
    /// What went wrong, in words.
    pub why: Option<String>,
    /// The number it was said with last.
    pub seq: u64,
}

impl Memory {
    /// Notes what went wrong; what only an attack explains is kept for good.
    pub fn note(&mut self, job: JobId, fault: UpdateFault) {
        (self.fault, self.fault_job) = (Some(fault), Some(job));
        if is_attack(fault) {
            self.attacks |= 1 << fault.number();
        }
    }

    /// Adds a status with the next number. Of those on how many bytes there are only the newest waits behind
    /// the first, which may be on its way.
    pub fn say(&mut self, said: Said) {
        self.seq += 1;
        let again = |last: &Said| {
            last.step == UpdateStep::Fetching && (last.job, last.step) == (said.job, said.step)
        };
        if self.unsaid.len() > 1 && self.unsaid.last().is_some_and(again) {
            self.unsaid.pop();
        }
        if self.unsaid.len() == MOST_UNSAID {
            self.unsaid.remove(1);
        }
        self.unsaid.push(Said { seq: self.seq, ..said });
    }

    /// Gives every waiting status a new number, so that numbers never go back on the wire.
    pub fn renumber(&mut self) {
        for said in &mut self.unsaid {
            self.seq += 1;
            said.seq = self.seq;
        }
    }
}

/// Whether only an attack explains it, or an attack looks just like it.
fn is_attack(fault: UpdateFault) -> bool {
    match fault {
        UpdateFault::Signature
        | UpdateFault::AnchorChain
        | UpdateFault::WrongModel
        | UpdateFault::Rollback
        | UpdateFault::Expired
        | UpdateFault::TooLarge
        | UpdateFault::ChunkHash
        | UpdateFault::ImageHash
        | UpdateFault::Stalled
        | UpdateFault::Prerequisite => true,
        UpdateFault::Malformed
        | UpdateFault::UnknownJob
        | UpdateFault::Range
        | UpdateFault::Busy
        | UpdateFault::SlotWrite
        | UpdateFault::NoBoot
        | UpdateFault::Health
        | UpdateFault::Cancelled
        | UpdateFault::Policy
        | UpdateFault::Internal => false,
    }
}
