//! Components over MQTT: the endpoint's gate, answered by the hub.

use crate::{pki::certificate::facts, run::HubCell};
use hub_core::{Answer as HubAnswer, Denied, Input, access::gate::Carriage};
use mqtt_endpoint::{
    Answer, Closed, ConnectRequest, Connected, EndpointRefusal, Gate, Inbound, LinkId, Peer, Qos,
    ReasonCode, Refused,
};
use protocol::{id::ComponentId, refusal::Refusal};
use std::{net::SocketAddr, rc::Rc};

/// Asks the hub about everything.
pub struct ComponentGate {
    cell: Rc<HubCell>,
}

/// A component whose certificate is in force.
#[derive(Clone)]
pub struct Principal {
    id: ComponentId,
    serial: Rc<[u8]>,
}

impl ComponentGate {
    /// A gate of this hub.
    #[must_use]
    pub fn new(cell: Rc<HubCell>) -> Self {
        Self { cell }
    }

    fn deny(
        &self,
        who: Option<ComponentId>,
        from: Option<SocketAddr>,
        denied: Denied,
        about: &str,
    ) -> Refused {
        let Denied { refusal, detail } = denied;
        let about = if detail.is_empty() { about.to_owned() } else { detail };
        self.cell.apply(Input::Denied { who, from, refusal, about });
        refused(refusal)
    }
}

/// A refusal as MQTT 5 says it.
fn refused(why: Refusal) -> Refused {
    use Refusal as R;
    let reason = match why {
        R::Malformed | R::BadRequest | R::WrongContent | R::BadDefinition => {
            ReasonCode::PayloadFormatInvalid
        }
        R::TooLarge => ReasonCode::PacketTooLarge,
        R::UnknownTopic => ReasonCode::TopicNameInvalid,
        R::WildcardSubscription => ReasonCode::WildcardSubscriptionsNotSupported,
        R::RetainNotAllowed => ReasonCode::RetainNotSupported,
        R::QosNotAllowed => ReasonCode::QosNotSupported,
        R::IdentityMismatch => ReasonCode::ClientIdentifierNotValid,
        R::Revoked | R::Retired | R::Cloned => ReasonCode::Banned,
        R::SlowDown => ReasonCode::MessageRateTooHigh,
        R::Full => ReasonCode::QuotaExceeded,
        R::StoreUnavailable => ReasonCode::ServerBusy,
        R::Replayed | R::IdInUse | R::OutOfOrder => ReasonCode::ImplementationSpecificError,
        R::Internal => ReasonCode::UnspecifiedError,
        R::BadCredentials | R::WrongCode | R::SpentCode => ReasonCode::BadUserNameOrPassword,
        R::ForeignTopic
        | R::WrongDirection
        | R::Unknown
        | R::Quarantined
        | R::NotApproved
        | R::Superseded
        | R::Expired
        | R::UntrustedIssuer
        | R::PairingClosed
        | R::WeakKey
        | R::WrongState
        | R::ForeignWill
        | R::NoCertificate
        | R::UnknownKind
        | R::NotDeclared
        | R::Unreachable
        | R::LoginTooOld
        | R::RolledBack
        | R::NotPermitted => ReasonCode::NotAuthorized,
    };
    Refused { reason, word: why.slug() }
}

impl Gate for ComponentGate {
    type Principal = Principal;

    fn admit(&self, peer: &Peer<'_>) -> Result<Principal, Refused> {
        let known = facts(peer.certificate).and_then(|facts| Some((facts.id?, facts.certificate)));
        let Some((id, certificate)) = known else {
            return Err(self.deny(
                None,
                Some(peer.from),
                Refusal::IdentityMismatch.into(),
                "no id in the certificate",
            ));
        };
        let wall = self.cell.now().wall;
        match self.cell.look(|hub| hub.admit(id, &certificate, wall)) {
            Ok(()) => Ok(Principal { id, serial: certificate.serial.into() }),
            Err(why) => Err(self.deny(Some(id), Some(peer.from), why.into(), "connecting")),
        }
    }

