//! The session state machine of the server side (section 4), without I/O: packets in, bytes out.
//!
//! Inbound: acknowledgements leave in the order of the messages [MQTT-4.6.0-2 to -4], each only when
//! its commit is durable. Outbound: a queue, a window of unacknowledged messages, and repeats after a
//! reconnect.

use crate::{
    codec::{
        ReasonCode,
        encode::{self, Message},
        frame::kind,
        packet::{Ack, Delivery, PacketId, Qos, Version},
    },
    gate::{CommitId, Refused},
    limits::Limits,
};
use bytes::{Bytes, BytesMut};
use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

/// How commits ended: everything up to `settled` did, and what stands in `failed` did not succeed.
#[derive(Debug, Default)]
pub struct Outcome {
    settled: CommitId,
    failed: VecDeque<(CommitId, Refused)>,
}

/// Failed commits remembered; acknowledgements of older ones have long been sent.
const FAILED_REMEMBERED: usize = 1024;

impl Outcome {
    /// All commits up to `id` are durable, but for those that failed.
    pub fn committed(&mut self, id: CommitId) {
        self.settled = self.settled.max(id);
    }

    /// This commit failed.
    pub fn failed(&mut self, id: CommitId, why: Refused) {
        if self.failed.len() == FAILED_REMEMBERED {
            self.failed.pop_front();
        }
        self.failed.push_back((id, why));
        self.committed(id);
    }

    fn of(&self, id: CommitId) -> Option<Result<(), Refused>> {
        (id <= self.settled).then(|| {
            let failed = self.failed.iter().find(|(failed, _)| *failed == id);
            failed.map_or(Ok(()), |(_, why)| Err(*why))
        })
    }
}

/// A message on its way to clients; payload and topic are shared between them.
#[derive(Debug)]
pub struct Parcel {
    /// Topic name.
    pub topic: Box<str>,
    /// Payload.
    pub payload: Bytes,
}

/// One delivery of a parcel.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// What is delivered.
    pub parcel: Rc<Parcel>,
    /// Quality of service.
    pub qos: Qos,
    /// Retain flag.
    pub retain: bool,
}

impl Outgoing {
    fn cost(&self) -> usize {
        self.parcel.topic.len() + self.parcel.payload.len() + 64
    }
}

/// What a client did wrong in a session: the connection must close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// More unacknowledged messages than announced.
    ReceiveMaximum,
    /// A packet identifier that is still in use.
    IdInUse,
    /// A message was refused and the version has no way to say so.
    Refused(Refused),
}

impl Violation {
    /// As the client sees it.
    #[must_use]
    pub fn refused(self) -> Refused {
        match self {
            Self::ReceiveMaximum => Refused {
                reason: ReasonCode::ReceiveMaximumExceeded,
                word: "receive-maximum-exceeded",
            },
            Self::IdInUse => {
                Refused { reason: ReasonCode::ProtocolError, word: "packet-id-in-use" }
            }
            Self::Refused(refused) => refused,
        }
    }
}

/// What happened to a message offered for delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits for its turn.
    Queued,
    /// The queue is full; a message of QoS 0 was dropped.
    Dropped,
    /// The queue is full, and the message may not be dropped while the client is connected.
    Overflow,
}

#[derive(Debug)]
struct PendingAck {
    delivery: Delivery,
    verdict: Verdict,
}

#[derive(Debug)]
enum Verdict {
    Known(Result<(), Refused>),
    After(CommitId),
}

#[derive(Debug)]
struct Inflight {
    id: PacketId,
    outgoing: Outgoing,
    released: bool,
}

/// The state of one client, which may outlive its connections.
#[derive(Debug)]
pub struct Session {
    version: Version,
    subscriptions: BTreeMap<Box<str>, Qos>,
    /// Messages of QoS 2 taken and not released yet.
    received: Vec<PacketId>,
    acks: VecDeque<PendingAck>,
    queue: VecDeque<Outgoing>,
    queue_bytes: usize,
    inflight: VecDeque<Inflight>,
    last_id: u16,
    send_maximum: usize,
    window: usize,
    max_packet: usize,
    receive_maximum: (usize, usize),
    queue_limits: (usize, usize),
}

