//! A hub, its clock, what it wrote, and shorthands for what happens to it.

use crate::maker::{Maker, Signer};
use hub_core::{
    Actor, Answer, Command, ComponentCertificate, Effects, EnrolRequest, EventKind, Hub,
    HubSettings, Inbound, Input, Now, Occasion, Outbound, OwnIdentity, Permitted, Proof,
    ReenrolRequest, Selector, Table,
    access::{gate::Carriage, trust::Hold},
    record::Record,
};
use protocol::{
    cbor,
    id::{BootId, ComponentId, Digest, Label, Note, Slug, Uri},
    message::{Announcement, Config, ConfigOutcome, Interval, List, Reported, TrustState, V1},
    refusal::Refusal,
    time::{Date, Timestamp},
    topic::Route,
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

pub(crate) const OWNER: Actor = Actor::LocalUser(0);
pub(crate) const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) now: Now,
    pub(crate) store: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    pub(crate) events: Vec<hub_core::StateEvent>,
    /// What the log holds; numbers are places.
    pub(crate) log: Vec<Record>,
    /// Messages to components, by topic.
    pub(crate) sent: Vec<(String, Vec<u8>)>,
    settings: HubSettings,
    issued: u8,
    links: u64,
    pub(crate) maker: Maker,
    /// Another maker whose roots are trusted too.
    pub(crate) other: Maker,
}

