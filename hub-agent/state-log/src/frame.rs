//! The bytes of a segment: records, commit marks and gaps, one after the other.
//!
//! All numbers are little-endian. A record's frame begins with a zero byte, which is also what RFC 6962 puts before a
//! leaf: so the hash of the frame as it lies on disk is the leaf's hash.
//!
//! | frame | bytes |
//! |---|---|
//! | record | 0, flags, class, 0, length u32, index u64, at u64, slot u32, nonce 12; with personal data: slot u32, length of the main part u32; then the main part and the personal one |
//! | commit mark | 2, closed, 0, 0, length u32, mark 8, size u64, root 32, signature 64, checksum 16 |
//! | gap | 3, 0, 0, 0, length u32, first u64, end u64, nodes (level u8, hash 32), checksum 16 |

use crate::{
    entry::MAX_PART,
    hash::{CHECK, Hash, check},
};

const RECORD: u8 = 0;
const COMMIT: u8 = 2;
const GAP: u8 = 3;

/// The main part is not sealed.
pub(crate) const OPEN: u8 = 1;
/// The log's own act.
pub(crate) const ACT: u8 = 2;
/// There is a personal part.
pub(crate) const PERSONAL: u8 = 4;

/// Bytes before the parts of a record.
pub(crate) const HEAD: usize = 40;
/// The same with personal data.
pub(crate) const HEAD_PERSONAL: usize = 48;
/// The longest record: two sealed parts with their tags, and kind and severity.
pub(crate) const MAX_RECORD: usize = HEAD_PERSONAL + 2 * (MAX_PART + 16) + 3;

/// What a search for commit marks looks for.
pub(crate) const MARK: [u8; 8] = *b"\xc0mmit\x0d\x0a\x1a";
/// Bytes of a commit mark.
pub(crate) const COMMIT_BYTES: usize = 136;

/// The most nodes in one gap frame; a longer gap has several.
pub(crate) const MAX_GAP_NODES: usize = 4096;
const NODE: usize = 33;

/// A frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Record(RecordFrame<'a>),
    Commit(Commit),
    Gap(Gap),
}

/// What a record says in clear, and its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordFrame<'a> {
    pub(crate) flags: u8,
    pub(crate) class: u8,
    pub(crate) index: u64,
    pub(crate) at: u64,
    pub(crate) slot: u32,
    pub(crate) nonce: [u8; 12],
    pub(crate) personal_slot: u32,
    /// What seals authenticate beside the parts.
    pub(crate) head: &'a [u8],
    pub(crate) main: &'a [u8],
    pub(crate) personal: &'a [u8],
    /// The whole frame.
    pub(crate) bytes: &'a [u8],
}

/// The end of a batch: everything before it is covered by its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Written when a log is closed: what it repeats was durable before.
    pub(crate) closed: bool,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) signature: [u8; 64],
}

/// Records that are gone, and what is left of their hashes: leaves, and roots of whole tiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) nodes: Vec<(u8, Hash)>,
}

/// A frame does not begin here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoFrame;

/// The first frame of `bytes`, and its length.
pub(crate) fn parse(bytes: &[u8]) -> Result<(Frame<'_>, usize), NoFrame> {
    let length = u32_at(bytes, 4).ok_or(NoFrame)? as usize;
    let frame = bytes.get(..length).ok_or(NoFrame)?;
    let parsed = match frame.first() {
        Some(&RECORD) => Frame::Record(record(frame)?),
        Some(&COMMIT) => Frame::Commit(commit(frame)?),
        Some(&GAP) => Frame::Gap(gap(frame)?),
        Some(_) | None => return Err(NoFrame),
    };
    Ok((parsed, length))
}

fn record(bytes: &[u8]) -> Result<RecordFrame<'_>, NoFrame> {
    if !(HEAD..=MAX_RECORD).contains(&bytes.len()) || bytes[3] != 0 {
        return Err(NoFrame);
    }
    let flags = bytes[1];
    let personal = flags & PERSONAL != 0;
    let head = if personal { HEAD_PERSONAL } else { HEAD };
    if flags & !(OPEN | ACT | PERSONAL) != 0 || bytes.len() < head {
        return Err(NoFrame);
    }
    let parts = &bytes[head..];
    let main = if personal { u32_at(bytes, 44).ok_or(NoFrame)? as usize } else { parts.len() };
    Ok(RecordFrame {
        flags,
        class: bytes[2],
        index: u64_at(bytes, 8).ok_or(NoFrame)?,
        at: u64_at(bytes, 16).ok_or(NoFrame)?,
        slot: u32_at(bytes, 24).ok_or(NoFrame)?,
        nonce: array(bytes, 28).ok_or(NoFrame)?,
        personal_slot: if personal { u32_at(bytes, 40).ok_or(NoFrame)? } else { 0 },
        head: &bytes[..head],
        main: parts.get(..main).ok_or(NoFrame)?,
        personal: &parts[main..],
        bytes,
    })
}

