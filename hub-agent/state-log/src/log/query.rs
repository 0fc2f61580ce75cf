//! Reading back. What is handed out was checked: a sealed record by its seal and its leaf, an open one by a proof up to
//! the newest checkpoint. What does not hold is named and never handed out.

use super::Log;
use crate::{
    damage::Damage,
    entry::{Content, Record, Subject},
    error::{Error, Refusal},
    frame::{Frame, RecordFrame, parse},
    hash::sha256,
    index::{Index, Way},
    keys::Purpose,
    proof::{self, Nodes, check_inclusion},
    seal, segment,
};
use std::{fs::File, os::unix::fs::FileExt, path::Path};

/// The most records of one page.
pub const MAX_PAGE: usize = 10_000;

/// Places that are looked up at once.
const CHUNK: usize = 256;

/// Bytes that are read for a record before its length is known.
const GUESS: usize = 1024;

/// Which records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Only this subject's.
    pub subject: Option<Subject>,
    /// Only these kinds; all when empty.
    pub kinds: Vec<u16>,
    /// Only times from the first up to, not including, the second.
    pub times: Option<(u64, u64)>,
    /// Only at least so severe.
    pub severity: u8,
    /// From where, and in which direction.
    pub from: From,
    /// At most so many records; `MAX_PAGE` is the most.
    pub limit: usize,
    /// At most so many records looked at, so that a rare kind does not hold up the log's thread.
    pub examine: usize,
}

/// Where a query begins, and in which direction it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// From the newest backwards.
    Newest,
    /// From the one before this number backwards.
    Below(u64),
    /// From this number on: what follows a log asks for `next` again and again.
    On(u64),
}

impl Default for Query {
    fn default() -> Self {
        Self {
            subject: None,
            kinds: Vec::new(),
            times: None,
            severity: 0,
            from: From::Newest,
            limit: 100,
            examine: 100_000,
        }
    }
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Records, in the query's direction.
    pub records: Vec<Record>,
    /// Numbers of records that match and were changed on disk: they are not handed out.
    pub damaged: Vec<u64>,
    /// Where to go on. Forward always; backwards nothing at the log's beginning.
    pub next: Option<From>,
}

/// Indexes of older segments, those used last at the end; their memory is bounded by a setting.
#[derive(Default)]
pub(super) struct Cache {
    held: Vec<Index>,
}

impl Cache {
    pub(super) fn put(&mut self, index: Index, most: usize) {
        self.drop_one(index.base);
        self.held.push(index);
        let mut memory: usize = self.held.iter().map(Index::memory).sum();
        // The one just asked for stays, whatever its size.
        while memory > most && self.held.len() > 1 {
            memory -= self.held.remove(0).memory();
        }
    }

    pub(super) fn drop_one(&mut self, base: u64) {
        self.held.retain(|index| index.base != base);
    }

    fn position(&self, base: u64) -> Option<usize> {
        self.held.iter().position(|index| index.base == base)
    }
}

/// A query on its way.
struct Search<'a> {
    query: &'a Query,
    slot: Option<u32>,
    way: Way,
    looked_at: usize,
    page: Page,
}

impl Log {
    /// Answers a query, in bounded memory and time.
    ///
    /// # Errors
    /// When files cannot be read.
    pub fn query(&mut self, query: &Query) -> Result<Page, Error> {
        let way = match query.from {
            From::Newest => Way::Back { below: self.size() },
            From::Below(below) => Way::Back { below: below.min(self.size()) },
            From::On(from) => Way::On { from },
        };
        let page = Page { records: Vec::new(), damaged: Vec::new(), next: None };
        let slot = query.subject.map(|subject| self.keys.find(Purpose::Records, subject));
        let mut search = Search { query, slot: slot.flatten(), way, looked_at: 0, page };
        // A subject without a key has nothing that could be read.
        if slot != Some(None) {
            self.search(&mut search)?;
        }
        search.page.next = match search.way {
            Way::Back { below: 0 } => None,
            Way::Back { below } => Some(From::Below(below)),
            Way::On { from } => Some(From::On(from)),
        };
        Ok(search.page)
    }

