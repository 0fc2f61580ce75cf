//! State events: what happened, in the words of the detection rules, and a bound on floods of them.

use crate::record::{Peer, Word};
use protocol::{id::ComponentId, refusal::Refusal, time::Timestamp};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

/// Equal events within this span become one.
const SPAN: Duration = Duration::from_secs(1);

/// Different events remembered for that; beyond it the oldest is forgotten, and repeats show again.
const REMEMBERED: usize = 1024;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $word:literal $severity:ident,)*) => {
        /// What kind of thing happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind { $($(#[$doc])* $name,)* }

        impl EventKind {
            /// The stable word, as detection rules name it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// How grave it is by itself.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

kinds! {
    /// A component proved who it is.
    AuthSuccess "auth.success" Info,
    /// A proof of identity failed.
    AuthFailure "auth.failure" Low,
    /// A live connection was replaced by a newer one of the same identity.
    SessionTakeover "session.takeover" Low,
    /// A connection began.
    ConnUp "conn.up" Info,
    /// A connection ended.
    ConnDown "conn.down" Info,
    /// A connection was refused or closed for breaking a rule.
    ConnRefused "conn.refused" Low,
    /// The gate refused a message or subscription.
    PolicyDenied "policy.denied" Low,
    /// A signed definition came into force.
    DefinitionInForce "definition.in-force" Info,
    /// A definition was refused.
    DefinitionRefused "definition.refused" High,
    /// No definition is in force: nothing is relayed.
    PolicyEmpty "policy.empty" High,
    /// A component was refused often within a minute.
    ComponentSuspect "component.suspect" High,
    /// Bytes that are no message.
    PayloadMalformed "payload.malformed" Low,
    /// A component asks to enrol.
    EnrolPending "enrol.pending" Info,
    /// An enrolment was refused.
    EnrolRefused "enrol.refused" Low,
    /// Pairing codes are being guessed.
    EnrolGuessing "enrol.guessing" High,
    /// A certificate was issued.
    CertIssued "cert.issued" Info,
    /// A component became a member.
    ComponentEnrolled "component.enrolled" Info,
    /// A component left or was removed.
    ComponentRemoved "component.removed" Info,
    /// A stale component is back.
    ComponentSeen "component.seen" Info,
    /// A component is silent for too long.
    ComponentLost "component.lost" Low,
    /// What a component says of itself changed.
    ComponentChanged "component.changed" Info,
    /// One identity lives twice.
    CloneDetected "clone.detected" High,
    /// The hub regards a component differently.
    TrustChanged "trust.changed" Info,
    /// A person gave a command.
    CommandIssued "command.issued" Info,
    /// A command was refused.
    CommandRefused "command.refused" Medium,
    /// Enforcing its definition would have refused something of a component on trial.
    PolicyWouldDeny "policy.would-deny" Low,
    /// Somebody logged in.
    AuthLogin "auth.login" Info,
    /// Passwords are being guessed.
    AuthGuessing "auth.guessing" High,
    /// Another configuration is wanted of a component.
    ConfigChanged "config.changed" Info,
    /// A component is what it shall be.
    ConfigInForce "config.in-force" Info,
    /// A component is not what it shall be, though it was told.
    ConfigDrift "config.drift" Medium,
    /// A component refuses what it shall be.
    ConfigRefused "config.refused" Medium,
    /// A component was told often enough and is still not what it shall be.
    ConfigUnproved "config.unproved" High,
    /// A verified release is there.
    UpdateFound "update.found" Info,
    /// A release, or the repository's metadata, is not believed.
    UpdateRefused "update.refused" High,
    /// Nothing of the repository is believed until a person acts.
    UpdatesStopped "update.stopped" High,
    /// A campaign goes on.
    UpdateStage "update.stage" Info,
    /// Too much went wrong, or somebody wanted it: a campaign waits for a person.
    UpdatePaused "update.paused" High,
    /// A campaign ended.
    UpdateDone "update.done" Info,
    /// A component is offered a release.
    UpdateStarted "update.started" Info,
    /// A component's update got further.
    UpdateStep "update.step" Info,
    /// A component runs a release and signed that it does.
    UpdateConfirmed "update.confirmed" Info,
    /// A component's update failed; it runs what it had.
    UpdateFailed "update.failed" Medium,
    /// A component, or somebody in between, did what an honest one does not.
    UpdateIncident "update.incident" High,
    /// The hub's own software could not be started as it should.
    UpdateOwnTrouble "update.own-trouble" High,
    /// What a component runs is not what it should be.
    FirmwareMismatch "firmware.mismatch" High,
    /// The stored log was edited, cut, reordered or set back.
    LogDamaged "log.damaged" Critical,
    /// An incident was opened, went on or was closed.
    Incident "incident" Medium,
    /// The hub is at its own secure default again.
    HubReset "hub.reset" Medium,
    /// The daemon's settings were read again.
    SettingsRead "settings.read" Info,
    /// The daemon's settings have a mistake; those in force stay.
    SettingsRefused "settings.refused" Medium,
    /// The connection to the cloud changed.
    UplinkChanged "uplink.changed" Info,
    /// The cloud does not believe the hub's log, or is not believed.
    UplinkRefused "uplink.refused" High,
    /// The cloud takes nothing of the hub's log at the moment.
    UplinkDelayed "uplink.delayed" Low,
    /// The cloud has less of the hub's log than it had witnessed.
    UplinkLost "uplink.cloud-lost" High,
    /// The store takes no writes.
    StoreDegraded "store.degraded" High,
    /// The store takes writes again.
    StoreRecovered "store.recovered" Info,
    /// A notice of an incident does not arrive.
    NoticeUndelivered "notice.undelivered" Medium,
    /// The store lost its end: the log knows of more than it does.
    StoreBehind "store.behind" Critical,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for EventKind {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.word())
    }
}

/// How grave an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Normal life.
    Info,
    /// Worth a look when it repeats.
    Low,
    /// Worth a look.
    Medium,
    /// The owner should act.
    High,
    /// The owner should act at once.
    Critical,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateEvent {
    /// When, by the hub's clock.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// How grave.
    pub severity: Severity,
    /// About which component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<ComponentId>,
    /// The reason, where something was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// The other end of the connection; shown by its address.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "address")]
    pub peer: Option<Peer>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<Word>,
    /// What it was about: a topic, a setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Word>,
    /// In a stable word, where it is no refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Word>,
    /// Whether it is a failure although its kind is none.
    #[serde(skip)]
    pub failed: bool,
    /// In plain words.
    pub text: String,
    /// How often within a second.
    pub times: u32,
}

fn address<S: serde::Serializer>(peer: &Option<Peer>, s: S) -> Result<S::Ok, S::Error> {
    peer.as_ref().map(|peer| peer.ip.0).serialize(s)
}

/// Different acts of one kind, about one component and by one actor, that are told of within the span; further
/// ones are counted together, so that nobody washes away what others did.
const ACTS: usize = 8;

/// What makes events equal. What somebody did or tried is equal only in the same words, so that no act hides
/// behind another one.
type Key = (EventKind, Option<ComponentId>, Option<Refusal>, String);

fn key(event: &StateEvent) -> Key {
    let is_act = matches!(
        event.kind,
        EventKind::CommandIssued
            | EventKind::CommandRefused
            | EventKind::AuthLogin
            | EventKind::ConfigChanged
            | EventKind::TrustChanged
            | EventKind::DefinitionInForce
            | EventKind::DefinitionRefused
            | EventKind::HubReset
            | EventKind::SettingsRead
            | EventKind::ComponentChanged
            | EventKind::ComponentRemoved
            | EventKind::UpdateFound
            | EventKind::UpdateRefused
            | EventKind::UpdateStage
            | EventKind::UpdatePaused
            | EventKind::UpdateDone
            | EventKind::UpdateStep
            | EventKind::UpdateIncident
    );
    let words = if is_act { event.text.clone() } else { circumstances(event) };
    (event.kind, event.component, event.refusal, words)
}

/// Who did something from where, and to what: what is equal in this is the same, whatever its words.
fn circumstances(event: &StateEvent) -> String {
    let StateEvent { peer, actor, subject, .. } = event;
    if peer.is_none() && actor.is_none() && subject.is_none() {
        return String::new();
    }
    let peer = peer.as_ref().map_or(String::new(), |peer| peer.ip.0.to_string().replace(':', "."));
    let word = |word: &Option<Word>| word.as_deref().unwrap_or_default().to_owned();
    format!("{peer} {}: {}", word(actor), word(subject))
}

/// Who did what the words tell: they begin with it.
fn actor(words: &str) -> &str {
    words.split_once(':').map_or("", |(actor, _)| actor)
}

/// Turns floods of equal events into one with a count.
#[derive(Debug, Default)]
pub(crate) struct Coalescer {
    open: BTreeMap<Key, (Duration, StateEvent)>,
}

impl Coalescer {
    /// The event, unless an equal one was seen within the span; then it is counted. Where too many are
    /// remembered, the oldest makes room, and what was counted of it comes first.
    pub(crate) fn admit(&mut self, event: StateEvent, mono: Duration) -> Vec<StateEvent> {
        let mut key = key(&event);
        let mut event = event;
        // What somebody did is never folded with something else: it was allowed, and shall be known.
        let folds = event.kind != EventKind::CommandIssued;
        if folds && !self.open.contains_key(&key) && self.acts_like(&key, mono) >= ACTS {
            key.3.clear();
            event.subject = None;
        }
        if let Some((since, counted)) = self.open.get_mut(&key)
            && mono.saturating_sub(*since) < SPAN
        {
            counted.times = counted.times.saturating_add(1);
            return Vec::new();
        }
        let mut told = Vec::new();
        if self.open.len() >= REMEMBERED {
            let oldest = self.open.iter().min_by_key(|(_, (since, _))| *since);
            let oldest = oldest.map(|(key, _)| key.clone());
            let counted = oldest.and_then(|key| self.open.remove(&key)).map(|(_, counted)| counted);
            told.extend(counted.filter(|counted| counted.times > 0));
        }
        let former = self.open.insert(key, (mono, StateEvent { times: 0, ..event.clone() }));
        // Its span was over, and nobody had told yet how often it was.
        told.extend(former.map(|(_, counted)| counted).filter(|counted| counted.times > 0));
        told.push(event);
        told
    }

    /// How many acts of the same kind, about the same component and by the same actor there were in the span.
    fn acts_like(&self, key: &Key, mono: Duration) -> usize {
        let from = (key.0, key.1, key.2, String::new());
        let alike = self
            .open
            .range(from..)
            .take_while(|(other, _)| (other.0, other.1, other.2) == (key.0, key.1, key.2));
        let recent = |since: Duration| mono.saturating_sub(since) < SPAN;
        alike
            .filter(|(other, (since, _))| actor(&other.3) == actor(&key.3) && recent(*since))
            .count()
    }

    /// What was counted in spans that are over.
    pub(crate) fn flush(&mut self, mono: Duration) -> Vec<StateEvent> {
        let mut over = Vec::new();
        self.open.retain(|_, (since, counted)| {
            let is_over = mono.saturating_sub(*since) >= SPAN;
            if is_over && counted.times > 0 {
                over.push(counted.clone());
            }
            !is_over
        });
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_equal_events_becomes_two_with_a_count() {
        let mut coalescer = Coalescer::default();
        let event = StateEvent {
            at: Timestamp(0),
            kind: EventKind::PolicyDenied,
            severity: Severity::Low,
            component: None,
            refusal: Some(Refusal::ForeignTopic),
            peer: None,
            actor: None,
            subject: None,
            code: None,
            failed: false,
            text: String::new(),
            times: 1,
        };
        let shown = (0..500)
            .filter(|ms| !coalescer.admit(event.clone(), Duration::from_millis(*ms)).is_empty());
        assert_eq!(shown.count(), 1);
        assert!(coalescer.flush(Duration::from_millis(999)).is_empty());
        assert_eq!(coalescer.flush(Duration::from_secs(1))[0].times, 499);
        assert!(coalescer.flush(Duration::from_secs(9)).is_empty());
    }

    #[test]
    fn a_flood_that_goes_on_is_counted_to_the_last() {
        let mut coalescer = Coalescer::default();
        let event = StateEvent {
            at: Timestamp(0),
            kind: EventKind::PolicyDenied,
            severity: Severity::Low,
            component: None,
            refusal: Some(Refusal::ForeignTopic),
            peer: None,
            actor: None,
            subject: None,
            code: None,
            failed: false,
            text: String::new(),
            times: 1,
        };
        let mut told = Vec::new();
        for ms in 0..10_000 {
            let now = Duration::from_millis(ms);
            told.extend(coalescer.admit(event.clone(), now));
            if ms % 1_000 == 500 {
                told.extend(coalescer.flush(now));
            }
        }
        told.extend(coalescer.flush(Duration::from_secs(20)));
        assert_eq!(told.iter().map(|one| one.times).sum::<u32>(), 10_000);
        assert!(told.len() <= 22, "{}", told.len());
    }

    /// Criterion: T1.CSA.1 (negative)
    #[test]
    fn what_somebody_did_hides_behind_nothing_else() {
        let mut coalescer = Coalescer::default();
        let act = |n: usize| StateEvent {
            at: Timestamp(0),
            kind: EventKind::CommandIssued,
            severity: Severity::Info,
            component: None,
            refusal: None,
            peer: None,
            actor: None,
            subject: None,
            code: None,
            failed: false,
            text: format!("owner: act {n}"),
            times: 1,
        };
        let told = (0..100).flat_map(|n| coalescer.admit(act(n), Duration::from_millis(n as u64)));
        assert_eq!(told.count(), 100);
    }

    /// Criterion: T1.CSA.1 (negative)
    #[test]
    fn nobody_washes_away_what_others_did() {
        let mut coalescer = Coalescer::default();
        let act = |who: &str, n: usize| StateEvent {
            at: Timestamp(0),
            kind: EventKind::CommandRefused,
            severity: Severity::Medium,
            component: None,
            refusal: Some(Refusal::NotPermitted),
            peer: None,
            actor: None,
            subject: None,
            code: None,
            failed: false,
            text: format!("{who}: rename to {n}"),
            times: 1,
        };
        let mut told = Vec::new();
        for n in 0..10_000 {
            told.extend(coalescer.admit(act("guest", n), Duration::from_micros(n as u64)));
        }
        assert_eq!(told.len(), ACTS + 1, "the last stands for all further ones");
        let owner = coalescer.admit(act("owner", 1), Duration::from_millis(11));
        assert_eq!(owner.len(), 1, "others are told of as before");
        let counted = coalescer.flush(Duration::from_secs(2));
        assert_eq!(counted.iter().map(|one| one.times).sum::<u32>(), 10_000 - ACTS as u32 - 1);
    }

    #[test]
    fn what_makes_room_is_the_oldest_and_its_count_is_told() {
        let mut coalescer = Coalescer::default();
        let event = |n: usize| StateEvent {
            at: Timestamp(0),
            kind: EventKind::CommandIssued,
            severity: Severity::Info,
            component: None,
            refusal: None,
            peer: None,
            actor: None,
            subject: None,
            code: None,
            failed: false,
            text: format!("person {n}: acts"),
            times: 1,
        };
        let at = |n: usize| Duration::from_micros(n as u64);
        // The oldest sorts last.
        for _ in 0..3 {
            coalescer.admit(event(9999), at(0));
        }
        for n in 1..REMEMBERED {
            assert_eq!(coalescer.admit(event(n), at(n)).len(), 1);
        }
        let told = coalescer.admit(event(REMEMBERED), at(REMEMBERED));
        let words: Vec<_> = told.iter().map(|one| (one.text.as_str(), one.times)).collect();
        assert_eq!(
            words,
            [("person 9999: acts", 2), (format!("person {REMEMBERED}: acts").as_str(), 1)]
        );
        assert_eq!(coalescer.open.len(), REMEMBERED);
    }
}
