//! What the cloud keeps of each record, in rows of one length: row number n is record number n of the log.
//!
//! | bytes | |
//! |---|---|
//! | 0 | what it is; zero for nothing |
//! | 4 to 8 | the slot of the key that seals it at the hub |
//! | 8 to 16, 16 to 20 | where its body is, and how long |
//! | 20 to 52 | its hash |
//! | 56 to 64 | a checksum over its number and all before |
//!
//! To the checksum an erased record is as it was: erasing changes one byte, which no cut can leave half written.

use super::disk;
use aws_lc_rs::digest::{SHA256, digest};
use state_log::Hash;
use std::{fs::File, io, os::unix::fs::FileExt};

/// Bytes of a row.
pub(super) const ROW: usize = 64;

/// Rows that are read at once.
const AT_ONCE: u64 = 1024;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// A record whose body is here.
    Record = 1,
    /// A hash alone.
    Bare = 2,
    /// The hash of a tile that begins here.
    Tile = 3,
    /// Within a tile.
    Within = 4,
    /// An act of the log.
    Act = 5,
}

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) tag: Tag,
    pub(super) slot: u32,
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) hash: Hash,
}

impl Row {
    /// A row without a body.
    pub(super) fn bare(tag: Tag, hash: Hash) -> Self {
        Self { tag, slot: 0, offset: 0, length: 0, hash }
    }

    pub(super) fn encode(&self, number: u64) -> [u8; ROW] {
        let mut row = [0; ROW];
        row[0] = self.tag as u8;
        row[4..8].copy_from_slice(&self.slot.to_le_bytes());
        row[8..16].copy_from_slice(&self.offset.to_le_bytes());
        row[16..20].copy_from_slice(&self.length.to_le_bytes());
        row[20..52].copy_from_slice(&self.hash);
        let sum = sum(number, &row);
        row[56..].copy_from_slice(&sum);
        row
    }

    /// Reads one; nothing when none is there, or not all of it.
    pub(super) fn decode(row: &[u8], number: u64) -> Option<Self> {
        let all = [Tag::Record, Tag::Bare, Tag::Tile, Tag::Within, Tag::Act];
        let tag = all.into_iter().find(|tag| *tag as u8 == row[0])?;
        if row[56..] != sum(number, row) {
            return None;
        }
        Some(Self {
            tag,
            slot: u32::from_le_bytes(row[4..8].try_into().ok()?),
            offset: u64::from_le_bytes(row[8..16].try_into().ok()?),
            length: u32::from_le_bytes(row[16..20].try_into().ok()?),
            hash: row[20..52].try_into().ok()?,
        })
    }
}

fn sum(number: u64, row: &[u8]) -> [u8; 8] {
    let tag = if row[0] == Tag::Record as u8 { Tag::Bare as u8 } else { row[0] };
    let digest = digest(&SHA256, &[&number.to_le_bytes(), &[tag][..], &row[1..56]].concat());
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest.as_ref()[..8]);
    sum
}

/// The file of them.
pub(super) struct Rows(pub(super) File);

impl Rows {
    /// Rows there may be.
    pub(super) fn end(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len().div_ceil(ROW as u64))
    }

    /// One row.
    pub(super) fn get(&self, number: u64) -> io::Result<Option<Row>> {
        let mut row = None;
        self.each((number, number + 1), |_, found| {
            row = found;
            Ok(())
        })?;
        Ok(row)
    }

    /// Shows the rows of a range, read in portions.
    pub(super) fn each(
        &self,
        (first, end): (u64, u64),
        mut show: impl FnMut(u64, Option<Row>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut bytes = vec![0; (end.saturating_sub(first)).min(AT_ONCE) as usize * ROW];
        let mut at = first;
        while at < end {
            let count = (end - at).min(AT_ONCE);
            let wanted = &mut bytes[..count as usize * ROW];
            wanted.fill(0);
            read_there_is(&self.0, wanted, at * ROW as u64)?;
            for (row, number) in wanted.chunks_exact(ROW).zip(at..) {
                show(number, Row::decode(row, number))?;
            }
            at += count;
        }
        Ok(())
    }

    /// Writes rows one after the other.
    pub(super) fn put(&self, first: u64, rows: &[Row]) -> io::Result<()> {
        let bytes: Vec<u8> =
            rows.iter().zip(first..).flat_map(|(row, number)| row.encode(number)).collect();
        disk::write_at(&self.0, &bytes, first * ROW as u64)
    }

    /// The record's body is gone, its hash stays.
    pub(super) fn erase(&self, number: u64) -> io::Result<()> {
        disk::write_at(&self.0, &[Tag::Bare as u8], number * ROW as u64)
    }

    /// Forgets the rows of a range.
    pub(super) fn clear(&self, (first, end): (u64, u64)) -> io::Result<()> {
        let nothing = [0; ROW];
        (first..end).try_for_each(|number| disk::write_at(&self.0, &nothing, number * ROW as u64))
    }
}

/// Fills what there is in the file; the rest stays as it was.
fn read_there_is(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    let mut had = 0;
    while had < bytes.len() {
        match file.read_at(&mut bytes[had..], at + had as u64)? {
            0 => break,
            got => had += got,
        }
    }
    Ok(())
}
