//! What is recorded, what is found in it, and what comes of that.
//!
//! Everything that happens becomes a record. The shell writes records into the log and tells the hub their
//! numbers; only then they are looked at, so that what an incident names as evidence can be proved.

use super::Hub;
use crate::{
    access::{gate::Denied, trust::Hold},
    detect::{Act, Findings, IncidentChange, IncidentError, Incidents, Profile, Response},
    effect::{Answer, Cut},
    event::{EventKind, StateEvent},
    input::Actor,
    persist,
    record::{self, Peer, Text, Word},
    update::Stage,
};
use protocol::{
    definition::Destination,
    id::{ComponentId, Note},
    message::TrustState,
    refusal::Refusal,
};
use std::time::Duration;

/// What of an event is told apart from its words.
#[derive(Debug, Default)]
pub(in crate::hub) struct Details {
    pub(super) peer: Option<Peer>,
    pub(super) actor: Option<Word>,
    pub(super) subject: Option<Word>,
    pub(super) code: Option<Word>,
    pub(super) failed: bool,
}

impl Details {
    pub(super) fn from(peer: impl Into<Peer>) -> Self {
        Self { peer: Some(peer.into()), ..Self::default() }
    }

    pub(super) fn by(actor: &str) -> Self {
        Self { actor: Some(Word::clip(actor)), ..Self::default() }
    }

    pub(super) fn on(subject: &str) -> Self {
        Self { subject: Some(Word::clip(subject)), ..Self::default() }
    }

    pub(super) fn because(code: &str) -> Self {
        Self { code: Some(Word::clip(code)), ..Self::default() }
    }

    pub(super) fn failed(failed: bool) -> Self {
        Self { failed, ..Self::default() }
    }

    pub(super) fn and_on(self, subject: &str) -> Self {
        Self { subject: Some(Word::clip(subject)), ..self }
    }

    pub(super) fn and_from(self, peer: Option<impl Into<Peer>>) -> Self {
        Self { peer: peer.map(Into::into), ..self }
    }
}

impl Hub {
    pub(super) fn event(
        &mut self,
        kind: EventKind,
        component: Option<ComponentId>,
        refusal: Option<Refusal>,
        text: impl Into<String>,
    ) {
        self.event_with(kind, component, refusal, text, Details::default());
    }

    pub(super) fn event_with(
        &mut self,
        kind: EventKind,
        component: Option<ComponentId>,
        refusal: Option<Refusal>,
        text: impl Into<String>,
        details: Details,
    ) {
        let Details { peer, actor, subject, code, failed } = details;
        let event = StateEvent {
            at: self.now.wall,
            kind,
            severity: kind.severity(),
            component,
            refusal,
            peer,
            actor,
            subject,
            code,
            failed,
            text: text.into(),
            times: 1,
        };
        let told = self.coalescer.admit(event, self.now.mono);
        self.happened(told);
    }

    /// Events for people, and the same as records for the log.
    pub(super) fn happened(&mut self, events: Vec<StateEvent>) {
        self.out.records.extend(events.iter().map(record::Record::from));
        self.out.events.extend(events);
    }

    /// Who took a copy of the log is known.
    pub(super) fn exported(&mut self, by: &Actor) {
        let record = record::Record::new(self.now.wall, record::RecordKind::LogExported);
        let text = format!("{by} took a copy of the log");
        self.out.records.push(record.by(&by.to_string()).saying(&text));
    }

    /// Where records are missing, the log itself says so.
    pub(super) fn unrecorded(&mut self, count: u64) {
        let mut record = record::Record::new(self.now.wall, record::RecordKind::LogGap)
            .because("disk-full")
            .saying("nothing could be written for too long: records are missing here");
        record.counters.count = Some(u32::try_from(count).unwrap_or(u32::MAX));
        self.out.records.push(record);
    }

    pub(super) fn tick_detection(&mut self) {
        let findings = self.detector.tick(self.now);
        self.found(findings);
    }

    pub(super) fn found(&mut self, findings: Findings) {
        self.out.records.extend(findings.records);
        for change in findings.changes {
            self.keep_change(&change);
            self.respond(&change);
        }
    }

    fn keep_change(&mut self, change: &IncidentChange) {
        for write in persist::put_incident(change) {
            self.write(write);
        }
        let record = change.record(self.now.wall);
        self.out.events.push(told(change, self.now.wall));
        self.out.records.push(record);
    }

