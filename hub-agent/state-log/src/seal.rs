//! Sealing: AES-256-GCM, a nonce that never comes twice.
//!
//! A nonce must not repeat under a key, not even after a crash, when a number in the log is given to another record
//! than before. So it does not come from that number: it begins at 96 random bits when the log is opened and counts
//! up with each seal, committed or not (NIST SP 800-38D, 8.2.2). Each record carries its own.

use crate::{
    act::Act,
    entry::{Content, Entry, Part, Personal},
    frame::{ACT, Head, OPEN, PERSONAL, RecordFrame},
    keys::{Keyring, Purpose},
};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rand,
};

/// Bytes of an authentication tag.
const TAG: usize = 16;

/// Bits of a nonce.
const NONCE: u32 = 96;

/// Random bytes, for keys, slots and nonces.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's randomness does not fail once the process runs");
    bytes
}

/// A key for sealing.
pub(crate) struct DataKey(LessSafeKey);

impl DataKey {
    pub(crate) fn new(raw: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, raw).expect("AES-256 takes 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Seals in place; the answer is the tag.
    pub(crate) fn seal(&self, nonce: [u8; 12], beside: &[u8], bytes: &mut [u8]) -> [u8; TAG] {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(beside), bytes);
        let tag = tag.expect("a record is far shorter than AES-GCM's limit");
        tag.as_ref().try_into().expect("a tag has 16 bytes")
    }

    /// What was sealed, when nothing was changed.
    pub(crate) fn open(&self, nonce: [u8; 12], beside: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = self.0.open_in_place(nonce, Aad::from(beside), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

/// Counts nonces.
pub(crate) struct Nonces(u128);

impl Nonces {
    pub(crate) fn new() -> Self {
        let mut bytes = [0; 16];
        bytes[..12].copy_from_slice(&random::<12>());
        Self(u128::from_le_bytes(bytes))
    }

    fn take(&mut self) -> [u8; 12] {
        let nonce = nonce_bytes(self.0);
        self.0 = (self.0 + 1) % (1 << NONCE);
        nonce
    }
}

fn nonce_bytes(nonce: u128) -> [u8; 12] {
    nonce.to_le_bytes()[..12].try_into().expect("12 of 16 bytes")
}

/// The nonce after a record's own: its personal part's.
fn following(nonce: [u8; 12]) -> [u8; 12] {
    let mut bytes = [0; 16];
    bytes[..12].copy_from_slice(&nonce);
    nonce_bytes((u128::from_le_bytes(bytes) + 1) % (1 << NONCE))
}

/// Where a record's parts are sealed.
pub(crate) struct Slots {
    pub(crate) main: u32,
    pub(crate) personal: u32,
}

impl Slots {
    /// The slots of an entry, new ones where its subjects have none.
    pub(crate) fn of(entry: &Entry, keys: &mut Keyring) -> Result<Self, crate::error::Refusal> {
        let main = match (entry.open, entry.subject) {
            (true, _) => 0,
            (false, Some(subject)) => keys.slot_for(Purpose::Records, subject)?,
            (false, None) => keys.slot_for(Purpose::Hub, [0; 16])?,
        };
        let personal = match &entry.personal {
            Some(personal) => keys.slot_for(Purpose::Personal, personal.subject)?,
            None => 0,
        };
        Ok(Self { main, personal })
    }
}

/// Appends an entry's frame to `to`.
pub(crate) fn write(
    entry: &Entry,
    slots: &Slots,
    index: u64,
    (keys, nonces): (&Keyring, &mut Nonces),
    to: &mut Vec<u8>,
) {
    let nonce = nonces.take();
    let tag = if entry.open { 0 } else { TAG };
    let personal = entry.personal.as_ref().map(|part| (slots.personal, part.bytes.len() + TAG));
    let open = if entry.open { OPEN } else { 0 };
    let flags = open | if personal.is_some() { PERSONAL } else { 0 };
    let main = 3 + entry.body.len() + tag;
    let start = to.len();
    Head {
        flags,
        class: entry.class,
        index,
        at: entry.at,
        slot: slots.main,
        nonce,
        personal,
        main,
    }
    .write(to);
    let parts = to.len();
    to.extend(entry.kind.to_le_bytes());
    to.push(entry.severity);
    to.extend(&entry.body);
    seal_part(keys, slots.main, nonce, (start, parts), to);
    if let Some(part) = &entry.personal {
        let (nonce, from) = (nonces.take(), to.len());
        to.extend(&part.bytes);
        // The head is authenticated by both parts, so that neither can be moved to another record.
        let head = to[start..parts].to_vec();
        let key = keys.key(slots.personal).expect("the slot was made with the entry");
        let tag = key.seal(nonce, &head, &mut to[from..]);
        to.extend(tag);
    }
}

fn seal_part(keys: &Keyring, slot: u32, nonce: [u8; 12], at: (usize, usize), to: &mut Vec<u8>) {
    if slot == 0 {
        return;
    }
    let key = keys.key(slot).expect("the slot was made with the entry");
    let (head, part) = to[at.0..].split_at_mut(at.1 - at.0);
    let tag = key.seal(nonce, head, part);
    to.extend(tag);
}

/// Appends an act of the log itself.
pub(crate) fn write_act(act: &Act, at: u64, index: u64, nonces: &mut Nonces, to: &mut Vec<u8>) {
    let body = act.encode();
    let (nonce, main) = (nonces.take(), body.len());
    let head =
        Head { flags: OPEN | ACT, class: u8::MAX, index, at, slot: 0, nonce, personal: None, main };
    head.write(to);
    to.extend(body);
}

/// What a record says; nothing when it was changed.
pub(crate) fn read(record: &RecordFrame<'_>, keys: &Keyring) -> Option<(Content, Part)> {
    if record.flags & ACT != 0 {
        return Act::decode(record.main).map(|act| (Content::Act(act), Part::None));
    }
    let content = if record.flags & OPEN != 0 {
        content(record.main.to_vec(), None)?
    } else {
        match keys.key(record.slot) {
            Some(key) => {
                let plain = key.open(record.nonce, record.head, record.main)?;
                content(plain, keys.subject(record.slot))?
            }
            None => Content::Erased,
        }
    };
    Some((content, personal(record, keys)?))
}

fn content(mut plain: Vec<u8>, subject: Option<crate::entry::Subject>) -> Option<Content> {
    let kind = u16::from_le_bytes(plain.get(..2)?.try_into().ok()?);
    let severity = *plain.get(2)?;
    plain.drain(..3);
    Some(Content::Readable { subject, kind, severity, body: plain })
}

fn personal(record: &RecordFrame<'_>, keys: &Keyring) -> Option<Part> {
    if record.flags & PERSONAL == 0 {
        return Some(Part::None);
    }
    let (Some(key), Some(subject)) =
        (keys.key(record.personal_slot), keys.subject(record.personal_slot))
    else {
        return Some(Part::Erased);
    };
    let bytes = key.open(following(record.nonce), record.head, record.personal)?;
    Some(Part::Readable(Personal { subject, bytes }))
}
