//! What the hub vouches for when it relays: who wants what of whom, and until when.

use super::{
    field::{Action, V1},
    octets::Octets,
};
use crate::{
    cbor::int_map,
    id::{ComponentId, Slug},
    signed::Form,
    time::Timestamp,
    topic::MAX_RELAYED,
};

/// The form of signed assertions.
pub const FORM: Form = Form {
    what: "assertion",
    context: b"relayed/1",
    content_type: "application/cbor",
    max_bytes: MAX_RELAYED,
};

/// Extended key usage of the certificates whose keys sign assertions: id-kp-documentSigning,
/// 1.3.6.1.5.5.7.3.36 (RFC 9336). A component's own certificate does not have it.
pub const KEY_USAGE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 36];

int_map! {
    /// One relayed message.
    pub struct Assertion {
        /// Wire version.
        1 => version: V1,
        /// The hub that vouches for it.
        2 => hub: ComponentId,
        /// Counts what the hub relays over its whole life: one that came before comes again no more.
        3 => number: u64,
        /// Who says it; the hub itself for people.
        4 => sender: ComponentId,
        /// The sender's kind; `person` for people.
        5 => kind: Slug,
        /// To whom, and to nobody else.
        6 => receiver: ComponentId,
        /// What it is.
        7 => action: Action,
        /// Which command or stream.
        8 => name: Slug,
        /// When the hub relayed it.
        9 => issued: Timestamp,
        /// After this it counts no more.
        10 => expires: Timestamp,
        /// The command's arguments or the stream's value: the bytes of a map with text keys.
        11 => payload: Octets,
    }
}
