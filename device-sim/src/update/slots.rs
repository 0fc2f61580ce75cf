//! Two slots for images, and the protected words that say which one boots.
//!
//! A slot's header is written last and says what the image is; without a header that reads whole there is
//! nothing in the slot. Every record carries a CRC-32, so that a torn write reads as none.

use super::storage::{InFile, Ram, Storage};
use aws_lc_rs::digest::{Context, SHA256};
use protocol::{
    id::{Digest, Label},
    update::{MAX_CHUNKS, MAX_IMAGE},
};
use serde::{Deserialize, Serialize};
use std::{io, path::Path, sync::Arc};

/// Where the chunk list lies in a slot.
const LIST_AT: u32 = 4096;

/// Where the image lies in a slot.
const IMAGE_AT: u32 = LIST_AT + MAX_CHUNKS * 32;

/// Largest header with its length and CRC.
const MAX_HEADER: usize = 1024;

/// Where the protected words lie: the floor twice, then which slot boots.
const WORDS: [u32; 3] = [0, 8, 16];

/// Stands for no slot in the word that says which one boots.
const NO_SLOT: u8 = 0xff;

/// How far a slot got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotState {
    /// The image is whole and has the digest that its manifest says.
    Verified,
    /// It may be started once, to prove itself.
    Trial,
    /// It proved itself.
    Confirmed,
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Counts the releases.
    pub counter: u32,
    /// Bytes of the image.
    pub size: u32,
    /// SHA-256 of the image.
    pub image: Digest,
    /// What people call it.
    pub name: Label,
    /// How far it got.
    pub state: SlotState,
    /// Bytes of a chunk.
    pub chunk: u32,
}

/// One slot.
pub struct Slot(Box<dyn Storage + Send>);

impl Slot {
    /// A slot on this medium.
    #[must_use]
    pub fn new(storage: impl Storage + Send + 'static) -> Self {
        Self(Box::new(storage))
    }

    /// What it holds; nothing when the header does not read whole.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        let mut bytes = [0; MAX_HEADER];
        self.0.read_at(0, &mut bytes).ok()?;
        let length = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        let json = bytes.get(6..6 + length)?;
        (bytes[2..6] == crc(json).to_le_bytes()).then_some(())?;
        serde_json::from_slice(json).ok()
    }

    /// Says what it holds, after everything before is kept.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn set_header(&mut self, header: &Header) -> io::Result<()> {
        let record = header_record(header)?;
        self.0.sync()?;
        self.0.write_at(0, &record)?;
        self.0.sync()
    }

    /// Empties it.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn erase(&mut self) -> io::Result<()> {
        self.0.erase()
    }

    /// The chunk list of so many bytes, if it was ever written.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn list(&self, length: u32) -> io::Result<Vec<u8>> {
        let mut list = vec![0; length as usize];
        self.0.read_at(LIST_AT, &mut list)?;
        Ok(list)
    }

    /// Keeps a chunk list.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn set_list(&mut self, list: &[u8]) -> io::Result<()> {
        self.0.write_at(LIST_AT, list)?;
        self.0.sync()
    }

    /// Reads bytes of the image.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn read_image(&self, at: u32, into: &mut [u8]) -> io::Result<()> {
        self.0.read_at(IMAGE_AT + at, into)
    }

    /// Writes bytes of the image.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn write_image(&mut self, at: u32, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(IMAGE_AT + at, bytes)
    }

    /// Returns once the image as written so far survives.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    /// SHA-256 of the first bytes of the image, as they are.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn digest(&self, size: u32) -> io::Result<Digest> {
        let (mut context, mut piece, mut at) = (Context::new(&SHA256), vec![0; 65_536], 0);
        while at < size {
            let length = (size - at).min(65_536);
            let piece = &mut piece[..length as usize];
            self.read_image(at, piece)?;
            context.update(piece);
            at += length;
        }
        Ok(finished(context))
    }
}

/// Which slot boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The one that proved itself.
    pub active: usize,
    /// The one that may prove itself, or tried to.
    pub trial: Option<usize>,
    /// How often it may still be started for that.
    pub tries: u8,
}

/// The protected words.
pub struct Words(Box<dyn Storage + Send>);

impl Words {
    /// The words on this medium.
    #[must_use]
    pub fn new(storage: impl Storage + Send + 'static) -> Self {
        Self(Box::new(storage))
    }

    /// Nothing below this counter boots: the larger of the copies that read whole. Without one of them
    /// nobody knows what may boot.
    #[must_use]
    pub fn floor(&self) -> Option<u32> {
        let copy = |at: u32| self.word(at).map(u32::from_le_bytes);
        copy(WORDS[0]).max(copy(WORDS[1]))
    }

