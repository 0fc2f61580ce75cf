//! One turn of a connection: received packets to the session and the gate, and what is due back.

use super::connection::{Connection, refuse};
use crate::{
    codec::{
        Frame, ReasonCode, decode, encode, frame,
        packet::{
            Disconnect, Packet, Publish, Qos, RetainHandling, Subscribe, Subscription, Unsubscribe,
            Version,
        },
        topic,
    },
    gate::{Answer, Closed, Gate, Inbound, Refused},
    session::Violation,
};
use bytes::Buf;

/// Whether a packet counts against the client's rate of messages.
#[derive(PartialEq, Eq)]
enum Counted {
    Yes,
    No,
}

impl<G: Gate> Connection<G> {
    /// Takes received bytes: every whole packet in them, and keeps the rest.
    pub(super) fn take(&mut self, received: &[u8]) -> Result<(), Closed> {
        let messages = if self.partial.is_empty() {
            let (taken, messages) = self.take_packets(received)?;
            self.partial.extend_from_slice(&received[taken..]);
            messages
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(received);
            let (taken, messages) = self.take_packets(&bytes)?;
            bytes.advance(taken);
            self.partial = bytes;
            messages
        };
        self.charge(messages, received.len());
        self.note_partial();
        Ok(())
    }

    /// Takes packets from the front; the answer is how many bytes they were and how many packets count.
    fn take_packets(&mut self, bytes: &[u8]) -> Result<(usize, u32), Closed> {
        let limit = self.endpoint.shared().limits.max_packet;
        let (mut taken, mut count) = (0, 0);
        loop {
            match frame(&bytes[taken..], limit) {
                Ok(None) => return Ok((taken, count)),
                Ok(Some(frame)) => {
                    taken += frame.length;
                    count += u32::from(self.take_packet(&frame)? == Counted::Yes);
                }
                Err(error) => return Err(self.malformed(error)),
            }
        }
    }

    fn malformed(&mut self, error: crate::codec::DecodeError) -> Closed {
        self.endpoint.shared().stats.malformed.add();
        self.detail = error.to_string();
        refuse(error.reason(), "malformed")
    }

