//! A folder that holds a repository, such as a USB stick's. Names that lead out of it are refused by the kernel.

use super::{Ask, BadSource, Body, Opened, Pace, SourceError, is_plain};
use bytes::{Bytes, BytesMut};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, open, openat2},
    io::Errno,
};
use std::{
    io::SeekFrom,
    path::{Path, PathBuf},
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// A folder.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    pace: Pace,
}

impl Folder {
    pub(super) fn new(path: &str, pace: Pace) -> Result<Self, BadSource> {
        if !Path::new(path).is_absolute() {
            return Err(BadSource::Form(format!("dir://{path}")));
        }
        Ok(Self { root: path.into(), pace })
    }

    pub(super) async fn open(&self, ask: &Ask<'_>) -> Result<Option<Opened>, SourceError> {
        if !is_plain(ask.path) {
            return Err(leaves(ask.path));
        }
        let (root, path) = (self.root.clone(), ask.path.to_owned());
        let opened = tokio::task::spawn_blocking(move || open_beneath(&root, &path));
        let opened = opened.await.map_err(|e| SourceError::Unreachable(e.to_string()))?;
        let Some((file, length)) = opened? else { return Ok(None) };
        if length > ask.most {
            return Err(SourceError::TooLarge(format!("{} is longer than allowed", ask.path)));
        }
        let from = if ask.from <= length { ask.from } else { 0 };
        let mut file = tokio::fs::File::from_std(file);
        let sought = file.seek(SeekFrom::Start(from)).await;
        sought.map_err(|e| SourceError::Unreachable(format!("{}: {e}", ask.path)))?;
        Ok(Some(Opened::new(ask, &self.pace, from, Body::File(Reading(file)))))
    }
}

/// A file while it is read.
pub(super) struct Reading(tokio::fs::File);

impl Reading {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        let mut piece = BytesMut::with_capacity(PIECE);
        match self.0.read_buf(&mut piece).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(piece.freeze())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Opens a regular file below the folder. The kernel follows no link that leaves it.
fn open_beneath(root: &Path, path: &str) -> Result<Option<(std::fs::File, u64)>, SourceError> {
    let failed = |e: &dyn std::fmt::Display| SourceError::Unreachable(format!("{path}: {e}"));
    let folder = open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let folder = folder.map_err(|e| failed(&e))?;
    // Not to block: a name may be a pipe.
    let how = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(&folder, path, how, Mode::empty(), beneath) {
        Ok(file) => std::fs::File::from(file),
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(Errno::XDEV | Errno::LOOP) => return Err(leaves(path)),
        Err(error) => return Err(failed(&error)),
    };
    let about = file.metadata().map_err(|e| failed(&e))?;
    if !about.is_file() {
        return Err(SourceError::Forbidden(format!("{path} is no regular file")));
    }
    Ok(Some((file, about.len())))
}

fn leaves(path: &str) -> SourceError {
    SourceError::Forbidden(format!("{path:?} leads out of the repository's folder"))
}
