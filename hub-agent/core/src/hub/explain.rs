//! What the gate would say to a message, and which line decides. It asks the gate itself, so it cannot
//! disagree with it; nothing is counted and nothing changes.

use super::Hub;
use crate::access::gate::{Carriage, Denied};
use protocol::{
    id::ComponentId,
    refusal::Refusal,
    topic::{Route, Up},
};
use serde::Serialize;

/// What the gate would say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who would speak.
    pub component: ComponentId,
    /// On which topic.
    pub topic: String,
    /// Whether it would pass.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What exactly, in words.
    pub detail: String,
    /// What decides.
    pub decided_by: String,
}

impl Hub {
    /// What the gate would say to this message now; without a payload, to one whose payload fits. Rate
    /// and order depend on what was said before and are not looked at.
    #[must_use]
    pub fn explain(
        &self,
        who: ComponentId,
        topic: &str,
        payload: Option<&[u8]>,
        qos: u8,
    ) -> Explanation {
        let carriage = Carriage { qos, retain: false, will: false };
        let asked = self.authorize(who, topic, payload.unwrap_or_default(), carriage);
        let fits = |why: Refusal| matches!(why, Refusal::Malformed | Refusal::WrongContent);
        let (refusal, detail) = match asked {
            Ok(_) => (None, "it passes".to_owned()),
            Err(Denied { refusal, .. }) if payload.is_none() && fits(refusal) => {
                (None, "it passes if its payload is what is declared".to_owned())
            }
            Err(Denied { refusal, detail }) => {
                let advice = refusal.advice();
                let gap = if detail.is_empty() { "" } else { "; " };
                (Some(refusal), format!("{detail}{gap}{advice}"))
            }
        };
        Explanation {
            component: who,
            topic: topic.to_owned(),
            allowed: refusal.is_none(),
            decided_by: self.decides(who, topic, refusal),
            refusal,
            detail,
        }
    }

    fn decides(&self, who: ComponentId, topic: &str, refusal: Option<Refusal>) -> String {
        let record = self.inventory.get(who);
        let by_state = matches!(
            refusal,
            Some(Refusal::Quarantined | Refusal::NotApproved | Refusal::Revoked | Refusal::Retired)
        );
        if let Some(record) = record.filter(|_| by_state) {
            return format!("trust state {}: {}", record.trust.state, record.trust.reason);
        }
        if let Ok(Route::Up(owner, Up::Command(to, name))) = Route::parse(topic)
            && owner == who
            && let Some(kind) = self.inventory.get(to).and_then(|record| self.kind_of(record))
        {
            let maker = &kind.definition().maker;
            return match kind.command(&name) {
                Some((command, _)) => format!("{kind} of {maker}, line {}", command.line),
                None => format!("{kind} of {maker}, which declares no command {name}"),
            };
        }
        let own = Route::parse(topic).ok().filter(|route| route.owner() == who);
        if let (Some(Route::Up(_, Up::Stream(name))), Some(kind)) =
            (own, record.and_then(|record| self.kind_of(record)))
        {
            return match kind.stream(&name) {
                Some((stream, _)) => {
                    format!("{kind} of {}, line {}", kind.definition().maker, stream.line)
                }
                None => format!(
                    "{kind} of {}, which declares no stream {name}",
                    kind.definition().maker
                ),
            };
        }
        "the contract's table of topics (protocol/README.md)".to_owned()
    }
}
