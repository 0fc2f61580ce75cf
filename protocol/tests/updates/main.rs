//! What is signed about updates: who may say which release is good, and what a component makes of it.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![allow(clippy::print_stdout, reason = "a test's figures are read in its output")]

mod anchors;
#[path = "../damage/mod.rs"]
mod damage;
mod fields;
mod fits;
mod manifests;
mod messages;
mod mutants;
mod vectors;

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use protocol::{
    cbor,
    id::{Digest, Label, ModelId, PublicKey, Slug},
    message::{List, UpdateFault, V1},
    update::{Anchor, Anchors, Crypto, Distrust, Manifest, Signer, Verified, seal},
};
use std::fmt::Debug;

/// The crypto library that the hub uses.
struct AwsLc;

impl Crypto for AwsLc {
    fn sha256(&self, bytes: &[u8]) -> Digest {
        Digest(digest(&SHA256, bytes).as_ref().try_into().unwrap())
    }

    fn ed25519(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, key.0).verify(message, signature).is_ok()
    }
}

/// A private key: its seed is this byte 32 times.
type Key = u8;

/// Root keys of the vendor.
const R: [Key; 5] = [0x11, 0x12, 0x13, 0x14, 0x15];

/// Manifest keys of the vendor.
const M: [Key; 5] = [0x21, 0x22, 0x23, 0x24, 0x25];

fn pair(key: Key) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[key; 32]).unwrap()
}

fn public(key: Key) -> PublicKey {
    PublicKey(pair(key).public_key().as_ref().try_into().unwrap())
}

/// How signatures name a key.
fn kid(key: Key) -> [u8; 8] {
    AwsLc.sha256(&public(key).0).0[..8].try_into().unwrap()
}

fn keys(keys: &[Key]) -> List<PublicKey, 4> {
    List::new(keys.iter().map(|key| public(*key)).collect()).unwrap()
}

fn sealed(typ: &str, payload: &[u8], signers: &[Key]) -> Vec<u8> {
    let sign: Vec<_> = signers.iter().map(|key| pair(*key)).collect();
    let sign: Vec<_> = sign
        .iter()
        .map(|pair| move |covered: &[u8]| pair.sign(covered).as_ref().to_vec())
        .collect();
    let signers: Vec<_> =
        signers.iter().zip(&sign).map(|(key, sign)| Signer { key: public(*key), sign }).collect();
    seal(typ, payload, &signers, &AwsLc)
}

/// The anchor with this number and these keys, two of which must sign.
fn anchor(number: u32, root_keys: &[Key], manifest_keys: &[Key]) -> Anchor {
    Anchor {
        version: V1,
        number,
        vendor: Slug::new("lumen").unwrap(),
        root_keys: keys(root_keys),
        root_threshold: 2,
        manifest_keys: keys(manifest_keys),
        manifest_threshold: 2,
    }
}

fn signed_anchor(anchor: &Anchor, signers: &[Key]) -> Vec<u8> {
    sealed(Anchor::TYP, &cbor::encode(anchor), signers)
}

/// Anchor 1, as it is in factory images.
fn first_anchor() -> Vec<u8> {
    signed_anchor(&anchor(1, &R[..3], &M[..3]), &R[..2])
}

/// Anchor 2: a root key and a manifest key were replaced.
fn second_anchor() -> Vec<u8> {
    signed_anchor(&anchor(2, &R[1..4], &M[1..4]), &R[1..3])
}

/// What a component trusts after the factory.
fn factory() -> Anchors {
    Anchors::pin(&first_anchor(), &AwsLc).unwrap()
}

/// What a component trusts once it had anchor 2.
fn rotated() -> Anchors {
    factory().advance(&second_anchor(), &AwsLc).unwrap()
}

fn model(text: &str) -> ModelId {
    ModelId::new(text).unwrap()
}

fn manifest() -> Manifest {
    Manifest {
        version: V1,
        model: model("lumen.glow2"),
        hardware: List::new(vec![2, 3]).unwrap(),
        counter: 42,
        floor: 40,
        name: Label::new("4.2.0").unwrap(),
        size: 1_000_000,
        image: AwsLc.sha256(b"the image"),
        chunk: 65_536,
        chunks: AwsLc.sha256(b"the chunk list"),
        expires: Some(1_830_000_000),
        needs: List::new(vec![(model("lumen.bridge"), 7)]).unwrap(),
        health: 120,
        format: 0,
    }
}

fn signed_manifest(manifest: &Manifest, signers: &[Key]) -> Vec<u8> {
    sealed(Manifest::TYP, &cbor::encode(manifest), signers)
}

/// A manifest that is good under anchor 2 alone.
fn good_manifest() -> Vec<u8> {
    signed_manifest(&manifest(), &M[2..4])
}

fn read_manifest(bytes: &[u8]) -> Result<Verified<Manifest>, Distrust> {
    rotated().manifest(bytes, &AwsLc)
}

/// Why something is not believed; it must be for this reason.
fn refused<T: Debug>(result: Result<T, Distrust>, fault: UpdateFault) -> String {
    let error = result.expect_err("it was believed");
    assert_eq!(error.fault(), fault, "{error}");
    error.to_string()
}

/// A payload with one more entry; its key must come after all others.
fn with_entry(mut payload: Vec<u8>, entry: &[u8]) -> Vec<u8> {
    assert!((0xa0..0xb7).contains(&payload[0]), "a short map");
    payload[0] += 1;
    payload.extend_from_slice(entry);
    payload
}
