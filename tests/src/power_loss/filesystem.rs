//! The file system as the kernel asks for it: folders, files, sizes, and syncs.

use super::file::{Content, Cut};
use fuser::{
    FileAttr, FileType, Filesystem, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
};
use rustix::io::Errno;
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Nobody changes the files but through this mount.
const VALID: Duration = Duration::from_secs(60);

/// Every file is its owner's alone.
const MODE: u32 = 0o600;

/// Free blocks shown: more than any test needs.
const BLOCKS: u64 = 1 << 24;

pub(super) struct State {
    nodes: BTreeMap<u64, Node>,
    next: u64,
}

enum Node {
    Folder(BTreeMap<OsString, u64>),
    File(Content),
}

impl State {
    pub(super) fn new() -> Self {
        Self { nodes: BTreeMap::from([(1, Node::Folder(BTreeMap::new()))]), next: 2 }
    }

    /// Writes the whole tree as it is after a cut.
    pub(super) fn image(&self, cut: &mut Cut, folder: &Path) -> std::io::Result<()> {
        self.image_of(1, cut, folder)
    }

    fn image_of(&self, number: u64, cut: &mut Cut, path: &Path) -> std::io::Result<()> {
        match self.nodes.get(&number) {
            Some(Node::Folder(entries)) => {
                fs::create_dir_all(path)?;
                entries
                    .iter()
                    .try_for_each(|(name, child)| self.image_of(*child, cut, &path.join(name)))
            }
            Some(Node::File(content)) => {
                let mut options = fs::OpenOptions::new();
                options.write(true).create_new(true).mode(MODE);
                options.open(path)?.write_all(&content.after(cut))
            }
            None => Ok(()),
        }
    }

    fn entries(&mut self, folder: u64) -> Option<&mut BTreeMap<OsString, u64>> {
        match self.nodes.get_mut(&folder) {
            Some(Node::Folder(entries)) => Some(entries),
            Some(Node::File(_)) | None => None,
        }
    }

    fn content(&mut self, file: u64) -> Option<&mut Content> {
        match self.nodes.get_mut(&file) {
            Some(Node::File(content)) => Some(content),
            Some(Node::Folder(_)) | None => None,
        }
    }

    fn add(&mut self, folder: u64, name: &OsStr, node: Node) -> Option<u64> {
        let number = self.next;
        self.entries(folder)?.insert(name.to_owned(), number);
        self.next += 1;
        self.nodes.insert(number, node);
        Some(number)
    }

    /// Whether a node has a name left.
    fn has_name(&self, number: u64) -> bool {
        self.nodes.values().any(|node| match node {
            Node::Folder(entries) => entries.values().any(|named| *named == number),
            Node::File(_) => false,
        })
    }

