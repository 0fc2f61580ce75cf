//! The wire contract between a product's hub, its components and its maker's cloud.
//!
//! Everything here is a value: no I/O, no clock, no randomness. Bytes become types that cannot be
//! wrong in exactly one place, [`cbor`], and topics in [`topic`].
//!
//! | module | holds |
//! |---|---|
//! | [`id`] | logical ids, digests, bounded texts |
//! | [`time`] | points in time as the wire carries them |
//! | [`topic`] | MQTT topic routes and what each may carry |
//! | [`log`] | the chain of a component's log, and its signed heads |
//! | [`message`] | the hub's own messages, one type each |
//! | [`cbor`] | the bounded, deterministic CBOR codec |
//! | [`definition`] | what a maker says a kind of component is and may do |
//! | [`signed`] | signed things: COSE_Sign1 with a certificate chain |
//! | [`update`] | what is signed about updates: manifests, anchors, reports |
//! | [`ranges`] | ranges of record numbers |
//! | [`refusal`] | why something was refused: codes, words, advice |

pub mod cbor;
pub mod definition;
pub mod id;
pub mod log;
pub mod message;
pub mod ranges;
pub mod refusal;
pub mod signed;
pub mod time;
pub mod topic;
pub mod update;

/// Version of the wire contract, field 1 of every message.
pub const WIRE_VERSION: u8 = 1;
