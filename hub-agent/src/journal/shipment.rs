//! The log on its way to the cloud: portions of it as frames, and heads that come back.

use super::Journal;
use crate::store::StoreError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use protocol::{
    cbor,
    id::{Digest, Label, PublicKey},
    message::{Blob, Sequence, UplinkForm, UplinkFrame, UplinkRecord, V1},
    topic::MAX_UPLINK_MESSAGE,
};
use state_log::{Checkpoint, Copied, Left, Verifier};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Bytes of records in one frame; a longer one goes alone. What else is in a frame has room beside it.
const BYTES: usize = MAX_UPLINK_MESSAGE - 8192;

/// How many records the log has, for other threads.
#[derive(Clone, Debug, Default)]
pub struct Size(Arc<AtomicU64>);

impl Size {
    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, size: u64) {
        self.0.store(size, Ordering::Relaxed);
    }
}

/// A portion of the log, ready to be sent.
#[derive(Debug)]
pub struct Shipment {
    /// The frame, without a checkpoint.
    pub frame: UplinkFrame,
    /// The first record that is not in it.
    pub end: u64,
    /// The log's newest checkpoint, of the frame's size.
    pub checkpoint: Checkpoint,
    /// The log's name and key.
    pub log: Verifier,
}

impl Journal {
    /// Records from a number on, at most so many.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn shipment(&mut self, from: u64, most: usize) -> Result<Shipment, StoreError> {
        let (portion, log) = self.with(|log| {
            log.portion(from, most, BYTES).map(|part| (part, log.verifier().clone()))
        })?;
        let unusable = || StoreError::Log("a portion does not fit into a frame".into());
        let records: Vec<_> = portion.copies.into_iter().filter_map(record).collect();
        let frame = UplinkFrame {
            version: V1,
            origin: Label::new(log.name()).map_err(|_| unusable())?,
            key: PublicKey(*log.key()),
            size: portion.checkpoint.size,
            first: portion.first,
            records: Sequence::new(records).ok_or_else(unusable)?,
            checkpoint: None,
        };
        Ok(Shipment { frame, end: portion.end, checkpoint: portion.checkpoint, log })
    }

    /// Keeps a head that the cloud witnessed, unless it is kept already.
    ///
    /// # Errors
    /// When it contradicts the log: then that was forked or set back.
    pub fn keep_head(&mut self, note: &str, witness: &Verifier) -> Result<(), StoreError> {
        // What is kept says as much: no answer of the cloud makes the disk write again and again, and none pushes
        // larger heads out.
        let size = note.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0);
        let known = self.with(|log| Ok(log.cosigned().any(|kept| is_of(kept, note))))?;
        if known || (size > 0 && size <= self.witnessed()? && self.has_root(note)?) {
            return Ok(());
        }
        self.with(|log| log.add_cosignature(note, witness).map(|_| ()))
    }

    /// Whether the log had this root at the size of a note.
    fn has_root(&mut self, note: &str) -> Result<bool, StoreError> {
        let mut lines = note.lines().skip(1);
        let size = lines.next().and_then(|size| size.parse().ok()).unwrap_or(0);
        let root = lines.next().and_then(|root| STANDARD.decode(root).ok());
        // Where retention took the hashes, the note is judged as any other.
        Ok(self.with(|log| log.root(size)).is_ok_and(|own| root.as_deref() == Some(&own[..])))
    }

    /// The largest size that a witness cosigned, of the heads that are kept.
    ///
    /// # Errors
    /// When the log is not open.
    pub fn witnessed(&mut self) -> Result<u64, StoreError> {
        let size = |note: &str| note.lines().nth(1)?.parse::<u64>().ok();
        self.with(|log| Ok(log.cosigned().filter_map(size).max().unwrap_or(0)))
    }
}

/// Whether two notes are of one size and root, whenever they were cosigned.
fn is_of(kept: &str, note: &str) -> bool {
    kept.lines().take(3).eq(note.lines().take(3))
}

/// A copied record as it travels. A body too long for a frame, which nothing here writes, stays at the hub.
fn record(copy: Copied) -> Option<Blob<{ protocol::message::MAX_UPLINK_RECORD }>> {
    let hash = Digest(copy.hash);
    let whole = match copy.what {
        Left::Readable { slot, body } => Blob::new(body).map(|body| UplinkRecord {
            form: UplinkForm::Record,
            hash,
            slot: Some(slot),
            body: Some(body),
        }),
        Left::Act(act) => Blob::new(act.encode()).map(|body| UplinkRecord {
            form: UplinkForm::Act,
            hash,
            slot: None,
            body: Some(body),
        }),
        Left::Hash => None,
        Left::Tile => Some(UplinkRecord::bare(UplinkForm::Tile, hash)),
    };
    let record = whole.unwrap_or_else(|| UplinkRecord::bare(UplinkForm::Hash, hash));
    Blob::new(cbor::encode(&record))
}