    fn attributes(&self, number: u64) -> Option<FileAttr> {
        let (kind, size, perm) = match self.nodes.get(&number)? {
            Node::Folder(_) => (FileType::Directory, 0, 0o700),
            Node::File(content) => {
                (FileType::RegularFile, content.current.len() as u64, MODE as u16)
            }
        };
        Some(FileAttr {
            ino: number,
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

pub(super) struct Forgetful(pub(super) Arc<Mutex<State>>);

impl Forgetful {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        let mut state = self.state();
        match state.entries(parent).and_then(|entries| entries.remove(name)) {
            Some(number) => {
                if !state.has_name(number) {
                    state.nodes.remove(&number);
                }
                reply.ok();
            }
            None => reply.error(Errno::NOENT.raw_os_error()),
        }
    }

    fn sync(&self, number: u64, reply: ReplyEmpty) {
        if let Some(content) = self.state().content(number) {
            content.sync();
        }
        reply.ok();
    }
}

impl Filesystem for Forgetful {
    fn lookup(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEntry) {
        let mut state = self.state();
        let number = state.entries(parent).and_then(|entries| entries.get(name).copied());
        match number.and_then(|number| state.attributes(number)) {
            Some(attributes) => reply.entry(&VALID, &attributes, 0),
            None => reply.error(Errno::NOENT.raw_os_error()),
        }
    }

    fn getattr(&mut self, _: &Request<'_>, number: u64, _: Option<u64>, reply: ReplyAttr) {
        match self.state().attributes(number) {
            Some(attributes) => reply.attr(&VALID, &attributes),
            None => reply.error(Errno::NOENT.raw_os_error()),
        }
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        number: u64,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<u64>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<u32>,
        reply: ReplyAttr,
    ) {
        let mut state = self.state();
        if let (Some(size), Some(content)) = (size, state.content(number)) {
            content.resize(usize::try_from(size).unwrap_or(usize::MAX));
        }
        match state.attributes(number) {
            Some(attributes) => reply.attr(&VALID, &attributes),
            None => reply.error(Errno::NOENT.raw_os_error()),
        }
    }

    fn mkdir(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        _: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        let mut state = self.state();
        let number = state.add(parent, name, Node::Folder(BTreeMap::new()));
        match number.and_then(|number| state.attributes(number)) {
            Some(attributes) => reply.entry(&VALID, &attributes, 0),
            None => reply.error(Errno::NOENT.raw_os_error()),
        }
    }

    fn create(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let mut state = self.state();
        let number = state.add(parent, name, Node::File(Content::default()));
        match number.and_then(|number| state.attributes(number)) {
            Some(attributes) => reply.created(&VALID, &attributes, 0, 0, 0),
            None => reply.error(Errno::NOENT.raw_os_error()),
        }
    }

    fn unlink(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, reply);
    }

    fn rmdir(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, reply);
    }

    fn link(&mut self, _: &Request<'_>, number: u64, parent: u64, name: &OsStr, reply: ReplyEntry) {
        let mut state = self.state();
        if let Some(entries) = state.entries(parent) {
            entries.insert(name.to_owned(), number);
        }
        match state.attributes(number) {
            Some(attributes) => reply.entry(&VALID, &attributes, 0),
            None => reply.error(Errno::NOENT.raw_os_error()),
        }
    }

    fn rename(
        &mut self,
        _: &Request<'_>,
        parent: u64,
        name: &OsStr,
        new_parent: u64,
        new_name: &OsStr,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let mut state = self.state();
        let Some(number) = state.entries(parent).and_then(|entries| entries.remove(name)) else {
            return reply.error(Errno::NOENT.raw_os_error());
        };
        if let Some(entries) = state.entries(new_parent) {
            entries.insert(new_name.to_owned(), number);
        }
        reply.ok();
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        number: u64,
        _: u64,
        offset: i64,
        size: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyData,
    ) {
        let mut state = self.state();
        let Some(content) = state.content(number) else {
            return reply.error(Errno::ISDIR.raw_os_error());
        };
        let from = usize::try_from(offset).unwrap_or(0).min(content.current.len());
        let to = (from + size as usize).min(content.current.len());
        reply.data(&content.current[from..to]);
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        number: u64,
        _: u64,
        offset: i64,
        data: &[u8],
        _: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyWrite,
    ) {
        let mut state = self.state();
        let Some(content) = state.content(number) else {
            return reply.error(Errno::ISDIR.raw_os_error());
        };
        content.write(usize::try_from(offset).unwrap_or(0), data);
        reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX));
    }

    fn flush(&mut self, _: &Request<'_>, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&mut self, _: &Request<'_>, number: u64, _: u64, _: bool, reply: ReplyEmpty) {
        self.sync(number, reply);
    }

    fn fsyncdir(&mut self, _: &Request<'_>, _: u64, _: u64, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn readdir(
        &mut self,
        _: &Request<'_>,
        number: u64,
        _: u64,
        offset: i64,
        mut reply: ReplyDirectory,
    ) {
        let mut state = self.state();
        let entries: Vec<_> = state
            .entries(number)
            .map(|e| e.iter().map(|(name, n)| (name.clone(), *n)).collect())
            .unwrap_or_default();
        for (index, (name, number)) in
            entries.iter().enumerate().skip(usize::try_from(offset).unwrap_or(0))
        {
            let kind = state
                .attributes(*number)
                .map_or(FileType::RegularFile, |attributes| attributes.kind);
            if reply.add(*number, index as i64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&mut self, _: &Request<'_>, _: u64, reply: ReplyStatfs) {
        reply.statfs(BLOCKS, BLOCKS, BLOCKS, BLOCKS, BLOCKS, 4096, 255, 4096);
    }
}
