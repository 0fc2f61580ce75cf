//! The hub's decisions, without I/O: [`Hub::handle`] takes an input and the time, and returns
//! effects. It reads no clock, draws no randomness and writes nothing; its live state equals the
//! replay of the writes it asked for.
//!
//! | module | holds |
//! |---|---|
//! | [`hub`] | composes the capabilities; they do not know each other |
//! | [`input`], [`effect`] | everything that goes in and comes out, two closed lists |
//! | [`access`] | the gate, definitions in force, flow, channels, trust states, credentials, pairing codes |
//! | [`config`] | what components shall be, what they are, and how the one becomes the other |
//! | [`decision`] | the record of what was relayed |
//! | [`inventory`] | records with history, presence, clones, exports |
//! | [`update`] | campaigns: releases brought to components, and what those run |
//! | [`uplink`] | which records of the log go to the cloud next |
//! | [`log`] | what components record: their chains, gaps, shares |
//! | [`detect`] | incidents out of records: rules, what is usual, what was seen |
//! | [`event`] | state events and how floods of them are bounded |
//! | [`record`] | the typed record of everything that happens: CBOR, OCSF, syslog |
//! | [`crypto`] | digests, and what components sign |
//! | [`persist`] | what is written under which table and key |

pub mod access;
pub mod config;
pub mod crypto;
pub mod decision;
pub mod detect;
pub mod effect;
pub mod event;
pub mod hub;
pub mod input;
pub mod inventory;
pub mod log;
pub mod persist;
pub mod record;
pub mod settings;
pub mod update;
pub mod uplink;

pub use access::gate::{Denied, Inbound, Outbound, Permitted};
pub use effect::{Answer, Cut, Effects, IssueOrder, Occasion, Write};
pub use event::{EventKind, Severity, StateEvent};
pub use hub::{DefinitionView, Explanation, Hub, OwnIdentity};
pub use input::{
    AccountChange, Actor, Command, ComponentCertificate, Disposal, EnrolRequest, Input, Members,
    Now, Proof, ReenrolRequest, RepositoryState, Selector, StoreState, UpdateWish, Uplink, Wish,
};
pub use persist::{RestoreError, Table};
pub use settings::HubSettings;
