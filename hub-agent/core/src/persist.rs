//! What is written under which table and key. Values are JSON with a version in the key's table, so
//! that an operator can read a store with the hub's own tools; stream values are raw bytes.

use crate::{
    access::people::Account,
    config::Configured,
    decision::Decision,
    detect::{IncidentChange, incident::MAX_INCIDENTS},
    effect::Write,
    inventory::record::Record,
    log::Book,
    update::{Campaign, Ended, Firmware, Job},
};
use aws_lc_rs::digest::{SHA256, digest};
use protocol::{
    definition::Definition,
    id::{ComponentId, Slug},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// Tables of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Component records by id.
    Components,
    /// Newest stream values by id and stream name.
    Streams,
    /// Single values by name.
    Meta,
    /// The newest state events by number, a ring.
    Events,
    /// Signed definitions by maker and kind.
    Definitions,
    /// What components shall be and what they say they are, by id.
    Configs,
    /// What was relayed, by number, a ring.
    Decisions,
    /// People's accounts, by a digest of their names.
    Accounts,
    /// Releases on their way, by number.
    Campaigns,
    /// The newest update of each component, by id.
    Jobs,
    /// What components run, by id.
    Firmware,
    /// Updates that ended, by number, a ring.
    Ended,
    /// Who wants to be told of updates of which component no more.
    Notices,
    /// Incidents as they are now, by number.
    Incidents,
    /// What is usual for components, by id.
    Habits,
    /// Where each component's own log stands, by id.
    Logs,
    /// The update repository's verified metadata and their floors, by name; the shell's own.
    Repository,
}

impl Table {
    /// Every table.
    pub const ALL: &'static [Self] = &[
        Self::Components,
        Self::Streams,
        Self::Meta,
        Self::Events,
        Self::Definitions,
        Self::Configs,
        Self::Decisions,
        Self::Accounts,
        Self::Campaigns,
        Self::Jobs,
        Self::Firmware,
        Self::Ended,
        Self::Notices,
        Self::Incidents,
        Self::Habits,
        Self::Logs,
        Self::Repository,
    ];

    /// The table's name, which never changes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Components => "components",
            Self::Streams => "streams",
            Self::Meta => "meta",
            Self::Events => "events",
            Self::Definitions => "definitions",
            Self::Configs => "configs",
            Self::Decisions => "decisions",
            Self::Accounts => "accounts",
            Self::Campaigns => "campaigns",
            Self::Jobs => "jobs",
            Self::Firmware => "firmware",
            Self::Ended => "updates-ended",
            Self::Notices => "update-notices",
            Self::Incidents => "incidents",
            Self::Habits => "habits",
            Self::Logs => "logs",
            Self::Repository => "repository",
        }
    }
}

/// A record in the store is not what this version wrote.
#[derive(Debug, thiserror::Error)]
#[error(
    "the store holds a damaged or newer record in table `{table}`: {why}; restore a backup or use the version that wrote it"
)]
pub struct RestoreError {
    /// In which table.
    pub table: &'static str,
    /// What is wrong.
    pub why: String,
}

/// Counters that outlive a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// Wrong pairing codes since the last right one.
    pub(crate) wrong_codes: u32,
    /// No code is looked at before this time.
    pub(crate) codes_from: Timestamp,
    /// Number of the next status to the cloud.
    pub(crate) status_seq: u64,
    /// Number of the newest ask of the cloud.
    #[serde(default)]
    pub(crate) cloud_asks: u64,
    /// Numbers of assertions below this may have been used.
    #[serde(default)]
    pub(crate) relays_reserved: u64,
    /// Counts campaigns, jobs and their ends.
    #[serde(default)]
    pub(crate) updates: u64,
}

const COUNTERS: &[u8] = b"counters";
const LOOKED_AT: &[u8] = b"looked-at";

pub(crate) fn put_record(record: &Record) -> Write {
    let value = serde_json::to_vec(record).expect("records have no failing cases");
    Write { table: Table::Components, key: record.id.as_bytes().to_vec(), value: Some(value) }
}

pub(crate) fn put_habits(id: ComponentId, learnt: Vec<u8>) -> Write {
    Write { table: Table::Habits, key: id.as_bytes().to_vec(), value: Some(learnt) }
}

pub(crate) fn remove_habits(id: ComponentId) -> Write {
    Write { table: Table::Habits, key: id.as_bytes().to_vec(), value: None }
}

/// An incident as it became. The oldest row leaves the store; the log keeps every change.
pub(crate) fn put_incident(change: &IncidentChange) -> Vec<Write> {
    let number = change.incident.number;
    let value = serde_json::to_vec(change).expect("incidents have no failing cases");
    let key = |number: u64| number.to_be_bytes().to_vec();
    let put = Write { table: Table::Incidents, key: key(number), value: Some(value) };
    let oldest = number.checked_sub(2 * MAX_INCIDENTS as u64).map(key);
    let gone = oldest.map(|key| Write { table: Table::Incidents, key, value: None });
    [Some(put), gone].into_iter().flatten().collect()
}

