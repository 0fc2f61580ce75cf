//! What the log writes about itself: open records that say what was deleted or erased. An offline verifier reads
//! them, and accepts a gap only where one of them names it.

use crate::entry::MAX_PART;

/// Ranges that fit into one act whatever their numbers are; a longer list is several acts.
pub(crate) const MAX_RANGES: usize = (MAX_PART - 64) / 20;

/// A range of records: the first, and the first that is not meant.
pub type Range = (u64, u64);

/// An act of the log itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Records were taken out because they were due, or to make room.
    Retained(Vec<Range>),
    /// Records were taken out because somebody asked for it.
    Deleted(Vec<Range>),
    /// Key slots were destroyed.
    Erased(Vec<u32>),
    /// All key slots were destroyed.
    ErasedAll,
}

impl Act {
    /// The ranges it takes out.
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        match self {
            Self::Retained(ranges) | Self::Deleted(ranges) => ranges,
            Self::Erased(_) | Self::ErasedAll => &[],
        }
    }

    /// The act as the log and its copies write it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Retained(ranges) => encode_ranges(1, ranges, &mut bytes),
            Self::Deleted(ranges) => encode_ranges(2, ranges, &mut bytes),
            Self::Erased(slots) => {
                bytes.push(3);
                slots.iter().for_each(|slot| bytes.extend(slot.to_le_bytes()));
            }
            Self::ErasedAll => bytes.push(4),
        }
        bytes
    }

    /// Reads one; nothing when it is none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match kind {
            1 => decode_ranges(rest).map(Self::Retained),
            2 => decode_ranges(rest).map(Self::Deleted),
            3 if rest.len() % 4 == 0 => {
                let words = rest.chunks_exact(4);
                let slots = words.filter_map(|word| word.try_into().ok().map(u32::from_le_bytes));
                Some(Self::Erased(slots.collect()))
            }
            4 if rest.is_empty() => Some(Self::ErasedAll),
            _ => None,
        }
    }
}

/// Each range as two numbers: how far it begins after the end of the one before, and how long it is.
fn encode_ranges(kind: u8, ranges: &[Range], to: &mut Vec<u8>) {
    to.push(kind);
    let mut last = 0;
    for (first, end) in ranges {
        number(first - last, to);
        number(end - first, to);
        last = *end;
    }
}

fn decode_ranges(mut bytes: &[u8]) -> Option<Vec<Range>> {
    let (mut ranges, mut last) = (Vec::new(), 0_u64);
    while !bytes.is_empty() {
        let first = last.checked_add(take(&mut bytes)?)?;
        last = first.checked_add(take(&mut bytes)?)?;
        ranges.push((first, last));
    }
    Some(ranges)
}

/// Seven bits a byte, the lowest first.
fn number(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Sorted ranges without overlaps and without neighbours that touch.
pub(crate) fn merge(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged: Vec<Range> = Vec::new();
    for (first, end) in ranges {
        match merged.last_mut() {
            Some(last) if first <= last.1 => last.1 = last.1.max(end),
            Some(_) | None => merged.push((first, end)),
        }
    }
    merged
}

/// The range of a merged list that holds this record.
pub(crate) fn covering(merged: &[Range], index: u64) -> Option<Range> {
    let at = merged.partition_point(|(_, end)| *end <= index);
    merged.get(at).filter(|(first, _)| *first <= index).copied()
}
