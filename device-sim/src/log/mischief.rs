//! How a taken-over component abuses its log: what it sends instead of what it should. Its key signs everything, so
//! a hub that only looks at signatures would believe all of it.

use super::Draft;
use crate::update::crypto::AwsLc;
use protocol::{cbor, log::link, message::LogRecord, time::Timestamp};
use std::str::FromStr;

/// A day, in milliseconds.
const DAY: u64 = 24 * 3600 * 1000;

/// Records that a flood adds to a batch that is due.
const FLOOD: usize = 64;

/// One way of abusing a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// It records the same over and over.
    Floods,
    /// It leaves out a record and counts on, as if it had never been.
    Skips,
    /// It changes a record that was signed.
    Edits,
    /// It sends each batch twice.
    Replays,
    /// Its records are of tomorrow.
    Stamps,
    /// It raises what only the hub may: an incident.
    Forges,
}

impl Mischief {
    /// Every mischief with its word.
    pub const ALL: [(&'static str, Self); 6] = [
        ("floods", Self::Floods),
        ("skips", Self::Skips),
        ("edits", Self::Edits),
        ("replays", Self::Replays),
        ("stamps", Self::Stamps),
        ("forges", Self::Forges),
    ];

    /// How many records it adds to its log before a batch.
    pub(crate) fn flood(self) -> usize {
        match self {
            Self::Floods => FLOOD,
            Self::Skips | Self::Edits | Self::Replays | Self::Stamps | Self::Forges => 0,
        }
    }

    /// What it sends for a batch. Whatever it changes, the head fits what it sends, but for [`Self::Edits`].
    #[must_use]
    pub fn spoil(self, draft: Draft) -> Vec<Draft> {
        match self {
            Self::Floods => vec![draft],
            Self::Replays => vec![draft.clone(), draft],
            Self::Skips => vec![skipped(draft)],
            Self::Edits => vec![edited(draft)],
            Self::Stamps => vec![stamped(draft)],
            Self::Forges => vec![forged(draft)],
        }
    }
}

impl FromStr for Mischief {
    type Err = &'static str;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(known, _)| *known == word);
        found.map(|(_, mischief)| *mischief).ok_or("no such mischief")
    }
}

/// The first record never was, but for its number: the hub must miss it.
fn skipped(draft: Draft) -> Draft {
    let before = draft.records.first().map(|record| link(&draft.before, record, &AwsLc));
    match before {
        Some(before) if draft.records.len() > 1 => {
            let records = draft.records[1..].to_vec();
            Draft { first: draft.first + 1, before, records, ..draft }
        }
        Some(_) | None => draft,
    }
}

/// The signature is of what was there before.
fn edited(mut draft: Draft) -> Draft {
    if let Some(record) = draft.records.first_mut()
        && let Ok(mut other) = cbor::decode::<LogRecord>(record, record.len())
    {
        other.uptime ^= 1;
        *record = cbor::encode(&other);
    }
    draft
}

fn stamped(mut draft: Draft) -> Draft {
    for record in &mut draft.records {
        if let Ok(mut other) = cbor::decode::<LogRecord>(record, record.len()) {
            other.time = other.time.map(|time| Timestamp(time.0.saturating_add(DAY)));
            *record = cbor::encode(&other);
        }
    }
    chained(draft)
}

fn forged(mut draft: Draft) -> Draft {
    // {2: 1, 3: 34}: an incident, which no component may raise.
    if let Some(record) = draft.records.last_mut() {
        *record = vec![0xa2, 0x02, 0x01, 0x03, 0x18, 34];
    }
    chained(draft)
}

fn chained(draft: Draft) -> Draft {
    let chain = draft.records.iter().fold(draft.before, |value, one| link(&value, one, &AwsLc));
    Draft { chain, ..draft }
}
