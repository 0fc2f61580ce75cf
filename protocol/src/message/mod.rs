//! The hub's own messages, one type each; `protocol/wire.cddl` says the same in CDDL (RFC 8610).

pub mod assertion;
mod cloud;
mod component;
mod config;
mod field;

pub use assertion::{Assertion, Octets};
pub use cloud::{CloudAnswer, CloudAsk, CloudHello, HubStatus};
pub use component::{Announcement, Bye, Heartbeat, Lost, TrustNotice};
pub use config::{Config, Reported, Settings};
pub use field::{Action, ByeReason, ConfigOutcome, ConfigPurpose, Interval, List, TrustState, V1};