    /// One record.
    ///
    /// # Errors
    /// When it is not there, was dropped, or was changed.
    pub fn get(&mut self, index: u64) -> Result<Record, Error> {
        let stored = self.stored(index)?;
        let whole = RecordAt { index, bytes: &stored }.read(self);
        let record = match whole {
            Some(record) if self.genuine(index, &stored)? => Some(record),
            Some(_) | None => None,
        };
        record.ok_or(Error::Damaged(Damage::Edited { first: index, last: index }))
    }

    /// A record's frame as it lies on disk.
    pub(super) fn stored(&mut self, index: u64) -> Result<Vec<u8>, Error> {
        let missing = Refusal::NotThere { asked: index, size: self.size() };
        if index >= self.size() {
            return Err(missing.into());
        }
        let position = self.position(index);
        let base = self.base(position);
        let offset = self.index(position)?.find(index).ok_or(Error::Gone(index))?;
        let path = segment::path(&self.dir, base);
        let file = File::open(&path).map_err(|error| Error::io(&path, error))?;
        let damaged = Error::Damaged(Damage::Edited { first: index, last: index });
        frame_at(&file, &path, offset)?.ok_or(damaged)
    }

    fn search(&mut self, search: &mut Search<'_>) -> Result<(), Error> {
        loop {
            let start = match search.way {
                Way::Back { below: 0 } => return Ok(()),
                Way::Back { below } => below - 1,
                Way::On { from } if from >= self.size() => return Ok(()),
                Way::On { from } => from,
            };
            let position = self.position(start);
            let limit = search.query.examine.saturating_sub(search.looked_at).min(CHUNK);
            if limit == 0 || search.page.records.len() >= search.query.limit.min(MAX_PAGE) {
                return Ok(());
            }
            let (base, end) = (self.base(position), self.segment_end(position));
            let index = self.index(position)?;
            let outside = search
                .query
                .times
                .is_some_and(|(from, to)| index.times.0 >= to || index.times.1 < from);
            let limit = if outside { 0 } else { limit };
            let spots: Vec<_> = index.walk(search.slot, search.way).take(limit).collect();
            if spots.is_empty() {
                search.way = match search.way {
                    Way::Back { .. } => Way::Back { below: base },
                    Way::On { .. } => Way::On { from: end },
                };
                continue;
            }
            self.look_at(search, base, &spots)?;
        }
    }

    fn look_at(
        &mut self,
        search: &mut Search<'_>,
        base: u64,
        spots: &[(u64, u32)],
    ) -> Result<(), Error> {
        let path = segment::path(&self.dir, base);
        let file = File::open(&path).map_err(|error| Error::io(&path, error))?;
        for (index, offset) in spots {
            if search.page.records.len() >= search.query.limit.min(MAX_PAGE) {
                break;
            }
            search.looked_at += 1;
            search.way = match search.way {
                Way::Back { .. } => Way::Back { below: *index },
                Way::On { .. } => Way::On { from: index + 1 },
            };
            let stored = frame_at(&file, &path, *offset)?;
            let read = stored.and_then(|bytes| {
                let record = RecordAt { index: *index, bytes: &bytes }.read(self)?;
                Some((record, bytes))
            });
            match read {
                Some((record, _)) if !search.query.wants(&record) => {}
                Some((record, bytes)) if self.genuine(*index, &bytes)? => {
                    search.page.records.push(record)
                }
                Some(_) | None => search.page.damaged.push(*index),
            }
        }
        Ok(())
    }

