//! Connections and messages of components.

use super::{Hub, Link, state::Details};
use crate::{
    access::{
        flow::{Held, SUSPECT_AT},
        gate::{Inbound, Permitted, shortened},
        trust::Hold,
    },
    event::EventKind,
    inventory::boots::Life,
    persist,
    record::Peer,
};
use protocol::{
    id::ComponentId,
    message::{Announcement, Bye, ByeReason, TrustState},
    refusal::Refusal,
};
use std::{net::SocketAddr, time::Duration};

/// Why a connection ended that its component ended in order.
pub const LEFT: &str = "it left in order";

impl Hub {
    pub(super) fn message(&mut self, permitted: Permitted<Inbound>) {
        self.messages += 1;
        let (id, message) = permitted.into_parts();
        match message {
            Inbound::Announce(facts) => self.announced(id, &facts),
            Inbound::Heartbeat(_) => {}
            // The endpoint says it for a component that is gone: it is no sign of life.
            Inbound::Lost => return,
            Inbound::Bye(bye) => self.bye(id, &bye),
            Inbound::Reported(reported) => {
                match self.flows.entry(id).or_default().admit_report(self.now.mono) {
                    Ok(()) => self.reported(id, &reported),
                    Err(held) => self.held(id, "reported", held),
                }
            }
            Inbound::Command(command) => self.relay_command(id, command),
            Inbound::UpdateRequest(request) => self.update_request(id, &request),
            Inbound::UpdateStatus(status) => self.update_status(id, &status),
            Inbound::UpdateReport(report) => self.update_report(id, &report),
            Inbound::Log(batch) => self.log_batch(id, &batch),
            Inbound::OnTrial { name, value, denied } => {
                self.would_refuse(id, denied.refusal, &denied.detail);
                self.write(persist::put_stream(id, &name, self.now.wall, &value));
            }
            Inbound::Stream { name, value, per_minute, heard, rises } => {
                match self.flows.entry(id).or_default().admit(
                    &name,
                    per_minute,
                    rises,
                    self.now.mono,
                ) {
                    Ok(()) => {
                        self.write(persist::put_stream(id, &name, self.now.wall, &value));
                        if heard {
                            self.relay_value(id, &name, &value);
                        }
                    }
                    Err(held) if self.is_on_trial(id) => {
                        self.would_refuse(id, held.refusal(), name.as_str());
                        self.write(persist::put_stream(id, &name, self.now.wall, &value));
                    }
                    Err(held) => self.held(id, name.as_str(), held),
                }
            }
        }
        self.heard(id);
    }

    /// A sign of life: cheap, and on disk only once in a while.
    fn heard(&mut self, id: ComponentId) {
        let wall = self.now.wall;
        self.detector.alive(id, self.now);
        let Some(record) = self.inventory.get_mut(id) else { return };
        record.last_seen = wall;
        let state = record.trust.state;
        self.unsaved.insert(id);
        match state {
            TrustState::Active => self.presence.heard(id, self.now.mono),
            TrustState::Stale => {
                self.set_trust(id, TrustState::Active, None, "it is back");
                self.event(EventKind::ComponentSeen, Some(id), None, "back after a silence");
            }
            TrustState::Quarantined
            | TrustState::Seen
            | TrustState::Pending
            | TrustState::Revoked
            | TrustState::Retired => {}
        }
    }

    fn announced(&mut self, id: ComponentId, facts: &Announcement) {
        let Some(record) = self.inventory.get(id) else { return };
        if record.boots.look(facts.boot) == Life::Returned {
            self.cloned(id);
            return;
        }
        let known = record.facts.as_ref();
        if known == Some(facts) {
            self.welcome(id);
            return;
        }
        if record.passed() >= Some(facts.seq) {
            self.message_refused(
                id,
                Refusal::Replayed,
                "an announcement with a number already passed",
            );
            return;
        }
        if let Some(mismatch) = self.contradiction(id, facts) {
            self.message_refused(id, mismatch.0, mismatch.1);
            return;
        }
        if let Err(held) = self.flows.entry(id).or_default().admit_announcement(self.now.mono) {
            self.held(id, "announce", held);
            return;
        }
        self.learn(id, facts);
        self.welcome(id);
    }

