//! `hub-agent boot`: decides which executable starts, and becomes it.
//!
//! A slot starts only when its header is whole, its counter is not below the floor and its executable has the
//! digest in the header. Outside a trial it must have proved itself. The one try of a trial is spent before it
//! starts, so that whatever goes wrong in it, the next start is what ran before.

use super::slots::{RolledBack, Slot, SlotState, Slots, Words};
use std::{ffi::OsString, io, os::unix::process::CommandExt, path::PathBuf, process::Command};

/// What starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The slot; none: the packaged executable.
    pub slot: Option<Slot>,
    /// Whether it has yet to prove itself.
    pub trial: bool,
    /// What is not as it should be, in words.
    pub trouble: Vec<String>,
}

/// How the chosen executable is called.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The executable that is not in a slot.
    pub packaged: PathBuf,
    /// Arguments before `run`.
    pub leading: Vec<OsString>,
    /// Arguments after it.
    pub trailing: Vec<OsString>,
}

/// Becomes the executable that is to start; comes back only when none can be started.
#[must_use]
pub fn boot(slots: Option<&Slots>, how: &Boot) -> io::Error {
    let (mut broken, mut trouble) = (Vec::new(), Vec::new());
    loop {
        let choice = match slots {
            Some(slots) => choose(slots, &broken),
            None => Choice { slot: None, trial: false, trouble: Vec::new() },
        };
        trouble.extend(choice.trouble);
        let program = match (choice.slot, slots) {
            (Some(slot), Some(slots)) => slots.executable(slot),
            _ => how.packaged.clone(),
        };
        trouble.dedup();
        let mut command = Command::new(&program);
        command.args(&how.leading).arg("run").args(&how.trailing);
        command.arg("--booted").arg(trouble.join("; "));
        let error = command.exec();
        let Some(slot) = choice.slot else { return error };
        trouble.push(format!("slot {} cannot be started: {error}", slot.word()));
        broken.push(slot);
    }
}

/// Decides what starts, and writes what must be written before it does. Slots that could not be started are
/// not chosen.
#[must_use]
pub fn choose(slots: &Slots, broken: &[Slot]) -> Choice {
    let mut trouble = Vec::new();
    let words = slots.words().unwrap_or_else(|error| {
        trouble.push(error.to_string());
        Words::default()
    });
    let mut active = slots.active();
    if let Some(pending) = &words.pending {
        let proved = slots.header(pending.slot).is_some_and(|header| {
            header.state == SlotState::Confirmed && header.sha256 == pending.sha256
        });
        let is_active = active == Some(pending.slot);
        if proved || (!is_active && pending.tries > 0) {
            // It was confirmed, or never switched to: only the words are behind.
            told(slots.end_trial(None), &mut trouble);
        } else if pending.tries > 0 && !broken.contains(&pending.slot) {
            match start_trial(slots, &words) {
                Ok(()) => return Choice { slot: Some(pending.slot), trial: true, trouble },
                Err(why) => {
                    trouble.push(why);
                    active = roll_back(slots, &words, false, &mut trouble);
                }
            }
        } else {
            let started = !broken.contains(&pending.slot);
            active = roll_back(slots, &words, started, &mut trouble);
        }
    }
    let slot = confirmed(slots, active, broken, &mut trouble);
    if slot.is_none() && (active.is_some() || slots.floor() > 0) {
        trouble.push("no slot may start: the packaged executable runs".to_owned());
    }
    Choice { slot, trial: false, trouble }
}

/// Spends the try of a trial. When that cannot be made durable there is no trial: it might never end.
fn start_trial(slots: &Slots, words: &Words) -> Result<(), String> {
    let mut words = words.clone();
    words.floor = slots.floor();
    let Some(pending) = words.pending.as_mut() else { return Err("no trial".to_owned()) };
    let (slot, sha256) = (pending.slot, pending.sha256);
    pending.tries = pending.tries.saturating_sub(1);
    slots.put_words(&words).map_err(|error| format!("no trial can begin: {error}"))?;
    let header = slots.whole(slot)?;
    if header.sha256 != sha256 || header.counter < words.floor {
        return Err(format!("slot {}: it holds something else than is to be tried", slot.word()));
    }
    Ok(())
}

/// Goes back to what ran before; first the link, then the words that record it.
fn roll_back(
    slots: &Slots,
    words: &Words,
    started: bool,
    trouble: &mut Vec<String>,
) -> Option<Slot> {
    let pending = words.pending.as_ref()?;
    if slots.active() != pending.former {
        told(slots.point(pending.former), trouble);
    }
    let rolled_back = RolledBack { sha256: pending.sha256, started };
    told(slots.end_trial(Some(rolled_back)), trouble);
    pending.former
}

/// A slot that proved itself and may start: the active one, else the other.
fn confirmed(
    slots: &Slots,
    active: Option<Slot>,
    broken: &[Slot],
    trouble: &mut Vec<String>,
) -> Option<Slot> {
    let floor = slots.floor();
    let counter = |slot: Slot| slots.header(slot).map_or(0, |header| header.counter);
    let newest = if counter(Slot::B) > counter(Slot::A) { Slot::B } else { Slot::A };
    let first = active.unwrap_or(newest);
    for slot in [first, first.other()] {
        if broken.contains(&slot) {
            continue;
        }
        match slots.whole(slot) {
            Ok(header) if header.state != SlotState::Confirmed => {
                if active == Some(slot) {
                    trouble.push(format!("slot {} never proved itself", slot.word()));
                }
            }
            Ok(header) if header.counter < floor => {
                trouble.push(format!("slot {} is below the floor {floor}", slot.word()));
            }
            Ok(_) => return Some(slot),
            // The other slot may be empty, or half written.
            Err(why) if active == Some(slot) || slots.header(slot).is_some() => trouble.push(why),
            Err(_) => {}
        }
    }
    None
}

fn told(done: io::Result<()>, trouble: &mut Vec<String>) {
    if let Err(error) = done {
        trouble.push(format!("the slots cannot be written: {error}"));
    }
}
