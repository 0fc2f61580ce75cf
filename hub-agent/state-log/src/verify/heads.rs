//! Heads that were seen elsewhere: in the folder, and those the verifier brings.

use super::{Outside, Report};
use crate::{
    damage::Damage,
    error::Error,
    hash::Hash,
    heads::{self, Heads},
    note::{Checkpoint, Cosigned},
};
use std::path::Path;

/// All heads to compare with, by size.
pub(super) fn gather(
    dir: &Path,
    outside: &Outside<'_>,
    report: &mut Report,
) -> Result<Vec<(u64, Hash)>, Error> {
    let mut found = Vec::new();
    let kept = match Heads::load(dir, outside.log)? {
        Ok(heads) => heads.notes.into_iter().map(|(note, _)| note).collect(),
        Err(_) => {
            report.find(heads::FILE, Damage::Heads);
            Vec::new()
        }
    };
    for note in &kept {
        match read(note, outside) {
            Some(head) => found.push(head),
            None => report.find(heads::FILE, Damage::Heads),
        }
    }
    for note in outside.heads {
        match read(note, outside) {
            Some(head) => found.push(head),
            None => report.find("a head from elsewhere", Damage::Heads),
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn read(note: &str, outside: &Outside<'_>) -> Option<(u64, Hash)> {
    let checkpoint = match outside.witness {
        Some(witness) => Cosigned::parse(note, outside.log, witness).ok()?.checkpoint,
        None => Checkpoint::parse(note, outside.log).ok()?,
    };
    Some((checkpoint.size, checkpoint.root))
}
