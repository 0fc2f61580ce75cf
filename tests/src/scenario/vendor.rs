//! The vendor of the simulated kinds' software: anchors, manifests and images, signed as components and hub verify them.

use super::{file::Release, pki::vendor_key};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use device_sim::{profile::Profile, update::image};
use hub_core::{
    Input,
    update::{AwsLc, ReleaseNote},
};
use protocol::{
    cbor,
    id::{Label, PublicKey, Slug},
    message::{List, V1},
    update::{Anchor, Crypto, Manifest, Release as Signed, Signer, TargetFacts, seal},
};

/// Bytes of an image and of a chunk of it.
const IMAGE: u32 = 48 * 1024;
const CHUNK: u32 = 4096;

/// The vendor's keys.
pub(super) struct Vendor {
    manifests: Vec<Ed25519KeyPair>,
    /// The anchor that components pin.
    pub(super) anchor: Vec<u8>,
}

fn public(key: &Ed25519KeyPair) -> PublicKey {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(key.public_key().as_ref());
    PublicKey(bytes)
}

fn sealed(typ: &str, payload: &[u8], keys: &[Ed25519KeyPair]) -> Vec<u8> {
    let sign: Vec<_> =
        keys.iter().map(|key| move |bytes: &[u8]| key.sign(bytes).as_ref().to_vec()).collect();
    let signers: Vec<_> =
        keys.iter().zip(&sign).map(|(key, sign)| Signer { key: public(key), sign }).collect();
    seal(typ, payload, &signers, &AwsLc)
}

impl Vendor {
    pub(super) fn new() -> anyhow::Result<Self> {
        let roots = vec![vendor_key(1), vendor_key(2)];
        let manifests = vec![vendor_key(3), vendor_key(4)];
        let keys = |keys: &[Ed25519KeyPair]| {
            List::new(keys.iter().map(public).collect()).expect("two keys are not too many")
        };
        let anchor = Anchor {
            version: V1,
            number: 1,
            vendor: Slug::new("simulated")?,
            root_keys: keys(&roots),
            root_threshold: 2,
            manifest_keys: keys(&manifests),
            manifest_threshold: 2,
        };
        let anchor = sealed(Anchor::TYP, &cbor::encode(&anchor), &roots);
        Ok(Self { manifests, anchor })
    }

    /// A release as the hub takes it, with the files that it serves.
    pub(super) fn release(
        &self,
        profile: &Profile,
        wanted: &Release,
    ) -> anyhow::Result<(Input, Files)> {
        let Some(model) = profile.update_model() else {
            anyhow::bail!("{} takes no part in updates", profile.kind());
        };
        let bytes = image(model, wanted.counter, IMAGE, wanted.behaviour);
        let list: Vec<u8> =
            bytes.chunks(CHUNK as usize).flat_map(|chunk| AwsLc.sha256(chunk).0).collect();
        let facts =
            |bytes: &[u8]| TargetFacts { length: bytes.len() as u64, sha256: AwsLc.sha256(bytes) };
        let manifest = Manifest {
            version: V1,
            model: model.clone(),
            hardware: List::new(vec![profile.hardware()]).unwrap_or_default(),
            counter: wanted.counter,
            floor: 1,
            name: Label::new(&format!("1.{}.0", wanted.counter))?,
            size: IMAGE,
            image: AwsLc.sha256(&bytes),
            chunk: CHUNK,
            chunks: AwsLc.sha256(&list),
            expires: None,
            needs: List::default(),
            health: 10,
            format: 0,
        };
        let signed = sealed(Manifest::TYP, &cbor::encode(&manifest), &self.manifests);
        let release = Signed {
            model,
            counter: wanted.counter,
            described: (model, wanted.counter),
            image: facts(&bytes),
            chunks: (facts(&list), &list),
            manifest: (facts(&signed), &signed),
            anchors: std::slice::from_ref(&self.anchor),
        };
        let image = Box::new(release.check(&AwsLc)?);
        let note = ReleaseNote { importance: wanted.importance, ..ReleaseNote::default() };
        let files = Files { image: bytes, list, spoiled: wanted.spoiled };
        Ok((Input::Released { image, note, definition: None, rollout: 100 }, files))
    }
}

/// What the hub serves of a release.
pub(super) struct Files {
    pub(super) image: Vec<u8>,
    pub(super) list: Vec<u8>,
    /// Whether bytes are changed on their way.
    pub(super) spoiled: bool,
}
