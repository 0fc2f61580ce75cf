//! One segment file: its head, and a walk over its frames that believes nothing which its commit marks do not cover.
//!
//! The head names the first record and carries the tree's frontier before it, so each segment can be checked alone:
//! magic 8, base u64, the frontier's nodes (32 bytes for each bit set in base), checksum 16.

use crate::{
    error::Error,
    frame::{COMMIT_BYTES, Commit, Frame, parse},
    hash::{CHECK, Frontier, check, sha256},
    index::{Index, Spot},
    tiles::{HEIGHT, Whole},
};
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"HUBSLOG1";

/// Ends the names of segments and of their indexes.
pub(crate) const SEGMENT: &str = "log";
pub(crate) const INDEX: &str = "idx";

/// The largest segment: it is read into memory as a whole.
pub const MAX_SEGMENT: u64 = 64 * 1024 * 1024;

pub(crate) fn path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.{SEGMENT}"))
}

pub(crate) fn index_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}.{INDEX}"))
}

/// Where the segments of a folder begin, in order.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>, Error> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| Error::io(dir, error))? {
        let path = entry.map_err(|error| Error::io(dir, error))?.path();
        if path.extension().is_some_and(|ending| ending == SEGMENT) {
            bases.extend(base_of(&path));
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

/// The number in a file's name, when it is written as we write it.
pub(crate) fn base_of(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    let all_digits = stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { stem.parse().ok() } else { None }
}

/// A head for a segment that begins where this frontier ends.
pub(crate) fn head(frontier: &Frontier) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &frontier.size().to_le_bytes()].concat();
    frontier.nodes().for_each(|node| bytes.extend(node));
    let sum = check(&bytes);
    bytes.extend(sum);
    bytes
}

/// Bytes of a head.
pub(crate) fn head_length(base: u64) -> usize {
    16 + base.count_ones() as usize * 32 + CHECK
}

/// The frontier a head carries, and the head's length.
pub(crate) fn parse_head(bytes: &[u8], base: u64) -> Option<(Frontier, usize)> {
    let nodes = base.count_ones() as usize;
    let length = 16 + nodes * 32;
    let said = bytes.get(..length)?;
    let right = bytes.get(length..length + CHECK)? == check(said)
        && said.starts_with(MAGIC)
        && said[8..16] == base.to_le_bytes();
    let (hashes, _) = said[16..].as_chunks::<32>();
    let frontier = Frontier::from_nodes(base, hashes).filter(|_| right)?;
    Some((frontier, length + CHECK))
}

/// Reads a whole segment into a buffer.
pub(crate) fn read_into(path: &Path, buffer: &mut Vec<u8>) -> Result<(), Error> {
    let failed = |error| Error::io(path, error);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > 2 * MAX_SEGMENT {
        return Err(failed(std::io::Error::other("longer than any segment")));
    }
    buffer.resize(length as usize, 0);
    file.read_exact_at(buffer, 0).map_err(failed)
}

/// The frontier at the head of a segment, and the commit mark at its end, without reading what is between.
pub(crate) fn ends(
    path: &Path,
    base: u64,
) -> Result<(Option<Frontier>, Option<Commit>, u64), Error> {
    let failed = |error| Error::io(path, error);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut front = vec![0; head_length(base).min(length as usize)];
    file.read_exact_at(&mut front, 0).map_err(failed)?;
    let mut back = [0; COMMIT_BYTES];
    let mark = match length.checked_sub(COMMIT_BYTES as u64) {
        Some(at) => {
            file.read_exact_at(&mut back, at).map_err(failed)?;
            match parse(&back) {
                Ok((Frame::Commit(commit), _)) => Some(commit),
                Ok((Frame::Record(_) | Frame::Gap(_), _)) | Err(_) => None,
            }
        }
        None => None,
    };
    Ok((parse_head(&front, base).map(|(frontier, _)| frontier), mark, length))
}

/// What a segment holds, as far as its commit marks agree with its frames.
pub(crate) struct Scan {
    /// The tree after the last commit mark that holds.
    pub(crate) frontier: Frontier,
    /// That mark.
    pub(crate) commit: Option<Commit>,
    /// Where it ends.
    pub(crate) end: usize,
    /// Nodes for the tiles.
    pub(crate) whole: Vec<Whole>,
    /// Its records.
    pub(crate) index: Index,
}

/// Walks over a segment until its end or to the first batch that does not hold.
pub(crate) fn scan(bytes: &[u8], base: u64) -> Option<Scan> {
    let (frontier, head) = parse_head(bytes, base)?;
    let index = Index::new(base);
    let mut scan = Scan { frontier, commit: None, end: head, whole: Vec::new(), index };
    let mut batch = Batch::new(&scan.frontier);
    let mut at = head;
    while let Ok((frame, length)) = parse(&bytes[at..]) {
        if !batch.take(&frame, at) {
            break;
        }
        at += length;
        if let Frame::Commit(commit) = frame {
            scan.frontier = batch.tree.clone();
            scan.whole.append(&mut batch.whole);
            batch.spots.drain(..).for_each(|spot| scan.index.add(&spot));
            (scan.commit, scan.end) = (Some(commit), at);
        }
    }
    Some(scan)
}

/// Frames since the last commit mark.
pub(crate) struct Batch {
    pub(crate) tree: Frontier,
    pub(crate) whole: Vec<Whole>,
    pub(crate) spots: Vec<Spot>,
}

impl Batch {
    pub(crate) fn new(tree: &Frontier) -> Self {
        Self { tree: tree.clone(), whole: Vec::new(), spots: Vec::new() }
    }

    /// Adds a perfect tree of 2^level records.
    pub(crate) fn push(&mut self, level: u8, hash: crate::hash::Hash) {
        let (size, whole) = (self.tree.size(), &mut self.whole);
        self.tree.push(level, hash, |level, hash| {
            if level % HEIGHT == 0 {
                whole.push((level, size >> level, hash));
            }
        });
    }

    /// Takes a frame in; false when it does not belong here.
    pub(crate) fn take(&mut self, frame: &Frame<'_>, offset: usize) -> bool {
        match frame {
            Frame::Record(record) if record.index == self.tree.size() => {
                self.push(0, sha256(record.bytes));
                self.spots.push(Spot::of(record, offset));
                true
            }
            Frame::Gap(gap) if gap.first == self.tree.size() => {
                gap.nodes.iter().for_each(|(level, hash)| self.push(*level, *hash));
                true
            }
            Frame::Commit(commit) => {
                commit.size == self.tree.size() && commit.root == self.tree.root()
            }
            Frame::Record(_) | Frame::Gap(_) => false,
        }
    }
}

/// The frames of a segment, each with where it stands, up to the first that is none.
pub(crate) fn frames(
    bytes: &[u8],
    base: u64,
) -> impl Iterator<Item = (std::ops::Range<usize>, Frame<'_>)> {
    let mut at = parse_head(bytes, base).map_or(bytes.len(), |(_, length)| length);
    std::iter::from_fn(move || {
        let (frame, length) = parse(bytes.get(at..)?).ok()?;
        at += length;
        Some((at - length..at, frame))
    })
}
