//! `vectors/update-signed.json`: signed objects for those who write the checks anew.

use crate::{AwsLc, Key, M, R, kid, model, pair, public, refused, sealed};
use aws_lc_rs::signature::KeyPair;
use protocol::{
    cbor,
    id::Digest,
    message::UpdateFault,
    update::{Anchor, Anchors, Crypto, Distrust, Installed, Manifest},
};
use serde_json::{Value, json};
use std::path::Path;

fn signed() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/update-signed.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("not a list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|n| n.try_into().ok()).unwrap_or_else(|| panic!("no number: {value}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(value: &Value) -> Vec<u8> {
    let digits = text(value).as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// The key that the vectors call so; 0x77 for one that nobody knows.
fn named(name: &str) -> Key {
    let number = |text: &str| text.parse::<usize>().unwrap() - 1;
    match name.split_once('-') {
        Some(("root", at)) => R[number(at)],
        Some(("manifest", at)) => M[number(at)],
        _ => 0x77,
    }
}

/// The anchor of this name, from which a component goes on.
fn trust(name: &str) -> Anchors {
    let all = signed();
    let bytes = |name: &str| {
        unhex(&list(&all["objects"]).iter().find(|object| object["name"] == name).unwrap()["hex"])
    };
    let first = Anchors::pin(&bytes("anchor-1"), &AwsLc).unwrap();
    match name {
        "anchor-1" => first,
        _ => first.advance(&bytes(name), &AwsLc).unwrap(),
    }
}

/// Reads what the vector holds where it says, and encodes it again.
fn believe(vector: &Value) -> Result<Vec<u8>, Distrust> {
    let bytes = unhex(&vector["hex"]);
    match (vector["trust"].as_str(), text(&vector["type"])) {
        (None, Anchor::TYP) => Anchors::pin(&bytes, &AwsLc).map(|it| cbor::encode(it.anchor())),
        (Some(from), Anchor::TYP) => {
            trust(from).advance(&bytes, &AwsLc).map(|it| cbor::encode(it.anchor()))
        }
        (Some(from), Manifest::TYP) => {
            trust(from).manifest(&bytes, &AwsLc).map(|it| cbor::encode(&*it))
        }
        other => panic!("{other:?}"),
    }
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn keys_of_the_vectors_come_from_their_seeds() {
    let all = signed();
    assert_eq!(list(&all["keys"]).len(), R.len() + M.len());
    for vector in list(&all["keys"]) {
        let key = named(text(&vector["name"]));
        assert_eq!(text(&vector["seed"]), hex(&[key; 32]));
        assert_eq!(text(&vector["public"]), hex(&public(key).0));
        assert_eq!(text(&vector["kid"]), hex(&kid(key)));
    }
}

/// Criterion: T3.SU.1a (positive)
/// Criterion: T1.SU.2 (positive)
#[test]
fn every_good_object_is_believed_and_made_again_as_the_same_bytes() {
    let all = signed();
    for vector in list(&all["objects"]) {
        let (name, payload) = (text(&vector["name"]), unhex(&vector["payload"]));
        let signers: Vec<_> = list(&vector["signers"]).iter().map(|key| named(text(key))).collect();
        let again = sealed(text(&vector["type"]), &payload, &signers);
        assert_eq!(hex(&again), text(&vector["hex"]), "{name}");
        let read = believe(vector).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The vendor's own keys are passed over, all else comes back.
        assert!(name == "manifest-with-vendor-keys" || hex(&read) == hex(&payload), "{name}");
        for key in signers {
            assert!(covers(vector, key), "{name}");
        }
    }
}

/// Whether the bytes named as covered are what this key's signature is of.
fn covers(vector: &Value, key: Key) -> bool {
    let covered = unhex(&vector["covered"]);
    let signature = pair(key).sign(&covered);
    assert!(AwsLc.ed25519(&public(key), &covered, signature.as_ref()));
    assert_eq!(pair(key).public_key().as_ref(), public(key).0);
    text(&vector["hex"]).contains(&format!("5840{}", hex(signature.as_ref())))
}

/// Criterion: T3.SU.1a (negative)
/// Criterion: T1.SU.2 (negative)
#[test]
fn every_bad_object_is_refused_with_the_error_it_states() {
    let all = signed();
    for vector in list(&all["invalid"]) {
        let name = text(&vector["name"]);
        let fault = UpdateFault::ALL.iter().find(|one| one.word() == text(&vector["word"]));
        let fault = fault.unwrap_or_else(|| panic!("{name}: no such word"));
        println!("{name}: {}", refused(believe(vector), *fault));
        assert_eq!(vector["fault"], fault.number(), "{name}");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn the_manifest_fits_or_not_as_the_vectors_say() {
    let all = signed();
    let manifest = list(&all["objects"]).iter().find(|one| one["name"] == "manifest").unwrap();
    let bytes = unhex(&manifest["hex"]);
    let manifest = trust("anchor-2").manifest(&bytes, &AwsLc).unwrap();
    for vector in list(&all["fits"]) {
        let model = model(text(&vector["model"]));
        let found = manifest.fits(&Installed {
            model: &model,
            hardware: number(&vector["hardware"]),
            counter: number(&vector["counter"]),
            image: text(&vector["image"]).parse().unwrap(),
            slot: number(&vector["slot"]),
            now: vector["now"].as_u64(),
        });
        let says =
            json!([found.err().map(UpdateFault::number), found.err().map(UpdateFault::word)]);
        assert_eq!(json!([vector["fault"], vector["word"]]), says, "{}", vector["name"]);
    }
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn image_and_chunk_list_of_the_vectors_are_those_of_the_manifest() {
    let all = signed();
    let image = &all["image"];
    let bytes: Vec<_> = (0..number(&image["size"])).map(|at| (at % 251) as u8).collect();
    let chunks = bytes.chunks(number(&image["chunk"]) as usize);
    let digests: Vec<_> = chunks.flat_map(|chunk| AwsLc.sha256(chunk).0).collect();
    assert_eq!(hex(&digests), text(&image["chunks"]));
    let manifest = list(&all["objects"]).iter().find(|one| one["name"] == "manifest").unwrap();
    let manifest = trust("anchor-2").manifest(&unhex(&manifest["hex"]), &AwsLc).unwrap();
    let says = |key: &str| text(&image[key]).parse::<Digest>().unwrap();
    assert_eq!((manifest.image, says("sha256")), (AwsLc.sha256(&bytes), AwsLc.sha256(&bytes)));
    let list = AwsLc.sha256(&digests);
    assert_eq!((manifest.chunks, says("chunks_sha256")), (list, list));
    assert_eq!(manifest.list_size() as usize, digests.len());
}
