//! Parts of records and orders of a component's log.

use super::field::closed_numbers;
use crate::{cbor::int_map, id::LogHost};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

int_map! {
    /// The other end of a connection of a component.
    pub struct LogEnd {
        /// Its name or its address.
        1 => host: LogHost,
        /// Its port.
        2 => port: u16,
    }
}

int_map! {
    /// How much. What was not measured is absent.
    pub struct LogCounters {
        /// How often, where several equal things are one record.
        1 => count [?]: u32,
        /// Bytes received.
        2 => bytes_in [?]: u64,
        /// Bytes sent.
        3 => bytes_out [?]: u64,
        /// Connections made.
        4 => connections [?]: u32,
        /// Load of the processor.
        5 => cpu [?]: Percent,
        /// Used memory.
        6 => memory [?]: Percent,
        /// Charge of the battery.
        7 => battery [?]: Percent,
    }
}

impl LogCounters {
    /// Nothing was measured.
    pub const NONE: Self = Self {
        count: None,
        bytes_in: None,
        bytes_out: None,
        connections: None,
        cpu: None,
        memory: None,
        battery: None,
    };
}

/// A share of a hundred: 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Percent(u8);

impl Percent {
    /// Checks the range.
    #[must_use]
    pub fn new(value: u8) -> Option<Self> {
        (value <= 100).then_some(Self(value))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = u8::deserialize(d)?;
        Self::new(value).ok_or_else(|| de::Error::custom("out of range: a percentage is 0 to 100"))
    }
}

closed_numbers! {
    /// What a component may tell of itself. The numbers are those that the hub's own log has for the same.
    LogKind {
        /// It runs a release that it was given.
        2 UpdateInstalled "update-installed",
        /// An update failed; it runs what it had.
        3 UpdateFailed "update-failed",
        /// It did not believe a release; the code tells why.
        4 UpdateRefused "update-refused",
        /// It started.
        5 Restart "restart",
        /// Somebody proved at its own interface who they are.
        6 AuthSuccess "auth-success",
        /// Somebody did not.
        7 AuthFailure "auth-failure",
        /// What it sent and received since the last such record.
        12 NetCounters "net-counters",
        /// It talks to a destination.
        13 NetDestination "net-destination",
        /// It obeyed a command.
        16 CommandReceived "command-received",
        /// It refused a command.
        17 CommandRefused "command-refused",
        /// Its configuration changed.
        18 ConfigChanged "config-changed",
        /// Its start was measured and is as it should be.
        21 BootVerified "boot-verified",
        /// Its start was measured and is not as it should be.
        22 BootMismatch "boot-mismatch",
        /// Somebody opened it.
        23 Tamper "tamper",
        /// Its clock was set by more than it can drift.
        24 ClockJump "clock-jump",
        /// Load, memory, battery.
        29 Health "health",
        /// It stopped recording something; the code tells why.
        31 LogStopped "log-stopped",
    }
}

closed_numbers! {
    /// What the hub wants of a component's log.
    LogOrder {
        /// Records are durable and need not be kept.
        1 Ack "ack",
        /// Send records.
        2 Pull "pull",
        /// The owner does not want some classes to be recorded.
        3 Quiet "quiet",
    }
}

closed_numbers! {
    /// Classes of what is recorded that the owner may switch off.
    LogClass {
        /// What the component is used for.
        1 Usage "usage",
        /// How it is.
        2 Health "health",
        /// How much it talks, and to whom.
        3 Network "network",
    }
}
