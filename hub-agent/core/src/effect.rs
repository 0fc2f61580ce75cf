//! Everything the hub can ask for.

use crate::{
    access::{
        gate::{Outbound, Permitted},
        policy::{DefinitionError, Installed},
    },
    event::StateEvent,
    persist::Table,
    record::Record,
    update::OwnOrder,
};
use protocol::{
    id::{ComponentId, Digest, Label, Slug},
    refusal::Refusal,
    time::Timestamp,
};
use std::time::Duration;

/// What one input leads to. Sends, cuts and the answer take effect only when the writes are durable.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be made durable, in this order.
    pub writes: Vec<Write>,
    /// Messages to components.
    pub sends: Vec<Permitted<Outbound>>,
    /// Components whose connections must end.
    pub cuts: Vec<Cut>,
    /// What is wanted of the hub's own software.
    pub own: Vec<OwnOrder>,
    /// What happened, for people.
    pub events: Vec<StateEvent>,
    /// The same and more, for the log; the shell says under which numbers with [`crate::Input::Recorded`].
    pub records: Vec<Record>,
    /// The answer to whoever asked.
    pub answer: Answer,
}

/// One change of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// In which table.
    pub table: Table,
    /// Under which key.
    pub key: Vec<u8>,
    /// The new value, or nothing to remove the key.
    pub value: Option<Vec<u8>>,
}

/// A connection that must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Whose.
    pub who: ComponentId,
    /// Why.
    pub why: Refusal,
}

/// The answer to an input that asks something.
#[derive(Debug, Default)]
pub enum Answer {
    /// The input asked nothing, or its answer is that it was taken.
    #[default]
    Done,
    /// It was taken, and the hub bounds by itself how much of this kind a component may send.
    Paced,
    /// Sign this and tell the hub with `Input::Issued`.
    Issue(IssueOrder),
    /// The definition is in force.
    Defined {
        /// The definition's maker.
        maker: Label,
        /// Its kind.
        kind: Slug,
        /// What it did.
        installed: Installed,
    },
    /// The definition is not in force, and why.
    NotDefined(DefinitionError),
    /// Ask again after this time.
    Wait(Duration),
    /// No.
    Refused {
        /// Why.
        why: Refusal,
        /// What exactly, in words; may be empty.
        detail: String,
        /// When another try makes sense.
        retry_after: Option<Duration>,
    },
    /// So many components were changed by the command.
    Changed(usize),
    /// The token is good until then, if it is used.
    LoggedIn(Timestamp),
    /// The pairing window is open until then.
    PairingOpen(Timestamp),
}

/// A certificate to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueOrder {
    /// For whom.
    pub id: ComponentId,
    /// For the key with this digest, which must be the request's.
    pub key: Digest,
    /// What it is for.
    pub occasion: Occasion,
}

/// What a certificate is issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The component joins, or was reset to its factory state and joins again.
    Join,
    /// It replaces one that is in force.
    Renewal,
    /// It replaces an expired one.
    Recovery,
}
