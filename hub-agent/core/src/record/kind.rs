//! What can happen: one vocabulary for the log, the rules and the exports.
//!
//! Words never change their meaning and numbers are never given twice, because stored logs carry them.

use super::{Severity, Status};
use crate::event::EventKind;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// The OCSF classes that records are exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Event Log Activity.
    EventLog = 1008,
    /// Detection Finding.
    Finding = 2004,
    /// Authentication.
    Authentication = 3002,
    /// Entity Management.
    Entity = 3004,
    /// Network Activity.
    Network = 4001,
    /// Device Inventory Info.
    Inventory = 5001,
    /// Device Config State Change.
    DeviceState = 5019,
    /// Application Lifecycle.
    Lifecycle = 6002,
    /// API Activity.
    Api = 6003,
    /// Network Remediation Activity.
    Remediation = 7004,
}

impl Class {
    /// Its number.
    #[must_use]
    pub fn uid(self) -> u32 {
        self as u32
    }

    /// The number of its category.
    #[must_use]
    pub fn category(self) -> u32 {
        self.uid() / 1000
    }

    /// Whether its events have a `src_endpoint`.
    pub(crate) fn has_source(self) -> bool {
        self.has_destination() || self == Self::Entity
    }

    /// Whether its events have a `dst_endpoint`.
    pub(crate) fn has_destination(self) -> bool {
        matches!(self, Self::EventLog | Self::Authentication | Self::Network | Self::Api)
    }
}