impl Session {
    /// A new session.
    #[must_use]
    pub fn new(version: Version, limits: &Limits) -> Self {
        Self {
            version,
            subscriptions: BTreeMap::new(),
            received: Vec::new(),
            acks: VecDeque::new(),
            queue: VecDeque::new(),
            queue_bytes: 0,
            inflight: VecDeque::new(),
            last_id: 0,
            send_maximum: usize::from(limits.send_maximum),
            window: usize::from(limits.send_maximum),
            max_packet: usize::MAX,
            receive_maximum: (
                usize::from(limits.receive_maximum),
                usize::from(limits.receive_maximum_311),
            ),
            queue_limits: (limits.queue_messages, limits.queue_bytes),
        }
    }

    /// A connection begins: what the client takes, and everything unacknowledged goes out again.
    pub fn resume(
        &mut self,
        version: Version,
        window: u16,
        max_packet: Option<u32>,
        outcome: &Outcome,
        out: &mut BytesMut,
    ) {
        // Acknowledgements of the former connection: the client will ask again by repeating.
        self.release(outcome, &mut BytesMut::new(), &mut Vec::new());
        self.acks.clear();
        self.version = version;
        self.window = self.send_maximum.min(usize::from(window));
        self.max_packet = max_packet.map_or(usize::MAX, |most| most as usize);
        for flying in &self.inflight {
            if flying.released {
                encode::ack(out, version, kind::PUBREL, flying.id, ReasonCode::Success, "");
            } else {
                put(out, version, &flying.outgoing, delivery(flying), true);
            }
        }
    }

    /// Whether a message with this delivery must be given to the gate; not when it was already taken.
    ///
    /// # Errors
    /// When the client broke a rule of the session.
    pub fn begin(&mut self, delivery: Delivery) -> Result<bool, Violation> {
        let id = match delivery {
            Delivery::AtMostOnce => return Ok(true),
            Delivery::AtLeastOnce(id) => id,
            Delivery::ExactlyOnce(id) if self.received.contains(&id) => {
                return self.repeated(delivery);
            }
            Delivery::ExactlyOnce(id) => id,
        };
        if self.acks.iter().any(|pending| packet_id(pending.delivery) == Some(id)) {
            return Err(Violation::IdInUse);
        }
        self.bounded().map(|()| true)
    }

    /// A QoS 2 message we have: only its PUBREC was lost. Such acknowledgements leave at once unless
    /// others wait before them, so a longer queue of them is a flood.
    fn repeated(&mut self, delivery: Delivery) -> Result<bool, Violation> {
        if self.acks.len() >= self.receive_maximum.1 {
            return Err(Violation::ReceiveMaximum);
        }
        self.acks.push_back(PendingAck { delivery, verdict: Verdict::Known(Ok(())) });
        Ok(false)
    }

    fn bounded(&self) -> Result<(), Violation> {
        let most = match self.version {
            Version::V5 => self.receive_maximum.0,
            Version::V311 => self.receive_maximum.1,
        };
        let unacknowledged = self.acks.len() + self.received.len();
        if unacknowledged >= most { Err(Violation::ReceiveMaximum) } else { Ok(()) }
    }

    /// The gate took the message; the acknowledgement waits for the commit, if one is named.
    pub fn accept(&mut self, delivery: Delivery, commit: Option<CommitId>) {
        if delivery != Delivery::AtMostOnce {
            let verdict = commit.map_or(Verdict::Known(Ok(())), Verdict::After);
            self.acks.push_back(PendingAck { delivery, verdict });
        }
    }

