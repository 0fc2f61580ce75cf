//! Data keys: one for each subject's records, one for each subject's personal data, one for the hub itself. The file
//! of all of them is sealed by the wrapping key. A slot number is random and says nothing about whose it is.
//!
//! | bytes of `keys` | |
//! |---|---|
//! | magic 8, nonce 12 | |
//! | sealed: slot u32, purpose u8, subject 16, key 32, for each | AES-256-GCM under the wrapping key |
//! | checksum 16 | so that an offline verifier finds a change without a key |

use crate::{
    disk,
    entry::Subject,
    error::{Error, KeyFault, Refusal},
    hash::{CHECK, check},
    seal::{DataKey, random},
    vault::{Vault, WrappingKey},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The most slots. A slot takes about 1 KiB of memory and 53 bytes of the key file.
pub const MAX_SLOTS: usize = 16 * 1024;

pub(crate) const FILE: &str = "keys";
const MAGIC: &[u8; 8] = b"HUBKEYS1";
const SLOT: usize = 53;
const START: usize = 20;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Hub,
    Records,
    Personal,
    /// Not for data: it vouches for the indexes beside the segments.
    Index,
}

impl Purpose {
    fn decode(byte: u8) -> Option<Self> {
        let all = [Self::Hub, Self::Records, Self::Personal, Self::Index];
        all.into_iter().find(|one| *one as u8 == byte)
    }
}

type Owner = (Purpose, Subject);

struct Slot {
    owner: Owner,
    raw: Zeroizing<[u8; 32]>,
    key: DataKey,
}

/// All data keys, in memory and on disk.
pub(crate) struct Keyring {
    path: PathBuf,
    wrapping: WrappingKey,
    slots: BTreeMap<u32, Slot>,
    owners: HashMap<Owner, u32>,
    /// Slots that are not on disk yet.
    unsaved: bool,
}

impl Keyring {
    /// The keys of a log; new ones when the log is new. `used` says whether there are records already.
    pub(crate) fn open(dir: &Path, vault: &mut dyn Vault, used: bool) -> Result<Self, Error> {
        let path = dir.join(FILE);
        disk::wipe_old(&path)?;
        let held = vault.load().map_err(failed)?;
        let most = (START + MAX_SLOTS * SLOT + 16 + CHECK) as u64;
        let Some(bytes) = disk::read(&path, most)? else {
            return if used {
                Err(fault(KeyFault::Missing))
            } else {
                Self::create(path, vault, held)
            };
        };
        if held.is_empty() {
            return Err(fault(KeyFault::EmptyVault));
        }
        let opened = held.iter().find_map(|key| Some((key, unseal(&bytes, key)?)));
        let (wrapping, list) = opened.ok_or(fault(KeyFault::WrongKey))?;
        let mut ring = Self::empty(path, wrapping.clone());
        for entry in list.chunks_exact(SLOT) {
            ring.take(entry);
        }
        ring.slot_for(Purpose::Index, [0; 16])?;
        if held.len() > 1 {
            vault.store(std::slice::from_ref(wrapping)).map_err(failed)?;
        }
        Ok(ring)
    }

    fn create(path: PathBuf, vault: &mut dyn Vault, held: Vec<WrappingKey>) -> Result<Self, Error> {
        let wrapping = match held.into_iter().next() {
            Some(key) => key,
            None => {
                let key = Zeroizing::new(random());
                vault.store(std::slice::from_ref(&key)).map_err(failed)?;
                key
            }
        };
        let mut ring = Self::empty(path, wrapping);
        ring.slot_for(Purpose::Index, [0; 16])?;
        ring.save()?;
        Ok(ring)
    }

    fn empty(path: PathBuf, wrapping: WrappingKey) -> Self {
        let (slots, owners) = (BTreeMap::new(), HashMap::new());
        Self { path, wrapping, slots, owners, unsaved: false }
    }

    fn take(&mut self, entry: &[u8]) {
        let slot = entry[..4].try_into().map(u32::from_le_bytes);
        let subject: Result<Subject, _> = entry[5..21].try_into();
        let raw = entry[21..].try_into().map(Zeroizing::new);
        if let (Ok(slot), Some(purpose), Ok(subject), Ok(raw)) =
            (slot, Purpose::decode(entry[4]), subject, raw)
        {
            self.put(slot, (purpose, subject), raw);
        }
    }

    fn put(&mut self, slot: u32, owner: Owner, raw: Zeroizing<[u8; 32]>) {
        let key = DataKey::new(&raw);
        self.owners.insert(owner, slot);
        self.slots.insert(slot, Slot { owner, raw, key });
    }