    /// What the hub does by itself, where its owner lets it.
    fn respond(&mut self, change: &IncidentChange) {
        if !self.settings.detection.respond || change.response == Response::None {
            return;
        }
        let incident = &change.incident;
        let why =
            format!("incident {}, {}: {}", incident.number, &*incident.rule, &*incident.title);
        match change.response {
            Response::None => {}
            Response::Quarantine => {
                for id in incident.components.clone() {
                    self.contain(id, incident.number, &why, Response::Quarantine);
                }
            }
            Response::Cut => {
                for id in incident.components.clone() {
                    self.out.cuts.push(Cut { who: id, why: Refusal::Quarantined });
                    self.contained(Some(id), incident.number, &why, Response::Cut);
                }
            }
            Response::PauseCampaign => self.pause_all(incident.number, &why),
        }
    }

    fn contain(&mut self, id: ComponentId, number: u64, why: &str, how: Response) {
        let state = self.inventory.get(id).map(|record| record.trust.state);
        let is_member = matches!(state, Some(TrustState::Active | TrustState::Stale));
        if is_member && self.set_trust(id, TrustState::Quarantined, Some(Hold::Incident), why) {
            self.contained(Some(id), number, why, how);
        }
    }

    fn pause_all(&mut self, number: u64, why: &str) {
        let live = self.updates.campaigns.values().filter(|one| one.is_live());
        let live: Vec<_> = live.map(|one| one.number).collect();
        for campaign in live {
            self.set_stage(campaign, Stage::Paused { why: why.to_owned() });
        }
        self.contained(None, number, why, Response::PauseCampaign);
    }

    fn contained(&mut self, id: Option<ComponentId>, number: u64, why: &str, how: Response) {
        let mut record = record::Record::new(self.now.wall, record::RecordKind::Contain)
            .because(how.word())
            .by("hub")
            .saying(why);
        (record.component, record.related) = (id, Some(number));
        self.out.records.push(record);
    }

    /// The incidents.
    #[must_use]
    pub fn incidents(&self) -> &Incidents {
        self.detector.incidents()
    }

    /// Somebody looked at an incident, or closes it.
    pub(super) fn act_on_incident(
        &mut self,
        by: &Actor,
        number: u64,
        reason: &Note,
        closes: bool,
    ) -> Result<Answer, Denied> {
        let act = Act {
            by: Word::clip(&by.to_string()),
            at: self.now.wall,
            reason: Text::clip(reason.as_str()),
        };
        let changed = match closes {
            true => self.detector.close(number, act),
            false => self.detector.acknowledge(number, act),
        };
        let change = changed.map_err(|error| Denied {
            refusal: match error {
                IncidentError::Unknown => Refusal::Unknown,
                IncidentError::Closed => Refusal::WrongState,
                IncidentError::NoReason => Refusal::BadRequest,
            },
            detail: error.to_string(),
        })?;
        self.keep_change(&change);
        Ok(Answer::Changed(1))
    }

    /// What is known at the start: members and accounts have places of their own.
    pub(super) fn known_to_detection(&mut self) {
        let ids: Vec<_> = self.inventory.all().map(|record| record.id).collect();
        for id in ids {
            self.profile(id);
        }
        for (name, _) in self.accounts() {
            self.detector.account_known(&Word::clip(name.as_str()));
        }
    }

    /// Tells detection what is usual for a member, or that it is none any more.
    pub(super) fn profile(&mut self, id: ComponentId) {
        let Some(record) = self.inventory.get(id) else { return };
        let known = match record.trust.state {
            TrustState::Active | TrustState::Stale | TrustState::Quarantined => true,
            TrustState::Seen | TrustState::Pending | TrustState::Revoked | TrustState::Retired => {
                false
            }
        };
        if !known {
            return self.detector.forgotten(id);
        }
        let interval = record.facts.as_ref().map(|facts| facts.interval.get());
        let definition = self.kind_of(record).map(|kind| kind.definition());
        let named = |to: &Destination| (Word::clip(to.host.as_str()), to.port);
        let profile = Profile {
            interval: interval.map(|seconds| Duration::from_secs(u64::from(seconds))),
            is_mute: record.trust.hold == Some(Hold::Cloned),
            destinations: definition.map(|all| all.destinations.iter().map(named).collect()),
        };
        self.detector.enrolled(id, profile, self.now);
    }
}

/// An incident as people read it among the events.
fn told(change: &IncidentChange, at: protocol::time::Timestamp) -> StateEvent {
    let incident = &change.incident;
    let component = incident.components.first().copied();
    let text = format!(
        "incident {} {}: {} {}; {}",
        incident.number,
        change.became.word(),
        &*incident.rule,
        &*incident.title,
        &*incident.advice
    );
    StateEvent {
        at,
        kind: EventKind::Incident,
        severity: incident.severity.into(),
        component,
        refusal: None,
        peer: None,
        actor: None,
        subject: None,
        code: None,
        failed: false,
        text,
        times: 1,
    }
}