pub(crate) fn key(n: u16) -> Digest {
    let mut bytes = [0xab; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    Digest(bytes)
}

pub(crate) fn id(n: u16) -> ComponentId {
    ComponentId::from_key_digest(&key(n))
}

pub(crate) fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

pub(crate) fn note(text: &str) -> Note {
    Note::new(text).unwrap()
}

pub(crate) fn facts(n: u16, seq: u64) -> Announcement {
    let slugs = |names: &[&str]| {
        List::new(names.iter().map(|name| Slug::new(name).unwrap()).collect()).unwrap()
    };
    Announcement {
        version: V1,
        seq,
        boot: BootId([1; 8]),
        kind: Slug::new("lamp").unwrap(),
        maker: label("Lumen Works"),
        model: label("Glow 2"),
        serial: label(&format!("LW-{n:05}")),
        hardware: 3,
        firmware: label("1.4.0"),
        firmware_digest: Digest([5; 32]),
        interfaces: slugs(&["wifi", "button"]),
        streams: slugs(&["state", "power"]),
        data: slugs(&["usage"]),
        interval: Interval::new(30).unwrap(),
        config: 1,
        sbom: Some(Uri::new("https://lumen.example/sbom/glow2-1.4.0.json").unwrap()),
        support_end: Some(Date::new(2031, 12, 31).unwrap()),
    }
}

pub(crate) fn carriage(qos: u8) -> Carriage {
    Carriage { qos, retain: false, will: false }
}

/// The definition of the lamps that every world has.
pub(crate) const LAMP: &str = include_str!("../../../../device-sim/definitions/lamp.toml");

fn settings(maker: &Maker, other: &Maker, own: &HubSettings) -> HubSettings {
    let anchors = vec![maker.anchor("lumen"), other.anchor("other")];
    HubSettings { anchors, ..own.clone() }
}

fn own() -> OwnIdentity {
    OwnIdentity { id: id(0xffff), software: label("0.1.0"), fingerprint: Digest([9; 32]) }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A world whose hub has these settings.
    pub(crate) fn with(set: impl FnOnce(&mut HubSettings)) -> Self {
        let mut own_settings = HubSettings::default();
        set(&mut own_settings);
        let now =
            Now { wall: Timestamp::from_seconds(1_790_000_000), mono: Duration::from_secs(1) };
        let (maker, other) = (Maker::new(), Maker::new());
        let hub = Hub::restore(settings(&maker, &other, &own_settings), own(), [], now).unwrap();
        let (store, events) = (BTreeMap::new(), Vec::new());
        let mut world = Self {
            hub,
            now,
            store,
            events,
            log: Vec::new(),
            sent: Vec::new(),
            settings: own_settings,
            issued: 0,
            links: 0,
            maker,
            other,
        };
        assert!(matches!(world.define(LAMP), Answer::Defined { .. }));
        world
    }

    /// Signs a definition and puts it in force.
    pub(crate) fn define(&mut self, document: &str) -> Answer {
        let maker = document.split("maker = \"").nth(1).unwrap().split('"').next().unwrap();
        let envelope = self.maker.sign(document, &Signer::of(maker));
        self.handle(Input::Command { by: OWNER, command: Command::Define(envelope) }).answer
    }

    /// The same store after a restart.
    pub(crate) fn restart(&mut self) {
        self.hub = self.replayed();
        let all = (0..).zip(self.log.clone());
        let unseen: Vec<_> = all.filter(|(number, one)| !self.hub.recall(*number, one)).collect();
        self.hub.recalled();
        for (first, record) in unseen {
            self.handle(Input::Recorded { first, records: vec![record] });
        }
    }

    /// Ends in order: what is left is written.
    pub(crate) fn stop(&mut self) {
        for write in self.hub.last_writes() {
            self.store.insert((write.table, write.key), write.value.unwrap());
        }
    }

    pub(crate) fn replayed(&self) -> Hub {
        let stored =
            self.store.iter().map(|((table, key), value)| (*table, key.clone(), value.clone()));
        Hub::restore(settings(&self.maker, &self.other, &self.settings), own(), stored, self.now)
            .unwrap()
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.wall = self.now.wall.plus(time);
    }

    pub(crate) fn handle(&mut self, input: Input) -> Effects {
        let effects = self.hub.handle(input, self.now);
        for write in &effects.writes {
            let key = (write.table, write.key.clone());
            match &write.value {
                Some(value) => drop(self.store.insert(key, value.clone())),
                None => drop(self.store.remove(&key)),
            }
        }
        self.sent.extend(effects.sends.iter().filter_map(|send| match send.message() {
            Outbound::Message { down, payload } => {
                Some((Route::Down(send.principal(), *down).to_string(), payload.clone()))
            }
            Outbound::Relayed(_) | Outbound::Blocks(_) => None,
        }));
        self.events.extend(effects.events.iter().cloned());
        self.record(&effects.records);
        effects
    }

    /// Writes records into the log, as the shell does, and tells the hub their numbers.
    pub(crate) fn record(&mut self, records: &[Record]) {
        if !records.is_empty() {
            let first = self.log.len() as u64;
            self.log.extend_from_slice(records);
            self.handle(Input::Recorded { first, records: records.to_vec() });
        }
    }

    pub(crate) fn command(&mut self, command: Command) -> Result<usize, Refusal> {
        match self.handle(Input::Command { by: OWNER, command }).answer {
            Answer::Changed(count) => Ok(count),
            Answer::PairingOpen(_) => Ok(0),
            Answer::Refused { why, .. } => Err(why),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn request(&self, n: u16, proof: Proof) -> EnrolRequest {
        EnrolRequest { key: key(n), strong: true, claimed: None, serial: None, proof, from: HOME }
    }

    pub(crate) fn idevid(&self, n: u16) -> Proof {
        Proof::Idevid {
            maker: label("lumen"),
            key: key(n),
            serial: Some(label(&format!("LW-{n:05}"))),
        }
    }

    pub(crate) fn certificate(&mut self, n: u16) -> ComponentCertificate {
        self.issued += 1;
        let (not_before, not_after) = (self.now.wall, self.now.wall.plus(30 * DAY));
        ComponentCertificate { serial: vec![1, self.issued], key: key(n), not_before, not_after }
    }

    /// The newest certificate of component `n`.
    pub(crate) fn certificate_of(&self, n: u16) -> ComponentCertificate {
        self.hub.inventory().get(id(n)).unwrap().credentials.current.clone().unwrap()
    }

    /// Enrols component `n` with its IDevID and the owner's approval; the answer is its certificate.
    pub(crate) fn enrol(&mut self, n: u16) -> ComponentCertificate {
        let request = self.request(n, self.idevid(n));
        assert!(matches!(self.handle(Input::Enrol(request.clone())).answer, Answer::Wait(_)));
        assert_eq!(self.command(Command::Approve(Selector::One(id(n)))), Ok(1));
        let Answer::Issue(order) = self.handle(Input::Enrol(request)).answer else {
            panic!("approved")
        };
        assert_eq!((order.id, order.key, order.occasion), (id(n), key(n), Occasion::Join));
        let certificate = self.certificate(n);
        self.handle(Input::Issued {
            id: id(n),
            certificate: certificate.clone(),
            occasion: Occasion::Join,
        });
        certificate
    }

    pub(crate) fn reenrol(&mut self, n: u16, with: &ComponentCertificate) -> Answer {
        let request = ReenrolRequest {
            with: with.clone(),
            id: id(n),
            key: key(n),
            strong: true,
            claimed: None,
            from: HOME,
        };
        self.handle(Input::Reenrol(request)).answer
    }

    pub(crate) fn connect(&mut self, n: u16, certificate: &ComponentCertificate) -> Effects {
        self.links += 1;
        let from = SocketAddr::new(HOME, 40_000);
        let serial = certificate.serial.clone();
        self.handle(Input::Connected {
            who: id(n),
            link: self.links,
            from,
            serial,
            took_over: None,
        })
    }

    pub(crate) fn permit(
        &self,
        n: u16,
        leaf: &str,
        payload: &[u8],
    ) -> Result<Permitted<Inbound>, Refusal> {
        let topic = format!("p/{}/{leaf}", id(n));
        self.hub.authorize(id(n), &topic, payload, carriage(1)).map_err(|denied| denied.refusal)
    }

    pub(crate) fn say(&mut self, n: u16, leaf: &str, payload: &[u8]) -> Effects {
        let permitted = self.permit(n, leaf, payload).unwrap();
        self.handle(Input::Message(permitted))
    }

    pub(crate) fn announce(&mut self, n: u16, facts: &Announcement) -> Effects {
        self.say(n, "announce", &cbor::encode(facts))
    }

    /// A member: enrolled, connected, announced.
    pub(crate) fn member(&mut self, n: u16) -> ComponentCertificate {
        let certificate = self.enrol(n);
        self.connect(n, &certificate);
        self.announce(n, &facts(n, 1));
        self.obey(n);
        assert_eq!(self.state(n), TrustState::Active);
        certificate
    }

    /// The component does what it was told last and reports it.
    pub(crate) fn obey(&mut self, n: u16) {
        let topic = format!("p/{}/config", id(n));
        let told = self.sent.iter().rev().find(|(to, _)| *to == topic);
        let config: Config = cbor::decode(&told.unwrap().1, 8192).unwrap();
        let reported = Reported {
            version: V1,
            revision: config.revision,
            outcome: ConfigOutcome::Applied,
            settings: config.settings,
            open: config.open,
            security: 1,
            why: None,
        };
        self.say(n, "reported", &cbor::encode(&reported));
    }

    pub(crate) fn state(&self, n: u16) -> TrustState {
        self.hub.inventory().get(id(n)).unwrap().trust.state
    }

    pub(crate) fn hold(&self, n: u16) -> Option<Hold> {
        self.hub.inventory().get(id(n)).unwrap().trust.hold
    }

    pub(crate) fn saw(&self, kind: EventKind, refusal: Option<Refusal>) -> bool {
        self.events.iter().any(|event| event.kind == kind && event.refusal == refusal)
    }
}
