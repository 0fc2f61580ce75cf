//! What the gate let through from one to another: one record for each, written in the same commit, so
//! that nothing is relayed without one.

use protocol::{
    id::{ComponentId, Slug},
    message::Action,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// Decisions kept; the oldest makes room.
pub const KEPT: u64 = 4096;

/// One thing that was relayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The number in the assertion that the hub signed.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who said it; the hub for people.
    pub sender: ComponentId,
    /// To whom it went.
    pub receiver: ComponentId,
    /// What it was.
    pub action: Action,
    /// Which command or stream.
    pub name: Slug,
    /// Which line of which definition allows it.
    pub allowed_by: String,
    /// Who wanted it, when it was a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