macro_rules! kinds {
    ($($number:literal $name:ident $word:literal $severity:ident $status:ident $class:ident/$activity:literal #[$doc:meta])*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum RecordKind { $(#[$doc] $name = $number,)* }

        impl RecordKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word, which rules name as `metadata.event_code`.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// How grave it is by itself.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// How it ends as a rule.
            #[must_use]
            pub fn status(self) -> Status {
                match self { $(Self::$name => Status::$status,)* }
            }

            /// OCSF class and activity. Incidents have the activity that their code tells.
            #[must_use]
            pub fn ocsf(self) -> (Class, u32) {
                match self { $(Self::$name => (Class::$class, $activity),)* }
            }

            fn from_number(number: u64) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    1 UpdateOffered "update.offered" Info Success Lifecycle/99 #[doc = "A component is offered a release."]
    2 UpdateInstalled "update.installed" Info Success Lifecycle/8 #[doc = "A component runs a release and signed that it does."]
    3 UpdateFailed "update.failed" Medium Failure Lifecycle/8 #[doc = "A component's update failed; it runs what it had."]
    4 UpdateRefused "update.refused" High Denied Lifecycle/8 #[doc = "A release, or the repository's metadata, is not believed."]
    5 Restart "restart" Info Success Lifecycle/5 #[doc = "A component started anew."]
    6 AuthSuccess "auth.success" Info Success Authentication/1 #[doc = "Somebody or something proved who it is."]
    7 AuthFailure "auth.failure" Low Failure Authentication/1 #[doc = "A proof of identity failed."]
    8 SessionTakeover "session.takeover" Low Success Authentication/99 #[doc = "A live connection was replaced by a newer one of the same identity."]
    9 ConnUp "conn.up" Info Success Network/1 #[doc = "A connection began."]
    10 ConnDown "conn.down" Info Success Network/2 #[doc = "A connection ended."]
    11 ConnRefused "conn.refused" Low Denied Network/5 #[doc = "A connection was refused or closed for breaking a rule."]
    12 NetCounters "net.counters" Info Success Network/6 #[doc = "What a component sent and received since its last report."]
    13 NetFirstSeen "net.first_seen" Low Success Network/1 #[doc = "A component talks to a destination it never talked to."]
    14 PolicyDenied "policy.denied" Low Denied Api/1 #[doc = "The gate refused a message or subscription."]
    15 PayloadMalformed "payload.malformed" Low Denied Api/1 #[doc = "Bytes that are no message."]
    16 CommandIssued "command.issued" Info Success Api/3 #[doc = "A command was given."]
    17 CommandRefused "command.refused" Medium Denied Api/3 #[doc = "A command was refused."]
    18 ConfigChanged "config.changed" Info Success DeviceState/1 #[doc = "Another configuration is wanted of a component."]
    19 ConfigWeakened "config.weakened" High Success DeviceState/1 #[doc = "A setting became less secure than its default."]
    20 ConfigRefused "config.refused" Medium Denied DeviceState/1 #[doc = "A component refuses what it shall be."]
    21 BootVerified "boot.verified" Info Success DeviceState/1 #[doc = "A component's start was measured and is as it should be."]
    22 BootMismatch "boot.mismatch" Critical Failure DeviceState/1 #[doc = "A component started something else than it should."]
    23 Tamper "tamper" Critical Success DeviceState/1 #[doc = "Somebody opened a component or its box."]
    24 ClockJump "clock.jump" Low Success DeviceState/1 #[doc = "A clock was set by more than it can drift."]
    25 ComponentEnrolled "component.enrolled" Info Success Entity/6 #[doc = "A component became a member."]
    26 ComponentRemoved "component.removed" Info Success Entity/7 #[doc = "A component left or was removed."]
    27 ComponentSeen "component.seen" Low Success Inventory/2 #[doc = "A component that was silent is back."]
    28 ComponentLost "component.lost" Low Failure Inventory/1 #[doc = "A component is silent for too long."]
    29 Health "health" Info Success Inventory/2 #[doc = "What a component says of its own health."]
    30 LogGap "log.gap" Medium Failure EventLog/99 #[doc = "Records of a component are missing."]
    31 LogStopped "log.stopped" Medium Failure EventLog/7 #[doc = "A component or the hub stopped recording."]
    32 LogExported "log.exported" Info Success EventLog/3 #[doc = "Somebody took a copy of the log."]
    33 Contain "contain" Medium Success Remediation/1 #[doc = "The hub confined a component or stopped something."]
    34 Incident "incident" Medium Success Finding/1 #[doc = "An incident was opened, went on or was closed."]
    35 BaselineDeviation "baseline.deviation" Low Success Network/6 #[doc = "A component does not behave as it used to; the code tells in what."]
    36 GuestFlood "guest.flood" Medium Denied Network/5 #[doc = "More unknown sources than the hub keeps apart."]
    37 LogDropped "log.dropped" Info Success EventLog/2 #[doc = "Records whose time is over were removed; their proofs stay."]
    38 LogErased "log.erased" Medium Success EventLog/1 #[doc = "Somebody's or a component's data were made unreadable for good."]
    39 LogDamaged "log.damaged" Critical Failure EventLog/99 #[doc = "The stored log was edited, cut, reordered or set back."]
    40 LogLimited "log.limited" Low Denied EventLog/99 #[doc = "A component records more than its share; the rest is counted only."]
    41 DefinitionInForce "definition.in-force" Info Success Entity/3 #[doc = "A signed definition came into force."]
    42 DefinitionRefused "definition.refused" High Denied Entity/3 #[doc = "A definition was refused."]
    43 PolicyEmpty "policy.empty" High Failure DeviceState/1 #[doc = "No definition is in force: nothing is relayed."]
    44 ComponentSuspect "component.suspect" High Denied Api/99 #[doc = "A component was refused often within a minute."]
    45 EnrolPending "enrol.pending" Info Success Entity/99 #[doc = "A component asks to enrol."]
    46 EnrolRefused "enrol.refused" Low Denied Entity/6 #[doc = "An enrolment was refused."]
    47 EnrolGuessing "enrol.guessing" High Failure Authentication/1 #[doc = "Pairing codes are being guessed."]
    48 CertIssued "cert.issued" Info Success Entity/1 #[doc = "A certificate was issued."]
    49 ComponentChanged "component.changed" Info Success Inventory/2 #[doc = "What a component says of itself changed."]
    50 CloneDetected "clone.detected" High Success Authentication/99 #[doc = "One identity lives twice."]
    51 TrustChanged "trust.changed" Info Success Entity/3 #[doc = "The hub regards a component differently."]
    52 PolicyWouldDeny "policy.would-deny" Low Success Api/1 #[doc = "Enforcing its definition would have refused something of a component on trial."]
    53 AuthLogin "auth.login" Info Success Authentication/1 #[doc = "A person logged in."]
    54 AuthGuessing "auth.guessing" High Failure Authentication/1 #[doc = "Passwords are being guessed."]
    55 ConfigInForce "config.in-force" Info Success DeviceState/1 #[doc = "A component is what it shall be."]
    56 ConfigDrift "config.drift" Medium Failure DeviceState/1 #[doc = "A component is not what it shall be, though it was told."]
    57 ConfigUnproved "config.unproved" High Failure DeviceState/1 #[doc = "A component was told often enough and is still not what it shall be."]
    58 UpdateFound "update.found" Info Success Lifecycle/99 #[doc = "A verified release is there."]
    59 UpdatesStopped "update.stopped" High Failure Lifecycle/7 #[doc = "Nothing of the repository is believed until a person acts."]
    60 UpdateStage "update.stage" Info Success Lifecycle/99 #[doc = "A campaign goes on."]
    61 UpdatePaused "update.paused" High Failure Lifecycle/99 #[doc = "A campaign waits for a person."]
    62 UpdateDone "update.done" Info Success Lifecycle/99 #[doc = "A campaign ended."]
    63 UpdateStep "update.step" Info Success Lifecycle/99 #[doc = "A component's update got further."]
    64 UpdateIncident "update.incident" High Failure Lifecycle/99 #[doc = "A component, or somebody in between, did what an honest one does not."]
    65 UpdateOwnTrouble "update.own-trouble" High Failure Lifecycle/8 #[doc = "The hub's own software could not be started as it should."]
    66 FirmwareMismatch "firmware.mismatch" High Failure DeviceState/1 #[doc = "What a component runs is not what it should be."]
    67 HubReset "hub.reset" Medium Success DeviceState/1 #[doc = "The hub is at its own secure default again."]
    68 SettingsRead "settings.read" Info Success DeviceState/1 #[doc = "The daemon's settings were read again."]
    69 SettingsRefused "settings.refused" Medium Denied DeviceState/1 #[doc = "The daemon's settings have a mistake; those in force stay."]
    70 UplinkChanged "uplink.changed" Info Success Network/99 #[doc = "The connection to the cloud changed."]
    71 StoreDegraded "store.degraded" High Failure EventLog/99 #[doc = "The store takes no writes."]
    72 StoreRecovered "store.recovered" Info Success EventLog/6 #[doc = "The store takes writes again."]
    73 StoreBehind "store.behind" Critical Failure EventLog/99 #[doc = "The store lost its end: the log knows of more than it does."]
    74 NoticeUndelivered "notice.undelivered" Medium Failure Network/99 #[doc = "A notice of an incident does not arrive where it should."]
    75 UplinkRefused "uplink.refused" High Denied EventLog/99 #[doc = "The cloud does not believe the hub's log, or is not believed."]
    76 UplinkDelayed "uplink.delayed" Low Denied EventLog/99 #[doc = "The cloud takes nothing of the hub's log at the moment."]
    77 UplinkLost "uplink.cloud-lost" High Failure EventLog/99 #[doc = "The cloud has less of the hub's log than it had witnessed."]
}

impl From<EventKind> for RecordKind {
    /// Total: what the hub tells of itself has one place in the vocabulary. Two words of updates are those
    /// of the detection rules here: started is `update.offered`, confirmed is `update.installed`.
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::AuthSuccess => Self::AuthSuccess,
            EventKind::AuthFailure => Self::AuthFailure,
            EventKind::SessionTakeover => Self::SessionTakeover,
            EventKind::ConnUp => Self::ConnUp,
            EventKind::ConnDown => Self::ConnDown,
            EventKind::ConnRefused => Self::ConnRefused,
            EventKind::PolicyDenied => Self::PolicyDenied,
            EventKind::DefinitionInForce => Self::DefinitionInForce,
            EventKind::DefinitionRefused => Self::DefinitionRefused,
            EventKind::PolicyEmpty => Self::PolicyEmpty,
            EventKind::ComponentSuspect => Self::ComponentSuspect,
            EventKind::PayloadMalformed => Self::PayloadMalformed,
            EventKind::EnrolPending => Self::EnrolPending,
            EventKind::EnrolRefused => Self::EnrolRefused,
            EventKind::EnrolGuessing => Self::EnrolGuessing,
            EventKind::CertIssued => Self::CertIssued,
            EventKind::ComponentEnrolled => Self::ComponentEnrolled,
            EventKind::ComponentRemoved => Self::ComponentRemoved,
            EventKind::ComponentSeen => Self::ComponentSeen,
            EventKind::ComponentLost => Self::ComponentLost,
            EventKind::ComponentChanged => Self::ComponentChanged,
            EventKind::CloneDetected => Self::CloneDetected,
            EventKind::TrustChanged => Self::TrustChanged,
            EventKind::CommandIssued => Self::CommandIssued,
            EventKind::CommandRefused => Self::CommandRefused,
            EventKind::PolicyWouldDeny => Self::PolicyWouldDeny,
            EventKind::AuthLogin => Self::AuthLogin,
            EventKind::AuthGuessing => Self::AuthGuessing,
            EventKind::ConfigChanged => Self::ConfigChanged,
            EventKind::ConfigInForce => Self::ConfigInForce,
            EventKind::ConfigDrift => Self::ConfigDrift,
            EventKind::ConfigRefused => Self::ConfigRefused,
            EventKind::ConfigUnproved => Self::ConfigUnproved,
            EventKind::UpdateFound => Self::UpdateFound,
            EventKind::UpdateRefused => Self::UpdateRefused,
            EventKind::UpdatesStopped => Self::UpdatesStopped,
            EventKind::UpdateStage => Self::UpdateStage,
            EventKind::UpdatePaused => Self::UpdatePaused,
            EventKind::UpdateDone => Self::UpdateDone,
            EventKind::UpdateStarted => Self::UpdateOffered,
            EventKind::UpdateStep => Self::UpdateStep,
            EventKind::UpdateConfirmed => Self::UpdateInstalled,
            EventKind::UpdateFailed => Self::UpdateFailed,
            EventKind::UpdateIncident => Self::UpdateIncident,
            EventKind::UpdateOwnTrouble => Self::UpdateOwnTrouble,
            EventKind::FirmwareMismatch => Self::FirmwareMismatch,
            EventKind::LogDamaged => Self::LogDamaged,
            EventKind::Incident => Self::Incident,
            EventKind::HubReset => Self::HubReset,
            EventKind::SettingsRead => Self::SettingsRead,
            EventKind::SettingsRefused => Self::SettingsRefused,
            EventKind::UplinkChanged => Self::UplinkChanged,
            EventKind::UplinkRefused => Self::UplinkRefused,
            EventKind::UplinkDelayed => Self::UplinkDelayed,
            EventKind::UplinkLost => Self::UplinkLost,
            EventKind::StoreDegraded => Self::StoreDegraded,
            EventKind::StoreRecovered => Self::StoreRecovered,
            EventKind::NoticeUndelivered => Self::NoticeUndelivered,
            EventKind::StoreBehind => Self::StoreBehind,
        }
    }
}

