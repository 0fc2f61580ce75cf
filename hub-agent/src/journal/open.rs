//! Opening the log, and opening it again when the disk failed under it.

use super::{PORTION, key::LogKey, shipment::Size};
use crate::store::{StoreError, whole_key};
use hub_core::record::Keep;
use state_log::{Error, FileVault, Head, KeyFault, Log, Opening, Refusal, Retention, Settings};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where the log lives and how long what stays in it.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Its folder.
    pub folder: PathBuf,
    /// The folder of secrets: the signing key and the key that wraps the data keys.
    pub secrets: PathBuf,
    /// Its name in checkpoints.
    pub origin: String,
    /// How long each class stays; one that is not named stays until space runs out.
    pub keep: BTreeMap<Keep, Duration>,
    /// The most bytes it takes; above it the oldest go, incidents excepted.
    pub bytes: u64,
    /// How far it was when the store was written last.
    pub at_least: Option<Head>,
}

/// The row of the store that says how far the log is, and the table it stands in.
const REMEMBERED: (&str, &[u8]) = ("log", b"head");

/// How far the log was, as a row of the store says it.
#[must_use]
pub fn head_of(stored: &[(String, Vec<u8>, Vec<u8>)]) -> Option<Head> {
    let (table, key) = REMEMBERED;
    let row = stored.iter().find(|(t, k, _)| t == table && k == key)?;
    let (size, root) = row.2.split_first_chunk()?;
    Some(Head { size: u64::from_be_bytes(*size), root: root.try_into().ok()? })
}

/// The log, open while the disk works.
pub struct Journal {
    settings: JournalSettings,
    log: Option<Log>,
    /// The newest head that was durable: a log that is behind it was set back.
    head: Option<Head>,
    size: Size,
}

impl Journal {
    /// What the log knows more than the store, if that is more than what one power cut leaves: one commit, which may
    /// have been written in portions.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn ahead_of_store(&mut self) -> Result<Option<u64>, StoreError> {
        let Some(Head { size: known, .. }) = self.settings.at_least else { return Ok(None) };
        self.with(|log| {
            let size = log.size();
            let before = log.checkpoint_until(size.saturating_sub(1))?;
            let before = before.map_or(0, |before| before.size.saturating_sub(known));
            let is_one_commit = before % PORTION as u64 == 0;
            Ok((!is_one_commit).then(|| size.saturating_sub(known)))
        })
    }

    /// Opens the log, or begins one.
    ///
    /// # Errors
    /// When it is damaged, or cannot be read or written.
    pub fn open(settings: JournalSettings) -> Result<(Self, Opening), StoreError> {
        let head = settings.at_least;
        let mut journal = Self { settings, log: None, head, size: Size::default() };
        let opening = journal.reopen()?;
        Ok((journal, opening))
    }

    fn reopen(&mut self) -> Result<Opening, StoreError> {
        let JournalSettings { folder, secrets, origin, .. } = &self.settings;
        let broken = |error: &dyn std::fmt::Display| StoreError::Log(error.to_string());
        let key = LogKey::open(secrets).map_err(|error| broken(&error))?;
        std::fs::create_dir_all(folder).map_err(|error| broken(&error))?;
        let vault = FileVault::new(secrets.join("log.wrap"));
        let mut how = Settings::new(origin);
        how.protected = vec![Keep::Incident.number()];
        let public = secrets.join(super::PUBLIC);
        let published = key.publish(public.parent().unwrap_or(secrets), origin);
        published.map_err(|error| broken(&error))?;
        let opened = Log::open(folder, how, Box::new(key), Box::new(vault), self.head);
        let (log, opening) = opened.map_err(store_error)?;
        self.size.set(log.size());
        self.log = Some(log);
        Ok(opening)
    }

    /// Tells how large the log is, from whatever thread.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size.clone()
    }

    pub(super) fn take(&mut self) -> Option<Log> {
        self.log.take()
    }

    /// Does something with the log; after a failure that leaves the disk's state unknown it is opened again first.
    pub(super) fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Log) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        if self.log.is_none() {
            self.reopen()?;
        }
        let Some(log) = &mut self.log else { return Err(StoreError::Log("not open".into())) };
        let done = act(log);
        let checkpoint = log.checkpoint();
        self.head = Some(Head { size: checkpoint.size, root: checkpoint.root });
        self.size.set(checkpoint.size);
        if matches!(done, Err(Error::Reopen)) {
            self.log = None;
        }
        done.map_err(store_error)
    }

    /// The row of the store that says how far the log is.
    #[must_use]
    pub fn remembered(&self) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let Head { size, root } = self.head?;
        let value = [&size.to_be_bytes()[..], &root[..]].concat();
        Some((whole_key(REMEMBERED.0, REMEMBERED.1), Some(value)))
    }

    /// Takes out what is due; the answer is how many records went and how many bytes came back.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn retain(&mut self, now: u64) -> Result<(u64, u64), StoreError> {
        let age = |(keep, age): (&Keep, &Duration)| {
            (keep.number(), u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
        };
        let ages = self.settings.keep.iter().map(age).collect();
        let rules = Retention { ages, bytes: Some(self.settings.bytes) };
        let receipt = self.with(|log| log.retain(&rules, now))?;
        Ok((receipt.records, receipt.freed))
    }
}

