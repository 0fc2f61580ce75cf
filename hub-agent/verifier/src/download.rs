//! Verified targets on disk. They are streamed, checked while they are written, and go on where they broke off.
//!
//! In the folder a file is either `<digest>.part`, which nobody trusts, or `<digest>`, whose whole content
//! was seen. Also the latter is read again before it is used: a disk can do anything.

use crate::{
    Mirror, Mirrors, Refused, Target,
    digests::Hasher,
    floors::hex,
    source::{Ask, Opened},
};
use aws_lc_rs::digest::{Context, SHA256};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};
use std::{
    collections::BTreeSet,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tokio::{
    fs::{self, File, OpenOptions},
    io::{AsyncReadExt, AsyncWriteExt},
};

/// Bytes read at once while a file is checked.
const PIECE: usize = 64 * 1024;

/// Files that are looked at in the folder; one with more is not ours.
const MOST_FILES: usize = 4096;

/// The kernel's own time, which nobody here reads.
const NOW: Timestamps = {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    Timestamps { last_access: now, last_modification: now }
};

/// A file that is exactly what the metadata lists. Only a [`Cache`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    path: PathBuf,
    length: u64,
    sha256: [u8; 32],
}

impl Fetched {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Its SHA-256.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}

impl Target {
    /// Whether a file is exactly this target.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub async fn is_at(&self, path: &Path) -> Result<bool, Refused> {
        Ok(self.sha256_at(path).await?.is_some())
    }

    /// The SHA-256 of a file that is exactly this target.
    async fn sha256_at(&self, path: &Path) -> Result<Option<[u8; 32]>, Refused> {
        let (hasher, length) = hashed(self, path).await?;
        Ok(self.digests().check(hasher).filter(|_| length == Some(self.length())))
    }
}

/// A folder for targets, bounded in bytes.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    most: u64,
}

/// What is there of a file that is being fetched.
struct Part {
    path: PathBuf,
    hasher: Hasher,
    have: u64,
}

impl Cache {
    /// A cache in this folder, which is made when it is missing, of at most so many bytes.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub async fn open(folder: PathBuf, most: u64) -> Result<Self, Refused> {
        fs::create_dir_all(&folder).await.map_err(|e| broken(&folder, &e))?;
        Ok(Self { folder, most })
    }

    /// Fetches a target unless it is there already. The oldest files whose SHA-256 is not in `keep` go when
    /// room is needed.
    ///
    /// # Errors
    /// When no mirror gives exactly this file, there is no room, or the disk fails.
    pub async fn fetch(
        &mut self,
        target: &Target,
        mirrors: &Mirrors,
        keep: &[[u8; 32]],
    ) -> Result<Fetched, Refused> {
        let path = self.folder.join(target.digests().name());
        if let Some(sha256) = self.whole(&path, target).await? {
            return Ok(Fetched { path, length: target.length(), sha256 });
        }
        self.make_room(target, keep).await?;
        let mut gravest = None;
        for mirror in mirrors.iter() {
            match self.fetch_from(mirror, target).await {
                Ok(sha256) => {
                    self.put_in_place(target, &path).await?;
                    return Ok(Fetched { path, length: target.length(), sha256 });
                }
                Err(refused) if refused.blames_the_mirror() => {
                    tracing::warn!(path = target.path(), word = refused.word(), error = %refused, "a mirror was refused");
                    gravest = Some(Refused::graver(gravest, refused));
                }
                Err(refused) => return Err(refused),
            }
        }
        Err(gravest.unwrap_or_else(|| Refused::Unreachable(target.path().to_owned())))
    }

    /// Hashes a file anew and removes it if it is not what its name says. A file that is not there is not right.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn is_right(&self, sha256: &[u8; 32]) -> Result<bool, Refused> {
        let path = self.folder.join(hex(sha256));
        let mut file = match File::open(&path).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(broken(&path, &error)),
        };
        let (mut hasher, mut piece) = (Context::new(&SHA256), vec![0; PIECE]);
        loop {
            match file.read(&mut piece).await.map_err(|e| broken(&path, &e))? {
                0 => break,
                read => hasher.update(&piece[..read]),
            }
        }
        let right = hasher.finish().as_ref() == sha256;
        if !right {
            remove(&path).await?;
        }
        Ok(right)
    }

    /// The SHA-256 of a file that is there and still right; a wrong one is removed.
    async fn whole(&self, path: &Path, target: &Target) -> Result<Option<[u8; 32]>, Refused> {
        let found = target.sha256_at(path).await?;
        match found {
            None => remove(path).await?,
            // Used now, so not the oldest; a disk that cannot note it only forgets in another order.
            Some(_) => {
                if let Ok(file) = File::open(path).await {
                    let _ = futimens(file.into_std().await, &NOW);
                }
            }
        }
        Ok(found)
    }

    /// Fetches what is missing and checks the whole. A mirror that was told to go on may finish what another
    /// mirror began wrongly, so it gets one more chance from the start.
    async fn fetch_from(&self, mirror: &Mirror, target: &Target) -> Result<[u8; 32], Refused> {
        for _ in 0..2 {
            let mut part = self.begun(target).await?;
            let resumed = part.have > 0;
            if part.have < target.length() || target.length() == 0 {
                part.go_on(mirror, target).await?;
            }
            if part.have < target.length() {
                // A connection that breaks is an error of its own: this answer was whole.
                let (path, got, length) = (target.path().to_owned(), part.have, target.length());
                return Err(Refused::Short { path, got, length });
            }
            if let Some(sha256) = target.digests().check(part.hasher) {
                return Ok(sha256);
            }
            remove(&part.path).await?;
            if !resumed {
                break;
            }
        }
        Err(Refused::WrongHash { path: target.path().to_owned() })
    }

    fn part(&self, target: &Target) -> PathBuf {
        self.folder.join(format!("{}.part", target.digests().name()))
    }

    /// What is there of a part, as far as it can be right by its length.
    async fn begun(&self, target: &Target) -> Result<Part, Refused> {
        let path = self.part(target);
        let (hasher, have) = hashed(target, &path).await?;
        Ok(match have {
            Some(have) if have <= target.length() => Part { path, hasher, have },
            Some(_) | None => Part { path, hasher: target.digests().hasher(), have: 0 },
        })
    }

    async fn put_in_place(&self, target: &Target, whole: &Path) -> Result<(), Refused> {
        fs::rename(self.part(target), whole).await.map_err(|e| broken(whole, &e))?;
        let folder = File::open(&self.folder).await.map_err(|e| broken(&self.folder, &e))?;
        folder.sync_all().await.map_err(|e| broken(&self.folder, &e))
    }

    async fn make_room(&self, target: &Target, keep: &[[u8; 32]]) -> Result<(), Refused> {
        let (wanted, most) = (target.length(), self.most);
        let kept: BTreeSet<String> = keep.iter().map(|digest| hex(digest)).collect();
        let own = format!("{}.part", target.digests().name());
        let mut files = self.files().await?;
        files.retain(|file| file.name != own);
        let mut used: u64 = files.iter().map(|file| file.length).sum();
        let kept_bytes = files.iter().filter(|file| kept.contains(&file.name));
        let kept_bytes: u64 = kept_bytes.map(|file| file.length).sum();
        if kept_bytes.saturating_add(wanted) > most {
            return Err(Refused::NoRoom { wanted, most });
        }
        files.sort_by_key(|file| file.modified);
        for file in files.iter().filter(|file| !kept.contains(&file.name)) {
            if used.saturating_add(wanted) <= most {
                break;
            }
            remove(&self.folder.join(&file.name)).await?;
            used -= file.length;
        }
        Ok(())
    }

    async fn files(&self) -> Result<Vec<Cached>, Refused> {
        let failed = |e: std::io::Error| broken(&self.folder, &e);
        let mut entries = fs::read_dir(&self.folder).await.map_err(failed)?;
        let mut files = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            let about = entry.metadata().await.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !about.is_file() || !is_ours(&name) {
                continue;
            }
            if files.len() >= MOST_FILES {
                return Err(Refused::Cache(format!("more than {MOST_FILES} files")));
            }
            let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(Cached { name, length: about.len(), modified });
        }
        Ok(files)
    }
}