    /// What an announcement may not say: another identity than was proved or said before.
    fn contradiction(
        &self,
        id: ComponentId,
        facts: &Announcement,
    ) -> Option<(Refusal, &'static str)> {
        let record = self.inventory.get(id)?;
        if record.origin.serial().is_some_and(|proved| *proved != facts.serial) {
            return Some((
                Refusal::IdentityMismatch,
                "the serial number is not the one it enrolled with",
            ));
        }
        let same = |old: &Announcement| {
            (&old.kind, &old.maker, &old.model, &old.serial)
                == (&facts.kind, &facts.maker, &facts.model, &facts.serial)
        };
        if record.facts.as_ref().is_some_and(|old| !same(old)) {
            return Some((
                Refusal::IdentityMismatch,
                "kind, maker, model or serial number changed",
            ));
        }
        self.inventory
            .other_with_serial(id, &facts.maker, &facts.serial)
            .map(|_| (Refusal::IdInUse, "another component has this serial number"))
    }

    fn learn(&mut self, id: ComponentId, facts: &Announcement) {
        let wall = self.now.wall;
        let Some(record) = self.inventory.get_mut(id) else { return };
        let changed = record.note_facts(facts, wall);
        let dropped: Vec<_> = record
            .facts
            .iter()
            .flat_map(|old| old.streams.items())
            .filter(|stream| !facts.streams.items().contains(stream))
            .cloned()
            .collect();
        let same_life = record.facts.as_ref().is_some_and(|old| old.boot == facts.boot);
        record.boots.begin(facts.boot);
        record.facts = Some(facts.clone());
        record.last_seen = wall;
        self.inventory.index(id);
        if let Some(flow) = self.flows.get_mut(&id).filter(|_| !same_life) {
            flow.new_life();
        }
        dropped.iter().for_each(|stream| self.write(persist::remove_stream(id, stream)));
        if self.inventory.get(id).is_some_and(|record| record.trust.state == TrustState::Active) {
            self.watch(id);
        }
        if !changed.is_empty() {
            self.event(EventKind::ComponentChanged, Some(id), None, changed.join(", "));
        }
        self.save(id);
    }

    /// After an announcement: lifts the first quarantine, and tells the component where it stands.
    fn welcome(&mut self, id: ComponentId) {
        let hold = self.inventory.get(id).and_then(|record| record.trust.hold);
        let first = self
            .links
            .get_mut(&id)
            .is_some_and(|link| !std::mem::replace(&mut link.announced, true));
        let news = matches!(hold, Some(Hold::NotAnnounced | Hold::UnknownKind))
            && self.settle(id, "it said what it is");
        if first {
            self.tell_if_needed(id);
            self.greet_for_updates(id);
            self.greet_for_log(id);
        }
        if first && !news {
            self.notify(id);
        }
    }

    fn cloned(&mut self, id: ComponentId) {
        self.count(Refusal::Cloned.slug());
        let reason = "its identity lives in two devices at once";
        self.event(EventKind::CloneDetected, Some(id), Some(Refusal::Cloned), reason);
        self.set_trust(id, TrustState::Quarantined, Some(Hold::Cloned), reason);
        self.cut(id, Refusal::Cloned);
    }

    pub(super) fn held(&mut self, id: ComponentId, stream: &str, held: Held) {
        let text = match held {
            Held::TooMany => format!("{stream}: more per minute than may come"),
            Held::Fell => format!("{stream}: a number fell that never falls within one life"),
        };
        self.message_refused(id, held.refusal(), &text);
    }

    fn is_on_trial(&self, id: ComponentId) -> bool {
        self.inventory.get(id).is_some_and(|record| record.on_trial)
    }

    /// What enforcing would have refused.
    fn would_refuse(&mut self, id: ComponentId, why: Refusal, text: &str) {
        self.count("would-refuse");
        self.event(EventKind::PolicyWouldDeny, Some(id), Some(why), shortened(text));
    }

    pub(super) fn message_refused(&mut self, id: ComponentId, why: Refusal, text: &str) {
        self.count(why.slug());
        self.event(EventKind::PolicyDenied, Some(id), Some(why), text);
        self.refuse(why, None);
        self.suspect(id);
    }

    /// Counts a refusal of a known component, and tells the owner when there are many.
    pub(super) fn suspect(&mut self, id: ComponentId) {
        if self.inventory.get(id).is_none()
            || !self.flows.entry(id).or_default().refused(self.now.mono)
        {
            return;
        }
        let text = format!("{SUSPECT_AT} refusals within a minute; look at it, or quarantine it");
        self.event(EventKind::ComponentSuspect, Some(id), None, text);
    }

