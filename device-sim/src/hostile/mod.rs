//! What attackers try against a hub, and how each try ended. Every attack uses the real protocol
//! over real sockets; an attempt counts as refused only when the refusal was seen.

mod log;
mod raw;

use crate::{
    device::{Device, Input, Now, Output, Pace},
    est::{Answer, Proof, Service},
    flash::{Credentials, Flash},
    identity::{self, Identity, MakerCa},
    profile::{Kinds, Profile},
    wire,
};
use bytes::BytesMut;
use protocol::{
    cbor,
    id::ComponentId,
    message::{Interval, Lost, V1},
};
use raw::Raw;
use rumqttc::v5::mqttbytes::{
    QoS,
    v5::{Filter, LastWill, Packet, Publish, Subscribe},
};
use rustls::{ClientConfig, pki_types::CertificateDer};
use serde::Serialize;
use std::{sync::Arc, time::Duration};

/// Longest wait for a refusal.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tries of one attempt that something else interrupted.
const TRIES: usize = 5;

/// One try.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// What was tried.
    pub name: &'static str,
    /// How it must end.
    pub expected: &'static str,
    /// How it ended.
    pub observed: String,
    /// Whether it was refused.
    pub refused: bool,
}

/// A hub under attack, with a real component's credentials to start from.
pub struct Target {
    /// Host.
    pub host: String,
    /// Port for MQTT.
    pub mqtt: u16,
    /// Enrolment.
    pub est: Service,
    /// The attacker's own component: enrolled, and taken over.
    pub own: Flash,
    /// Another component's id.
    pub victim: ComponentId,
}

type Outcome = anyhow::Result<(bool, String)>;

impl Target {
    fn credentials(&self) -> anyhow::Result<&Credentials> {
        self.own
            .credentials
            .as_ref()
            .ok_or_else(|| anyhow::anyhow!("the attacker's component is not enrolled"))
    }

    fn profile(&self) -> anyhow::Result<Arc<Profile>> {
        Kinds::built_in()?.named(&self.own.kind).cloned()
    }