fn commit(bytes: &[u8]) -> Result<Commit, NoFrame> {
    if bytes.len() != COMMIT_BYTES || bytes[8..16] != MARK {
        return Err(NoFrame);
    }
    checked(bytes)?;
    Ok(Commit {
        closed: bytes[1] == 1,
        size: u64_at(bytes, 16).ok_or(NoFrame)?,
        root: array(bytes, 24).ok_or(NoFrame)?,
        signature: array(bytes, 56).ok_or(NoFrame)?,
    })
}

fn gap(bytes: &[u8]) -> Result<Gap, NoFrame> {
    let body = bytes.get(24..bytes.len().saturating_sub(CHECK)).ok_or(NoFrame)?;
    if body.len() % NODE != 0 || body.len() / NODE > MAX_GAP_NODES {
        return Err(NoFrame);
    }
    checked(bytes)?;
    let (first, end) = (u64_at(bytes, 8).ok_or(NoFrame)?, u64_at(bytes, 16).ok_or(NoFrame)?);
    let nodes: Vec<(u8, Hash)> =
        body.chunks_exact(NODE).filter_map(|node| Some((node[0], array(node, 1)?))).collect();
    let mut at = first;
    for (level, _) in &nodes {
        if !matches!(level, 0 | 8) || at & ((1 << level) - 1) != 0 {
            return Err(NoFrame);
        }
        at = at.checked_add(1 << level).ok_or(NoFrame)?;
    }
    if at == end { Ok(Gap { first, end, nodes }) } else { Err(NoFrame) }
}

fn checked(bytes: &[u8]) -> Result<(), NoFrame> {
    let (said, is) = bytes.split_at(bytes.len().saturating_sub(CHECK));
    if check(said) == is { Ok(()) } else { Err(NoFrame) }
}

impl Commit {
    /// Appends it to what will be written.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend([COMMIT, u8::from(self.closed), 0, 0]);
        to.extend((COMMIT_BYTES as u32).to_le_bytes());
        to.extend(MARK);
        to.extend(self.size.to_le_bytes());
        to.extend(self.root);
        to.extend(self.signature);
        let sum = check(&to[start..]);
        to.extend(sum);
    }
}

impl Gap {
    /// Appends it to what will be written; it must not have too many nodes.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        let start = to.len();
        let length = 24 + self.nodes.len() * NODE + CHECK;
        to.extend([GAP, 0, 0, 0]);
        to.extend((length as u32).to_le_bytes());
        to.extend(self.first.to_le_bytes());
        to.extend(self.end.to_le_bytes());
        for (level, hash) in &self.nodes {
            to.push(*level);
            to.extend(hash);
        }
        let sum = check(&to[start..]);
        to.extend(sum);
    }
}

/// The clear head of a record.
pub(crate) struct Head {
    pub(crate) flags: u8,
    pub(crate) class: u8,
    pub(crate) index: u64,
    pub(crate) at: u64,
    pub(crate) slot: u32,
    pub(crate) nonce: [u8; 12],
    /// Slot of the personal part, and lengths of both parts as they are stored.
    pub(crate) personal: Option<(u32, usize)>,
    pub(crate) main: usize,
}

impl Head {
    /// Appends it to what will be written.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        let head = if self.personal.is_some() { HEAD_PERSONAL } else { HEAD };
        let length = head + self.main + self.personal.map_or(0, |(_, length)| length);
        to.extend([RECORD, self.flags, self.class, 0]);
        to.extend((length as u32).to_le_bytes());
        to.extend(self.index.to_le_bytes());
        to.extend(self.at.to_le_bytes());
        to.extend(self.slot.to_le_bytes());
        to.extend(self.nonce);
        if let Some((slot, _)) = self.personal {
            to.extend(slot.to_le_bytes());
            to.extend((self.main as u32).to_le_bytes());
        }
    }
}

pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Commit marks from `from` on, wherever they stand: what to look for behind bytes that are no frames.
pub(crate) fn marks(bytes: &[u8], from: usize) -> impl Iterator<Item = (usize, Commit)> {
    let mut at = from;
    std::iter::from_fn(move || {
        while let Some(found) = find(bytes.get(at + 8..)?, &MARK) {
            let start = at + found;
            at = start + 1;
            if let Ok((Frame::Commit(commit), _)) = parse(&bytes[start..]) {
                return Some((start, commit));
            }
        }
        None
    })
}

fn find(bytes: &[u8], what: &[u8; 8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Bytes with a right length and a right checksum, and anything between.
        #[test]
        fn no_bytes_make_the_parser_panic(tag in 0_u8..5, mut bytes in prop::collection::vec(any::<u8>(), 24..400)) {
            bytes[0] = tag;
            let first = u64::MAX - u64::from(bytes[8] % 4) * 256;
            bytes[8..16].copy_from_slice(&first.to_le_bytes());
            let length = (bytes.len() + CHECK) as u32;
            bytes[4..8].copy_from_slice(&length.to_le_bytes());
            let sum = check(&bytes);
            bytes.extend(sum);
            let _ = parse(&bytes);
            bytes[24..].fill(0);
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn a_gap_that_leaves_the_numbers_is_no_gap() {
        let mut bytes = Vec::new();
        Gap { first: u64::MAX - 255, end: 1, nodes: vec![(8, [1; 32]), (0, [1; 32])] }
            .write(&mut bytes);
        assert_eq!(parse(&bytes), Err(NoFrame));
    }
}
