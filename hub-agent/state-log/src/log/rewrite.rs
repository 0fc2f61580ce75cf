//! A segment without some of its records. Their hashes stay: leaf by leaf, or one for a whole tile of 256, so that all
//! that is left can still be proved. The new file is written aside and renamed.

use super::Log;
use crate::{
    act::{Range, covering},
    damage::Damage,
    disk,
    error::Error,
    frame::{Frame, Gap, MAX_GAP_NODES},
    hash::{Hash, fold, sha256},
    segment,
};

/// Leaves of a tile.
const TILE: u64 = 256;

impl Log {
    /// Rewrites the older segment at this position without the ranges; nothing when it has none of them any more.
    pub(super) fn rewrite(&mut self, position: usize, ranges: &[Range]) -> Result<(), Error> {
        let base = self.sealed[position].base;
        let path = segment::path(&self.dir, base);
        let mut bytes = Vec::new();
        segment::read_into(&path, &mut bytes)?;
        let whole = segment::scan(&bytes, base).filter(|scan| scan.end == bytes.len());
        // A damaged segment stays as it is: it is evidence.
        let damage = Damage::Edited { first: base, last: self.end_of(position) - 1 };
        let whole = whole.ok_or(Error::Damaged(damage))?;
        let mut writer = Writer::new(&bytes, base, self.heads.sizes());
        for (stored, frame) in segment::frames(&bytes, base) {
            writer.take(frame, &bytes[stored], ranges, whole.frontier.size());
        }
        if writer.dropped == 0 {
            return Ok(());
        }
        let scan = segment::scan(&writer.out, base);
        let scan =
            scan.filter(|scan| scan.frontier == whole.frontier && scan.end == writer.out.len());
        let scan = scan.expect("a rewritten segment has the tree it had");
        let index = segment::index_path(&self.dir, base);
        self.cache.drop_one(base);
        disk::remove(&index)?;
        disk::replace(&path, &writer.out)?;
        self.sealed[position].bytes = writer.out.len() as u64;
        // Without its file it is made again when it is needed.
        let _ = scan.index.save(&index, writer.out.len() as u64, self.keys.index_key());
        writer.tiles.iter().for_each(|tile| self.tiles.drop_leaves(*tile, 1));
        Ok(())
    }
}

/// Writes what is left.
struct Writer {
    out: Vec<u8>,
    /// Where the gap began that is being collected, and its nodes.
    gap: (u64, Vec<(u8, Hash)>),
    /// Sizes whose roots a witness holds: they must stay provable.
    witnessed: Vec<u64>,
    /// Records were kept since the last commit mark.
    kept: bool,
    dropped: u64,
    /// Tiles whose leaves are gone.
    tiles: Vec<u64>,
}

impl Writer {
    fn new(bytes: &[u8], base: u64, witnessed: Vec<u64>) -> Self {
        let head = segment::parse_head(bytes, base).map_or(0, |(_, length)| length);
        let (out, gap) = (bytes[..head].to_vec(), (base, Vec::new()));
        Self { out, gap, witnessed, kept: false, dropped: 0, tiles: Vec::new() }
    }

    fn take(&mut self, frame: Frame<'_>, stored: &[u8], ranges: &[Range], end: u64) {
        match frame {
            Frame::Record(record) if covering(ranges, record.index).is_some() => {
                self.extend(record.index, [(0, sha256(stored))]);
                self.dropped += 1;
            }
            Frame::Gap(gap) => self.extend(gap.first, gap.nodes),
            Frame::Record(_) => {
                self.write_gap();
                self.kept = true;
                self.out.extend(stored);
            }
            Frame::Commit(commit) => {
                let needed =
                    self.kept || commit.size == end || self.witnessed.contains(&commit.size);
                if needed {
                    self.write_gap();
                    self.kept = false;
                    self.out.extend(stored);
                }
            }
        }
    }

    fn extend(&mut self, first: u64, nodes: impl IntoIterator<Item = (u8, Hash)>) {
        if self.gap.1.is_empty() {
            self.gap.0 = first;
        }
        self.gap.1.extend(nodes);
    }

    fn write_gap(&mut self) {
        let (mut first, nodes) = std::mem::take(&mut self.gap);
        let nodes = self.whole_tiles(first, nodes);
        for nodes in nodes.chunks(MAX_GAP_NODES) {
            let end = first + nodes.iter().map(|(level, _)| 1_u64 << level).sum::<u64>();
            Gap { first, end, nodes: nodes.to_vec() }.write(&mut self.out);
            first = end;
        }
    }

    /// One node instead of 256 leaves, where a tile is gone as a whole.
    fn whole_tiles(&mut self, first: u64, nodes: Vec<(u8, Hash)>) -> Vec<(u8, Hash)> {
        let mut left = Vec::new();
        let (mut at, mut rest) = (first, nodes.as_slice());
        while let Some((node, after)) = rest.split_first() {
            let tile = rest.get(..TILE as usize).filter(|tile| {
                at.is_multiple_of(TILE) && tile.iter().all(|(level, _)| *level == 0)
            });
            match tile {
                Some(tile) => {
                    let leaves: Vec<Hash> = tile.iter().map(|(_, hash)| *hash).collect();
                    left.push((8, fold(&leaves)));
                    self.tiles.push(at / TILE);
                    (at, rest) = (at + TILE, &rest[TILE as usize..]);
                }
                None => {
                    left.push(*node);
                    (at, rest) = (at + (1 << node.0), after);
                }
            }
        }
        left
    }
}
