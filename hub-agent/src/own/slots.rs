//! Two slots, and the words that say which one starts.
//!
//! ```text
//! slots/a/hub-agent     the executable            slots/b/…  likewise
//! slots/a/release.json  what it is; written last, removed first
//! slots/active          a link to the slot that starts; none: the packaged executable does
//! slots/words.json      the floor, a trial, and what was rolled back
//! ```

use super::disk::Disk;
use hub_core::update::AwsLc;
use protocol::{
    id::{Digest, Label},
    message::UpdateFault,
    update::{Crypto, Manifest},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

/// Bytes written or hashed at once.
const PIECE: usize = 256 * 1024;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// Its folder's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// How far a slot got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotState {
    /// The executable is whole; it starts in a trial only.
    Verified,
    /// It proved itself.
    Confirmed,
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Counts the releases.
    pub counter: u32,
    /// From its confirmation on nothing below this counter starts any more.
    pub floor: u32,
    /// Bytes of the executable.
    pub size: u32,
    /// SHA-256 of the executable.
    pub sha256: Digest,
    /// What people call it.
    pub name: Label,
    /// Seconds it has to prove itself.
    pub health: u16,
    /// How far it got.
    pub state: SlotState,
}

impl Header {
    /// What a manifest says of the executable.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            counter: manifest.counter,
            floor: manifest.floor,
            size: manifest.size,
            sha256: manifest.image,
            name: manifest.name.clone(),
            health: manifest.health,
            state: SlotState::Verified,
        }
    }
}

/// A slot that is to be tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Which.
    pub slot: Slot,
    /// What starts when it fails; none: the packaged executable.
    pub former: Option<Slot>,
    /// SHA-256 of its executable.
    pub sha256: Digest,
    /// How often it may still be started.
    pub tries: u8,
}

/// A trial that failed, until the hub has recorded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// SHA-256 of the executable.
    pub sha256: Digest,
    /// Whether it was started at all.
    pub started: bool,
}

impl RolledBack {
    /// Why, in the contract's words.
    #[must_use]
    pub fn fault(&self) -> UpdateFault {
        if self.started { UpdateFault::Health } else { UpdateFault::NoBoot }
    }
}

/// The words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// No slot with a counter below starts.
    pub floor: u32,
    /// The trial under way.
    pub pending: Option<Pending>,
    /// The trial that failed last.
    pub rolled_back: Option<RolledBack>,
}

/// The slots in a folder.
#[derive(Debug)]
pub struct Slots {
    folder: PathBuf,
    disk: Disk,
}

/// A record and the SHA-256 of its JSON, so that a flipped bit is not taken for a word.
#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    content: T,
    sha256: Digest,
}