    /// The gate refused the message.
    ///
    /// # Errors
    /// When this version cannot tell the client, so that the connection must close.
    pub fn refuse(&mut self, delivery: Delivery, why: Refused) -> Result<(), Violation> {
        match (delivery, self.version) {
            (Delivery::AtMostOnce, _) => Ok(()),
            (_, Version::V311) => Err(Violation::Refused(why)),
            (_, Version::V5) => {
                self.acks.push_back(PendingAck { delivery, verdict: Verdict::Known(Err(why)) });
                Ok(())
            }
        }
    }

    /// Writes every acknowledgement that is due, in order. Refusals that cannot be told are put
    /// into `violations`.
    pub fn release(
        &mut self,
        outcome: &Outcome,
        out: &mut BytesMut,
        violations: &mut Vec<Violation>,
    ) {
        while let Some(first) = self.acks.front() {
            let result = match &first.verdict {
                Verdict::Known(result) => *result,
                Verdict::After(commit) => match outcome.of(*commit) {
                    Some(result) => result,
                    None => return,
                },
            };
            let delivery = first.delivery;
            self.acks.pop_front();
            if let Err(why) = result
                && self.version == Version::V311
            {
                violations.push(Violation::Refused(why));
                return;
            }
            self.put_ack(delivery, result, out);
        }
    }

    fn put_ack(&mut self, delivery: Delivery, result: Result<(), Refused>, out: &mut BytesMut) {
        let (reason, word) = match result {
            Ok(()) => (ReasonCode::Success, ""),
            Err(why) => (why.reason.in_ack(), why.word),
        };
        match delivery {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce(id) => {
                encode::ack(out, self.version, kind::PUBACK, id, reason, word)
            }
            Delivery::ExactlyOnce(id) => {
                if result.is_ok() && !self.received.contains(&id) {
                    self.received.push(id);
                }
                encode::ack(out, self.version, kind::PUBREC, id, reason, word);
            }
        }
    }