impl Part {
    /// Fetches the rest from a mirror. What broke off stays; what was too much does not.
    async fn go_on(&mut self, mirror: &Mirror, target: &Target) -> Result<(), Refused> {
        let ask = Ask::target(target.remote(), self.have, target.length());
        let opened = mirror.targets.open(&ask).await?;
        let opened = opened.ok_or_else(|| {
            Refused::Unreachable(format!("the mirror does not have {}", target.remote()))
        })?;
        if opened.from == 0 {
            (self.hasher, self.have) = (target.digests().hasher(), 0);
        }
        let mut file = self.writable().await?;
        let streamed = self.stream(opened, &mut file).await;
        let synced = file.sync_all().await.map_err(|e| broken(&self.path, &e));
        if let Err(Refused::TooLarge(_)) = &streamed {
            remove(&self.path).await?;
        }
        streamed.and(synced)
    }

    /// The file, cut to what is taken over, ready for more.
    async fn writable(&self) -> Result<File, Refused> {
        let failed = |e: std::io::Error| broken(&self.path, &e);
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.path).await.map_err(failed)?;
        file.set_len(self.have).await.map_err(failed)?;
        Ok(file)
    }

    async fn stream(&mut self, mut opened: Opened, file: &mut File) -> Result<(), Refused> {
        loop {
            let next = opened.next().await;
            let written = match &next {
                Ok(Some(piece)) => file.write_all(piece).await,
                Ok(None) | Err(_) => file.flush().await,
            };
            written.map_err(|e| broken(&self.path, &e))?;
            let Some(piece) = next? else { return Ok(()) };
            self.hasher.update(&piece);
            self.have += piece.len() as u64;
        }
    }
}

struct Cached {
    name: String,
    length: u64,
    modified: SystemTime,
}

/// SHA-256 or SHA-512, whole or in part.
fn is_ours(name: &str) -> bool {
    let digits = name.strip_suffix(".part").unwrap_or(name);
    matches!(digits.len(), 64 | 128) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Hashes a file; of one that is longer than the target only as far as it shows. No length without a file.
async fn hashed(target: &Target, path: &Path) -> Result<(Hasher, Option<u64>), Refused> {
    let mut hasher = target.digests().hasher();
    let mut file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((hasher, None)),
        Err(error) => return Err(broken(path, &error)),
    };
    let (mut piece, mut length) = (vec![0; PIECE], 0);
    while length <= target.length() {
        let read = file.read(&mut piece).await.map_err(|e| broken(path, &e))?;
        if read == 0 {
            break;
        }
        hasher.update(&piece[..read]);
        length += read as u64;
    }
    Ok((hasher, Some(length)))
}

async fn remove(path: &Path) -> Result<(), Refused> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(broken(path, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn broken(path: &Path, error: &std::io::Error) -> Refused {
    Refused::Cache(format!("{}: {error}", path.display()))
}
