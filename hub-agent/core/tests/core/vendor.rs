//! A vendor of releases, and components that sign what they run.

use crate::world::{World, facts, id, label};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use hub_core::{
    ComponentCertificate, Effects, Input, Occasion,
    update::{AwsLc, ReleaseNote},
};
use protocol::{
    cbor,
    id::{Digest, JobId, ModelId, Nonce, PublicKey, Slug},
    message::{
        List, UpdateControl, UpdateFault, UpdateOffer, UpdateOrder, UpdateReport, UpdateStatus,
        UpdateStep, V1,
    },
    signed::Signed,
    update::{
        Anchor, Crypto, Image, Manifest, REPORT, Release, Signer, TargetFacts, Verified, seal,
    },
};
use std::collections::BTreeMap;

/// Bytes of a chunk.
pub(crate) const CHUNK: u32 = 4096;

pub(crate) struct Vendor {
    roots: Vec<Ed25519KeyPair>,
    manifests: Vec<Ed25519KeyPair>,
    anchor: Vec<u8>,
}

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn public(key: &Ed25519KeyPair) -> PublicKey {
    PublicKey(key.public_key().as_ref().try_into().unwrap())
}

fn sealed(typ: &str, payload: &[u8], keys: &[Ed25519KeyPair]) -> Vec<u8> {
    let sign: Vec<_> =
        keys.iter().map(|key| move |bytes: &[u8]| key.sign(bytes).as_ref().to_vec()).collect();
    let signers: Vec<_> =
        keys.iter().zip(&sign).map(|(key, sign)| Signer { key: public(key), sign }).collect();
    seal(typ, payload, &signers, &AwsLc)
}

pub(crate) fn model() -> ModelId {
    ModelId::new("lumen.lamp").unwrap()
}

/// The image of this release.
pub(crate) fn bytes(counter: u32) -> Vec<u8> {
    (0..20_000_u32).map(|n| (n * 31 + counter) as u8).collect()
}

pub(crate) fn digest_of(counter: u32) -> Digest {
    AwsLc.sha256(&bytes(counter))
}

impl Vendor {
    pub(crate) fn new() -> Self {
        let (roots, manifests) = (vec![key(1), key(2)], vec![key(3), key(4)]);
        let keys = |keys: &[Ed25519KeyPair]| List::new(keys.iter().map(public).collect()).unwrap();
        let anchor = Anchor {
            version: V1,
            number: 1,
            vendor: Slug::new("lumen").unwrap(),
            root_keys: keys(&roots),
            root_threshold: 2,
            manifest_keys: keys(&manifests),
            manifest_threshold: 2,
        };
        let anchor = sealed(Anchor::TYP, &cbor::encode(&anchor), &roots);
        Self { roots, manifests, anchor }
    }

    pub(crate) fn manifest(counter: u32) -> Manifest {
        Self::manifest_of(counter, counter)
    }

    /// A release of this number with the bytes of another.
    pub(crate) fn manifest_of(counter: u32, content: u32) -> Manifest {
        let image = bytes(content);
        let list: Vec<u8> =
            image.chunks(CHUNK as usize).flat_map(|chunk| AwsLc.sha256(chunk).0).collect();
        Manifest {
            version: V1,
            model: model(),
            hardware: List::new(vec![3]).unwrap(),
            counter,
            floor: 1,
            name: label(&format!("1.{counter}.0")),
            size: image.len() as u32,
            image: AwsLc.sha256(&image),
            chunk: CHUNK,
            chunks: AwsLc.sha256(&list),
            expires: None,
            needs: List::default(),
            health: 10,
            format: 0,
        }
    }

    /// A release that everything vouches for.
    pub(crate) fn image(&self, manifest: &Manifest) -> Verified<Image> {
        self.image_of(manifest, manifest.counter)
    }

    fn image_of(&self, manifest: &Manifest, content: u32) -> Verified<Image> {
        let image = bytes(content);
        let list: Vec<u8> =
            image.chunks(CHUNK as usize).flat_map(|chunk| AwsLc.sha256(chunk).0).collect();
        let signed = sealed(Manifest::TYP, &cbor::encode(manifest), &self.manifests);
        let facts =
            |bytes: &[u8]| TargetFacts { length: bytes.len() as u64, sha256: AwsLc.sha256(bytes) };
        let release = Release {
            model: &manifest.model,
            counter: manifest.counter,
            described: (&manifest.model, manifest.counter),
            image: facts(&image),
            chunks: (facts(&list), &list),
            manifest: (facts(&signed), &signed),
            anchors: std::slice::from_ref(&self.anchor),
        };
        assert_eq!(self.roots.len(), 2);
        release.check(&AwsLc).unwrap()
    }

    /// A release of features with the bytes of another.
    pub(crate) fn released_as(&self, manifest: &Manifest, content: u32) -> Input {
        let image = Box::new(self.image_of(manifest, content));
        Input::Released { image, note: ReleaseNote::default(), definition: None, rollout: 100 }
    }

    pub(crate) fn released(&self, manifest: &Manifest, note: ReleaseNote) -> Input {
        Input::Released {
            image: Box::new(self.image(manifest)),
            note,
            definition: None,
            rollout: 100,
        }
    }
}

