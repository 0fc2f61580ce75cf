//! The product's state records: one typed form for everything that happens, wherever it happens.
//!
//! A record is what the log keeps, what rules compare and what is exported: as deterministic CBOR
//! ([`Record::encode`]), as OCSF ([`ocsf`]) and as syslog lines ([`syslog`]).

mod keep;
mod kind;
pub mod ocsf;
mod parts;
pub mod syslog;
mod text;
mod when;

pub use keep::Keep;
pub use kind::{Class, RecordKind, UnknownKind};
pub use parts::{Address, Counters, Destination, Lane, Peer, Severity, Source, Status};
pub use text::{Clipped, Text, Word};
pub use when::rfc3339;

use crate::event::{self, StateEvent};
use protocol::{
    cbor::{self, DecodeError},
    id::ComponentId,
    int_map,
    time::Timestamp,
};

/// The longest encoding of a record: every text at its bound and every number at its widest.
pub const MAX_RECORD: usize = 1024;

int_map! {
    /// Something that happened.
    pub struct Record {
        /// When the hub learnt of it, by the hub's clock.
        1 => at: Timestamp,
        /// What.
        2 => kind: RecordKind,
        /// How grave.
        3 => severity: Severity,
        /// How it ended.
        4 => status: Status,
        /// Who observed it.
        5 => source: Source,
        /// As it happened, or afterwards.
        6 => lane: Lane,
        /// The time by the component's own clock; windows never use it.
        7 => original [?]: Timestamp,
        /// About which component.
        8 => component [?]: ComponentId,
        /// Why, in a stable word: a refusal, an attack, a way of deviating.
        9 => code [?]: Word,
        /// The other end of the connection to the hub.
        10 => peer [?]: Peer,
        /// Where a component talks to.
        11 => destination [?]: Destination,
        /// Who did it: an account, a local user, the cloud.
        12 => actor [?]: Word,
        /// What it was about: a topic, setting, stream, rule, campaign.
        13 => subject [?]: Word,
        /// How much.
        14 => counters: Counters,
        /// In plain words.
        15 => text [?]: Text,
        /// The number of what it belongs to: of an incident, campaign or sequence.
        16 => related [?]: u64,
        /// Milliseconds that a component kept it before it was sent.
        17 => age [?]: u64,
    }
}

impl Record {
    /// Something the hub observed now.
    #[must_use]
    pub fn new(at: Timestamp, kind: RecordKind) -> Self {
        Self {
            at,
            kind,
            severity: kind.severity(),
            status: kind.status(),
            source: Source::Hub,
            lane: Lane::Live,
            original: None,
            component: None,
            code: None,
            peer: None,
            destination: None,
            actor: None,
            subject: None,
            counters: Counters::NONE,
            text: None,
            related: None,
            age: None,
        }
    }

    /// About this component.
    #[must_use]
    pub fn about(self, component: ComponentId) -> Self {
        Self { component: Some(component), ..self }
    }

    /// With this reason.
    #[must_use]
    pub fn because(self, code: &str) -> Self {
        Self { code: Some(Word::clip(code)), ..self }
    }

    /// On this subject.
    #[must_use]
    pub fn on(self, subject: &str) -> Self {
        Self { subject: Some(Word::clip(subject)), ..self }
    }

    /// By this actor.
    #[must_use]
    pub fn by(self, actor: &str) -> Self {
        Self { actor: Some(Word::clip(actor)), ..self }
    }

    /// From this end of a connection.
    #[must_use]
    pub fn seen_from(self, peer: impl Into<Peer>) -> Self {
        Self { peer: Some(peer.into()), ..self }
    }

    /// In these words.
    #[must_use]
    pub fn saying(self, text: &str) -> Self {
        Self { text: Some(Text::clip(text)), ..self }
    }

    /// The one encoding of the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// When the bytes are not the one encoding of a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        cbor::decode(bytes, MAX_RECORD)
    }
}

impl From<&StateEvent> for Record {
    /// What the hub tells of itself.
    fn from(event: &StateEvent) -> Self {
        let counted = (event.times > 1).then_some(event.times);
        Self {
            severity: event.severity.into(),
            component: event.component,
            code: event.refusal.map(|why| Word::clip(why.slug())).or_else(|| event.code.clone()),
            status: if event.failed {
                Status::Failure
            } else {
                RecordKind::from(event.kind).status()
            },
            peer: event.peer.clone(),
            actor: event.actor.clone(),
            subject: event.subject.clone(),
            counters: Counters { count: counted, ..Counters::NONE },
            text: Some(Text::clip(&event.text)),
            ..Self::new(event.at, event.kind.into())
        }
    }
}

impl From<event::Severity> for Severity {
    fn from(severity: event::Severity) -> Self {
        match severity {
            event::Severity::Info => Self::Info,
            event::Severity::Low => Self::Low,
            event::Severity::Medium => Self::Medium,
            event::Severity::High => Self::High,
            event::Severity::Critical => Self::Critical,
        }
    }
}

impl From<Severity> for event::Severity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Low => Self::Low,
            Severity::Medium => Self::Medium,
            Severity::High => Self::High,
            Severity::Critical => Self::Critical,
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::full;
