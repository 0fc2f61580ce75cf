//! The CA, its files, and signing requests from strangers.

use crate::damage::{Random, damage, inputs};
use hub_agent::pki::{ca::HubCa, certificate::facts, request::SigningRequest};
use protocol::{refusal::Refusal, time::Timestamp};
use rcgen::{CertificateParams, KeyPair, SanType};
use std::{os::unix::fs::PermissionsExt, time::Duration};

const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn request(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
    params.serialize_request(key).unwrap().der().to_vec()
}

/// Criterion: T1.LA.5b (positive)
#[test]
fn the_ca_is_made_once_and_its_key_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let pki = folder.path().join("pki");
    let first = HubCa::open(&pki, NOW).unwrap().fingerprint();
    assert_eq!(HubCa::open(&pki, NOW).unwrap().fingerprint(), first);
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&pki), mode(&pki.join("ca.key"))), (0o700, 0o600));
    let other = tempfile::tempdir().unwrap();
    assert_ne!(HubCa::open(&other.path().join("pki"), NOW).unwrap().fingerprint(), first);
    std::fs::copy(other.path().join("pki/ca.key"), pki.join("ca.key")).unwrap();
    let error = HubCa::open(&pki, NOW).err().unwrap().to_string();
    assert!(error.contains("another key"), "{error}");
}

/// Criterion: T3.LA.1c (positive)
#[test]
fn a_component_s_certificate_carries_its_id_and_life() {
    let folder = tempfile::tempdir().unwrap();
    let ca = HubCa::open(folder.path(), NOW).unwrap();
    let key = KeyPair::generate().unwrap();
    let parsed = SigningRequest::parse(&request(&CertificateParams::default(), &key)).unwrap();
    let id = protocol::id::ComponentId::from_key_digest(&parsed.key_digest);
    let life = Duration::from_secs(30 * 24 * 3600);
    let (certificate, known) = ca.issue(id, &parsed, life, NOW).unwrap();
    assert_eq!(known.id, Some(id));
    assert_eq!(known.certificate.key, parsed.key_digest);
    assert_eq!(known.certificate.not_after, NOW.plus(life));
    assert_eq!(facts(&certificate), Some(known));
}

/// Criterion: T3.LA.1c (negative)
#[test]
fn refuses_requests_that_prove_nothing_or_are_too_weak() {
    let key = KeyPair::generate().unwrap();
    let good = request(&CertificateParams::default(), &key);
    let parse = |der: &[u8]| SigningRequest::parse(der).err();
    assert_eq!(parse(&good), None);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(parse(&forged), Some(Refusal::BadRequest), "the signature is not the key's");
    assert_eq!(parse(&good[..good.len() - 1]), Some(Refusal::BadRequest), "cut");
    assert_eq!(parse(&[good.as_slice(), &[0]].concat()), Some(Refusal::BadRequest), "trailing");
    assert_eq!(parse(&[0; 9000]), Some(Refusal::TooLarge));
    assert_eq!(parse(b"garbage"), Some(Refusal::BadRequest));
    let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512).unwrap();
    assert_eq!(parse(&request(&CertificateParams::default(), &p521)), Some(Refusal::WeakKey));
    for strong in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(strong).unwrap();
        assert_eq!(parse(&request(&CertificateParams::default(), &key)), None, "{strong:?}");
    }
}

/// Criterion: T3.AI.1 (negative)
#[test]
fn an_id_that_a_request_claims_is_seen() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    let claimed = "00000000-0000-8000-8000-000000000000";
    params.subject_alt_names =
        vec![SanType::URI(format!("urn:uuid:{claimed}").try_into().unwrap())];
    let parsed = SigningRequest::parse(&request(&params, &key)).unwrap();
    assert_eq!(parsed.claimed.map(|id| id.to_string()).as_deref(), Some(claimed));
}

/// What a request's key signs: the first part of its sequence, both with lengths of one more byte.
fn signed_part(request: &[u8]) -> &[u8] {
    assert_eq!((request[1], request[3], request[4]), (0x81, 0x30, 0x81));
    &request[3..6 + usize::from(request[5])]
}

/// The parser reads tags around the signed part loosely: what counts is that the key signed all that is used.
///
/// Criterion: T1.LA.3 (negative)
/// Criterion: T3.LA.1c (negative)
#[test]
fn of_damaged_signing_requests_only_what_the_key_signed_is_taken() {
    const SEED: u64 = 0x5eed_2029;
    let mut random = Random::new(SEED);
    let requests: Vec<_> = (0..4)
        .map(|_| request(&CertificateParams::default(), &KeyPair::generate().unwrap()))
        .collect();
    let (mut taken, all) = (0, inputs(20_000));
    for number in 0..all {
        let mut bytes = requests[number % requests.len()].clone();
        let donor = &requests[random.below(requests.len())];
        (0..=random.below(3)).for_each(|_| damage(&mut random, &mut bytes, donor));
        match SigningRequest::parse(&bytes) {
            Ok(parsed) => {
                let signed_by_it = requests.iter().any(|whole| {
                    let key = SigningRequest::parse(whole).unwrap().key_digest;
                    let signed = signed_part(whole);
                    key == parsed.key_digest
                        && bytes.windows(signed.len()).any(|part| part == signed)
                });
                assert!(signed_by_it, "request {number} of seed {SEED:#x}: {bytes:02x?}");
                taken += 1;
            }
            Err(_) => {
                assert!(!requests.contains(&bytes), "request {number} is whole: {bytes:02x?}")
            }
        }
    }
    println!("seed {SEED:#x}: {all} damaged requests, {taken} whole in what is signed and taken");
}
