//! The newest heads that a witness cosigned, beside the log: what an attacker would have to take back as well.
//!
//! The file is text: notes, one after the other, each followed by an empty line, and a line with a checksum.

use crate::{
    disk,
    error::Error,
    hash::check,
    note::{Checkpoint, Cosigned, MAX_NOTE, Verifier},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::path::Path;

pub(crate) const FILE: &str = "heads";

/// Heads that are kept; the oldest goes first.
pub const MAX_HEADS: usize = 64;

/// Notes of cosigned heads, the oldest first.
pub(crate) struct Heads {
    /// The notes as they were given, and the checkpoint in each.
    pub(crate) notes: Vec<(String, Checkpoint)>,
}

/// The file is not what was written.
pub(crate) struct Changed;

impl Heads {
    /// Reads them; a file that is not there has none.
    pub(crate) fn load(dir: &Path, log: &Verifier) -> Result<Result<Self, Changed>, Error> {
        let most = (MAX_HEADS + 1) * (MAX_NOTE + 1);
        let Some(bytes) = disk::read(&dir.join(FILE), most as u64)? else {
            return Ok(Ok(Self { notes: Vec::new() }));
        };
        Ok(Self::parse(&bytes, log).ok_or(Changed))
    }

    fn parse(bytes: &[u8], log: &Verifier) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (body, sum) = text.split_at_checked(text.rfind("sum ")?)?;
        if sum != sum_line(body) {
            return None;
        }
        let mut notes = Vec::new();
        let mut parts = body.split_terminator("\n\n");
        while let (Some(body), Some(signatures)) = (parts.next(), parts.next()) {
            let note = format!("{body}\n\n{signatures}\n");
            let checkpoint = Checkpoint::parse(&note, log).ok()?;
            notes.push((note, checkpoint));
        }
        Some(Self { notes })
    }

    /// Adds one, durably.
    pub(crate) fn add(&mut self, dir: &Path, cosigned: &Cosigned) -> Result<(), Error> {
        let mut notes = self.notes.clone();
        notes.push((cosigned.note(), cosigned.checkpoint.clone()));
        let superfluous = notes.len().saturating_sub(MAX_HEADS);
        notes.drain(..superfluous);
        let mut text: String = notes.iter().map(|(note, _)| format!("{note}\n")).collect();
        text += &sum_line(&text);
        disk::replace(&dir.join(FILE), text.as_bytes())?;
        self.notes = notes;
        Ok(())
    }

    /// The sizes of the heads.
    pub(crate) fn sizes(&self) -> Vec<u64> {
        self.notes.iter().map(|(_, checkpoint)| checkpoint.size).collect()
    }

    /// The largest size.
    pub(crate) fn newest(&self) -> u64 {
        self.sizes().into_iter().max().unwrap_or(0)
    }
}

fn sum_line(body: &str) -> String {
    format!("sum {}\n", STANDARD.encode(check(body.as_bytes())))
}
