//! The chain of a component's log, which component and hub compute alike. Each value covers all records before
//! it, so that a signed head proves them all, and an edited, dropped or reordered one does not fit.

use crate::{
    cbor,
    id::{ComponentId, Digest, LogLife},
    message::{LogClass, LogKind, LogRecord, MAX_LOG_RECORD},
    signed::Form,
    update::Crypto,
};

/// The form of signed heads: where a component's log stands.
pub const HEAD: Form = Form {
    what: "log head",
    context: b"pc-log-head/1",
    content_type: "application/cbor",
    max_bytes: crate::message::MAX_LOG_HEAD,
};

/// What every chain begins with.
const BEGIN: &[u8] = b"pc-log/1";

/// The chain's value before the first record of a log.
#[must_use]
pub fn begin(component: ComponentId, life: LogLife, crypto: &impl Crypto) -> Digest {
    crypto.sha256(&[BEGIN, component.as_bytes(), &life.0].concat())
}

/// The chain's value after a record, given the one before it.
#[must_use]
pub fn link(before: &Digest, record: &[u8], crypto: &impl Crypto) -> Digest {
    crypto.sha256(&[&before.0, record].concat())
}

/// The one encoding of a record, unless it is longer than it may be.
#[must_use]
pub fn encode(record: &LogRecord) -> Option<Vec<u8>> {
    let bytes = cbor::encode(record);
    (bytes.len() <= MAX_LOG_RECORD).then_some(bytes)
}

impl LogKind {
    /// To which class of data it belongs, if the owner may switch it off: what concerns security stays.
    #[must_use]
    pub fn class(self) -> Option<LogClass> {
        match self {
            Self::Health => Some(LogClass::Health),
            Self::NetCounters | Self::NetDestination => Some(LogClass::Network),
            Self::CommandReceived => Some(LogClass::Usage),
            Self::UpdateInstalled
            | Self::UpdateFailed
            | Self::UpdateRefused
            | Self::Restart
            | Self::AuthSuccess
            | Self::AuthFailure
            | Self::CommandRefused
            | Self::ConfigChanged
            | Self::BootVerified
            | Self::BootMismatch
            | Self::Tamper
            | Self::ClockJump
            | Self::LogStopped => None,
        }
    }
}
