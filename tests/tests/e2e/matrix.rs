//! Everyone says every class of message to everyone, on real sockets: what is delivered is exactly what
//! the definitions let through.

use crate::scene::Scene;
use device_sim::{
    flash::{Credentials, Flash},
    profile::{Kinds, Profile, sample},
    wire,
};
use protocol::{
    cbor,
    id::{BootId, ComponentId, Label},
    message::{Action, Assertion, Interval, assertion::FORM},
    signed::Signed,
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rumqttc::{
    TlsConfiguration, Transport,
    v5::{
        AsyncClient, Event, EventLoop, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{Packet, PubAckReason},
        },
    },
};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tests::harness::Hub;

/// Longest wait for one packet.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who said what to whom.
type Said = (ComponentId, ComponentId, Action, String);

/// One component, driven by the test.
struct Puppet {
    id: ComponentId,
    profile: Arc<Profile>,
    client: AsyncClient,
    events: EventLoop,
    /// What it was told on its topics.
    heard: Vec<(String, Vec<u8>)>,
}

impl Puppet {
    async fn connect(hub: &Hub, flash: &Flash) -> Self {
        let own: &Credentials = flash.credentials.as_ref().unwrap();
        let tls =
            wire::client_config(&CertificateDer::from(own.ca.clone()), Some(&wire::identity(own)));
        let mut options = MqttOptions::new(own.id.to_string(), "localhost", hub.mqtt_port);
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls.unwrap())));
        options.set_outgoing_inflight_upper_limit(8);
        let (client, events) = AsyncClient::new(options, 64);
        let profile = Kinds::built_in().unwrap().named(&flash.kind).unwrap().clone();
        let mut puppet = Self { id: own.id, profile, client, events, heard: Vec::new() };
        for leaf in ["trust", "config", "relayed"] {
            let topic = format!("p/{}/{leaf}", own.id);
            puppet.client.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        }
        let serial = Label::new(&flash.serial).unwrap();
        let interval = Interval::new(3600).unwrap();
        let facts = puppet.profile.announcement(
            &serial,
            flash.seq + 1,
            BootId([0x3c; 8]),
            interval,
            flash.config,
        );
        let topic = format!("p/{}/announce", own.id);
        assert!(puppet.say(&topic, cbor::encode(&facts)).await, "announced");
        puppet
    }

    /// Publishes at QoS 1; the answer is whether the hub took it.
    async fn say(&mut self, topic: &str, payload: Vec<u8>) -> bool {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).await.unwrap();
        loop {
            if let Packet::PubAck(ack) = self.packet().await {
                return matches!(
                    ack.reason,
                    PubAckReason::Success | PubAckReason::NoMatchingSubscribers
                );
            }
        }
    }

    /// Looks at everything that was sent to it before it answers a ping.
    async fn listen(&mut self) {
        // An own heartbeat at QoS 1 comes back as an acknowledgement after all that was sent before.
        let beat = protocol::message::Heartbeat {
            version: protocol::message::V1,
            boot: BootId([0x3c; 8]),
            seq: 1,
            uptime: 1,
        };
        let topic = format!("p/{}/heartbeat", self.id);
        assert!(self.say(&topic, cbor::encode(&beat)).await);
    }

    async fn packet(&mut self) -> Packet {
        loop {
            let event = tokio::time::timeout(PATIENCE, self.events.poll()).await;
            match event.expect("a packet in time").expect("a connection that lasts") {
                Event::Incoming(Packet::Publish(publish)) => {
                    let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                    self.heard.push((topic, publish.payload.to_vec()));
                }
                Event::Incoming(packet) => return packet,
                Event::Outgoing(_) => {}
            }
        }
    }

    /// What others said to it, as the hub vouches for it.
    fn was_told(&self) -> impl Iterator<Item = Said> {
        let own = format!("p/{}/relayed", self.id);
        let relayed = self.heard.iter().filter(move |(topic, _)| *topic == own);
        relayed.map(|(_, bytes)| {
            let signed = Signed::parse(FORM, bytes).unwrap();
            let payload = signed.payload();
            let assertion: Assertion = cbor::decode(payload, payload.len()).unwrap();
            let Assertion { sender, receiver, action, name, .. } = assertion;
            (sender, receiver, action, name.to_string())
        })
    }
}

fn fitting(schema: &Value) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    cbor::from_json(&Value::Object(sample(schema, None, &mut random, 1)))
}

/// Criterion: T1.LA.3 (positive)
/// Criterion: T3.LA.1a (positive)
/// Criterion: T3.LA.1 (positive)
#[test]
fn on_real_sockets_exactly_what_is_defined_is_delivered() {
    let scene = Scene::with(&[]);
    let mut fleet = scene.active_fleet(6, 1);
    fleet.stop().unwrap();
    let mut memories = fleet.memories().unwrap();
    memories.sort_by(|a, b| a.serial.cmp(&b.serial));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut puppets = Vec::new();
        for flash in &memories {
            puppets.push(Puppet::connect(&scene.hub, flash).await);
        }
        let everyone: Vec<_> = puppets.iter().map(|one| (one.id, one.profile.clone())).collect();
        let (mut tried, mut taken, mut wanted) = (0, 0, BTreeSet::new());
        for puppet in &mut puppets {
            let (own, me) = (puppet.id, puppet.profile.definition().clone());
            for (other, theirs) in &everyone {
                let theirs = theirs.definition();
                let mine = own == *other;
                let mut classes: Vec<(String, Vec<u8>, bool)> = Vec::new();
                for leaf in [
                    "announce",
                    "heartbeat",
                    "bye",
                    "lost",
                    "reported",
                    "trust",
                    "config",
                    "relayed",
                    "log",
                    "log/ctl",
                    "nothing",
                ] {
                    classes.push((format!("p/{other}/{leaf}"), vec![0xa0], false));
                }
                for stream in &theirs.streams {
                    let topic = format!("p/{other}/stream/{}", stream.name);
                    classes.push((topic, fitting(&stream.traffic.schema), mine));
                    let hearers = everyone.iter().filter(|(id, kind)| {
                        mine && *id != own && stream.readers.contains(&kind.definition().kind)
                    });
                    wanted.extend(
                        hearers.map(|(id, _)| (own, *id, Action::Stream, stream.name.to_string())),
                    );
                }
                for command in &theirs.commands {
                    let may = command.from.contains(&me.kind);
                    let arguments = fitting(&command.traffic.schema);
                    classes.push((
                        format!("p/{own}/command/{other}/{}", command.name),
                        arguments.clone(),
                        may,
                    ));
                    if may {
                        wanted.insert((own, *other, Action::Command, command.name.to_string()));
                    }
                    if !mine {
                        classes.push((
                            format!("p/{other}/command/{own}/{}", command.name),
                            arguments,
                            false,
                        ));
                    }
                }
                for (topic, payload, allowed) in classes {
                    let took = puppet.say(&topic, payload).await;
                    assert_eq!(took, allowed, "{} says {topic}", me.kind);
                    tried += 1;
                    taken += usize::from(took);
                }
            }
        }
        let mut delivered = BTreeSet::new();
        for puppet in &mut puppets {
            puppet.listen().await;
            delivered.extend(puppet.was_told());
        }
        assert_eq!(delivered, wanted);
        println!("{tried} messages tried, {taken} taken, {} relayed as defined", delivered.len());
        assert!(tried > 450 && delivered.len() >= 4);
    });
    let records = scene.hub.json(&["policy", "decisions"]).unwrap();
    assert!(!records.as_array().unwrap().is_empty());
}
