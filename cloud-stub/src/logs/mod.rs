//! Logs of hubs at their maker's cloud, which keeps what they say and witnesses that nobody edits, forks or sets back
//! one of them. Below `logs/HUB/` is a folder for each log of a hub, named by the digest of the log's origin.
//!
//! | module | holds |
//! |---|---|
//! | `copy` | one log: taking frames, the tree, erasing |
//! | `rows` | what is kept of a record |
//! | `witness` | the key that cosigns |
//! | `show` | what the command line tells |
//! | `disk` | everything that changes the disk |
//!
//! A frame is stored before it is answered, on the thread that serves: it costs two syncs, and one hub's frames wait for
//! each other anyway.

mod copy;
mod disk;
mod rows;
pub(crate) mod show;
#[cfg(test)]
mod tests;
mod witness;

pub use copy::{Copy, Fault, Taken};
pub use witness::{PUBLIC as WITNESS, Witness};

use crate::identity::sha256;
use protocol::{
    id::{ComponentId, Label},
    message::{Blob, Sequence, UplinkAck, UplinkFrame, UplinkRefusal, V1},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Logs of one hub; further ones are refused.
const LOGS: usize = 16;

/// Copies that are open at once; the others are opened again when their hub sends.
const OPEN: usize = 64;

/// All logs of all hubs.
pub struct Logs {
    folder: PathBuf,
    witness: Witness,
    open: BTreeMap<(ComponentId, Label), Copy>,
    /// How often what was refused.
    refused: BTreeMap<UplinkRefusal, u64>,
}

/// What came of a frame: the answer, and what observers are told.
pub struct Outcome {
    /// The answer.
    pub ack: UplinkAck,
    /// What happened, if it is worth telling.
    pub told: Vec<Value>,
}

impl Logs {
    /// Those in a cloud's folder.
    ///
    /// # Errors
    /// When the witness's key cannot be had.
    pub fn open(folder: &Path, cloud: ComponentId) -> anyhow::Result<Self> {
        let witness = Witness::open(folder, cloud)?;
        Ok(Self {
            folder: folder.join("logs"),
            witness,
            open: BTreeMap::new(),
            refused: BTreeMap::new(),
        })
    }

    /// Takes a hub's frame. Seconds since 1970.
    pub fn take(&mut self, hub: ComponentId, frame: &UplinkFrame, time: u64) -> Outcome {
        let name = (hub, frame.origin.clone());
        let mut told = Vec::new();
        let done = self.copy(&name, frame, &mut told).and_then(|()| {
            let copy = self.open.get_mut(&name).ok_or_else(no_room)?;
            copy.take(frame, &self.witness, time)
        });
        let log = frame.origin.as_str();
        let refusal = match done {
            Ok(taken) => {
                told.extend(tell(hub, log, &taken, self.open.get(&name)));
                None
            }
            Err(Fault::Refused(why, text)) => {
                told.push(self.told_refused((hub, log), why, &text));
                Some(why)
            }
            Err(Fault::Disk(error)) => {
                // What the disk holds is unknown: the copy is opened anew, and that finds out.
                self.open.remove(&name);
                let why = UplinkRefusal::NoRoom;
                told.push(self.told_refused((hub, log), why, &error.to_string()));
                Some(why)
            }
        };
        Outcome { ack: self.answer(&name, refusal), told }
    }

    fn told_refused(
        &mut self,
        (hub, log): (ComponentId, &str),
        why: UplinkRefusal,
        text: &str,
    ) -> Value {
        let times = self.refused.entry(why).or_default();
        *times += 1;
        json!({ "hub": hub, "log": log, "refused": why.word(), "detail": text, "times": *times })
    }

    /// Opens a log's copy, or begins one.
    fn copy(
        &mut self,
        name: &(ComponentId, Label),
        frame: &UplinkFrame,
        told: &mut Vec<Value>,
    ) -> Result<(), Fault> {
        if self.open.contains_key(name) {
            return Ok(());
        }
        let failed =
            |error: anyhow::Error| Fault::Disk(std::io::Error::other(format!("{error:#}")));
        let of_hub = self.folder.join(name.0.to_string());
        let dir = folder_of(&of_hub, name.1.as_str());
        if Copy::public(&dir).is_err() {
            let logs = fs::read_dir(&of_hub).map_or(0, Iterator::count);
            if logs >= LOGS {
                let text = "the hub has too many logs here".to_owned();
                return Err(Fault::Refused(UplinkRefusal::TooMany, text));
            }
            Copy::begin(&dir, name.1.as_str(), frame.key).map_err(failed)?;
            told.push(json!({ "hub": name.0, "log": name.1.as_str(), "begins": frame.key }));
        }
        let copy = Copy::open(&dir, &self.witness).map_err(failed)?;
        if self.open.len() >= OPEN {
            self.open.pop_first();
        }
        self.open.insert(name.clone(), copy);
        Ok(())
    }

    fn answer(&self, name: &(ComponentId, Label), refusal: Option<UplinkRefusal>) -> UplinkAck {
        let copy = self.open.get(name);
        let held = copy.map(|copy| copy.held().as_slice()).unwrap_or_default();
        let held = held.iter().flat_map(|(first, end)| [*first, *end]).collect();
        let head = copy.and_then(Copy::head);
        UplinkAck {
            version: V1,
            origin: name.1.clone(),
            held: Sequence::new(held).expect("no more ranges than an answer names"),
            refusal,
            head: head.and_then(|head| Blob::new(head.note().into_bytes())),
            witness: self.witness.name().clone(),
            witness_key: self.witness.key(),
        }
    }
}

fn no_room() -> Fault {
    Fault::Disk(std::io::Error::other("the copy is not open"))
}

/// Where a log of this name is.
fn folder_of(hub: &Path, origin: &str) -> PathBuf {
    let digest = sha256(origin.as_bytes()).to_string();
    hub.join(&digest[..16])
}

/// What is worth telling of a frame that was taken: not each one.
fn tell(hub: ComponentId, log: &str, taken: &Taken, copy: Option<&Copy>) -> Vec<Value> {
    let mut told = Vec::new();
    if taken.erased > 0 {
        told.push(json!({ "hub": hub, "log": log, "erased": taken.erased }));
    }
    if taken.witnessed {
        let size = copy.and_then(Copy::head).map(|head| head.checkpoint.size);
        told.push(json!({ "hub": hub, "log": log, "witnessed": size }));
    }
    told
}