    fn bye(&mut self, id: ComponentId, bye: &Bye) {
        let Some(record) = self.inventory.get_mut(id) else { return };
        if record.goodbye.as_ref() == Some(bye) {
            // Its acknowledgement was lost.
            return;
        }
        if record.passed() >= Some(bye.seq) {
            self.message_refused(id, Refusal::Replayed, "a goodbye with a number already passed");
            return;
        }
        record.goodbye = Some(bye.clone());
        self.save(id);
        match bye.reason {
            ByeReason::Leave => {
                self.leave(id, "left the product: reset by its user");
            }
            ByeReason::Sleep | ByeReason::Restart => {
                // The connection ends right after: equal events are one, so this one has the code of both.
                let text = format!("says goodbye: {}", bye.reason);
                let details = Details::because("goodbye");
                self.event_with(EventKind::ConnDown, Some(id), None, text, details);
            }
        }
    }

    /// Ends a membership.
    pub(super) fn leave(&mut self, id: ComponentId, reason: &str) -> bool {
        let wall = self.now.wall;
        let Some(record) = self.inventory.get_mut(id) else { return false };
        record.credentials.revoke(wall, true);
        record.request = None;
        let streams: Vec<_> =
            record.facts.iter().flat_map(|facts| facts.streams.items()).cloned().collect();
        if !self.set_trust(id, TrustState::Retired, None, reason) {
            return false;
        }
        streams.iter().for_each(|stream| self.write(persist::remove_stream(id, stream)));
        self.forget_config(id);
        self.event(EventKind::ComponentRemoved, Some(id), None, reason);
        self.cut(id, Refusal::Retired);
        true
    }

    pub(super) fn connected(
        &mut self,
        id: ComponentId,
        number: u64,
        from: SocketAddr,
        serial: &[u8],
        took_over: Option<SocketAddr>,
    ) {
        self.links.insert(id, Link { number, from, announced: false });
        let seen = self.inventory.get(id).map(|record| record.last_seen);
        let away = seen.map_or(Duration::MAX, |seen| self.now.wall.since(seen));
        self.logs.connected(id, away, self.now.mono);
        self.seat(id);
        let key = self.inventory.get(id).and_then(|record| record.credentials.current.as_ref());
        let fingerprint = key.map(|current| current.key);
        let peer = Peer { fingerprint, ..Peer::from(from) };
        let text = format!("from {from}");
        self.event_with(EventKind::ConnUp, Some(id), None, text, Details::from(peer));
        if let Some(former) = took_over {
            let text = format!("a connection from {from} replaced a live one from {former}");
            self.event_with(EventKind::SessionTakeover, Some(id), None, text, Details::from(from));
        }
        if let Some(record) = self.inventory.get_mut(id)
            && record.credentials.note_use(serial)
        {
            // The certificate arrived, so what was approved is done.
            record.request = record.request.take().filter(|request| !request.approved);
            self.save(id);
        }
        self.heard(id);
    }

    pub(super) fn disconnected(&mut self, id: ComponentId, number: u64, why: &str) {
        if self.links.get(&id).is_some_and(|link| link.number == number) {
            self.links.remove(&id);
            self.seat(id);
            self.configs.deliveries.settled(id);
            self.updates.asked.remove(&id);
        }
        let code = if why == LEFT { "goodbye" } else { "lost" };
        self.event_with(EventKind::ConnDown, Some(id), None, why, Details::because(code));
    }

    pub(super) fn denied(
        &mut self,
        who: Option<ComponentId>,
        from: Option<SocketAddr>,
        refusal: Refusal,
        about: &str,
    ) {
        self.count(refusal.slug());
        let kind = if refusal == Refusal::Malformed {
            EventKind::PayloadMalformed
        } else {
            EventKind::PolicyDenied
        };
        let details = Details::on(about).and_from(from);
        let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
        let text = format!("{}{from}", shortened(about));
        self.event_with(kind, who, Some(refusal), text, details);
        // That another is away, or the disk full, is not the sender's doing.
        let own_doing = !matches!(refusal, Refusal::Unreachable | Refusal::StoreUnavailable);
        if let Some(id) = who.filter(|_| own_doing) {
            self.suspect(id);
        }
    }

    pub(super) fn endpoint_refused(
        &mut self,
        who: Option<ComponentId>,
        from: SocketAddr,
        word: &'static str,
        detail: &str,
    ) {
        self.count(word);
        let kind = match word {
            "tls-handshake-failed" | "no-certificate" => EventKind::AuthFailure,
            "malformed" => EventKind::PayloadMalformed,
            _ => EventKind::ConnRefused,
        };
        let text = format!("{word} from {from}: {}", shortened(detail));
        self.event_with(kind, who, None, text, Details::from(from).and_on(word));
    }
}
