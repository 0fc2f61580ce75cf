//! What one component says to others, through the hub.

use super::Hub;
use crate::{
    access::{
        gate::{self, Denied, Receiver, Relay},
        policy::Kind,
    },
    decision::{self, Decision},
    effect::Answer,
    input::Actor,
    persist,
};
use protocol::{
    id::{ComponentId, Slug},
    message::{Action, TrustState},
    refusal::Refusal,
};
use std::sync::Arc;

/// Numbers of assertions taken from the store at once.
const NUMBERS: u64 = 4096;

impl Hub {
    /// A component as the receiver of a command.
    pub(super) fn receiver(&self, id: ComponentId) -> Option<Receiver<'_>> {
        let record = self.inventory.get(id)?;
        Some(Receiver {
            id,
            state: record.trust.state,
            kind: self.kind_of(record).map(|kind| &**kind),
            connected: self.links.contains_key(&id),
        })
    }

    /// Whether a component is there to hear, and as what.
    pub(super) fn seat(&mut self, id: ComponentId) {
        let record = self.inventory.get(id).filter(|record| {
            let is_there = self.links.contains_key(&id);
            record.trust.state == TrustState::Active && record.is_proved() && is_there
        });
        let kind = record.and_then(|record| self.kind_of(record));
        let kind = kind.map(|kind| kind.definition().kind.clone());
        self.audience.seat(id, kind);
    }

    /// Passes a permitted command of a component on.
    pub(super) fn relay_command(&mut self, sender: ComponentId, command: gate::Command) {
        let flow = self.flows.entry(sender).or_default();
        if let Err(held) = flow.admit_command(&command.name, command.per_minute, self.now.mono) {
            self.held(sender, command.name.as_str(), held);
            return;
        }
        let Some(kind) = self.kind_named(sender) else { return };
        self.send_command(sender, kind, None, command);
    }

    /// Gives a command that a person wants given.
    pub(super) fn give(
        &mut self,
        by: &Actor,
        id: ComponentId,
        name: &Slug,
        arguments: &serde_json::Value,
    ) -> Result<Answer, Denied> {
        let receiver = self.receiver(id).ok_or(Refusal::Unknown)?;
        let permitted = gate::permit_command(by, &receiver, name, arguments)?;
        let (_, command) = permitted.into_parts();
        let flow = self.flows.entry(id).or_default();
        let admitted =
            flow.admit_order(by.role(), &command.name, command.per_minute, self.now.mono);
        if admitted.is_err() {
            let detail = format!("{name}: more than its definition declares per minute");
            return Err(Denied { refusal: Refusal::SlowDown, detail });
        }
        let person = Slug::new("person").expect("a plain word");
        self.send_command(self.own.id, person, Some(by.to_string()), command);
        Ok(Answer::Changed(1))
    }

    fn send_command(
        &mut self,
        sender: ComponentId,
        kind: Slug,
        by: Option<String>,
        command: gate::Command,
    ) {
        let (receiver, name) = (command.receiver, command.name.clone());
        let Some(to) = self.inventory.get(receiver).and_then(|record| self.kind_of(record)) else {
            return;
        };
        let line = to.definition().command(&name).map_or(0, |command| command.line);
        let allowed_by = format!("{to} of {}, line {line}", to.definition().maker);
        let relay = self.relay(sender, kind);
        self.decided(&relay, (receiver, Action::Command, name), allowed_by, by);
        self.out.sends.push(gate::relay_command(&relay, command));
    }

    /// Passes a value on to those who may hear its stream and are there.
    pub(super) fn relay_value(&mut self, sender: ComponentId, stream: &Slug, value: &[u8]) {
        let Some(from) = self.inventory.get(sender).and_then(|record| self.kind_of(record)) else {
            return;
        };
        let from = from.clone();
        let Some((declared, _)) = from.stream(stream) else { return };
        let hearers: Vec<_> = declared
            .readers
            .iter()
            .flat_map(|kind| self.audience.of(kind))
            .filter(|id| *id != sender)
            .collect();
        let definition = from.definition();
        let allowed_by = format!("{from} of {}, line {}", definition.maker, declared.line);
        for hearer in hearers {
            let Some(reader) = self.reader(hearer) else { continue };
            let relay = self.relay(sender, definition.kind.clone());
            let kinds = (&*from, &*reader);
            if let Some(send) = gate::relay_value(&relay, kinds, hearer, stream, value) {
                let what = (hearer, Action::Stream, stream.clone());
                self.decided(&relay, what, allowed_by.clone(), None);
                self.out.sends.push(send);
            }
        }
    }

    fn reader(&self, id: ComponentId) -> Option<Arc<Kind>> {
        let record = self.inventory.get(id).filter(|record| record.is_proved())?;
        self.kind_of(record).cloned()
    }

    fn kind_named(&self, id: ComponentId) -> Option<Slug> {
        self.reader(id).map(|kind| kind.definition().kind.clone())
    }

    /// The next number is taken; that it never comes again is written before it is used.
    fn relay(&mut self, sender: ComponentId, kind: Slug) -> Relay {
        let number = self.next_relay;
        self.next_relay += 1;
        if self.next_relay > self.counters.relays_reserved {
            self.counters.relays_reserved = self.next_relay + NUMBERS;
            self.write(persist::put_counters(&self.counters));
        }
        Relay { hub: self.own.id, number, sender, kind, now: self.now.wall }
    }

    fn decided(
        &mut self,
        relay: &Relay,
        (receiver, action, name): (ComponentId, Action, Slug),
        allowed_by: String,
        by: Option<String>,
    ) {
        let (number, sender, at) = (relay.number, relay.sender, relay.now);
        let decision = Decision { number, at, sender, receiver, action, name, allowed_by, by };
        self.write(persist::put_decision(&decision, decision::KEPT));
        if self.decisions.len() as u64 >= decision::KEPT {
            self.decisions.pop_front();
        }
        self.decisions.push_back(decision);
    }

    /// What was relayed, newest last; with a component only what it said or was told.
    pub fn decisions(&self, about: Option<ComponentId>) -> impl Iterator<Item = &Decision> {
        let concerns = move |decision: &&Decision| {
            about.is_none_or(|id| decision.sender == id || decision.receiver == id)
        };
        self.decisions.iter().filter(concerns)
    }
}
