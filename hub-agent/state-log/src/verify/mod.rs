//! Verification of a copied folder, with the log's public key and nothing else: segment by segment, a batch in memory
//! at a time. It says what is wrong and where, and goes on behind it as far as that can be done.
//!
//! It takes the memory of one segment, and 16 bytes for each gap and each range that an act names.
//!
//! What the tiles say is used to tell which record of a batch was edited; nothing is believed because of them.

mod files;
mod heads;
mod segments;

use crate::{
    act::{Range, covering, merge},
    damage::Damage,
    error::Error,
    note::{Checkpoint, Verifier},
    segment,
};
use std::path::Path;

/// Findings that are kept; there may be more.
pub const MAX_FINDINGS: usize = 1000;

/// What the verifier has from elsewhere than the folder.
#[derive(Clone, Debug)]
pub struct Outside<'a> {
    /// The log's origin and public key.
    pub log: &'a Verifier,
    /// The witness's name and key; without it cosignatures are not looked at.
    pub witness: Option<&'a Verifier>,
    /// Cosigned notes that somebody else kept.
    pub heads: &'a [String],
    /// Check the signature of every commit mark, not only of the last one of each segment: what is between is covered
    /// by the tree already.
    pub every_signature: bool,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segment files.
    pub segments: u64,
    /// Records that are there.
    pub records: u64,
    /// Records that acts of the log say were taken out, and that are gone.
    pub dropped: u64,
    /// Acts of the log.
    pub acts: u64,
    /// Checkpoints, and how many of their signatures were checked.
    pub checkpoints: (u64, u64),
    /// Cosigned heads that agree with the log, and those that lie in a range that was dropped.
    pub heads: (u64, u64),
    /// The newest checkpoint whose signature is right.
    pub head: Option<Checkpoint>,
    /// Whether the log was closed: nothing was on its way when it was copied.
    pub closed: bool,
    /// What is wrong, in which file; at most [`MAX_FINDINGS`].
    pub findings: Vec<(String, Damage)>,
}

/// The worst of what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nothing is wrong.
    Intact,
    /// Only files that are made from others are wrong.
    Rebuildable,
    /// The hub stopped in the middle of something, which opening the log finishes; or the end was cut.
    Unfinished,
    /// The log was edited, cut, reordered, replaced, forked or rolled back.
    Damaged,
}

impl Report {
    /// The worst of what was found.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let grades = self.findings.iter().map(|(_, damage)| grade(damage));
        grades.max().unwrap_or(Verdict::Intact)
    }

    fn find(&mut self, file: &str, damage: Damage) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push((file.to_owned(), damage));
        }
    }
}

fn grade(damage: &Damage) -> Verdict {
    match damage {
        Damage::Rebuildable { .. } => Verdict::Rebuildable,
        Damage::Tail { .. } | Damage::Unfinished { .. } | Damage::Undeleted { .. } => {
            Verdict::Unfinished
        }
        Damage::Edited { .. }
        | Damage::Reordered { .. }
        | Damage::Missing { .. }
        | Damage::Replaced { .. }
        | Damage::Header { .. }
        | Damage::Mark { .. }
        | Damage::Unsigned { .. }
        | Damage::Forked { .. }
        | Damage::RolledBack { .. }
        | Damage::Uncovered { .. }
        | Damage::Heads
        | Damage::Keys
        | Damage::Stranger { .. } => Verdict::Damaged,
    }
}

/// Verifies the log in a folder. `progress` is told the records and gaps seen so far, after each segment.
///
/// # Errors
/// When files cannot be read; what they say is in the report.
pub fn verify(
    dir: &Path,
    outside: &Outside<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, Error> {
    let mut report = Report::default();
    let bases = segment::list(dir)?;
    files::look(dir, &bases, &mut report)?;
    let heads = heads::gather(dir, outside, &mut report)?;
    let mut walk = segments::Walk::new(dir, outside, heads);
    for (position, base) in bases.iter().enumerate() {
        walk.segment(*base, bases.get(position + 1).copied(), &mut report)?;
        progress(walk.size());
    }
    let (gaps, acts) = walk.finish(&mut report);
    compare(&merge(gaps), &merge(acts), &mut report);
    Ok(report)
}

/// What is gone and what acts say is gone must be the same.
fn compare(gaps: &[Range], acts: &[Range], report: &mut Report) {
    report.dropped = gaps.iter().map(|(first, end)| end - first).sum();
    for (first, next) in beyond(gaps, acts) {
        report.find("", Damage::Uncovered { first, next });
    }
    for (first, _) in beyond(acts, gaps) {
        report.find("", Damage::Undeleted { first });
    }
}

/// The parts of some ranges that others do not cover; both are merged.
fn beyond(ranges: &[Range], others: &[Range]) -> Vec<Range> {
    let mut left = Vec::new();
    for (first, end) in ranges {
        let mut at = *first;
        while at < *end {
            match covering(others, at) {
                Some((_, stop)) => at = stop,
                None => {
                    let next = others.partition_point(|(begin, _)| *begin <= at);
                    let stop = others.get(next).map_or(*end, |(begin, _)| *begin.min(end));
                    left.push((at, stop));
                    at = stop;
                }
            }
        }
    }
    left
}
