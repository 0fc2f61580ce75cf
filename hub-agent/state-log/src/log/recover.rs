//! Opening: what survived is found by walking the newest segment; older ones must continue each other.
//!
//! Only one batch can be on its way when the power goes, and it has exactly one commit mark, at its very end. So
//! what lies behind the last mark that holds is a torn batch, unless a mark further on is followed by anything:
//! then that batch had been durable, and records are missing that a checkpoint covers.

use super::{
    Active, Head, LOCK, Log, PASS, RESERVE, Sealed, Settings,
    append::{Pending, begin},
    query::Cache,
};
use crate::{
    damage::Damage,
    disk,
    error::Error,
    frame::{Commit, marks},
    hash::Frontier,
    heads::Heads,
    keys::Keyring,
    note::{Checkpoint, Signer, Verifier},
    proof,
    seal::Nonces,
    segment::{self, Scan},
    tiles::Tiles,
    vault::Vault,
};
use std::{fs::TryLockError, path::Path};

/// What opening found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// A batch that was on its way when the hub stopped, and is gone.
    pub torn: Option<Torn>,
    /// Files that were made anew from the segments.
    pub rebuilt: Vec<String>,
    /// An interrupted retention, deletion or erasure was finished.
    pub finished: bool,
}

/// A batch without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The number its first record would have had.
    pub first: u64,
    /// Bytes of it that were there.
    pub bytes: u64,
    /// Its commit mark was there, for so many records, and records before it were not. If that commit had returned,
    /// this is damage: compare with what was acknowledged.
    pub signed: Option<u64>,
}

/// The newest segment after its walk.
struct Newest {
    base: u64,
    length: u64,
    scan: Scan,
}

pub(super) fn open(
    dir: &Path,
    settings: Settings,
    signer: Box<dyn Signer + Send>,
    mut vault: Box<dyn Vault + Send>,
    at_least: Option<Head>,
) -> Result<(Log, Opening), Error> {
    settings.check()?;
    let log = Verifier::log(&settings.origin, signer.public_key())?;
    disk::create_dir(dir)?;
    let lock = lock(dir)?;
    sweep(dir)?;
    let mut opening = Opening::default();
    let heads = Heads::load(dir, &log)?.map_err(|_| Error::Damaged(Damage::Heads))?;
    let mut bases = segment::list(dir)?;
    let newest = newest(dir, &mut bases, &log, &mut opening)?;
    let tree = newest.scan.frontier.clone();
    let sealed = sealed(dir, &bases, &newest)?;
    let commit = match &newest.scan.commit {
        Some(commit) => Some(commit.clone()),
        None => last_mark(dir, sealed.last())?,
    };
    let head = head(&log, signer.as_ref(), commit, &tree)?;
    let keys = Keyring::open(dir, vault.as_mut(), tree.size() > 0)?;
    let tiles = tiles(dir, &sealed, &newest, &mut opening)?;
    let active = activate(dir, &newest)?;
    let mut opened = Log {
        dir: dir.to_owned(),
        pending: Pending::new(&tree),
        flight: None,
        syncer: None,
        nonces: Nonces::new(),
        cache: Cache::default(),
        broken: false,
        rebuilt: false,
        notices: Vec::new(),
        _lock: lock,
        settings,
        signer,
        vault,
        log,
        keys,
        heads,
        tiles,
        sealed,
        active,
        tree,
        head,
    };
    opened.compare(at_least)?;
    opening.finished = opened.finish_pass()?;
    opened.reserve();
    opened.warm()?;
    Ok((opened, opening))
}

fn lock(dir: &Path) -> Result<std::fs::File, Error> {
    let path = dir.join(LOCK);
    let file = disk::open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(Error::io(&path, error)),
    }
}

/// Removes files that never got their name.
fn sweep(dir: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(dir).map_err(|error| Error::io(dir, error))? {
        let path = entry.map_err(|error| Error::io(dir, error))?.path();
        if path.extension().is_some_and(|ending| ending == disk::ASIDE) {
            disk::remove(&path)?;
        }
    }
    Ok(())
}