/// A component as the updates see it.
pub(crate) struct Thing {
    n: u16,
    key: EcdsaKeyPair,
    der: Vec<u8>,
    /// The release that it runs.
    pub(crate) runs: u32,
    seq: u64,
    announcements: u64,
    /// How much of what the hub sent it has heard.
    heard: usize,
    /// The newest offer.
    pub(crate) offer: Option<UpdateOffer>,
    /// What it was told to do, newest last.
    pub(crate) told: Vec<(UpdateOrder, JobId)>,
    nonce: Option<Nonce>,
}

impl Thing {
    /// A lamp that joined, and is what it shall be.
    pub(crate) fn join(world: &mut World, n: u16) -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![]).unwrap();
        let der = params.self_signed(&pair).unwrap().der().to_vec();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der());
        world.enrol(n);
        let mut certificate: ComponentCertificate = world.certificate(n);
        certificate.key = AwsLc.sha256(&spki);
        let occasion = Occasion::Renewal;
        world.handle(Input::Issued { id: id(n), certificate, occasion });
        let (key, offer) = (key.unwrap(), None);
        let mut thing = Self {
            n,
            key,
            der,
            runs: 1,
            seq: 0,
            announcements: 0,
            heard: 0,
            offer,
            told: Vec::new(),
            nonce: None,
        };
        thing.connect(world);
        world.obey(n);
        thing
    }

    /// A new connection: it announces itself and signs what it runs.
    pub(crate) fn connect(&mut self, world: &mut World) {
        self.announcements += 1;
        let certificate = world.certificate_of(self.n);
        world.connect(self.n, &certificate);
        let mut facts = facts(self.n, self.announcements);
        facts.firmware_digest = digest_of(self.runs);
        world.announce(self.n, &facts);
        self.hear(world);
        self.report(world);
    }

    /// Takes what the hub sent it since it listened last.
    pub(crate) fn hear(&mut self, world: &World) {
        let own = format!("p/{}/upd/", id(self.n));
        for (topic, payload) in &world.sent[self.heard..] {
            match topic.strip_prefix(&own) {
                Some("offer") => self.offer = cbor::decode(payload, payload.len()).ok(),
                Some("ctl") => {
                    let control: UpdateControl = cbor::decode(payload, payload.len()).unwrap();
                    self.told.push((control.order, control.job));
                    self.nonce = control.nonce.or(self.nonce);
                }
                Some(_) | None => {}
            }
        }
        self.heard = world.sent.len();
    }

    /// What it would sign now.
    pub(crate) fn statement(&self) -> UpdateReport {
        UpdateReport {
            version: V1,
            component: id(self.n),
            model: model(),
            counter: self.runs,
            name: label(&format!("1.{}.0", self.runs)),
            image: digest_of(self.runs),
            anchor: 1,
            time: protocol::time::Timestamp(0),
            nonce: self.nonce.expect("it was asked"),
            fault: None,
            job: None,
            attacks: 0,
        }
    }

    pub(crate) fn sign(&self, report: &UpdateReport) -> Vec<u8> {
        let sign = |bytes: &[u8]| {
            let signature = self.key.sign(&SystemRandom::new(), bytes);
            signature.map(|signature| signature.as_ref().to_vec())
        };
        Signed::seal(REPORT, &cbor::encode(report), std::slice::from_ref(&self.der), sign).unwrap()
    }

    /// Signs what it runs, if it was asked.
    pub(crate) fn report(&mut self, world: &mut World) -> Effects {
        let signed = self.sign(&self.statement());
        let effects = world.say(self.n, "upd/rep", &signed);
        self.hear(world);
        effects
    }

    pub(crate) fn job(&self) -> JobId {
        self.offer.as_ref().expect("it was offered something").job
    }

    pub(crate) fn say(&mut self, world: &mut World, step: UpdateStep) -> Effects {
        self.say_why(world, step, None)
    }

    pub(crate) fn say_why(
        &mut self,
        world: &mut World,
        step: UpdateStep,
        fault: Option<UpdateFault>,
    ) -> Effects {
        self.seq += 1;
        let status = UpdateStatus {
            job: self.job(),
            step,
            fault,
            got: 0,
            counter: self.runs,
            slot: 0,
            why: None,
            seq: self.seq,
        };
        let effects = world.say(self.n, "upd/st", &cbor::encode(&status));
        self.hear(world);
        effects
    }

    /// The whole way to the release it was offered.
    pub(crate) fn update(&mut self, world: &mut World, counter: u32) {
        use UpdateStep::{Accepted, Confirmed, Fetching, Idle, Installing, Ready, Trial, Verified};
        for step in [Accepted, Fetching, Verified, Ready, Installing] {
            self.say(world, step);
        }
        self.runs = counter;
        self.connect(world);
        self.say(world, Trial);
        self.say(world, Confirmed);
        self.report(world);
        self.say(world, Idle);
    }
}

/// Things by their number.
pub(crate) type Things = BTreeMap<u16, Thing>;

/// Lets time pass, and everybody hear what the hub sends then.
pub(crate) fn tick(world: &mut World, things: &mut Things) {
    world.pass(std::time::Duration::from_secs(1));
    world.handle(Input::Tick);
    things.values_mut().for_each(|thing| thing.hear(world));
}