    fn take_packet(&mut self, frame: &Frame<'_>) -> Result<Counted, Closed> {
        match decode(self.version, frame).map_err(|error| self.malformed(error))? {
            Packet::Publish(publish) => return self.publish(&publish),
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.client.session.borrow_mut().complete(ack);
            }
            Packet::PubRec(ack) => {
                self.client.session.borrow_mut().recorded(ack, &mut self.out);
            }
            Packet::PubRel(ack) => {
                self.client.session.borrow_mut().released(ack, &mut self.out);
            }
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe)?,
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe),
            Packet::PingReq => encode::pingresp(&mut self.out),
            Packet::Disconnect(disconnect) => return Err(self.leave(disconnect)),
        }
        Ok(Counted::Yes)
    }

    fn publish(&mut self, publish: &Publish<'_>) -> Result<Counted, Closed> {
        let delivery = publish.delivery;
        let client = self.client.clone();
        if !client.session.borrow_mut().begin(delivery).map_err(violated)? {
            return Ok(Counted::Yes);
        }
        let Publish { topic, payload, retain, .. } = *publish;
        let message = Inbound { topic, payload, qos: delivery.qos(), retain, will: false };
        let answer = self.endpoint.gate.publish(&self.who, &message);
        let stats = &self.endpoint.shared().stats;
        match answer {
            Answer::Done | Answer::Paced | Answer::AfterCommit(_) => stats.published.add(),
            Answer::Refused(_) | Answer::Cut(_) => stats.publishes_refused.add(),
        }
        let mut session = client.session.borrow_mut();
        match answer {
            Answer::Done | Answer::Paced => session.accept(delivery, None),
            Answer::AfterCommit(commit) => session.accept(delivery, Some(commit)),
            Answer::Refused(why) => session.refuse(delivery, why).map_err(violated)?,
            Answer::Cut(why) => return Err(Closed::Refused(why)),
        }
        Ok(if answer == Answer::Paced { Counted::No } else { Counted::Yes })
    }

    /// Everything that is due to the client: acknowledgements whose commit is durable, deliveries.
    pub(super) fn give(&mut self) -> Result<(), Closed> {
        let shared = self.endpoint.shared();
        let mut violations = Vec::new();
        let mut session = self.client.session.borrow_mut();
        session.release(&shared.outcome.borrow(), &mut self.out, &mut violations);
        let sent = session.transmit(&mut self.out);
        (0..sent).for_each(|_| shared.stats.delivered.add());
        if session.is_waiting() && !self.client.listed.replace(true) {
            shared.waiting.borrow_mut().push(self.client.clone());
        }
        violations.first().map_or(Ok(()), |first| Err(violated(*first)))
    }

    /// Only the acknowledgements that are due, for a session that ends.
    pub(super) fn acknowledge(&mut self) {
        let outcome = self.endpoint.shared().outcome.borrow();
        self.client.session.borrow_mut().release(&outcome, &mut self.out, &mut Vec::new());
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Result<(), Closed> {
        // Announced as unavailable in CONNACK [MQTT-3.2.2-26].
        if subscribe.identifier.is_some() {
            return Err(refuse(
                ReasonCode::SubscriptionIdentifiersNotSupported,
                "subscription-identifiers-not-offered",
            ));
        }
        let codes: Vec<_> =
            subscribe.filters.iter().map(|wanted| self.subscribe_one(wanted)).collect();
        encode::suback(&mut self.out, self.version, subscribe.id, &codes);
        Ok(())
    }

    fn subscribe_one(&mut self, wanted: &Subscription<'_>) -> ReasonCode {
        let granted = match self.permit(wanted) {
            Ok(granted) => granted,
            Err(refused) => return refused.reason.in_suback(),
        };
        let shared = self.endpoint.shared();
        let mut registry = shared.registry.borrow_mut();
        let new = registry.link(&self.client, wanted.filter, granted);
        let replay = match wanted.retain_handling {
            RetainHandling::Always => true,
            RetainHandling::IfNew => new,
            RetainHandling::Never => false,
        };
        if replay {
            registry.replay(&self.client, wanted.filter, granted, &shared.stats);
        }
        match granted {
            Qos::AtMostOnce => ReasonCode::Success,
            Qos::AtLeastOnce => ReasonCode::GrantedQos1,
            Qos::ExactlyOnce => ReasonCode::GrantedQos2,
        }
    }

    /// What the endpoint itself cannot do is still asked of the gate, so that it is recorded.
    fn permit(&self, wanted: &Subscription<'_>) -> Result<Qos, Refused> {
        let limits = &self.endpoint.shared().limits;
        let granted = self.endpoint.gate.subscribe(&self.who, wanted.filter, wanted.qos)?;
        let refuse = |reason, word| Err(Refused { reason, word });
        let session = self.client.session.borrow();
        let known = session.subscriptions().contains_key(wanted.filter);
        if topic::shared(wanted.filter).is_some() {
            return refuse(
                ReasonCode::SharedSubscriptionsNotSupported,
                "shared-subscriptions-not-offered",
            );
        }
        if topic::has_wildcards(wanted.filter) && !limits.wildcards {
            return refuse(ReasonCode::WildcardSubscriptionsNotSupported, "wildcards-not-offered");
        }
        if !known && session.subscriptions().len() >= limits.subscriptions {
            return refuse(ReasonCode::QuotaExceeded, "too-many-subscriptions");
        }
        Ok(granted)
    }

    fn unsubscribe(&mut self, unsubscribe: &Unsubscribe<'_>) {
        let mut registry = self.endpoint.shared().registry.borrow_mut();
        let codes: Vec<_> = unsubscribe
            .filters
            .iter()
            .map(|filter| match registry.unsubscribe(&self.client, filter) {
                true => ReasonCode::Success,
                false => ReasonCode::NoSubscriptionExisted,
            })
            .collect();
        drop(registry);
        encode::unsuback(&mut self.out, self.version, unsubscribe.id, &codes);
    }

    fn leave(&mut self, disconnect: Disconnect) -> Closed {
        if let Some(expiry) = disconnect.session_expiry {
            // A session that was to end with its connection stays so [MQTT-3.14.2-2].
            if self.session_expiry == 0 && expiry != 0 {
                return refuse(ReasonCode::ProtocolError, "session-expiry-after-none");
            }
            self.session_expiry = expiry.min(self.endpoint.shared().limits.session_expiry);
        }
        if self.version == Version::V311 || disconnect.reason == ReasonCode::Success {
            self.will = None;
            return Closed::Left;
        }
        Closed::Lost
    }
}

fn violated(violation: Violation) -> Closed {
    Closed::Refused(violation.refused())
}