    /// The slot of an owner; a new one when it has none, which is durable after `save`.
    pub(crate) fn slot_for(&mut self, purpose: Purpose, subject: Subject) -> Result<u32, Refusal> {
        if let Some(slot) = self.owners.get(&(purpose, subject)) {
            return Ok(*slot);
        }
        if self.slots.len() >= MAX_SLOTS {
            return Err(Refusal::TooManySubjects);
        }
        let mut slot = 0;
        // Zero marks what is not sealed.
        while slot == 0 || self.slots.contains_key(&slot) {
            slot = u32::from_le_bytes(random());
        }
        self.put(slot, (purpose, subject), Zeroizing::new(random()));
        self.unsaved = true;
        Ok(slot)
    }

    /// The slot of an owner, when it has one.
    pub(crate) fn find(&self, purpose: Purpose, subject: Subject) -> Option<u32> {
        self.owners.get(&(purpose, subject)).copied()
    }

    /// A slot's key, when it was not erased.
    pub(crate) fn key(&self, slot: u32) -> Option<&DataKey> {
        self.slots.get(&slot).map(|slot| &slot.key)
    }

    /// Whose slot it is; nothing for the hub's own.
    pub(crate) fn subject(&self, slot: u32) -> Option<Subject> {
        let (purpose, subject) = self.slots.get(&slot)?.owner;
        (purpose != Purpose::Hub).then_some(subject)
    }

    /// All slots that data is sealed under.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        let data = self.slots.iter().filter(|(_, slot)| slot.owner.0 != Purpose::Index);
        data.map(|(number, _)| *number)
    }

    /// The key that vouches for indexes.
    pub(crate) fn index_key(&self) -> &[u8; 32] {
        let slot =
            self.owners.get(&(Purpose::Index, [0; 16])).and_then(|slot| self.slots.get(slot));
        &slot.expect("opening makes one, and nothing destroys it").raw
    }

    /// Makes new slots durable.
    pub(crate) fn save_if_new(&mut self) -> Result<(), Error> {
        if self.unsaved { self.save() } else { Ok(()) }
    }

    fn save(&mut self) -> Result<(), Error> {
        disk::replace(&self.path, &self.sealed(&self.wrapping))?;
        self.unsaved = false;
        Ok(())
    }

    /// Destroys slots. The rest is wrapped by a new key, so that copies of the old file stay closed for ever.
    pub(crate) fn destroy(&mut self, slots: &[u32], vault: &mut dyn Vault) -> Result<(), Error> {
        for slot in slots {
            if let Some(gone) = self.slots.remove(slot) {
                self.owners.remove(&gone.owner);
            }
        }
        let next: WrappingKey = Zeroizing::new(random());
        vault.store(&[self.wrapping.clone(), next.clone()]).map_err(failed)?;
        disk::replace_and_wipe(&self.path, &self.sealed(&next))?;
        vault.store(std::slice::from_ref(&next)).map_err(failed)?;
        self.wrapping = next;
        self.unsaved = false;
        Ok(())
    }

    fn sealed(&self, wrapping: &WrappingKey) -> Vec<u8> {
        let mut list = Zeroizing::new(Vec::with_capacity(self.slots.len() * SLOT + 16));
        for (slot, Slot { owner, raw, .. }) in &self.slots {
            list.extend(slot.to_le_bytes());
            list.push(owner.0 as u8);
            list.extend(owner.1);
            list.extend_from_slice(&raw[..]);
        }
        let nonce: [u8; 12] = random();
        let mut bytes = [&MAGIC[..], &nonce].concat();
        let tag = DataKey::new(wrapping).seal(nonce, MAGIC, &mut list);
        bytes.extend_from_slice(&list);
        bytes.extend(tag);
        let sum = check(&bytes);
        bytes.extend(sum);
        bytes
    }
}

/// Whether a key file is as it was written, as far as one can tell without a key.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let (said, sum) = bytes.split_at(bytes.len().saturating_sub(CHECK));
    said.starts_with(MAGIC) && check(said) == sum
}

fn unseal(bytes: &[u8], wrapping: &WrappingKey) -> Option<Zeroizing<Vec<u8>>> {
    let nonce = bytes.get(MAGIC.len()..START)?.try_into().ok()?;
    let sealed = bytes.get(START..bytes.len().checked_sub(CHECK)?)?;
    DataKey::new(wrapping).open(nonce, bytes.get(..MAGIC.len())?, sealed).map(Zeroizing::new)
}

fn fault(fault: KeyFault) -> Error {
    Error::Keys(fault)
}

fn failed(words: String) -> Error {
    Error::Keys(KeyFault::Vault(words))
}
