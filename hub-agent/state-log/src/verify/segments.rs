//! The walk over all segments.

use super::{Outside, Report};
use crate::{
    act::{Act, Range},
    damage::Damage,
    error::Error,
    frame::{ACT, COMMIT_BYTES, Commit, Frame, marks, parse},
    hash::{Frontier, Hash, sha256},
    index::Index,
    note::Checkpoint,
    segment::{self, Batch},
    tiles::{FOLDER, Tiles, Whole},
};
use std::path::Path;

/// Where the walk is, and what it gathers.
pub(super) struct Walk<'a> {
    dir: &'a Path,
    outside: &'a Outside<'a>,
    /// The tree so far; nothing when it is not known after damage.
    tree: Option<Frontier>,
    /// The first number behind everything seen.
    reached: u64,
    tiles: Option<Tiles>,
    heads: Vec<(u64, Hash)>,
    next_head: usize,
    gaps: Vec<Range>,
    acts: Vec<Range>,
    bytes: Vec<u8>,
}

/// One segment on its way.
struct Here<'a> {
    file: String,
    bytes: &'a [u8],
    base: u64,
    /// Where the next one begins.
    next: Option<u64>,
    at: usize,
    tree: Frontier,
    index: Index,
    whole: Vec<Whole>,
    last: Option<Commit>,
    /// Nothing was skipped.
    whole_file: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(dir: &'a Path, outside: &'a Outside<'a>, heads: Vec<(u64, Hash)>) -> Self {
        Self {
            dir,
            outside,
            tree: Some(Frontier::new()),
            reached: 0,
            tiles: Tiles::look(dir),
            heads,
            next_head: 0,
            gaps: Vec::new(),
            acts: Vec::new(),
            bytes: Vec::new(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.reached
    }

    /// One segment.
    pub(super) fn segment(
        &mut self,
        base: u64,
        next: Option<u64>,
        report: &mut Report,
    ) -> Result<(), Error> {
        let path = segment::path(self.dir, base);
        let mut bytes = std::mem::take(&mut self.bytes);
        segment::read_into(&path, &mut bytes)?;
        report.segments += 1;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((tree, at)) = self.begin(&bytes, base, next, &file, report) {
            let index = Index::new(base);
            let (whole, last, whole_file) = (Vec::new(), None, true);
            let bytes = &bytes;
            let mut here =
                Here { file, bytes, base, next, at, tree, index, whole, last, whole_file };
            self.walk(&mut here, report);
            self.end(here, report)?;
        }
        self.bytes = bytes;
        Ok(())
    }

    /// What was gathered: gaps, and what acts say.
    pub(super) fn finish(self, report: &mut Report) -> (Vec<Range>, Vec<Range>) {
        let size = self.reached;
        for (witnessed, _) in &self.heads[self.next_head..] {
            report.find("", Damage::RolledBack { size, witnessed: *witnessed });
        }
        (self.gaps, self.acts)
    }

    /// Whether a segment continues what came before; the tree to go on from.
    fn begin(
        &mut self,
        bytes: &[u8],
        base: u64,
        next: Option<u64>,
        file: &str,
        report: &mut Report,
    ) -> Option<(Frontier, usize)> {
        let tree = self.tree.take();
        if base > self.reached {
            report.find(file, Damage::Missing { first: self.reached, next: base });
        } else if base < self.reached {
            report.find(file, Damage::Replaced { base });
        }
        let Some((head, at)) = segment::parse_head(bytes, base) else {
            if next.is_none() && marks(bytes, 0).next().is_none() {
                report.find(file, Damage::Tail { bytes: bytes.len() as u64 });
            } else {
                report.find(file, Damage::Header { base });
            }
            // The frames may be whole all the same.
            let at = segment::head_length(base);
            return tree
                .filter(|tree| tree.size() == base && bytes.len() >= at)
                .map(|tree| (tree, at));
        };
        if base == self.reached && tree.is_some_and(|tree| tree != head) {
            report.find(file, Damage::Replaced { base });
        }
        Some((head, at))
    }

    /// Batch by batch, over damage where that can be done.
    fn walk(&mut self, here: &mut Here<'_>, report: &mut Report) {
        let mut batch = Batch::new(&here.tree);
        let (mut at, mut seen) = (here.at, Seen::default());
        while at < here.bytes.len() {
            let taken = parse(&here.bytes[at..]).ok().filter(|(frame, _)| batch.take(frame, at));
            let Some((frame, length)) = taken else {
                if !self.over_damage(here, report) {
                    return;
                }
                (batch, at, seen) = (Batch::new(&here.tree), here.at, Seen::default());
                continue;
            };
            at += length;
            seen.note(&frame);
            if let Frame::Commit(commit) = frame {
                here.at = at;
                self.accept(here, &mut batch, std::mem::take(&mut seen), commit, report);
            } else {
                self.compare_heads(&batch.tree, report);
            }
        }
        if here.at < here.bytes.len() {
            self.over_damage(here, report);
        }
    }

    /// A batch holds.
    fn accept(
        &mut self,
        here: &mut Here<'_>,
        batch: &mut Batch,
        seen: Seen,
        commit: Commit,
        report: &mut Report,
    ) {
        self.compare_heads(&batch.tree, report);
        here.tree.clone_from(&batch.tree);
        here.whole.append(&mut batch.whole);
        report.records += batch.spots.len() as u64;
        batch.spots.drain(..).for_each(|spot| here.index.add(&spot));
        report.acts += seen.acts;
        self.gaps.extend(seen.gaps);
        self.acts.extend(seen.ranges);
        report.checkpoints.0 += 1;
        if self.outside.every_signature {
            self.signature(here, &commit, report);
        }
        here.last = Some(commit);
    }

    fn signature(&self, here: &Here<'_>, commit: &Commit, report: &mut Report) -> bool {
        report.checkpoints.1 += 1;
        match self.signed(commit) {
            Some(checkpoint) => {
                report.head = Some(checkpoint);
                true
            }
            None => {
                report.find(&here.file, Damage::Unsigned { size: commit.size });
                false
            }
        }
    }

    fn signed(&self, commit: &Commit) -> Option<Checkpoint> {
        let Commit { size, root, signature, .. } = commit;
        let checkpoint = Checkpoint::assemble(self.outside.log, *size, *root, signature);
        Checkpoint::parse(&checkpoint.note(), self.outside.log).ok()
    }

    /// Heads up to this tree's size: they must have its root.
    fn compare_heads(&mut self, tree: &Frontier, report: &mut Report) {
        while let Some((size, root)) = self.heads.get(self.next_head).copied() {
            if size > tree.size() {
                return;
            }
            self.next_head += 1;
            if size < tree.size() {
                report.heads.1 += 1;
            } else if tree.root() == root {
                report.heads.0 += 1;
            } else {
                report.find("", Damage::Forked { size });
            }
        }
    }

    /// Names what is wrong after the last batch that holds, and goes to behind the next signed mark; false when there
    /// is none from which the tree is known.
    fn over_damage(&mut self, here: &mut Here<'_>, report: &mut Report) -> bool {
        let first = here.tree.size();
        here.whole_file = false;
        let mark = marks(here.bytes, here.at)
            .find(|(_, commit)| commit.size > first && self.signed(commit).is_some());
        let Some((at, mark)) = mark else {
            self.no_mark(here, report);
            return false;
        };
        let leaves = self.leaves(first, mark.size);
        let mut tree = Batch::new(&here.tree);
        leaves.iter().flatten().for_each(|leaf| tree.push(0, *leaf));
        let Some(leaves) = leaves.filter(|_| tree.tree.root() == mark.root) else {
            report.find(&here.file, Damage::Edited { first, last: mark.size - 1 });
            here.at = at;
            return false;
        };
        let damage = which(here, &leaves, at);
        report.find(&here.file, damage);
        self.compare_heads(&tree.tree, report);
        here.tree = tree.tree;
        here.whole.append(&mut tree.whole);
        here.at = at + COMMIT_BYTES;
        true
    }

    fn no_mark(&self, here: &Here<'_>, report: &mut Report) {
        let (first, rest) = (here.tree.size(), (here.bytes.len() - here.at) as u64);
        let damage = match here.next {
            None => Damage::Tail { bytes: rest },
            Some(next) if next > first => Damage::Edited { first, last: next - 1 },
            Some(_) => Damage::Mark { size: first },
        };
        report.find(&here.file, damage);
    }

    /// What the tiles say about these leaves, as far as one batch goes.
    fn leaves(&self, first: u64, end: u64) -> Option<Vec<Hash>> {
        let tiles = self.tiles.as_ref()?;
        (first..end).map(|number| tiles.stored(0, number)).collect()
    }

    /// The end of a segment: its last mark is signed and is where the next begins; its index and tiles agree.
    fn end(&mut self, here: Here<'_>, report: &mut Report) -> Result<(), Error> {
        if let Some(commit) = &here.last
            && !self.outside.every_signature
        {
            self.signature(&here, commit, report);
        }
        let size = here.tree.size();
        let whole = here.next.is_none_or(|next| size == next);
        if !whole && here.at == here.bytes.len() && here.next.is_some_and(|next| next > size) {
            report
                .find(&here.file, Damage::Missing { first: size, next: here.next.unwrap_or(size) });
        }
        report.closed = here.last.as_ref().is_some_and(|commit| commit.closed);
        self.reached = here.next.unwrap_or(size).max(size);
        if here.next.is_some() && here.whole_file {
            self.compare_index(&here, report)?;
            self.compare_tiles(&here, report);
        }
        self.tree = whole.then_some(here.tree);
        Ok(())
    }

    fn compare_index(&self, here: &Here<'_>, report: &mut Report) -> Result<(), Error> {
        let path = segment::index_path(self.dir, here.base);
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let saved = Index::load(&path, here.bytes.len() as u64, None)?;
        if path.exists() && saved.as_ref() != Some(&here.index) {
            report.find(&file, Damage::Rebuildable { file: file.clone() });
        }
        Ok(())
    }

    fn compare_tiles(&self, here: &Here<'_>, report: &mut Report) {
        if !self.tiles.as_ref().is_some_and(|tiles| tiles.agree(&here.whole)) {
            let file = format!("{FOLDER}, beside {}", here.file);
            report.find(&file, Damage::Rebuildable { file: FOLDER.to_owned() });
        }
    }
}

/// What a batch tells besides its hashes.
#[derive(Default)]
struct Seen {
    gaps: Vec<Range>,
    ranges: Vec<Range>,
    acts: u64,
}

impl Seen {
    fn note(&mut self, frame: &Frame<'_>) {
        match frame {
            Frame::Record(record) if record.flags & ACT != 0 => {
                self.acts += 1;
                let act = Act::decode(record.main);
                self.ranges.extend(act.iter().flat_map(Act::ranges));
            }
            Frame::Gap(gap) => self.gaps.push((gap.first, gap.end)),
            Frame::Record(_) | Frame::Commit(_) => {}
        }
    }
}

/// What differs between the frames up to the mark at `end` and the leaves that belong there.
fn which(here: &Here<'_>, leaves: &[Hash], end: usize) -> Damage {
    let first = here.tree.size();
    let last = first + leaves.len() as u64 - 1;
    let mut at = here.at;
    let mut index = first;
    while index <= last {
        let parsed = here.bytes.get(at..end).and_then(|bytes| parse(bytes).ok());
        let Some((frame, length)) = parsed else {
            // A broken commit mark has its length all the same, and the next record comes behind it.
            let behind = here.bytes.get(at + COMMIT_BYTES..end).map(parse);
            return match behind {
                Some(Ok((Frame::Record(record), _))) if record.index == index => {
                    Damage::Mark { size: index }
                }
                Some(_) | None if at >= end => Damage::Missing { first: index, next: last + 1 },
                Some(_) | None => Damage::Edited { first: index, last },
            };
        };
        match frame {
            Frame::Record(record) if record.index != index => {
                let known = record.index > index && record.index <= last;
                let moved =
                    known && sha256(record.bytes) == leaves[(record.index - first) as usize];
                return match (moved, back(here.bytes.get(at + length..end), record.index)) {
                    (true, true) => Damage::Reordered { expected: index, found: record.index },
                    (true, false) => Damage::Missing { first: index, next: record.index },
                    (false, _) => Damage::Edited { first: index, last: index },
                };
            }
            Frame::Record(record) => {
                if sha256(record.bytes) != leaves[(index - first) as usize] {
                    return Damage::Edited { first: index, last: index };
                }
                index += 1;
            }
            Frame::Gap(gap) => index = gap.end,
            Frame::Commit(_) => {}
        }
        at += length;
    }
    Damage::Mark { size: last + 1 }
}

/// Whether the next record has a number below this one: then nothing is missing, but the order is wrong.
fn back(bytes: Option<&[u8]>, index: u64) -> bool {
    let next = bytes.and_then(|bytes| parse(bytes).ok());
    matches!(next, Some((Frame::Record(record), _)) if record.index < index)
}
