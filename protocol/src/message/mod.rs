//! The hub's own messages, one type each; `protocol/wire.cddl` says the same in CDDL (RFC 8610).

mod cloud;
mod component;
mod field;

pub use cloud::{CloudHello, HubStatus};
pub use component::{Announcement, Bye, Heartbeat, Lost, TrustNotice};
pub use field::{ByeReason, Interval, List, TrustState, V1};