pub(crate) fn put_counters(counters: &Counters) -> Write {
    let value = serde_json::to_vec(counters).expect("counters have no failing cases");
    Write { table: Table::Meta, key: COUNTERS.to_vec(), value: Some(value) }
}

/// Records below this number were looked at by detection.
pub(crate) fn put_looked_at(number: u64) -> Write {
    let value = Some(number.to_be_bytes().to_vec());
    Write { table: Table::Meta, key: LOOKED_AT.to_vec(), value }
}

/// A stream's newest value: receive time, then the payload as it came.
pub(crate) fn put_stream(id: ComponentId, stream: &Slug, at: Timestamp, payload: &[u8]) -> Write {
    let key = [&id.as_bytes()[..], stream.as_str().as_bytes()].concat();
    let value = [&at.0.to_be_bytes()[..], payload].concat();
    Write { table: Table::Streams, key, value: Some(value) }
}

pub(crate) fn remove_stream(id: ComponentId, stream: &Slug) -> Write {
    let key = [&id.as_bytes()[..], stream.as_str().as_bytes()].concat();
    Write { table: Table::Streams, key, value: None }
}

/// A definition: when it came into force, by which its signature is judged again, then the envelope.
/// Keys are not sealed in the store, so this one is a digest of maker and kind.
pub(crate) fn put_definition(of: &Definition, at: Timestamp, envelope: &[u8]) -> Write {
    let name = format!("{}\0{}", of.maker, of.kind);
    let key = digest(&SHA256, name.as_bytes()).as_ref().to_vec();
    let value = [&at.0.to_be_bytes()[..], envelope].concat();
    Write { table: Table::Definitions, key, value: Some(value) }
}

pub(crate) fn put_config(id: ComponentId, configured: &Configured) -> Write {
    let value = serde_json::to_vec(configured).expect("configurations have no failing cases");
    Write { table: Table::Configs, key: id.as_bytes().to_vec(), value: Some(value) }
}

pub(crate) fn remove_config(id: ComponentId) -> Write {
    Write { table: Table::Configs, key: id.as_bytes().to_vec(), value: None }
}

pub(crate) fn put_account(account: &Account) -> Write {
    let value = serde_json::to_vec(account).expect("accounts have no failing cases");
    Write { table: Table::Accounts, key: account_key(&account.name), value: Some(value) }
}

pub(crate) fn remove_account(name: &Slug) -> Write {
    Write { table: Table::Accounts, key: account_key(name), value: None }
}

/// Keys are not sealed in the store.
fn account_key(name: &Slug) -> Vec<u8> {
    digest(&SHA256, name.as_str().as_bytes()).as_ref().to_vec()
}

/// A decision, in the place of the one `kept` before it.
pub(crate) fn put_decision(decision: &Decision, kept: u64) -> Write {
    let value = serde_json::to_vec(decision).expect("decisions have no failing cases");
    let key = (decision.number % kept).to_be_bytes().to_vec();
    Write { table: Table::Decisions, key, value: Some(value) }
}

pub(crate) fn remove_decision(number: u64, kept: u64) -> Write {
    let key = (number % kept).to_be_bytes().to_vec();
    Write { table: Table::Decisions, key, value: None }
}

pub(crate) fn put_campaign(campaign: &Campaign) -> Write {
    let value = serde_json::to_vec(campaign).expect("campaigns have no failing cases");
    let key = campaign.number.to_be_bytes().to_vec();
    Write { table: Table::Campaigns, key, value: Some(value) }
}

pub(crate) fn remove_campaign(number: u64) -> Write {
    Write { table: Table::Campaigns, key: number.to_be_bytes().to_vec(), value: None }
}

pub(crate) fn put_job(job: &Job) -> Write {
    let value = serde_json::to_vec(job).expect("jobs have no failing cases");
    Write { table: Table::Jobs, key: job.component.as_bytes().to_vec(), value: Some(value) }
}

pub(crate) fn remove_job(id: ComponentId) -> Write {
    Write { table: Table::Jobs, key: id.as_bytes().to_vec(), value: None }
}

pub(crate) fn put_firmware(id: ComponentId, firmware: &Firmware) -> Write {
    let value = serde_json::to_vec(firmware).expect("firmware has no failing cases");
    Write { table: Table::Firmware, key: id.as_bytes().to_vec(), value: Some(value) }
}

pub(crate) fn put_book(id: ComponentId, book: &Book) -> Write {
    let value = serde_json::to_vec(book).expect("numbers and digests have no failing cases");
    Write { table: Table::Logs, key: id.as_bytes().to_vec(), value: Some(value) }
}