impl Slots {
    /// The slots in this folder, which need not be there yet.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), disk: Disk::default() }
    }

    #[cfg(test)]
    pub(super) fn on(folder: impl Into<PathBuf>, disk: Disk) -> Self {
        Self { folder: folder.into(), disk }
    }

    #[cfg(test)]
    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    fn path(&self, slot: Slot, file: &str) -> PathBuf {
        self.folder.join(slot.word()).join(file)
    }

    /// A slot's executable.
    #[must_use]
    pub fn executable(&self, slot: Slot) -> PathBuf {
        self.path(slot, "hub-agent")
    }

    /// Which slot this executable is in.
    #[must_use]
    pub fn slot_of(&self, executable: &Path) -> Option<Slot> {
        let real = fs::canonicalize(executable).ok()?;
        let is = |slot: &Slot| fs::canonicalize(self.executable(*slot)).is_ok_and(|at| at == real);
        Slot::ALL.into_iter().find(is)
    }

    /// What a slot holds; nothing when its header does not read whole.
    #[must_use]
    pub fn header(&self, slot: Slot) -> Option<Header> {
        unseal(&fs::read(self.path(slot, "release.json")).ok()?)
    }

    /// The slot that starts.
    #[must_use]
    pub fn active(&self) -> Option<Slot> {
        let target = fs::read_link(self.folder.join("active")).ok()?;
        Slot::ALL.into_iter().find(|slot| target == Path::new(slot.word()))
    }

    /// The words; those of an empty folder say nothing.
    ///
    /// # Errors
    /// When they are damaged, or gone although a slot was ever written.
    pub fn words(&self) -> io::Result<Words> {
        let damaged =
            |why: &str| io::Error::new(ErrorKind::InvalidData, format!("words.json {why}"));
        match fs::read(self.folder.join("words.json")) {
            Ok(bytes) => unseal(&bytes).ok_or_else(|| damaged("is damaged")),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let used = self.folder.join("active").is_symlink();
                if used { Err(damaged("is gone")) } else { Ok(Words::default()) }
            }
            Err(error) => Err(error),
        }
    }

    /// The counter below which nothing starts: also when the words are lost, what proved itself tells it.
    #[must_use]
    pub fn floor(&self) -> u32 {
        let said = self.words().map_or(0, |words| words.floor);
        let proved = Slot::ALL.into_iter().filter_map(|slot| self.header(slot));
        let proved = proved.filter(|header| header.state == SlotState::Confirmed);
        proved.map(|header| header.floor).fold(said, u32::max)
    }

    /// What a slot holds, when its executable is what its header says.
    ///
    /// # Errors
    /// Why it must not start, in words.
    pub fn whole(&self, slot: Slot) -> Result<Header, String> {
        let name = slot.word();
        let header = self.header(slot).ok_or_else(|| format!("slot {name} has no whole header"))?;
        let digest = digest_of(&self.executable(slot), header.size);
        match digest.map_err(|error| format!("slot {name}: {error}"))? {
            digest if digest == header.sha256 => Ok(header),
            _ => Err(format!("slot {name}: its executable is not the one that was verified")),
        }
    }

    /// Writes an executable into a slot. Its header goes first and comes last, so a slot that is half written
    /// is an empty one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when the bytes are not those of the header; otherwise when the disk fails.
    pub fn store(&self, slot: Slot, header: &Header, from: &mut impl Read) -> io::Result<()> {
        let folder = self.folder.join(slot.word());
        self.disk.folder(&self.folder)?;
        self.disk.folder(&folder)?;
        self.disk.remove(&self.path(slot, "release.json"))?;
        let new = self.path(slot, "hub-agent.new");
        let mut file = self.disk.create(&new, 0o755)?;
        let (mut hash, mut piece, mut size) = (hasher(), vec![0; PIECE], 0);
        loop {
            let length = from.read(&mut piece)?;
            let bytes = &piece[..length];
            if bytes.is_empty() {
                break;
            }
            size += length as u64;
            hash.update(bytes);
            self.disk.append(&mut file, bytes)?;
        }
        if size != u64::from(header.size) || finished(hash) != header.sha256 {
            drop(file);
            self.disk.remove(&new)?;
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "these are not the release's bytes",
            ));
        }
        // The umask may have taken the right to execute it.
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        self.disk.sync(&file)?;
        drop(file);
        self.disk.rename(&new, &self.executable(slot))?;
        self.put_header(slot, header)
    }

    /// Has a slot started once, in the place of what runs now.
    ///
    /// # Errors
    /// When the slot does not hold this image, or the disk fails; nothing is switched then.
    pub fn switch(&self, slot: Slot, image: Digest, former: Option<Slot>) -> io::Result<()> {
        let header = self.whole(slot).map_err(io::Error::other)?;
        let mut words = self.words().unwrap_or_default();
        words.floor = self.floor();
        if header.sha256 != image || header.counter < words.floor {
            return Err(io::Error::new(ErrorKind::InvalidData, "the slot holds something else"));
        }
        words.pending = Some(Pending { slot, former, sha256: image, tries: 1 });
        self.put_words(&words)?;
        self.point(Some(slot))
    }

    /// The slot proved itself: it starts from now on, and nothing below its floor does.
    ///
    /// # Errors
    /// When the disk fails; the trial goes on then.
    pub fn confirm(&self, slot: Slot) -> io::Result<()> {
        let gone = || io::Error::new(ErrorKind::InvalidData, "the slot's header is damaged");
        let header = self.header(slot).ok_or_else(gone)?;
        // The header first: what proved itself stays, also when the power goes before the words are written.
        self.put_header(slot, &Header { state: SlotState::Confirmed, ..header })?;
        self.end_trial(None)
    }

    /// No trial is under way any more.
    pub(super) fn end_trial(&self, rolled_back: Option<RolledBack>) -> io::Result<()> {
        let mut words = self.words().unwrap_or_default();
        (words.floor, words.pending) = (self.floor(), None);
        if rolled_back.is_some() {
            words.rolled_back = rolled_back;
        }
        self.put_words(&words)
    }

    /// The hub recorded what was rolled back.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn forget_rolled_back(&self) -> io::Result<()> {
        let mut words = self.words()?;
        match words.rolled_back.take() {
            Some(_) => self.put_words(&words),
            None => Ok(()),
        }
    }

    /// Says which slot starts.
    pub(super) fn point(&self, slot: Option<Slot>) -> io::Result<()> {
        let path = self.folder.join("active");
        match slot {
            Some(slot) => self.disk.link(slot.word(), &path),
            None => self.disk.remove(&path),
        }
    }

    pub(super) fn put_words(&self, words: &Words) -> io::Result<()> {
        self.disk.put(&self.folder.join("words.json"), &seal(words)?)
    }

    pub(super) fn put_header(&self, slot: Slot, header: &Header) -> io::Result<()> {
        self.disk.put(&self.path(slot, "release.json"), &seal(header)?)
    }
}

fn seal<T: Serialize>(content: &T) -> io::Result<Vec<u8>> {
    let sha256 = AwsLc.sha256(&serde_json::to_vec(content)?);
    Ok(serde_json::to_vec(&Sealed { content, sha256 })?)
}

fn unseal<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let Sealed { content, sha256 } = serde_json::from_slice::<Sealed<T>>(bytes).ok()?;
    (AwsLc.sha256(&serde_json::to_vec(&content).ok()?) == sha256).then_some(content)
}

fn hasher() -> aws_lc_rs::digest::Context {
    aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256)
}

fn finished(hash: aws_lc_rs::digest::Context) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    Digest(digest)
}

/// SHA-256 of a file that must have this size.
fn digest_of(path: &Path, size: u32) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != u64::from(size) {
        return Err(io::Error::new(ErrorKind::InvalidData, "its executable has another size"));
    }
    let (mut hash, mut piece) = (hasher(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(finished(hash)),
            length => hash.update(&piece[..length]),
        }
    }
}
