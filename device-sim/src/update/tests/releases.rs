//! What the maker does: anchors, manifests, releases, offers.

use crate::{
    identity::sha256,
    profile::{Kinds, Profile},
    update::{Behaviour, crypto::AwsLc, image},
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use protocol::{
    cbor,
    id::{JobId, Label, ModelId, PublicKey, Slug},
    message::{Blob, BlockSize, List, Sequence, UpdateOffer, V1, Window},
    update::{Anchor, Manifest, Signer, seal},
};
use std::sync::Arc;

/// A lamp, as every test here uses it.
pub(crate) fn lamp() -> Arc<Profile> {
    Kinds::built_in().unwrap().named("lamp").unwrap().clone()
}

pub(crate) fn job(number: u8) -> JobId {
    JobId([number; 16])
}

/// Three root keys and three manifest keys, two of each must sign.
pub(crate) struct Keys {
    roots: Vec<Ed25519KeyPair>,
    manifests: Vec<Ed25519KeyPair>,
}

fn public(pair: &Ed25519KeyPair) -> PublicKey {
    PublicKey(pair.public_key().as_ref().try_into().unwrap())
}

fn sign(typ: &str, payload: &[u8], pairs: &[&Ed25519KeyPair]) -> Vec<u8> {
    let makers: Vec<_> = pairs
        .iter()
        .map(|pair| move |covered: &[u8]| pair.sign(covered).as_ref().to_vec())
        .collect();
    let signers: Vec<_> =
        pairs.iter().zip(&makers).map(|(pair, sign)| Signer { key: public(pair), sign }).collect();
    seal(typ, payload, &signers, &AwsLc)
}

impl Keys {
    /// The keys of this generation.
    pub(crate) fn new(generation: u8) -> Self {
        let keys = |kind: u8| {
            let key =
                |n| Ed25519KeyPair::from_seed_unchecked(&[generation * 16 + kind * 4 + n; 32]);
            (0..3).map(|n| key(n).unwrap()).collect()
        };
        Self { roots: keys(0), manifests: keys(1) }
    }

    /// The anchor with this number, signed by two of its own roots and two of the former ones.
    pub(crate) fn anchor(&self, number: u32, former: Option<&Keys>) -> Vec<u8> {
        let keys =
            |pairs: &[Ed25519KeyPair]| List::new(pairs.iter().map(public).collect()).unwrap();
        let anchor = Anchor {
            version: V1,
            number,
            vendor: Slug::new("simulated").unwrap(),
            root_keys: keys(&self.roots),
            root_threshold: 2,
            manifest_keys: keys(&self.manifests),
            manifest_threshold: 2,
        };
        let own = self.roots.iter().take(2);
        let signers: Vec<_> =
            own.chain(former.iter().flat_map(|f| f.roots.iter().take(2))).collect();
        sign(Anchor::TYP, &cbor::encode(&anchor), &signers)
    }

    /// Signs a manifest with so many of its keys.
    pub(crate) fn manifest(&self, manifest: &Manifest, signers: usize) -> Vec<u8> {
        let signers: Vec<_> = self.manifests.iter().take(signers).collect();
        sign(Manifest::TYP, &cbor::encode(manifest), &signers)
    }

    /// Signs bytes as if they were a manifest, with the root keys.
    pub(crate) fn manifest_by_roots(&self, manifest: &Manifest) -> Vec<u8> {
        sign(Manifest::TYP, &cbor::encode(manifest), &self.roots.iter().collect::<Vec<_>>())
    }
}

/// A release and all that belongs to it.
#[derive(Clone)]
pub(crate) struct Release {
    pub(crate) manifest: Manifest,
    pub(crate) image: Vec<u8>,
    pub(crate) list: Vec<u8>,
}

impl Release {
    /// A release of the lamp; its floor is its counter.
    pub(crate) fn new(counter: u32, size: u32, chunk: u32, behaviour: Behaviour) -> Self {
        let model = ModelId::new("simulated.lamp").unwrap();
        let image = image(&model, counter, size, behaviour);
        let list: Vec<u8> = image.chunks(chunk as usize).flat_map(|c| sha256(c).0).collect();
        let manifest = Manifest {
            version: V1,
            model,
            hardware: List::new(vec![lamp().hardware()]).unwrap(),
            counter,
            floor: counter,
            name: Label::new(&format!("{counter}.0")).unwrap(),
            size,
            image: sha256(&image),
            chunk,
            chunks: sha256(&list),
            expires: Some(5_000_000),
            needs: List::default(),
            health: 60,
            format: 0,
        };
        Self { manifest, image, list }
    }

    /// A small good release.
    pub(crate) fn good(counter: u32) -> Self {
        Self::new(counter, 40_000, 4096, Behaviour::Good)
    }
}

/// An offer of these anchors and this manifest.
pub(crate) fn at_offer(number: u8, anchors: &[Vec<u8>], manifest: &[u8]) -> UpdateOffer {
    let blob = |bytes: &[u8]| Blob::new(bytes.to_vec()).unwrap();
    UpdateOffer {
        version: V1,
        job: job(number),
        anchors: Sequence::new(anchors.iter().map(|one| blob(one)).collect()).unwrap(),
        manifest: blob(manifest),
        block: BlockSize::new(4096).unwrap(),
        window: Window::new(4).unwrap(),
        automatic: true,
        deadline: 3600,
    }
}