/// No kind of record has this word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kind of record is called `{0}`")]
pub struct UnknownKind(pub String);

impl FromStr for RecordKind {
    type Err = UnknownKind;
    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        let known = Self::ALL.iter().copied().find(|kind| kind.word() == word);
        known.ok_or_else(|| UnknownKind(word.chars().take(64).collect()))
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for RecordKind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.serialize_str(self.word())
        } else {
            s.serialize_u8(*self as u8)
        }
    }
}

impl<'de> Deserialize<'de> for RecordKind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(de::Error::custom)
        } else {
            let number = u64::deserialize(d)?;
            Self::from_number(number)
                .ok_or_else(|| de::Error::custom(format_args!("no kind of record {number}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Criterion: T1.CSA.1 (positive)
    #[test]
    fn words_and_numbers_are_unique_and_reversible() {
        let words: BTreeSet<_> = RecordKind::ALL.iter().map(|kind| kind.word()).collect();
        assert_eq!(words.len(), RecordKind::ALL.len());
        for kind in RecordKind::ALL {
            assert_eq!(kind.word().parse(), Ok(*kind));
            assert_eq!(RecordKind::from_number(*kind as u64), Some(*kind));
        }
        assert!("no.such.kind".parse::<RecordKind>().is_err());
    }
}
