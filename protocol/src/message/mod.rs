//! The hub's own messages, one type each; `protocol/wire.cddl` says the same in CDDL (RFC 8610).

pub mod assertion;
mod cloud;
mod component;
mod config;
mod field;
mod log;
mod log_field;
mod octets;
mod update;
mod uplink;

pub use assertion::Assertion;
pub use cloud::{CloudAnswer, CloudAsk, CloudHello, HubStatus};
pub use component::{Announcement, Bye, Heartbeat, Lost, TrustNotice};
pub use config::{Config, Reported, Settings};
pub use field::{
    Action, ByeReason, ConfigOutcome, ConfigPurpose, Interval, List, TrustState, UpdateFault,
    UpdateObject, UpdateOrder, UpdateStep, V1,
};
pub use log::{
    LogBatch, LogControl, LogHead, LogRecord, MAX_LOG_HEAD, MAX_LOG_RECORD, MAX_LOG_RECORDS,
};
pub use log_field::{LogClass, LogCounters, LogEnd, LogKind, LogOrder, Percent};
pub use octets::{Blob, Octets, Sequence};
pub use update::{
    Block, BlockRequest, BlockSize, MAX_BLOCK, MIN_BLOCK, UpdateControl, UpdateOffer, UpdateReport,
    UpdateStatus, Window,
};
pub use uplink::{
    MAX_UPLINK_BODY, MAX_UPLINK_NOTE, MAX_UPLINK_RANGES, MAX_UPLINK_RECORD, MAX_UPLINK_RECORDS,
    UPLINK_TILE, UplinkAck, UplinkForm, UplinkFrame, UplinkRecord, UplinkRefusal,
};