    /// Whether these bytes are what was committed under this number.
    fn genuine(&mut self, index: u64, bytes: &[u8]) -> Result<bool, Error> {
        let leaf = sha256(bytes);
        let sealed = matches!(parse(bytes), Ok((Frame::Record(record), _)) if self.keys.key(record.slot).is_some());
        // Its seal says that the hub wrote it; the leaf, that it is not one of a batch that never was committed.
        if sealed && self.tiles.node(0, index).is_ok_and(|node| node == leaf) {
            return Ok(true);
        }
        let proved = self.proved(
            |tiles, size| proof::inclusion(tiles, index, size),
            |hashes, log| {
                check_inclusion(&leaf, index, log.head.size, &log.head.root, hashes).is_ok()
            },
        );
        match proved {
            Ok(hashes) => Ok(hashes.is_some()),
            Err(Error::HashesDropped(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Which segment holds a record; the newest has the position after all older ones.
    pub(super) fn position(&self, index: u64) -> usize {
        if index >= self.active.base {
            return self.sealed.len();
        }
        self.sealed.partition_point(|one| one.base <= index).saturating_sub(1)
    }

    pub(super) fn base(&self, position: usize) -> u64 {
        self.sealed.get(position).map_or(self.active.base, |one| one.base)
    }

    fn segment_end(&self, position: usize) -> u64 {
        if position == self.sealed.len() { self.size() } else { self.end_of(position) }
    }

    /// A segment's index: from memory, from its file, or made anew.
    pub(super) fn index(&mut self, position: usize) -> Result<&Index, Error> {
        let Some(sealed) = self.sealed.get(position).copied() else {
            return Ok(&self.active.index);
        };
        let index = match self.cache.position(sealed.base) {
            Some(at) => self.cache.held.remove(at),
            None => self.load_index(sealed.base, sealed.bytes)?,
        };
        self.cache.put(index, self.settings.index_memory);
        let at = self.cache.position(sealed.base).expect("the newest of the cache stays");
        Ok(&self.cache.held[at])
    }

    /// Reads the newest indexes as far as their memory allows, so that the first query is as fast as the next.
    pub(super) fn warm(&mut self) -> Result<(), Error> {
        let mut memory = 0;
        let mut first = self.sealed.len();
        while let Some(before) = first.checked_sub(1) {
            // On disk an index is about as long as in memory.
            memory += self.index_bytes(self.sealed[before].base) as usize;
            if memory > self.settings.index_memory {
                break;
            }
            first = before;
        }
        (first..self.sealed.len()).try_for_each(|position| self.index(position).map(|_| ()))
    }

    fn load_index(&mut self, base: u64, bytes: u64) -> Result<Index, Error> {
        let path = segment::index_path(&self.dir, base);
        if let Ok(Some(index)) = Index::load(&path, bytes, Some(self.keys.index_key()))
            && index.base == base
        {
            return Ok(index);
        }
        let mut buffer = Vec::new();
        segment::read_into(&segment::path(&self.dir, base), &mut buffer)?;
        let scan = segment::scan(&buffer, base);
        let index = scan.ok_or(Error::Damaged(Damage::Header { base }))?.index;
        // Without its file it is made again next time.
        let _ = index.save(&path, bytes, self.keys.index_key());
        self.notices.push(format!("{} was made anew from its segment", path.display()));
        Ok(index)
    }
}

/// The frame at an offset; nothing when no frame can begin there.
pub(super) fn frame_at(file: &File, path: &Path, offset: u32) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = vec![0; GUESS];
    let mut had = 0;
    loop {
        let got = file.read_at(&mut bytes[had..], u64::from(offset) + had as u64);
        let got = got.map_err(|error| Error::io(path, error))?;
        had += got;
        let length = crate::frame::u32_at(&bytes, 4).unwrap_or(0) as usize;
        if had < 8 || !(crate::frame::HEAD..=crate::frame::MAX_RECORD).contains(&length) {
            return Ok(None);
        }
        if had >= length {
            bytes.truncate(length);
            return Ok(Some(bytes));
        }
        if got == 0 {
            return Ok(None);
        }
        bytes.resize(length, 0);
    }
}

/// Bytes that should be a record.
struct RecordAt<'a> {
    index: u64,
    bytes: &'a [u8],
}

impl RecordAt<'_> {
    fn read(&self, log: &Log) -> Option<Record> {
        match parse(self.bytes).ok()?.0 {
            Frame::Record(frame) if frame.index == self.index => record(&frame, log),
            Frame::Record(_) | Frame::Commit(_) | Frame::Gap(_) => None,
        }
    }
}

fn record(frame: &RecordFrame<'_>, log: &Log) -> Option<Record> {
    let (content, personal) = seal::read(frame, &log.keys)?;
    let RecordFrame { index, at, class, .. } = *frame;
    Some(Record { index, at, class, content, personal })
}

impl Query {
    fn wants(&self, record: &Record) -> bool {
        let timely = self.times.is_none_or(|(from, to)| (from..to).contains(&record.at));
        let all_kinds = self.kinds.is_empty() && self.severity == 0;
        let fitting = match &record.content {
            Content::Readable { kind, severity, .. } => {
                *severity >= self.severity && (self.kinds.is_empty() || self.kinds.contains(kind))
            }
            Content::Act(_) | Content::Erased => all_kinds,
        };
        timely && fitting
    }
}