    fn connect(&self, who: &Principal, request: &ConnectRequest<'_>) -> Result<(), Refused> {
        let deny = |denied: Denied, about: &str| {
            Err(self.deny(Some(who.id), Some(request.from), denied, about))
        };
        if request.client_id.parse() != Ok(who.id) {
            return deny(Refusal::IdentityMismatch.into(), request.client_id);
        }
        if request.credentials {
            return deny(
                Refusal::BadCredentials.into(),
                "a user name or password beside the certificate",
            );
        }
        let Some(will) = request.will else { return Ok(()) };
        let carriage = Carriage { qos: will.qos.number(), retain: will.retain, will: true };
        let allowed =
            self.cell.look(|hub| hub.authorize_will(who.id, will.topic, will.payload, carriage));
        allowed.or_else(|denied| deny(denied, will.topic))
    }

    fn connected(&self, who: &Principal, link: LinkId, info: &Connected) {
        self.cell.apply(Input::Connected {
            who: who.id,
            link: link.0,
            from: info.from,
            serial: who.serial.to_vec(),
            took_over: info.took_over.map(|former| former.from),
        });
    }

    fn publish(&self, who: &Principal, message: &Inbound<'_>) -> Answer {
        let carriage =
            Carriage { qos: message.qos.number(), retain: message.retain, will: message.will };
        let permitted =
            self.cell.look(|hub| hub.authorize(who.id, message.topic, message.payload, carriage));
        let permitted = match permitted {
            Ok(permitted) => permitted,
            Err(denied) => {
                return Answer::Refused(self.deny(Some(who.id), None, denied, message.topic));
            }
        };
        match self.cell.apply(Input::Message(permitted)) {
            (HubAnswer::Refused { why, .. }, _) => Answer::Refused(refused(why)),
            (_, Some(commit)) => Answer::AfterCommit(commit),
            (HubAnswer::Paced, None) => Answer::Paced,
            (_, None) => Answer::Done,
        }
    }

    fn subscribe(&self, who: &Principal, filter: &str, qos: Qos) -> Result<Qos, Refused> {
        match self.cell.look(|hub| hub.authorize_subscription(who.id, filter)) {
            Ok(()) => Ok(qos.min(Qos::AtLeastOnce)),
            Err(denied) => Err(self.deny(Some(who.id), None, denied, filter)),
        }
    }

    fn disconnected(&self, who: &Principal, link: LinkId, why: Closed) {
        let why = match why {
            Closed::Left => hub_core::hub::LEFT,
            Closed::Lost => "the connection was lost",
            Closed::Silent => "it was silent for too long",
            Closed::TakenOver => "it connected anew",
            Closed::Cut(why) | Closed::Refused(why) => why.word,
            Closed::Draining => "the hub is shutting down",
            Closed::Panicked => "a mistake inside the hub",
        };
        self.cell.apply(Input::Disconnected { who: who.id, link: link.0, why });
    }

    fn refused(&self, who: Option<&Principal>, from: SocketAddr, what: &EndpointRefusal) {
        let who = who.map(|who| who.id);
        let EndpointRefusal { word, detail } = what.clone();
        self.cell.apply(Input::EndpointRefused { who, from, word, detail });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns "MQTT 5.0" and "HTTP" of the contract's table of refusals are what the hub sends.
    #[test]
    fn the_contract_gives_the_codes_that_the_hub_sends() {
        let readme = include_str!("../../../protocol/README.md");
        let mut checked = 0;
        for why in Refusal::ALL {
            let word = format!("`{}`", why.slug());
            let row = readme.lines().find(|line| {
                line.starts_with("| ") && line.split('|').nth(2) == Some(&format!(" {word} "))
            });
            let cells: Vec<_> =
                row.unwrap_or_else(|| panic!("no row {word}")).split('|').map(str::trim).collect();
            let reason = refused(*why).reason;
            for code in cells[5].split("; ").filter(|code| *code != "–") {
                let (packet, code) = code.rsplit_once(' ').unwrap_or(("PUBACK", code));
                let sent = match packet {
                    "PUBACK" => reason.in_ack(),
                    "SUBACK" => reason.in_suback(),
                    "DISCONNECT" => crate::run::CUT_OFF,
                    "CONNACK" => reason,
                    other => panic!("no packet {other}"),
                };
                assert_eq!(format!("0x{:02X}", sent.code()), code, "{word} in {packet}");
                checked += 1;
            }
            let status = crate::est::routes::status(*why).as_u16().to_string();
            if cells[6] != "–" {
                assert!(cells[6].split(", ").any(|said| said == status), "{word}: HTTP {status}");
                checked += 1;
            }
        }
        assert!(checked > 30, "{checked} codes were compared");
    }
}