    /// Whether acknowledgements wait for a commit.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.acks.is_empty()
    }

    /// PUBREL: the client knows we have the message.
    pub fn released(&mut self, ack: Ack, out: &mut BytesMut) {
        let known = self.received.iter().position(|id| *id == ack.id);
        let reason = match known {
            Some(index) => {
                self.received.swap_remove(index);
                ReasonCode::Success
            }
            None => ReasonCode::PacketIdentifierNotFound,
        };
        encode::ack(out, self.version, kind::PUBCOMP, ack.id, reason, "");
    }

    /// PUBACK or PUBCOMP: a delivery is complete.
    pub fn complete(&mut self, ack: Ack) {
        self.inflight.retain(|flying| flying.id != ack.id);
    }

    /// PUBREC: the client has the message, or refuses it.
    pub fn recorded(&mut self, ack: Ack, out: &mut BytesMut) {
        let flying =
            self.inflight.iter_mut().find(|f| f.id == ack.id && f.outgoing.qos == Qos::ExactlyOnce);
        match flying {
            Some(_) if ack.reason.is_failure() => self.complete(ack),
            Some(flying) => {
                flying.released = true;
                encode::ack(out, self.version, kind::PUBREL, ack.id, ReasonCode::Success, "");
            }
            None => {
                let reason = ReasonCode::PacketIdentifierNotFound;
                encode::ack(out, self.version, kind::PUBREL, ack.id, reason, "");
            }
        }
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.queue_bytes
    }

    /// Offers a message for delivery.
    pub fn enqueue(&mut self, outgoing: Outgoing) -> Enqueued {
        let (messages, bytes) = self.queue_limits;
        if self.queue.len() >= messages || self.queue_bytes + outgoing.cost() > bytes {
            return if outgoing.qos == Qos::AtMostOnce {
                Enqueued::Dropped
            } else {
                Enqueued::Overflow
            };
        }
        self.queue_bytes += outgoing.cost();
        self.queue.push_back(outgoing);
        Enqueued::Queued
    }

    /// Writes queued messages as far as the client's window allows; the answer is how many.
    pub fn transmit(&mut self, out: &mut BytesMut) -> usize {
        let mut sent = 0;
        while let Some(first) = self.queue.front() {
            if first.qos != Qos::AtMostOnce && self.inflight.len() >= self.window {
                break;
            }
            let Some(outgoing) = self.queue.pop_front() else { break };
            self.queue_bytes -= outgoing.cost();
            sent += usize::from(self.send(outgoing, out));
        }
        sent
    }

    /// A message larger than the client takes is discarded [MQTT-3.1.2-25].
    fn send(&mut self, outgoing: Outgoing, out: &mut BytesMut) -> bool {
        let length =
            encode::publish_length(self.version, &message(&outgoing, false), worst(outgoing.qos));
        if length > self.max_packet {
            return false;
        }
        let delivery = self.next_delivery(outgoing.qos);
        put(out, self.version, &outgoing, delivery, false);
        if let Some(id) = packet_id(delivery) {
            self.inflight.push_back(Inflight { id, outgoing, released: false });
        }
        true
    }

    fn next_delivery(&mut self, qos: Qos) -> Delivery {
        match qos {
            Qos::AtMostOnce => Delivery::AtMostOnce,
            Qos::AtLeastOnce => Delivery::AtLeastOnce(self.next_id()),
            Qos::ExactlyOnce => Delivery::ExactlyOnce(self.next_id()),
        }
    }

    /// The window is far smaller than the number of identifiers, so a free one is always near.
    fn next_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if let Some(id) = PacketId::new(self.last_id)
                && !self.inflight.iter().any(|flying| flying.id == id)
            {
                return id;
            }
        }
    }

    /// Subscriptions by filter.
    #[must_use]
    pub fn subscriptions(&self) -> &BTreeMap<Box<str>, Qos> {
        &self.subscriptions
    }

    /// Adds or changes a subscription; the answer is whether it is new.
    pub fn subscribe(&mut self, filter: &str, qos: Qos) -> bool {
        self.subscriptions.insert(filter.into(), qos).is_none()
    }

    /// Removes a subscription; the answer is whether there was one.
    pub fn unsubscribe(&mut self, filter: &str) -> bool {
        self.subscriptions.remove(filter).is_some()
    }

    /// Drops everything that costs memory while the client is absent and has nothing waiting.
    pub fn rest(&mut self) {
        self.acks.shrink_to_fit();
        self.queue.shrink_to_fit();
        self.inflight.shrink_to_fit();
    }
}

fn packet_id(delivery: Delivery) -> Option<PacketId> {
    match delivery {
        Delivery::AtMostOnce => None,
        Delivery::AtLeastOnce(id) | Delivery::ExactlyOnce(id) => Some(id),
    }
}

fn delivery(flying: &Inflight) -> Delivery {
    match flying.outgoing.qos {
        Qos::AtMostOnce => Delivery::AtMostOnce,
        Qos::AtLeastOnce => Delivery::AtLeastOnce(flying.id),
        Qos::ExactlyOnce => Delivery::ExactlyOnce(flying.id),
    }
}

fn worst(qos: Qos) -> Delivery {
    match qos {
        Qos::AtMostOnce => Delivery::AtMostOnce,
        Qos::AtLeastOnce | Qos::ExactlyOnce => Delivery::AtLeastOnce(PacketId::MAX),
    }
}

fn message(outgoing: &Outgoing, dup: bool) -> Message<'_> {
    let parcel = &outgoing.parcel;
    Message { topic: &parcel.topic, payload: &parcel.payload, retain: outgoing.retain, dup }
}

fn put(out: &mut BytesMut, version: Version, outgoing: &Outgoing, delivery: Delivery, dup: bool) {
    encode::publish(out, version, &message(outgoing, dup), delivery);
}
