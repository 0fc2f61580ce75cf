//! What is asked of the log besides writing, answered on the store's thread between two commits.

use super::{Journal, entry, open::store_error};
use crate::store::StoreError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hub_core::record::{ocsf, syslog};
use protocol::id::ComponentId;
use serde_json::{Value, json};
use state_log::{Deletion, EraseReceipt, Erasure, PassReceipt, Query};
use tokio::sync::OwnedSemaphorePermit;

/// Something to do with the log on the store's thread.
pub struct Ask {
    /// What; whoever waits is told by it.
    pub work: Box<dyn FnOnce(&mut Journal) + Send>,
    /// Its place in the queue, given back when it was done.
    pub place: OwnedSemaphorePermit,
}

/// What is asked.
pub enum Question {
    /// Records, newest first or onward from a number.
    Records(Query),
    /// The same as OCSF events, or as RFC 5424 lines.
    Export {
        /// Which.
        query: Query,
        /// Whether lines are wanted.
        syslog: bool,
        /// Whose log it is.
        hub: ComponentId,
    },
    /// That a record is in the log.
    Prove(u64),
    /// The newest checkpoint, as a signed note, and the heads that a witness cosigned.
    Heads,
    /// Make data unreadable, or take it away, for good.
    Dispose(Gone, u64),
    /// Take out what is due.
    Retain(u64),
}

/// What is to be gone.
pub enum Gone {
    /// What keys open.
    Keys(Erasure),
    /// Records.
    Records(Deletion),
}

impl Journal {
    /// Answers a question.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn answer(&mut self, question: Question) -> Result<Value, StoreError> {
        match question {
            Question::Records(query) => {
                let page = self.with(|log| log.query(&query))?;
                let records: Vec<_> = page.records.iter().map(entry::view).collect();
                let next = page.next.map(place);
                Ok(json!({ "records": records, "damaged": page.damaged, "next": next }))
            }
            Question::Export { query, syslog, hub } => self.export(&query, syslog, hub),
            Question::Prove(number) => self.prove(number),
            Question::Heads => self.heads(),
            Question::Dispose(what, now) => self.dispose(what, now),
            Question::Retain(now) => {
                let (records, freed) = self.retain(now)?;
                Ok(json!({ "records": records, "freed": freed }))
            }
        }
    }

    fn export(
        &mut self,
        query: &Query,
        as_lines: bool,
        hub: ComponentId,
    ) -> Result<Value, StoreError> {
        let origin = ocsf::Origin { hub, version: env!("CARGO_PKG_VERSION") };
        let page = self.with(|log| log.query(query))?;
        let known = page.records.iter().filter_map(entry::back);
        let events: Vec<Value> = match as_lines {
            true => known.map(|(at, record)| syslog::line(&record, at, &origin).into()).collect(),
            false => known.map(|(at, record)| ocsf::event(&record, at, &origin)).collect(),
        };
        Ok(json!({ "events": events, "damaged": page.damaged, "next": page.next.map(place) }))
    }

    fn prove(&mut self, number: u64) -> Result<Value, StoreError> {
        let proof = self.with(|log| log.prove(number))?;
        proof.check().map_err(store_error)?;
        let hashes: Vec<_> = proof.hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
        Ok(json!({
            "number": proof.index,
            "stored": STANDARD.encode(&proof.stored),
            "hashes": hashes,
            "checkpoint": proof.checkpoint.note(),
        }))
    }

    fn heads(&mut self) -> Result<Value, StoreError> {
        self.with(|log| {
            let cosigned: Vec<_> = log.cosigned().map(str::to_owned).collect();
            Ok(json!({ "checkpoint": log.checkpoint().note(), "size": log.size(), "bytes": log.bytes(), "cosigned": cosigned }))
        })
    }

    /// Nothing to be made unreadable is no failure: what is wanted is so.
    fn dispose(&mut self, what: Gone, now: u64) -> Result<Value, StoreError> {
        let done = match what {
            Gone::Keys(what) => self.with(|log| {
                let EraseReceipt { at, keys, act, checkpoint, .. } = log.erase(what, now)?;
                Ok(json!({ "at": at, "keys": keys, "act": act, "checkpoint": checkpoint.note() }))
            }),
            Gone::Records(what) => self.with(|log| {
                let PassReceipt { records, protected, act, checkpoint, .. } =
                    log.delete(&what, now)?;
                Ok(json!({
                    "at": now, "records": records, "protected": protected, "act": act,
                    "checkpoint": checkpoint.note(),
                }))
            }),
        };
        match done {
            Err(StoreError::NothingHeld) => self.with(|log| {
                let note = log.checkpoint().note();
                Ok(json!({ "at": now, "keys": 0, "records": 0, "act": null, "checkpoint": note }))
            }),
            other => other,
        }
    }
}

/// Where to go on, as a query's parameter.
fn place(from: state_log::From) -> Value {
    match from {
        state_log::From::Newest => json!("newest"),
        state_log::From::Below(number) => json!({ "below": number }),
        state_log::From::On(number) => json!({ "on": number }),
    }
}