    fn ca(&self) -> anyhow::Result<CertificateDer<'static>> {
        Ok(CertificateDer::from(self.credentials()?.ca.clone()))
    }

    fn config(&self, identity: Option<&Identity>) -> anyhow::Result<Arc<ClientConfig>> {
        wire::client_config(&self.ca()?, identity)
    }

    fn own_config(&self) -> anyhow::Result<Arc<ClientConfig>> {
        self.config(Some(&wire::identity(self.credentials()?)))
    }

    async fn open(&self, tls: Arc<ClientConfig>) -> anyhow::Result<Raw> {
        let stream = wire::connect(tls, &self.host, self.mqtt).await?;
        Ok(Raw { stream, received: BytesMut::new() })
    }

    /// A session of the attacker's own component.
    async fn session(&self) -> anyhow::Result<Raw> {
        let mut raw = self.open(self.own_config()?).await?;
        raw.connect(&self.credentials()?.id.to_string(), None).await?;
        match raw.packet().await {
            Some(Packet::ConnAck(ack))
                if ack.code == rumqttc::v5::mqttbytes::v5::ConnectReturnCode::Success =>
            {
                Ok(raw)
            }
            other => anyhow::bail!("the attacker's own component was not let in: {other:?}"),
        }
    }

    /// Tries everything, one after the other, in an order in which no try spoils the next.
    pub async fn attack(&self) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        let mut note = |name, expected, outcome: Outcome| {
            let (refused, observed) =
                outcome.unwrap_or_else(|error| (false, format!("could not be tried: {error:#}")));
            attempts.push(Attempt { name, expected, observed, refused });
        };
        let handshake = "no session before any MQTT byte";
        note("certificate of a foreign CA", handshake, self.foreign_ca(false).await);
        note("expired certificate of a foreign CA", handshake, self.foreign_ca(true).await);
        note("self-signed certificate", handshake, self.self_signed().await);
        note("no certificate", handshake, self.no_certificate().await);
        note(
            "own certificate, client id of another",
            "CONNACK client-identifier-not-valid",
            self.other_client_id().await,
        );
        note("last will on another's topic", "CONNACK not-authorized", self.foreign_will().await);
        note("publish as another component", "PUBACK not-authorized", self.foreign_publish().await);
        note(
            "publish where only the hub speaks",
            "PUBACK not-authorized",
            self.down_publish().await,
        );
        note(
            "configure another component",
            "PUBACK not-authorized",
            self.publish_to_victim("config").await,
        );
        note(
            "report for another component",
            "PUBACK not-authorized",
            self.publish_to_victim("reported").await,
        );
        note(
            "vouch for itself to another",
            "PUBACK not-authorized",
            self.publish_to_victim("relayed").await,
        );
        note(
            "records in another's log",
            "PUBACK not-authorized",
            self.publish_to_victim("log").await,
        );
        note(
            "acknowledge another's log",
            "PUBACK not-authorized",
            self.publish_to_victim("log/ctl").await,
        );
        note(
            "own log, edited after signing",
            "PUBACK payload-format-invalid",
            self.edited_log().await,
        );
        note(
            "command that it may not give",
            "PUBACK not-authorized",
            self.command("unlock", &[0xa1, 0x66, b'r', b'e', b'a', b's', b'o', b'n', 0x61, b'x'])
                .await,
        );
        note("subscribe to everything", "SUBACK failure for each", self.wildcards().await);
        note(
            "subscribe to another's topic",
            "SUBACK not-authorized",
            self.foreign_subscribe().await,
        );
        note("retained message", "PUBACK failure", self.retained().await);
        note("malformed payload", "PUBACK payload-format-invalid", self.malformed_payload().await);
        note(
            "value outside its definition",
            "PUBACK payload-format-invalid",
            self.publish_value(&[
                0xa1, 0x65, b'v', b'a', b'l', b'u', b'e', 0x1a, 0xff, 0xff, 0xff, 0xff,
            ])
            .await,
        );
        note(
            "value with a key nobody declared",
            "PUBACK payload-format-invalid",
            self.publish_value(&[0xa2, 0x61, b'x', 1, 0x65, b'v', b'a', b'l', b'u', b'e', 1]).await,
        );
        note("replay of an older announcement", "PUBACK failure", self.replay().await);
        note("packet id 0", "DISCONNECT malformed-packet", self.malformed_packet().await);
        note("packet of a megabyte", "DISCONNECT packet-too-large", self.oversized().await);
        note("silence after TLS", "closed in time", self.silent().await);
        note("flood", "DISCONNECT message-rate-too-high, or held back", self.flood().await);
        note("guessing pairing codes", "429 with growing waits", self.guess().await);
        note(
            "a second device with the same flash",
            "quarantined, both cut",
            self.clone_identity().await,
        );
        attempts
    }

    async fn foreign_ca(&self, expired: bool) -> Outcome {
        let forged = MakerCa::new("Forger")?.forged_ldevid(self.victim, expired)?;
        self.must_not_open(Some(&forged)).await
    }

    async fn self_signed(&self) -> Outcome {
        self.must_not_open(Some(&identity::self_signed(self.victim)?)).await
    }

    async fn no_certificate(&self) -> Outcome {
        self.must_not_open(None).await
    }

    /// In TLS 1.3 a client is done before the server has judged its certificate, so the refusal shows
    /// at the first read.
    async fn must_not_open(&self, identity: Option<&Identity>) -> Outcome {
        let mut raw = match self.open(self.config(identity)?).await {
            Ok(raw) => raw,
            Err(error) => return Ok((true, format!("TLS: {error:#}"))),
        };
        if let Err(error) = raw.connect(&self.victim.to_string(), None).await {
            return Ok((true, format!("TLS: {error:#}")));
        }
        match raw.read().await {
            Err(error) => Ok((true, format!("TLS: {error}"))),
            Ok(None) => Ok((true, "closed".into())),
            Ok(Some(packet)) => Ok((false, format!("answered: {packet:?}"))),
        }
    }

    async fn other_client_id(&self) -> Outcome {
        let mut raw = self.open(self.own_config()?).await?;
        raw.connect(&self.victim.to_string(), None).await?;
        Ok(refusing_connack(raw.packet().await))
    }

    async fn foreign_will(&self) -> Outcome {
        let mut raw = self.open(self.own_config()?).await?;
        let will = LastWill::new(
            format!("p/{}/lost", self.victim),
            cbor::encode(&Lost { version: V1 }),
            QoS::AtMostOnce,
            false,
            None,
        );
        raw.connect(&self.credentials()?.id.to_string(), Some(will)).await?;
        Ok(refusing_connack(raw.packet().await))
    }

    async fn foreign_publish(&self) -> Outcome {
        let facts = self.announcement(1_000_000)?;
        self.refused_publish(&format!("p/{}/announce", self.victim), &facts, false).await
    }

    async fn down_publish(&self) -> Outcome {
        let own = self.credentials()?.id;
        self.refused_publish(&format!("p/{own}/trust"), &[0xa1, 1, 1], false).await
    }

    async fn publish_to_victim(&self, leaf: &str) -> Outcome {
        self.refused_publish(&format!("p/{}/{leaf}", self.victim), &[0xa1, 1, 1], false).await
    }

    /// A command to the victim, in its own name.
    async fn command(&self, name: &str, arguments: &[u8]) -> Outcome {
        let own = self.credentials()?.id;
        let topic = format!("p/{own}/command/{}/{name}", self.victim);
        self.refused_publish(&topic, arguments, false).await
    }

    async fn retained(&self) -> Outcome {
        let own = self.credentials()?.id;
        self.refused_publish(&format!("p/{own}/announce"), &self.announcement(1_000_000)?, true)
            .await
    }

    async fn malformed_payload(&self) -> Outcome {
        let own = self.credentials()?.id;
        self.refused_publish(&format!("p/{own}/announce"), b"{\"kind\":\"lamp\"}", false).await
    }

    /// A value on the first stream of its kind.
    async fn publish_value(&self, payload: &[u8]) -> Outcome {
        let own = self.credentials()?.id;
        let profile = self.profile()?;
        let name = &profile.streams().first().ok_or_else(|| anyhow::anyhow!("no stream"))?.name;
        let topic = format!("p/{own}/stream/{name}");
        self.refused_publish(&topic, payload, false).await
    }

    async fn replay(&self) -> Outcome {
        let own = self.credentials()?.id;
        self.refused_publish(&format!("p/{own}/announce"), &self.announcement(0)?, false).await
    }

    /// An announcement of the attacker's component with this number, in the life it has now.
    fn announcement(&self, seq: u64) -> anyhow::Result<Vec<u8>> {
        let profile = self.profile()?;
        let interval = Interval::new(30).ok_or_else(|| anyhow::anyhow!("no such interval"))?;
        Ok(cbor::encode(&profile.announcement(
            &protocol::id::Label::new(&self.own.serial)?,
            seq,
            protocol::id::BootId([0xee; 8]),
            interval,
            9,
        )))
    }

    /// What the hub answers to a packet. The taken-over component itself may come back in between and
    /// end the attacker's session; then it is tried again.
    async fn answer(&self, packet: &Packet) -> anyhow::Result<Option<Packet>> {
        for _ in 0..TRIES {
            let mut raw = self.session().await?;
            raw.send(packet.clone()).await?;
            match raw.packet().await {
                None | Some(Packet::Disconnect(_)) => {}
                answer => return Ok(answer),
            }
        }
        Ok(None)
    }

    async fn refused_publish(&self, topic: &str, payload: &[u8], retain: bool) -> Outcome {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload.to_vec(), None);
        (publish.pkid, publish.retain) = (7, retain);
        Ok(match self.answer(&Packet::Publish(publish)).await? {
            Some(Packet::PubAck(ack)) => {
                let word = ack.properties.and_then(|p| p.reason_string).unwrap_or_default();
                let refused =
                    ack.reason as u8 != rumqttc::v5::mqttbytes::v5::PubAckReason::Success as u8;
                (refused, format!("PUBACK {:?}: {word}", ack.reason))
            }
            other => (false, format!("{other:?}")),
        })
    }

    async fn wildcards(&self) -> Outcome {
        self.refused_subscribe(&["#", "p/+/announce", "$SYS/#"]).await
    }

    async fn foreign_subscribe(&self) -> Outcome {
        self.refused_subscribe(&[&format!("p/{}/trust", self.victim)]).await
    }

    async fn refused_subscribe(&self, filters: &[&str]) -> Outcome {
        let filters = filters.iter().map(|filter| Filter::new(*filter, QoS::AtMostOnce));
        let mut subscribe = Subscribe::new_many(filters, None);
        subscribe.pkid = 7;
        Ok(match self.answer(&Packet::Subscribe(subscribe)).await? {
            Some(Packet::SubAck(ack)) => {
                use rumqttc::v5::mqttbytes::v5::SubscribeReasonCode::Success;
                let refused = ack.return_codes.iter().all(|code| !matches!(code, Success(_)));
                (refused, format!("SUBACK {:?}", ack.return_codes))
            }
            other => (false, format!("{other:?}")),
        })
    }

    async fn malformed_packet(&self) -> Outcome {
        let mut raw = self.session().await?;
        raw.write(b"\x32\x0d\x00\x03a/b\x00\x00\x07\x01ello").await?;
        Ok(disconnected(raw.packet().await))
    }

    async fn oversized(&self) -> Outcome {
        let mut raw = self.session().await?;
        raw.write(b"\x30\x80\x80\x40\x00\x03a/b\x00").await?;
        Ok(disconnected(raw.packet().await))
    }

    async fn silent(&self) -> Outcome {
        let mut raw = self.open(self.own_config()?).await?;
        match raw.read().await {
            Ok(None) | Err(_) => Ok((true, "closed".into())),
            Ok(Some(packet)) => Ok((false, format!("{packet:?}"))),
        }
    }

    /// Sends ten seconds' worth of messages at once; the hub either closes or stops listening to it.
    async fn flood(&self) -> Outcome {
        let mut raw = self.session().await?;
        let own = self.credentials()?.id;
        let mut one = BytesMut::new();
        let beat =
            Publish::new(format!("p/{own}/heartbeat"), QoS::AtMostOnce, vec![0xff; 32], None);
        Packet::Publish(beat).write(&mut one, None).map_err(|e| anyhow::anyhow!("{e:?}"))?;
        let many = one.repeat(4000);
        let sending = async {
            for _ in 0..16 {
                if raw.write(&many).await.is_err() {
                    return;
                }
            }
        };
        let held_back = tokio::time::timeout(Duration::from_secs(3), sending).await.is_err();
        if held_back {
            return Ok((true, "held back: the hub stopped reading".into()));
        }
        Ok(disconnected(raw.packet().await))
    }

    async fn guess(&self) -> Outcome {
        let ca = self.est.trust().await?;
        let mut waits = Vec::new();
        for _ in 0..3 {
            let wanted = identity::key_request("guess", "nobody")?;
            let proof = Proof::Code("0000-0000-0000-0000".into());
            match self.est.enrol(&ca, &proof, &wanted).await? {
                Answer::Refused { wait: Some(wait), .. } => waits.push(wait),
                other @ (Answer::Issued(_)
                | Answer::Later(_)
                | Answer::Refused { wait: None, .. }) => {
                    return Ok((false, format!("{other:?}")));
                }
            }
            // A patient guesser: it waits as it is told, and the next wait is longer.
            tokio::time::sleep(Duration::from_secs(waits.last().copied().unwrap_or(0))).await;
        }
        let grows = waits.is_sorted_by(|a, b| a < b);
        Ok((grows, format!("refused 3 times, told to wait {waits:?} s")))
    }

    /// Two devices with the same flash: each restarts on its own, then the first returns.
    async fn clone_identity(&self) -> Outcome {
        let profile = self.profile()?;
        let interval = Interval::new(30).ok_or_else(|| anyhow::anyhow!("no such interval"))?;
        let pace = Pace { interval, stream: 0, log: 0 };
        let mut flash = self.own.clone();
        flash.seq += 10;
        let now = Now { mono: 0, unix_ms: 0 };
        let device = |seed| Device::new(profile.clone(), flash.clone(), pace, seed);
        let mut lives = Vec::new();
        for mut device in [device(0xa11ce)?, device(0xb0b)?] {
            device.handle(Input::Start, now);
            let outputs = device.handle(Input::Connected, now);
            let announcement = outputs.into_iter().find_map(|output| match output {
                Output::Publish { topic, payload, .. } => Some((topic, payload)),
                Output::Enrol
                | Output::Reenrol
                | Output::Connect
                | Output::HangUp
                | Output::Subscribe(_)
                | Output::Obeyed(_)
                | Output::Heard(_)
                | Output::Disbelieved(_)
                | Output::Report(_)
                | Output::Log(_)
                | Output::Reboot
                | Output::SelfTest(_)
                | Output::Save => None,
            });
            lives.push(announcement.ok_or_else(|| anyhow::anyhow!("it announces nothing"))?);
        }
        // The second must say something newer, as a device would that counts on by itself.
        let mut newer = device(0xb0b)?;
        newer.handle(Input::Start, now);
        newer.count_on();
        lives[1].1 = newer.announcement();
        let mut last = None;
        for (topic, payload) in [&lives[0], &lives[1], &lives[0]] {
            let mut raw = self.session().await?;
            let mut publish = Publish::new(topic.clone(), QoS::AtLeastOnce, payload.clone(), None);
            publish.pkid = 7;
            raw.send(Packet::Publish(publish)).await?;
            last = raw.until_disconnect_or_ack().await;
        }
        Ok(disconnected(last))
    }
}

fn refusing_connack(packet: Option<Packet>) -> (bool, String) {
    match packet {
        Some(Packet::ConnAck(ack)) => {
            let word = ack.properties.and_then(|p| p.reason_string).unwrap_or_default();
            let refused = ack.code != rumqttc::v5::mqttbytes::v5::ConnectReturnCode::Success;
            (refused, format!("CONNACK {:?}: {word}", ack.code))
        }
        other => (false, format!("{other:?}")),
    }
}

fn disconnected(packet: Option<Packet>) -> (bool, String) {
    match packet {
        Some(Packet::Disconnect(gone)) => {
            let word = gone.properties.and_then(|p| p.reason_string).unwrap_or_default();
            (true, format!("DISCONNECT {:?}: {word}", gone.reason_code))
        }
        None => (true, "closed".into()),
        Some(other) => (false, format!("{other:?}")),
    }
}