pub(super) fn store_error(error: Error) -> StoreError {
    let text = error.to_string();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "every other one is the disk's or the log's"
    )]
    match error {
        // Without its keys a log can be verified and not be read: it is evidence, as a damaged one.
        Error::Damaged(_)
        | Error::Keys(KeyFault::WrongKey | KeyFault::Missing | KeyFault::EmptyVault) => {
            StoreError::LogDamaged(text)
        }
        Error::Refused(Refusal::UnknownSubject) => StoreError::NothingHeld,
        _ => StoreError::Log(text),
    }
}

/// Sets a damaged log aside as evidence, with its public key beside it; the answer is where it is, after those that
/// were set aside before: a start that did not finish told nobody of them.
///
/// # Errors
/// When it cannot be renamed.
pub fn set_aside(folder: &Path, public: &Path) -> std::io::Result<Vec<PathBuf>> {
    let place = |number: usize| folder.with_extension(format!("damaged-{number}"));
    let mut all: Vec<_> = (1..).map(place).take_while(|aside| aside.exists()).collect();
    let number = all.len() + 1;
    std::fs::rename(folder, place(number))?;
    std::fs::copy(public, folder.with_extension(format!("damaged-{number}.pub")))?;
    all.push(place(number));
    Ok(all)
}

/// The log's name: as it was published, or the first one.
#[must_use]
pub fn origin(public: &Path, first: &str) -> String {
    let text = std::fs::read_to_string(public).unwrap_or_default();
    let known = text.trim().rsplit_once(' ').map(|(origin, _)| origin);
    let known = known.filter(|origin| *origin == first || origin.starts_with(&format!("{first}/")));
    known.unwrap_or(first).to_owned()
}

/// The name of the log after this one.
#[must_use]
pub fn next_origin(origin: &str, first: &str) -> String {
    let number = origin.strip_prefix(first).and_then(|rest| rest.strip_prefix('/'));
    let number: u32 = number.and_then(|number| number.parse().ok()).unwrap_or(1);
    format!("{first}/{}", number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_log_has_a_name_of_its_own() {
        let first = "hub-agent/4711";
        assert_eq!(origin(Path::new("/nowhere"), first), first);
        let second = next_origin(first, first);
        assert_eq!(
            (second.as_str(), next_origin(&second, first).as_str()),
            ("hub-agent/4711/2", "hub-agent/4711/3")
        );
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log.pub");
        std::fs::write(&file, "hub-agent/4711/2 AAAA\n").expect("written");
        assert_eq!(origin(&file, first), second, "also when what was set aside was carried away");
        std::fs::write(&file, "hub-agent/4712 AAAA\n").expect("written");
        assert_eq!(origin(&file, first), first, "another hub's");
    }
}