/// The newest segment; one that was being begun when the hub stopped is removed, and in an empty folder the first
/// is begun.
fn newest(
    dir: &Path,
    bases: &mut Vec<u64>,
    log: &Verifier,
    opening: &mut Opening,
) -> Result<Newest, Error> {
    let mut bytes = Vec::new();
    loop {
        let Some(base) = bases.pop() else {
            let active = begin(dir, &Frontier::new())?;
            segment::read_into(&active.path, &mut bytes)?;
            let scan =
                segment::scan(&bytes, 0).ok_or(Error::Damaged(Damage::Header { base: 0 }))?;
            return Ok(Newest { base: 0, length: active.length, scan });
        };
        let path = segment::path(dir, base);
        segment::read_into(&path, &mut bytes)?;
        if let Some(scan) = segment::scan(&bytes, base) {
            let torn = torn(&bytes, &scan, log)?;
            opening.torn = opening.torn.or(torn);
            return Ok(Newest { base, length: bytes.len() as u64, scan });
        }
        if marks(&bytes, 0).any(|(_, commit)| verified(log, &commit).is_some()) {
            return Err(Error::Damaged(Damage::Header { base }));
        }
        disk::remove(&path)?;
        disk::sync_dir(dir)?;
    }
}

/// What lies behind the last mark that holds.
fn torn(bytes: &[u8], scan: &Scan, log: &Verifier) -> Result<Option<Torn>, Error> {
    let first = scan.frontier.size();
    let rest = bytes.len() - scan.end;
    if rest == 0 {
        return Ok(None);
    }
    let signed = |commit: &Commit| verified(log, commit).is_some();
    let found: Vec<_> =
        marks(bytes, scan.end).filter(|(_, commit)| signed(commit)).take(2).collect();
    let at_the_end = |at: usize| at + crate::frame::COMMIT_BYTES == bytes.len();
    match found.as_slice() {
        [] => Ok(Some(Torn { first, bytes: rest as u64, signed: None })),
        [(at, commit)] if at_the_end(*at) && !commit.closed => {
            Ok(Some(Torn { first, bytes: rest as u64, signed: Some(commit.size) }))
        }
        [(_, commit), ..] => {
            let last = commit.size.max(first + 1) - 1;
            Err(Error::Damaged(Damage::Edited { first: first.min(last), last }))
        }
    }
}

fn verified(log: &Verifier, commit: &Commit) -> Option<Checkpoint> {
    let checkpoint = Checkpoint::assemble(log, commit.size, commit.root, &commit.signature);
    Checkpoint::parse(&checkpoint.note(), log).ok()
}

/// Each older segment ends where the next begins, with the root that the next one's head carries.
fn sealed(dir: &Path, bases: &[u64], newest: &Newest) -> Result<Vec<Sealed>, Error> {
    let first = bases.first().copied().unwrap_or(newest.base);
    if first != 0 {
        return Err(Error::Damaged(Damage::Missing { first: 0, next: first }));
    }
    let mut sealed = Vec::new();
    for (position, base) in bases.iter().copied().enumerate() {
        let (_, mark, bytes) = segment::ends(&segment::path(dir, base), base)?;
        let next = bases.get(position + 1).copied().unwrap_or(newest.base);
        let (frontier, _, _) = segment::ends(&segment::path(dir, next), next)?;
        let frontier = frontier.ok_or(Error::Damaged(Damage::Header { base: next }))?;
        match mark {
            Some(mark) if mark.size == next && mark.root == frontier.root() => {}
            Some(mark) if mark.size == next => {
                return Err(Error::Damaged(Damage::Replaced { base: next }));
            }
            Some(mark) if mark.size < next => {
                return Err(Error::Damaged(Damage::Missing { first: mark.size, next }));
            }
            Some(_) | None => {
                return Err(Error::Damaged(Damage::Edited { first: base, last: next - 1 }));
            }
        }
        sealed.push(Sealed { base, bytes });
    }
    Ok(sealed)
}

fn last_mark(dir: &Path, last: Option<&Sealed>) -> Result<Option<Commit>, Error> {
    let Some(last) = last else { return Ok(None) };
    segment::ends(&segment::path(dir, last.base), last.base).map(|(_, mark, _)| mark)
}

/// The checkpoint a log goes on from; an empty log gets one.
fn head(
    log: &Verifier,
    signer: &dyn Signer,
    commit: Option<Commit>,
    tree: &Frontier,
) -> Result<Checkpoint, Error> {
    let (size, root) = (tree.size(), tree.root());
    match commit {
        Some(commit) => {
            verified(log, &commit).ok_or(Error::Damaged(Damage::Unsigned { size: commit.size }))
        }
        None => {
            let text = crate::note::text(log.name(), size, &root);
            let signature = signer.sign(text.as_bytes()).map_err(Error::Signer)?;
            Ok(Checkpoint::assemble(log, size, root, &signature))
        }
    }
}