    /// Raises the floor, one copy after the other; it never falls.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn raise_floor(&mut self, floor: u32) -> io::Result<()> {
        let floor = self.floor().unwrap_or(0).max(floor);
        for at in [WORDS[0], WORDS[1]] {
            if self.word(at).map(u32::from_le_bytes) != Some(floor) {
                self.set_word(at, floor.to_le_bytes())?;
            }
        }
        Ok(())
    }

    /// Which slot boots, if the word reads whole.
    #[must_use]
    pub fn choice(&self) -> Option<Choice> {
        let [active, trial, tries, _] = self.word(WORDS[2])?;
        let slot = |number: u8| (number < 2).then_some(usize::from(number));
        Some(Choice { active: slot(active)?, trial: slot(trial), tries })
    }

    /// Says which slot boots.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn choose(&mut self, choice: Choice) -> io::Result<()> {
        let number = |slot: usize| u8::from(slot != 0);
        let word = [number(choice.active), choice.trial.map_or(NO_SLOT, number), choice.tries, 0];
        self.set_word(WORDS[2], word)
    }

    fn word(&self, at: u32) -> Option<[u8; 4]> {
        let mut bytes = [0; 8];
        self.0.read_at(at, &mut bytes).ok()?;
        let word = [bytes[0], bytes[1], bytes[2], bytes[3]];
        (bytes[4..] == crc(&word).to_le_bytes()).then_some(word)
    }

    fn set_word(&mut self, at: u32, word: [u8; 4]) -> io::Result<()> {
        self.0.write_at(at, &word_record(word))?;
        self.0.sync()
    }
}

/// What the bootloader sees: two slots and the words.
pub struct Board {
    /// The slots.
    pub slots: [Slot; 2],
    /// The protected words.
    pub words: Words,
    /// Largest image that a slot takes, in bytes.
    pub capacity: u32,
}

/// The contents of a board as it leaves the factory; every device of a kind shares them.
#[derive(Clone, Debug)]
pub struct Factory {
    slot: Arc<Vec<u8>>,
    words: Arc<Vec<u8>>,
    header: Header,
}

impl Factory {
    /// A board that runs this image from its first slot.
    ///
    /// # Errors
    /// Never for images that fit a slot: memory does not fail.
    pub fn new(image: &[u8], counter: u32, name: Label) -> io::Result<Self> {
        let header = Header {
            counter,
            size: u32::try_from(image.len()).map_err(io::Error::other)?,
            image: crate::identity::sha256(image),
            name,
            state: SlotState::Confirmed,
            chunk: 65_536,
        };
        let (mut slot, floor) = (Ram::default(), word_record(counter.to_le_bytes()));
        slot.write_at(IMAGE_AT, image)?;
        slot.write_at(0, &header_record(&header)?)?;
        let choice = word_record([0, NO_SLOT, 0, 0]);
        let words = Arc::new([floor, floor, choice].concat());
        Ok(Self { slot: slot.bytes(), words, header })
    }

    /// What its first slot holds.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes of its first slot and of its words.
    #[cfg(test)]
    pub(super) fn contents(&self) -> [Arc<Vec<u8>>; 2] {
        [self.slot.clone(), self.words.clone()]
    }

    /// A board in memory.
    #[must_use]
    pub fn board(&self) -> Board {
        Board {
            slots: [Slot::new(Ram::holding(self.slot.clone())), Slot::new(Ram::default())],
            words: Words::new(Ram::holding(self.words.clone())),
            capacity: MAX_IMAGE,
        }
    }

    /// A board in files of this folder, as the device with this serial number left it.
    #[must_use]
    pub fn board_in(&self, folder: &Path, serial: &str) -> Board {
        let file = |what: &str, factory: Arc<Vec<u8>>| {
            InFile::new(folder.join(format!("{serial}.{what}")), factory)
        };
        Board {
            slots: [
                Slot::new(file("slot0", self.slot.clone())),
                Slot::new(file("slot1", Arc::default())),
            ],
            words: Words::new(file("words", self.words.clone())),
            capacity: MAX_IMAGE,
        }
    }
}

/// Length, CRC and JSON of a header.
fn header_record(header: &Header) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(header)?;
    let length = u16::try_from(json.len()).map_err(io::Error::other)?;
    Ok([&length.to_le_bytes()[..], &crc(&json).to_le_bytes(), &json].concat())
}

/// A word and its CRC.
fn word_record(word: [u8; 4]) -> [u8; 8] {
    let mut record = [0; 8];
    record[..4].copy_from_slice(&word);
    record[4..].copy_from_slice(&crc(&word).to_le_bytes());
    record
}

/// CRC-32 as in Ethernet and zip (IEEE 802.3), bit by bit: records are small.
fn crc(bytes: &[u8]) -> u32 {
    let one = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(u32::MAX, one)
}

/// What a hash came to.
pub(super) fn finished(context: Context) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Digest(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Factory::new(&[7; 100], 3, Label::new("1.0").unwrap()).unwrap().board()
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_header_reads_whole_or_not_at_all() {
        let mut board = board();
        let header = board.slots[0].header().unwrap();
        assert_eq!(header.image, board.slots[0].digest(100).unwrap());
        assert_eq!(board.slots[1].header(), None);
        board.slots[0].0.write_at(20, &[0]).unwrap();
        assert_eq!(board.slots[0].header(), None);
        board.slots[0].set_header(&header).unwrap();
        assert_eq!(board.slots[0].header(), Some(header));
    }

    /// Criterion: T3.SU.1c (negative)
    #[test]
    fn the_larger_whole_copy_of_the_floor_counts_and_it_never_falls() {
        let mut words = board().words;
        words.raise_floor(9).unwrap();
        words.raise_floor(4).unwrap();
        assert_eq!(words.floor(), Some(9));
        words.set_word(WORDS[0], 5_u32.to_le_bytes()).unwrap();
        assert_eq!(words.floor(), Some(9), "the larger one");
        words.0.write_at(WORDS[1], &[1]).unwrap();
        assert_eq!(words.floor(), Some(5), "the whole one");
        words.0.write_at(WORDS[0], &[1]).unwrap();
        assert_eq!(words.floor(), None);
    }
}
