//! The hub's own log on its way to the maker's cloud, which keeps it and witnesses that nobody edits it.

use super::{
    field::{V1, closed_numbers},
    octets::{Blob, Sequence},
};
use crate::{
    cbor::int_map,
    id::{Digest, Label, PublicKey},
    ranges::Ranges,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// Most records in one frame.
pub const MAX_UPLINK_RECORDS: usize = 256;

/// Longest body of one record, and longest act of the log.
pub const MAX_UPLINK_BODY: usize = 65_536;

/// Longest encoding of one record in bytes.
pub const MAX_UPLINK_RECORD: usize = MAX_UPLINK_BODY + 64;

/// Longest signed checkpoint.
pub const MAX_UPLINK_NOTE: usize = 4096;

/// Most ranges of records that an answer names, and so the most that a cloud keeps apart.
pub const MAX_UPLINK_RANGES: usize = 8;

/// Records that one tile stands for.
pub const UPLINK_TILE: u64 = 256;

int_map! {
    /// Records of the hub's log, one after the other; without records, the question what the cloud has.
    pub struct UplinkFrame checked by UplinkFrame::check {
        /// Wire version.
        1 => version: V1,
        /// The log's name, as in its checkpoints.
        2 => origin: Label,
        /// The key that signs its checkpoints.
        3 => key: PublicKey,
        /// Records in the log.
        4 => size: u64,
        /// Number of the first record in this; the first of a log is 0.
        5 => first: u64,
        /// The records, each an [`UplinkRecord`] in its one encoding.
        6 => records: Sequence<Blob<MAX_UPLINK_RECORD>, MAX_UPLINK_RECORDS>,
        /// The log's newest checkpoint, a signed note.
        7 => checkpoint [?]: Blob<MAX_UPLINK_NOTE>,
    }
}

int_map! {
    /// One record, or what is left of it.
    pub struct UplinkRecord checked by UplinkRecord::check {
        /// What there is of it.
        1 => form: UplinkForm,
        /// Its hash in the tree: of the leaf, or of a whole tile.
        2 => hash: Digest,
        /// Which key of the log seals it: what an act that erases names. Says nothing about whose it is.
        3 => slot [?]: u32,
        /// What it says, or what the act says.
        4 => body [?]: Blob<MAX_UPLINK_BODY>,
    }
}

int_map! {
    /// What the cloud has of a log.
    pub struct UplinkAck checked by UplinkAck::check {
        /// Wire version.
        1 => version: V1,
        /// The log's name.
        2 => origin: Label,
        /// What is durable there: for each range the number of its first record, and the first that is not in it.
        3 => held: Sequence<u64, { 2 * MAX_UPLINK_RANGES }>,
        /// Why the frame or its checkpoint was refused.
        4 => refusal [?]: UplinkRefusal,
        /// The newest checkpoint that the cloud witnessed, a note with both signatures.
        5 => head [?]: Blob<MAX_UPLINK_NOTE>,
        /// The name under which the cloud witnesses.
        6 => witness: Label,
        /// The key with which it does.
        7 => witness_key: PublicKey,
    }
}

closed_numbers! {
    /// What there is of a record.
    UplinkForm {
        /// All of it.
        1 Record "record",
        /// Its hash: it was erased, taken out, or nobody can read it.
        2 Hash "hash",
        /// The hash of 256 records that were taken out as a whole.
        3 Tile "tile",
        /// It is an act of the log itself.
        4 Act "act",
    }
}

closed_numbers! {
    /// Why a cloud refuses a frame, or does not witness its checkpoint.
    UplinkRefusal {
        /// A hash is another than the one it has of the same record.
        1 Contradiction "contradiction",
        /// The key is another than at first, or the signature is not by it.
        2 BadSignature "bad-signature",
        /// The checkpoint does not follow from the records.
        3 SplitView "split-view",
        /// The log has fewer records than were witnessed.
        4 SetBack "set-back",
        /// Too many ranges, logs or bytes; fill gaps first.
        5 TooMany "too-many",
        /// Nothing can be made durable there at the moment.
        6 NoRoom "no-room",
        /// The cloud's own copy is damaged.
        7 Damaged "damaged",
        /// A record is none.
        8 NoRecord "no-record",
    }
}

impl UplinkFrame {
    fn check(&self) -> Result<(), &'static str> {
        let records = self.records.items().len() as u64;
        match self.first.checked_add(records) {
            Some(end) if end <= self.size => Ok(()),
            Some(_) | None => Err("contradiction: records beyond the size of the log"),
        }
    }
}

impl UplinkRecord {
    /// A hash alone.
    #[must_use]
    pub fn bare(form: UplinkForm, hash: Digest) -> Self {
        Self { form, hash, slot: None, body: None }
    }

    /// Records it stands for.
    #[must_use]
    pub fn span(&self) -> u64 {
        if self.form == UplinkForm::Tile { UPLINK_TILE } else { 1 }
    }

    fn check(&self) -> Result<(), &'static str> {
        let fits = match self.form {
            UplinkForm::Record => self.slot.is_some() && self.body.is_some(),
            UplinkForm::Act => self.slot.is_none() && self.body.is_some(),
            UplinkForm::Hash | UplinkForm::Tile => self.slot.is_none() && self.body.is_none(),
        };
        if fits { Ok(()) } else { Err("contradiction: the form has other fields") }
    }
}

impl UplinkAck {
    /// What it has.
    #[must_use]
    pub fn ranges(&self) -> Ranges {
        Ranges::new(self.held.items().chunks_exact(2).map(|pair| (pair[0], pair[1])))
    }

    fn check(&self) -> Result<(), &'static str> {
        let held = self.held.items();
        if held.len().is_multiple_of(2) && held.windows(2).all(|pair| pair[0] < pair[1]) {
            return Ok(());
        }
        Err("contradiction: ranges are pairs, ascending, and none touches the next")
    }
}
