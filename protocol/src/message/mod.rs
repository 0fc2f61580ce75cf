//! The hub's own messages, one type each; `protocol/wire.cddl` says the same in CDDL (RFC 8610).

mod cloud;
mod component;
mod config;
mod field;

pub use cloud::{CloudHello, HubStatus};
pub use component::{Announcement, Bye, Heartbeat, Lost, TrustNotice};
pub use config::{Config, Reported, Settings};
pub use field::{ByeReason, ConfigOutcome, ConfigPurpose, Interval, List, TrustState, V1};