/// The tiles as they must be; made anew when they lead to another root.
fn tiles(
    dir: &Path,
    sealed: &[Sealed],
    newest: &Newest,
    opening: &mut Opening,
) -> Result<Tiles, Error> {
    let (frontier, _, _) = segment::ends(&segment::path(dir, newest.base), newest.base)?;
    let root = frontier.map(|frontier| frontier.root());
    let mut tiles = Tiles::open(dir, newest.base)?;
    if proof::root(&mut tiles, newest.base).ok() != root {
        if !are_whole(dir, sealed)? {
            return Err(Error::Damaged(Damage::Edited { first: 0, last: newest.base - 1 }));
        }
        tiles = rebuild(dir, sealed)?;
        opening.rebuilt.push(crate::tiles::FOLDER.to_owned());
    }
    newest.scan.whole.iter().for_each(|node| tiles.add(*node));
    Ok(tiles)
}

/// Whether all older segments are whole and lead from one to the next.
pub(super) fn are_whole(dir: &Path, sealed: &[Sealed]) -> Result<bool, Error> {
    let (mut bytes, mut tree) = (Vec::new(), Frontier::new());
    for Sealed { base, .. } in sealed {
        segment::read_into(&segment::path(dir, *base), &mut bytes)?;
        let begins = segment::parse_head(&bytes, *base).is_some_and(|(head, _)| head == tree);
        match segment::scan(&bytes, *base) {
            Some(scan) if begins && scan.end == bytes.len() => tree = scan.frontier,
            Some(_) | None => return Ok(false),
        }
    }
    Ok(true)
}

/// Tiles of all older segments, made from these.
pub(super) fn rebuild(dir: &Path, sealed: &[Sealed]) -> Result<Tiles, Error> {
    let mut tiles = Tiles::open(dir, 0)?;
    let mut bytes = Vec::new();
    for Sealed { base, .. } in sealed {
        segment::read_into(&segment::path(dir, *base), &mut bytes)?;
        let scan = segment::scan(&bytes, *base);
        let scan = scan.ok_or(Error::Damaged(Damage::Header { base: *base }))?;
        scan.whole.iter().for_each(|node| tiles.add(*node));
        tiles.flush()?;
    }
    Ok(tiles)
}

/// Opens the newest segment for writing; a torn batch is cut off. What was found is made durable before anything is
/// built on it: whoever wrote it may have been killed between its write and its sync.
fn activate(dir: &Path, newest: &Newest) -> Result<Active, Error> {
    let path = segment::path(dir, newest.base);
    let file = disk::open(&path)?;
    let length = newest.scan.end as u64;
    if length != newest.length {
        disk::set_len(&path, &file, length)?;
    }
    disk::sync(&path, &file)?;
    disk::sync_dir(dir)?;
    let index = newest.scan.index.clone();
    Ok(Active { base: newest.base, path, file, length, index })
}

impl Log {
    /// Whether the log is older than what a witness or the caller saw of it.
    fn compare(&mut self, at_least: Option<Head>) -> Result<(), Error> {
        let size = self.size();
        let witnessed = self.heads.newest().max(at_least.map_or(0, |head| head.size));
        if witnessed > size {
            return Err(Error::Damaged(Damage::RolledBack { size, witnessed }));
        }
        let heads = self.heads.notes.iter().map(|(_, one)| (one.size, one.root));
        let known: Vec<_> = heads.chain(at_least.map(|head| (head.size, head.root))).collect();
        for (size, root) in known {
            match proof::root(&mut self.tiles, size) {
                Ok(own) if own != root => return Err(Error::Damaged(Damage::Forked { size })),
                // Of a head in a range that was dropped nothing can be said.
                Ok(_) | Err(Error::HashesDropped(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// Sets space aside; without any, passes on a full disk may fail, and say so.
    pub(super) fn reserve(&self) {
        let path = self.dir.join(RESERVE);
        let there =
            std::fs::metadata(&path).is_ok_and(|about| about.len() == self.settings.reserve_bytes);
        if there || self.settings.reserve_bytes == 0 {
            return;
        }
        let flags = rustix::fs::FallocateFlags::empty();
        let made = disk::create(&path).is_ok_and(|file| {
            rustix::fs::fallocate(&file, flags, 0, self.settings.reserve_bytes).is_ok()
        });
        if !made {
            let _ = disk::remove(&path);
        }
    }

    /// Gives the space back that was set aside.
    pub(super) fn release_reserve(&self) -> Result<(), Error> {
        disk::remove(&self.dir.join(RESERVE))
    }

    pub(super) fn pass_path(&self) -> std::path::PathBuf {
        self.dir.join(PASS)
    }
}
