//! Inventory: every component of the product, the hub and the cloud included, and what is known of it.

pub mod boots;
pub mod cyclonedx;
pub mod export;
pub mod presence;
pub mod record;

use crate::access::trust::may_connect;
use protocol::{
    id::{ComponentId, Label},
    message::TrustState,
};
use record::Record;
use std::collections::BTreeMap;

/// All records by id.
#[derive(Default)]
pub struct Inventory {
    records: BTreeMap<ComponentId, Record>,
    /// Who has a serial number, by maker and serial, among those that are not gone.
    serials: BTreeMap<(String, String), ComponentId>,
}

impl Inventory {
    /// The record of a component.
    #[must_use]
    pub fn get(&self, id: ComponentId) -> Option<&Record> {
        self.records.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ComponentId) -> Option<&mut Record> {
        self.records.get_mut(&id)
    }

    /// All records by id.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Record> {
        self.records.values()
    }

    pub(crate) fn insert(&mut self, record: Record) {
        let id = record.id;
        self.records.insert(id, record);
        self.index(id);
    }

    /// Brings the index of serial numbers up to date after a record changed.
    pub(crate) fn index(&mut self, id: ComponentId) {
        let Some(record) = self.records.get(&id) else { return };
        let Some(facts) = &record.facts else { return };
        let key = (facts.maker.as_str().to_owned(), facts.serial.as_str().to_owned());
        if may_connect(record.trust.state) {
            self.serials.insert(key, id);
        } else if self.serials.get(&key) == Some(&id) {
            self.serials.remove(&key);
        }
    }

    /// Another component that already has this maker's serial number.
    #[must_use]
    pub fn other_with_serial(
        &self,
        id: ComponentId,
        maker: &Label,
        serial: &Label,
    ) -> Option<ComponentId> {
        let key = (maker.as_str().to_owned(), serial.as_str().to_owned());
        self.serials.get(&key).copied().filter(|other| *other != id)
    }

    /// Components in a state.
    #[must_use]
    pub fn count(&self, state: TrustState) -> usize {
        self.records.values().filter(|record| record.trust.state == state).count()
    }

    /// Finds by the whole id, a unique beginning of it of at least four characters, or the name.
    ///
    /// # Errors
    /// When nothing or more than one thing fits.
    pub fn find(&self, text: &str) -> Result<ComponentId, FindError> {
        let fits = |record: &&Record| {
            text.len() >= 4 && record.id.to_string().starts_with(text)
                || record.name.as_ref().is_some_and(|name| name.as_str() == text)
        };
        let mut found = self.records.values().filter(fits);
        match (found.next(), found.next()) {
            (Some(record), None) => Ok(record.id),
            (None, _) => Err(FindError::Unknown),
            (Some(_), Some(_)) => Err(FindError::Ambiguous),
        }
    }
}

/// A text named no component, or more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// Nothing fits.
    #[error("no component has this id or name; see: hub-agent component list")]
    Unknown,
    /// More than one fits.
    #[error("more than one component fits; give more of the id")]
    Ambiguous,
}
