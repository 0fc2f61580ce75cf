//! Where a segment's records are, and which belong to a key slot. Made from the segment, so it can be made again.
//!
//! An index that leaves records out would hide them from queries, so the hub vouches for its own with a keyed digest
//! (HMAC-SHA-256); one by somebody else is made anew. A verifier without the key compares the content.
//!
//! It takes 12 bytes of memory for each record and 50 or so for each slot in a segment. On disk it holds nothing but
//! what stands in the segment in clear.

use crate::{
    disk,
    error::Error,
    frame::{RecordFrame, u32_at, u64_at},
    hash::{CHECK, check},
};
use aws_lc_rs::hmac;
use std::{collections::BTreeMap, path::Path};

const MAGIC: &[u8; 8] = b"HUBINDX1";

/// Bytes of the keyed digest.
const VOUCHED: usize = 32;

/// The most bytes of an index file: that of a segment full of the shortest records.
const MAX_FILE: u64 = 256 * 1024 * 1024;

/// Records of one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) base: u64,
    /// Earliest and latest time in it.
    pub(crate) times: (u64, u64),
    /// Number (after base) and offset of each record, in order.
    spots: Vec<(u32, u32)>,
    /// Which of them belong to a slot.
    slots: BTreeMap<u32, Vec<u32>>,
}

impl Index {
    pub(crate) fn new(base: u64) -> Self {
        Self { base, times: (u64::MAX, 0), ..Self::default() }
    }

    pub(crate) fn add(&mut self, spot: &Spot) {
        let at = self.spots.len() as u32;
        self.spots.push(((spot.index - self.base) as u32, spot.offset));
        self.slots.entry(spot.slot).or_default().push(at);
        self.times = (self.times.0.min(spot.at), self.times.1.max(spot.at));
    }

    /// Bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.spots.len() * 12 + self.slots.len() * 50
    }

    /// Where a record is, when it is here.
    pub(crate) fn find(&self, index: u64) -> Option<u32> {
        let number = u32::try_from(index.checked_sub(self.base)?).ok()?;
        let at = self.spots.binary_search_by_key(&number, |spot| spot.0).ok()?;
        Some(self.spots[at].1)
    }

    /// Numbers and offsets below or from an index on, newest or oldest first, of one slot or of all.
    pub(crate) fn walk(&self, slot: Option<u32>, way: Way) -> impl Iterator<Item = (u64, u32)> {
        let own = slot.map(|slot| self.slots.get(&slot).map_or(&[][..], Vec::as_slice));
        let count = own.map_or(self.spots.len(), <[u32]>::len);
        let spot = move |at: usize| self.spots[own.map_or(at, |own| own[at] as usize)];
        let below = |bound: u64| partition(count, |at| self.base + u64::from(spot(at).0) < bound);
        let (from, to, back) = match way {
            Way::Back { below: bound } => (0, below(bound), true),
            Way::On { from } => (below(from), count, false),
        };
        (from..to).map(move |step| {
            let (number, offset) = spot(if back { to - 1 - (step - from) } else { step });
            (self.base + u64::from(number), offset)
        })
    }

    /// Writes it beside its segment, whose length it names. Not durable: a torn one is made again.
    pub(crate) fn save(&self, path: &Path, segment: u64, key: &[u8; 32]) -> Result<(), Error> {
        let mut bytes = Vec::with_capacity(64 + self.spots.len() * 12 + self.slots.len() * 8);
        bytes.extend(MAGIC);
        for number in [self.base, segment, self.times.0, self.times.1] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend((self.spots.len() as u32).to_le_bytes());
        for (number, offset) in &self.spots {
            bytes.extend(number.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        for (slot, own) in &self.slots {
            bytes.extend(slot.to_le_bytes());
            bytes.extend((own.len() as u32).to_le_bytes());
            own.iter().for_each(|at| bytes.extend(at.to_le_bytes()));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let vouched = hmac::sign(&key, &bytes);
        bytes.extend(vouched.as_ref());
        let sum = check(&bytes);
        bytes.extend(sum);
        let file = disk::create(path)?;
        disk::write_at(path, &file, &bytes, 0)
    }

    /// Reads one that was saved for a segment of this length; nothing when it is not whole, or not vouched for by this
    /// key.
    pub(crate) fn load(
        path: &Path,
        segment: u64,
        key: Option<&[u8; 32]>,
    ) -> Result<Option<Self>, Error> {
        let Some(bytes) = disk::read(path, MAX_FILE)? else { return Ok(None) };
        let (said, sum) = bytes.split_at(bytes.len().saturating_sub(CHECK));
        let (content, vouched) = said.split_at(said.len().saturating_sub(VOUCHED));
        let whole = match key {
            Some(key) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, key);
                hmac::verify(&key, content, vouched).is_ok()
            }
            None => check(said) == sum,
        };
        let whole = whole && content.starts_with(MAGIC);
        Ok(whole.then(|| Self::decode(content, segment)).flatten())
    }

    fn decode(said: &[u8], segment: u64) -> Option<Self> {
        let (base, length) = (u64_at(said, 8)?, u64_at(said, 16)?);
        let mut index = Self { times: (u64_at(said, 24)?, u64_at(said, 32)?), ..Self::new(base) };
        let count = u32_at(said, 40)? as usize;
        let mut at = 44 + count * 8;
        for spot in said.get(44..at)?.chunks_exact(8) {
            index.spots.push((u32_at(spot, 0)?, u32_at(spot, 4)?));
        }
        while at < said.len() {
            let (slot, own) = (u32_at(said, at)?, u32_at(said, at + 4)? as usize);
            let words = said.get(at + 8..at + 8 + own * 4)?.chunks_exact(4);
            let own: Option<Vec<u32>> =
                words.map(|word| u32_at(word, 0).filter(|at| (*at as usize) < count)).collect();
            at += 8 + own.as_ref()?.len() * 4;
            index.slots.insert(slot, own?);
        }
        (length == segment).then_some(index)
    }
}

/// In which direction records are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Back { below: u64 },
    On { from: u64 },
}

/// A record as an index knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) index: u64,
    pub(crate) at: u64,
    pub(crate) slot: u32,
    pub(crate) offset: u32,
}

impl Spot {
    pub(crate) fn of(record: &RecordFrame<'_>, offset: usize) -> Self {
        Self { index: record.index, at: record.at, slot: record.slot, offset: offset as u32 }
    }
}

/// How many of the first numbers below `count` hold.
fn partition(count: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
