//! Definitions come into force, and what that means for components.

use super::Hub;
use crate::{
    access::{
        gate::shortened,
        policy::{self, DefinitionError, Installed, Kind},
        trust::Hold,
    },
    effect::Answer,
    event::EventKind,
    persist,
};
use protocol::{
    definition::Definition,
    id::{ComponentId, ModelId},
    message::TrustState,
    refusal::Refusal,
    time::Timestamp,
};

const UNKNOWN_KIND: &str = "no signed definition covers its maker and kind";

impl Hub {
    /// Puts a definition in force, unless something is wrong with it; then the one before stays.
    pub(super) fn define(&mut self, envelope: &[u8]) -> Answer {
        match self.put_in_force(envelope) {
            Ok((installed, Definition { maker, kind, .. })) => {
                Answer::Defined { maker, kind, installed }
            }
            Err(error) => Answer::NotDefined(error),
        }
    }

    /// Puts the definition in force that comes with a release, before any component runs that. An older one than is
    /// in force changes nothing; one that is refused is told of, once, and the release goes on without it.
    pub(super) fn define_from_release(&mut self, model: &ModelId, counter: u32, envelope: &[u8]) {
        let verified = policy::verify(envelope, &self.settings.anchors, self.now.wall);
        let of = verified.map(|verified| verified.value().definition().update_model.clone());
        let why = match of {
            Ok(Some(of)) if of == *model => match self.put_in_force(envelope) {
                Ok(_) | Err(DefinitionError::Older { .. }) => return,
                Err(error) => error.to_string(),
            },
            Ok(_) => "it does not say that it is of this model".to_owned(),
            Err(error) => error.to_string(),
        };
        self.definition_refused(&format!("the definition that came with {model} {counter}: {why}"));
    }

    fn put_in_force(
        &mut self,
        envelope: &[u8],
    ) -> Result<(Installed, Definition), DefinitionError> {
        let now = self.now.wall;
        let (installed, definition) = self.install(envelope, now)?;
        if installed != Installed::Same {
            let Definition { maker, kind, revision, .. } = &definition;
            self.write(persist::put_definition(&definition, now, envelope));
            let before = match installed {
                Installed::Replaced(before) => format!(" instead of {before}"),
                Installed::New | Installed::Same => String::new(),
            };
            let text = format!("{kind} of {maker}, revision {revision}{before}");
            self.event(EventKind::DefinitionInForce, None, None, text);
            self.judge_kinds();
        }
        Ok((installed, definition))
    }

    fn install(
        &mut self,
        envelope: &[u8],
        at: Timestamp,
    ) -> Result<(Installed, Definition), DefinitionError> {
        let verified = policy::verify(envelope, &self.settings.anchors, at)?;
        let kind = Kind::compile(verified)?;
        let definition = kind.definition().clone();
        Ok((self.policy.install(kind)?, definition))
    }

    /// A stored definition is judged again, as of the time it came into force: what is damaged, or
    /// signed for a maker who is trusted no more, is not in force.
    pub(super) fn restore_definition(&mut self, envelope: &[u8], at: Timestamp) {
        if let Err(error) = self.install(envelope, at) {
            self.definition_refused(&format!("a stored definition: {error}"));
        }
    }

    pub(super) fn definition_refused(&mut self, text: &str) {
        self.count(Refusal::BadDefinition.slug());
        let (kind, why) = (EventKind::DefinitionRefused, Some(Refusal::BadDefinition));
        self.event(kind, None, why, shortened(text));
    }

    /// Holds members that no definition covers, and releases those that one does.
    pub(super) fn judge_kinds(&mut self) {
        let ids: Vec<_> = self.inventory.all().map(|record| record.id).collect();
        for id in ids {
            let Some(record) = self.inventory.get(id) else { continue };
            let covered = self.kind_of(record).is_some();
            let member = matches!(record.trust.state, TrustState::Active | TrustState::Stale);
            if member && !covered || covered && record.trust.hold == Some(Hold::UnknownKind) {
                self.settle(id, "a signed definition covers its kind");
            } else if covered {
                self.redefine(id);
            }
        }
    }

    /// Says, once until that changes, that no definition is in force.
    pub(super) fn note_empty_policy(&mut self) {
        let empty = self.policy.all().next().is_none();
        if empty && !std::mem::replace(&mut self.empty_policy_told, empty) {
            let text = "no definition is in force, so nothing is relayed; add one: hub-agent definition add FILE";
            self.event(EventKind::PolicyEmpty, None, None, text);
        }
        self.empty_policy_told = empty;
    }

    /// A component that a definition covers is active once it is proved to be at its secure default.
    fn settle_covered(&mut self, id: ComponentId, reason: &str) -> bool {
        let held = self.inventory.get(id).and_then(|record| record.trust.hold);
        if self.is_at_baseline(id) {
            let news = self.set_trust(id, TrustState::Active, None, reason);
            if news && matches!(held, Some(Hold::NotAnnounced | Hold::UnknownKind | Hold::Baseline))
            {
                self.event(EventKind::ComponentEnrolled, Some(id), None, "is a member now");
            }
            return news;
        }
        if held == Some(Hold::Baseline) {
            return false;
        }
        let text = "has yet to prove that it is at its secure default";
        self.set_trust(id, TrustState::Quarantined, Some(Hold::Baseline), text)
    }

    /// Makes a component active if a definition covers it, else holds it. The answer is whether
    /// that changed anything.
    pub(super) fn settle(&mut self, id: ComponentId, reason: &str) -> bool {
        let Some(record) = self.inventory.get(id) else { return false };
        if self.kind_of(record).is_some() {
            return self.settle_covered(id, reason);
        }
        if record.trust.hold == Some(Hold::UnknownKind) {
            return false;
        }
        let facts = record.facts.as_ref();
        let what = facts.map(|facts| format!(": {} of {}", facts.kind, facts.maker));
        let text = format!("{UNKNOWN_KIND}{}", what.unwrap_or_default());
        self.count(Refusal::UnknownKind.slug());
        self.event(EventKind::PolicyDenied, Some(id), Some(Refusal::UnknownKind), text);
        self.set_trust(id, TrustState::Quarantined, Some(Hold::UnknownKind), UNKNOWN_KIND)
    }
}
