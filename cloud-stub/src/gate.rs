//! Hubs at the cloud's door. A hub's certificate is bound to the logical id it first connects under;
//! from then on the two belong together.

use crate::{identity::sha256, logs::Logs};
use bytes::Bytes;
use mqtt_endpoint::{
    Answer, Closed, ConnectRequest, Connected, EndpointRefusal, Gate, Handle, Inbound, LinkId,
    Peer, Qos, ReasonCode, Refused,
};
use protocol::{
    cbor,
    id::{ComponentId, Digest, Label},
    message::{CloudAnswer, CloudHello, HubStatus, Lost, UplinkFrame, V1},
    topic::{FromCloud, Route, ToCloud},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Hubs a simulated cloud takes; further ones are refused.
const HUBS: usize = 10_000;

/// What observers are told, as one JSON object.
pub type Tell = Box<dyn Fn(serde_json::Value)>;

/// The cloud's gate.
pub struct HubGate {
    handle: Handle,
    hello: CloudHello,
    bound: RefCell<BTreeMap<Digest, ComponentId>>,
    logs: RefCell<Logs>,
    tell: Tell,
}

impl HubGate {
    /// A gate of the cloud with this id.
    ///
    /// # Panics
    /// Never: the names are valid.
    #[must_use]
    pub fn new(handle: Handle, id: ComponentId, logs: Logs, tell: Tell) -> Self {
        let label = |text: &str| Label::new(text).expect("a plain name");
        let hello = CloudHello {
            version: V1,
            id,
            maker: label("Simulated Maker"),
            model: label("Simulated Cloud"),
            software: label(env!("CARGO_PKG_VERSION")),
        };
        Self { handle, hello, bound: RefCell::default(), logs: RefCell::new(logs), tell }
    }

    fn id(&self, key: &Digest) -> Option<ComponentId> {
        self.bound.borrow().get(key).copied()
    }

    /// Records of a hub's log; the answer leaves when they are durable.
    fn log(&self, id: ComponentId, payload: &[u8]) -> Answer {
        let limit = Route::ToCloud(id, ToCloud::Log).limits().max_payload;
        let Ok(frame) = cbor::decode::<UplinkFrame>(payload, limit) else {
            (self.tell)(serde_json::json!({ "hub": id, "refused": "malformed" }));
            return Answer::Refused(MALFORMED);
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = since.map_or(0, |since| since.as_secs());
        let outcome = self.logs.borrow_mut().take(id, &frame, time);
        outcome.told.into_iter().for_each(|event| (self.tell)(event));
        let topic = Route::FromCloud(id, FromCloud::LogAck).to_string();
        let ack = Bytes::from(cbor::encode(&outcome.ack));
        self.handle.send(&id.to_string(), &topic, ack, Qos::AtLeastOnce);
        Answer::Paced
    }
}

const DENIED: Refused = Refused { reason: ReasonCode::NotAuthorized, word: "not-authorized" };
const MALFORMED: Refused = Refused { reason: ReasonCode::PayloadFormatInvalid, word: "malformed" };

impl Gate for HubGate {
    type Principal = Digest;

    fn admit(&self, peer: &Peer<'_>) -> Result<Digest, Refused> {
        let (_, certificate) = X509Certificate::from_der(peer.certificate).map_err(|_| DENIED)?;
        Ok(sha256(certificate.public_key().raw))
    }

    fn connect(&self, who: &Digest, request: &ConnectRequest<'_>) -> Result<(), Refused> {
        let id: ComponentId = request.client_id.parse().map_err(|_| DENIED)?;
        let mut bound = self.bound.borrow_mut();
        if bound.len() >= HUBS || bound.iter().any(|(key, other)| *other == id && key != who) {
            return Err(DENIED);
        }
        if *bound.entry(*who).or_insert(id) != id {
            return Err(DENIED);
        }
        let lost = Route::ToCloud(id, ToCloud::Lost).to_string();
        if request.will.is_some_and(|will| will.topic != lost) { Err(DENIED) } else { Ok(()) }
    }

    fn connected(&self, who: &Digest, _: LinkId, info: &Connected) {
        let Some(id) = self.id(who) else { return };
        (self.tell)(serde_json::json!({ "hub": id, "link": "up", "from": info.from }));
        let hello = Route::FromCloud(id, FromCloud::Hello).to_string();
        self.handle.publish(&hello, Bytes::from(cbor::encode(&self.hello)), Qos::AtLeastOnce, true);
    }

    fn publish(&self, who: &Digest, message: &Inbound<'_>) -> Answer {
        let Some(id) = self.id(who) else { return Answer::Refused(DENIED) };
        let limit = message.payload.len().min(1024);
        match Route::parse(message.topic) {
            Ok(Route::ToCloud(owner, ToCloud::Status)) if owner == id => {
                match cbor::decode::<HubStatus>(message.payload, limit) {
                    Ok(status) => {
                        (self.tell)(serde_json::json!({
                            "hub": id, "seq": status.seq, "members": status.members, "active": status.active,
                        }));
                        Answer::Done
                    }
                    Err(_) => Answer::Refused(MALFORMED),
                }
            }
            Ok(Route::ToCloud(owner, ToCloud::Answer)) if owner == id => {
                match cbor::decode::<CloudAnswer>(message.payload, limit) {
                    Ok(CloudAnswer { seq, refusal, detail, .. }) => {
                        (self.tell)(serde_json::json!({
                            "hub": id, "answer": seq, "refusal": refusal, "detail": detail,
                        }));
                        Answer::Done
                    }
                    Err(_) => Answer::Refused(MALFORMED),
                }
            }
            Ok(Route::ToCloud(owner, ToCloud::Log)) if owner == id => self.log(id, message.payload),
            Ok(Route::ToCloud(owner, ToCloud::Lost)) if owner == id => {
                match cbor::decode::<Lost>(message.payload, limit) {
                    Ok(_) => Answer::Done,
                    Err(_) => Answer::Refused(MALFORMED),
                }
            }
            Ok(_) | Err(_) => Answer::Refused(DENIED),
        }
    }

    fn subscribe(&self, who: &Digest, filter: &str, qos: Qos) -> Result<Qos, Refused> {
        let own = self.id(who);
        let topics = [FromCloud::Hello, FromCloud::Ask, FromCloud::LogAck];
        let mut topics =
            topics.map(|what| own.map(|id| Route::FromCloud(id, what).to_string())).into_iter();
        if topics.any(|own| own.as_deref() == Some(filter)) { Ok(qos) } else { Err(DENIED) }
    }

    fn disconnected(&self, who: &Digest, _: LinkId, _: Closed) {
        if let Some(id) = self.id(who) {
            (self.tell)(serde_json::json!({ "hub": id, "link": "down" }));
        }
    }

    fn refused(&self, _: Option<&Digest>, from: SocketAddr, what: &EndpointRefusal) {
        (self.tell)(
            serde_json::json!({ "refused": what.word, "from": from, "detail": what.detail }),
        );
    }
}
