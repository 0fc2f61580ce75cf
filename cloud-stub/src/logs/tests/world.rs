//! A hub's log that sends frames, and a cloud that takes them.

use super::super::*;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use protocol::{
    cbor,
    id::{Digest, PublicKey},
    message::{UplinkForm, UplinkRecord},
};
use state_log::{Entry, FileVault, Left, Log, Settings, Signer};
use tempfile::TempDir;

pub(super) const ORIGIN: &str = "hub-agent/test";
/// Stands in every body.
pub(super) const MARKER: &[u8] = b"MARKER-OF-A-BODY";

struct Key(Ed25519KeyPair);

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        Ok(self.0.sign(message).as_ref().try_into().unwrap())
    }

    fn public_key(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap()
    }
}

/// A hub.
pub(super) struct Hub {
    pub(super) log: Log,
    key: [u8; 32],
    _folder: TempDir,
}

pub(super) fn subject(number: u64) -> [u8; 16] {
    [u8::try_from(number % 3).unwrap() + 1; 16]
}

impl Hub {
    /// One that signs with the key of this seed.
    pub(super) fn new(seed: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Key(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap());
        let public = key.public_key();
        let vault = Box::new(FileVault::new(folder.path().join("wrap")));
        let dir = folder.path().join("log");
        let mut settings = Settings::new(ORIGIN);
        settings.segment_bytes = 64 * 1024;
        let (log, _) = Log::open(&dir, settings, Box::new(key), vault, None).unwrap();
        Self { log, key: public, _folder: folder }
    }

    /// Records; `word` makes those of two logs differ.
    pub(super) fn fill(&mut self, records: u64, word: &str) {
        let first = self.log.size();
        let entry = |number: u64| Entry {
            at: number * 1000,
            subject: Some(subject(number)),
            kind: 1,
            severity: 0,
            class: 0,
            body: [MARKER, word.as_bytes(), format!(" {number}").as_bytes()].concat(),
            personal: None,
            open: false,
        };
        let entries: Vec<_> = (first..first + records).map(entry).collect();
        self.log.append(&entries).unwrap();
        self.log.commit().unwrap();
    }

    /// Records from a number on; with the newest checkpoint where they end with the log.
    pub(super) fn frame(&mut self, from: u64, most: usize) -> UplinkFrame {
        let portion = self.log.portion(from, most, 60_000).unwrap();
        let record = |copy: &state_log::Copied| {
            let hash = Digest(copy.hash);
            let bare = |form| UplinkRecord::bare(form, hash);
            let record = match &copy.what {
                Left::Readable { slot, body } => {
                    let body = Blob::new(body.clone());
                    UplinkRecord { slot: Some(*slot), body, ..bare(UplinkForm::Record) }
                }
                Left::Act(act) => {
                    UplinkRecord { body: Blob::new(act.encode()), ..bare(UplinkForm::Act) }
                }
                Left::Hash => bare(UplinkForm::Hash),
                Left::Tile => bare(UplinkForm::Tile),
            };
            Blob::new(cbor::encode(&record)).unwrap()
        };
        let ends = portion.end == self.log.size();
        let note = portion.checkpoint.note();
        UplinkFrame {
            version: V1,
            origin: Label::new(ORIGIN).unwrap(),
            key: PublicKey(self.key),
            size: self.log.size(),
            first: portion.first,
            records: Sequence::new(portion.copies.iter().map(record).collect()).unwrap(),
            checkpoint: ends.then(|| Blob::new(note.into_bytes()).unwrap()),
        }
    }

    /// All of it in frames.
    pub(super) fn frames(&mut self, from: u64, most: usize) -> Vec<UplinkFrame> {
        let (mut frames, mut next) = (Vec::new(), from);
        while next < self.log.size() {
            next = self.log.portion(next, most, 60_000).unwrap().end;
            let first = frames.last().map_or(from, |_: &UplinkFrame| self.seen(&frames));
            frames.push(self.frame(first, most));
        }
        frames
    }

    fn seen(&self, frames: &[UplinkFrame]) -> u64 {
        let last = frames.last().unwrap();
        let spans =
            last.records.items().iter().map(|bytes| {
                cbor::decode::<UplinkRecord>(bytes.bytes(), usize::MAX).unwrap().span()
            });
        last.first + spans.sum::<u64>()
    }
}

/// The same records as of a log of another size.
pub(super) fn sized(frames: &[UplinkFrame], size: u64) -> Vec<UplinkFrame> {
    let resized = |frame: &UplinkFrame| match frame.size == size {
        true => frame.clone(),
        false => UplinkFrame { size, checkpoint: None, ..frame.clone() },
    };
    frames.iter().map(resized).collect()
}

/// A cloud.
pub(super) struct Cloud {
    pub(super) logs: Logs,
    pub(super) folder: TempDir,
}

pub(super) fn id(seed: u8) -> ComponentId {
    ComponentId::from_key_digest(&Digest([seed; 32]))
}

impl Cloud {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(folder.path(), id(9)).unwrap();
        Self { logs, folder }
    }

    /// The same after it was ended at whatever point.
    pub(super) fn again(&mut self) {
        self.logs = Logs::open(self.folder.path(), id(9)).unwrap();
    }

    pub(super) fn take(&mut self, frame: &UplinkFrame) -> UplinkAck {
        self.logs.take(id(1), frame, 1_800_000_000).ack
    }

    /// Takes frames of which none may be refused; the answer is the last one.
    pub(super) fn take_all(&mut self, frames: &[UplinkFrame]) -> UplinkAck {
        let acks: Vec<_> = frames.iter().map(|frame| self.take(frame)).collect();
        let refused: Vec<_> = acks.iter().map(|ack| ack.refusal).collect();
        assert!(refused.iter().all(Option::is_none), "{refused:?}");
        acks.last().unwrap().clone()
    }

    /// How often the marker stands in any file.
    pub(super) fn markers(&self, marker: &[u8]) -> usize {
        let dir = folder_of(&self.folder.path().join("logs").join(id(1).to_string()), ORIGIN);
        let files = fs::read_dir(dir).unwrap().flatten();
        let count =
            |bytes: Vec<u8>| bytes.windows(marker.len()).filter(|window| *window == marker).count();
        files.map(|file| count(fs::read(file.path()).unwrap())).sum()
    }
}

/// What an answer says is witnessed.
pub(super) fn witnessed(ack: &UplinkAck) -> Option<(u64, String)> {
    let note = String::from_utf8(ack.head.as_ref()?.bytes().to_vec()).unwrap();
    let mut lines = note.lines().skip(1);
    Some((lines.next()?.parse().unwrap(), lines.next()?.to_owned()))
}