/// An update that ended, in the place of the one `kept` before it.
pub(crate) fn put_ended(ended: &Ended, kept: u64) -> Write {
    let value = serde_json::to_vec(ended).expect("ends have no failing cases");
    let key = (ended.number % kept).to_be_bytes().to_vec();
    Write { table: Table::Ended, key, value: Some(value) }
}

/// Keys are not sealed in the store, so who does not want to be told stands in the value.
pub(crate) fn put_notices(who: Option<&Slug>, id: ComponentId, quiet: bool) -> Write {
    let name = format!("{}\0{id}", who.map_or("", Slug::as_str));
    let key = digest(&SHA256, name.as_bytes()).as_ref().to_vec();
    let value = serde_json::to_vec(&(who, id)).expect("a name and an id have no failing cases");
    Write { table: Table::Notices, key, value: quiet.then_some(value) }
}

/// What the tables hold, typed.
pub(crate) enum Restored {
    Record(Box<Record>),
    Counters(Counters),
    LookedAt(u64),
    /// An envelope, and when it came into force.
    Definition(Timestamp, Vec<u8>),
    Config(ComponentId, Box<Configured>),
    Decision(Decision),
    Account(Account),
    Campaign(Box<Campaign>),
    Job(Job),
    Firmware(ComponentId, Firmware),
    Ended(Ended),
    Quiet(Option<Slug>, ComponentId),
    Incident(Box<IncidentChange>),
    Habits(ComponentId, Vec<u8>),
    Book(ComponentId, Book),
    Nothing,
}

pub(crate) fn restore(table: Table, key: &[u8], value: &[u8]) -> Result<Restored, RestoreError> {
    let error = |why: String| RestoreError { table: table.name(), why };
    match table {
        Table::Components => {
            let record: Record = serde_json::from_slice(value).map_err(|e| error(e.to_string()))?;
            if record.id.as_bytes() != key {
                return Err(error("a record stands under another component's key".into()));
            }
            Ok(Restored::Record(Box::new(record)))
        }
        Table::Meta if key == COUNTERS => {
            serde_json::from_slice(value).map(Restored::Counters).map_err(|e| error(e.to_string()))
        }
        Table::Meta if key == LOOKED_AT => {
            let number = value.try_into().map(u64::from_be_bytes);
            number.map(Restored::LookedAt).map_err(|e| error(e.to_string()))
        }
        Table::Definitions => {
            // A damaged one is judged like any other: it does not come into force.
            let (at, envelope) = value.split_first_chunk().unwrap_or((&[0; 8], value));
            Ok(Restored::Definition(Timestamp(u64::from_be_bytes(*at)), envelope.to_vec()))
        }
        Table::Accounts => {
            serde_json::from_slice(value).map(Restored::Account).map_err(|e| error(e.to_string()))
        }
        Table::Decisions => {
            serde_json::from_slice(value).map(Restored::Decision).map_err(|e| error(e.to_string()))
        }
        Table::Campaigns => serde_json::from_slice(value)
            .map(|campaign| Restored::Campaign(Box::new(campaign)))
            .map_err(|e| error(e.to_string())),
        Table::Jobs => {
            serde_json::from_slice(value).map(Restored::Job).map_err(|e| error(e.to_string()))
        }
        Table::Ended => {
            serde_json::from_slice(value).map(Restored::Ended).map_err(|e| error(e.to_string()))
        }
        Table::Notices => serde_json::from_slice(value)
            .map(|(who, id)| Restored::Quiet(who, id))
            .map_err(|e| error(e.to_string())),
        Table::Habits => {
            let id = id_of(key).ok_or_else(|| error("a key that is no id".into()))?;
            Ok(Restored::Habits(id, value.to_vec()))
        }
        Table::Incidents => serde_json::from_slice(value)
            .map(|change| Restored::Incident(Box::new(change)))
            .map_err(|e| error(e.to_string())),
        Table::Logs => {
            let id = id_of(key).ok_or_else(|| error("a key that is no id".into()))?;
            let book = serde_json::from_slice(value).map_err(|e| error(e.to_string()))?;
            Ok(Restored::Book(id, book))
        }
        Table::Firmware => {
            let id = id_of(key).ok_or_else(|| error("a key that is no id".into()))?;
            let firmware = serde_json::from_slice(value).map_err(|e| error(e.to_string()))?;
            Ok(Restored::Firmware(id, firmware))
        }
        Table::Configs => {
            let id = id_of(key).ok_or_else(|| error("a key that is no id".into()))?;
            let configured = serde_json::from_slice(value).map_err(|e| error(e.to_string()))?;
            Ok(Restored::Config(id, Box::new(configured)))
        }
        Table::Meta | Table::Streams | Table::Events | Table::Repository => Ok(Restored::Nothing),
    }
}

fn id_of(key: &[u8]) -> Option<ComponentId> {
    key.try_into().ok().and_then(|bytes| ComponentId::from_bytes(bytes).ok())
}
