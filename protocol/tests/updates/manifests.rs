//! Manifests that somebody without the keys, or with too few, tries to pass off.

use crate::{
    AwsLc, M, R, factory, good_manifest, kid, manifest, model, read_manifest, refused, rotated,
    sealed, second_anchor, signed_manifest, with_entry,
};
use protocol::{
    cbor,
    message::UpdateFault,
    update::{Anchors, MAX_SIGNED, Manifest},
};

/// Criterion: T3.SU.1a (positive)
/// Criterion: T1.SU.2 (positive)
#[test]
fn takes_a_manifest_that_two_of_three_keys_signed() {
    for signers in [[M[1], M[2]], [M[1], M[3]], [M[3], M[2]]] {
        let bytes = signed_manifest(&manifest(), &signers);
        let read = read_manifest(&bytes).unwrap();
        assert_eq!((&*read, read.clone().into_inner()), (&manifest(), manifest()));
    }
    assert!(read_manifest(&signed_manifest(&manifest(), &M[1..4])).is_ok(), "all three");
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn a_stranger_s_signature_beside_enough_good_ones_does_no_harm() {
    let bytes = signed_manifest(&manifest(), &[0x77, M[1], 0x78, M[2]]);
    assert_eq!(read_manifest(&bytes).unwrap().into_inner(), manifest());
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_below_its_threshold() {
    for signers in [&M[1..2], &[M[1], 0x77], &[0x77, 0x78], &[R[1], R[2]], &[M[1], R[1]]] {
        let bytes = signed_manifest(&manifest(), signers);
        let why = refused(read_manifest(&bytes), UpdateFault::Signature);
        assert!(why.ends_with("signed the manifest, 2 must"), "{why}");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_that_nobody_signed() {
    let bytes = signed_manifest(&manifest(), &[]);
    let why = refused(read_manifest(&bytes), UpdateFault::Malformed);
    assert!(why.contains("1 to 4 signatures"), "{why}");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_signed_twice_by_one_key() {
    let bytes = signed_manifest(&manifest(), &[M[1], M[1]]);
    let why = refused(read_manifest(&bytes), UpdateFault::Malformed);
    assert!(why.contains("a key signed it twice"), "{why}");
    let beside = signed_manifest(&manifest(), &[M[1], M[2], M[1]]);
    refused(read_manifest(&beside), UpdateFault::Malformed);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_signed_by_one_key_under_two_names() {
    // The second signature says that it is of another key: 8 bytes before the last 66.
    let mut bytes = signed_manifest(&manifest(), &[M[1], M[1]]);
    let at = bytes.len() - 66 - 8;
    bytes[at..at + 8].copy_from_slice(&kid(M[2]));
    let why = refused(read_manifest(&bytes), UpdateFault::Signature);
    assert!(why.starts_with("1 of the trusted keys"), "{why}");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_with_five_signatures() {
    let bytes = signed_manifest(&manifest(), &[M[1], M[2], M[3], 0x77, 0x78]);
    let why = refused(read_manifest(&bytes), UpdateFault::Malformed);
    assert!(why.contains("1 to 4 signatures"), "{why}");
}

/// Criterion: T3.SU.1a (negative)
/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_a_manifest_with_a_rotated_out_key() {
    let bytes = signed_manifest(&manifest(), &M[..2]);
    assert!(factory().manifest(&bytes, &AwsLc).is_ok(), "good under anchor 1");
    let why = refused(read_manifest(&bytes), UpdateFault::Signature);
    assert!(why.starts_with("1 of the trusted keys"), "{why}");
    // And the reverse: keys of an anchor that the component has not yet.
    refused(factory().manifest(&good_manifest(), &AwsLc), UpdateFault::Signature);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_with_another_type() {
    let anchor = second_anchor();
    refused(read_manifest(&anchor), UpdateFault::Malformed);
    refused(Anchors::pin(&good_manifest(), &AwsLc), UpdateFault::Malformed);
    refused(factory().advance(&good_manifest(), &AwsLc), UpdateFault::Malformed);
    // Also when the keys of manifests did sign it, and what is within is a manifest.
    for typ in ["pc-anchor", "pc-report", "pc-manifest ", "PC-MANIFEST", ""] {
        let bytes = sealed(typ, &cbor::encode(&manifest()), &M[2..4]);
        let why = refused(read_manifest(&bytes), UpdateFault::Malformed);
        assert!(why.contains("its type and nothing else"), "{typ}: {why}");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_whose_type_was_changed_after_it_was_signed() {
    let bytes = sealed("pc-manifesd", &cbor::encode(&manifest()), &M[2..4]);
    let at = bytes.windows(11).position(|part| part == b"pc-manifesd").unwrap();
    let mut changed = bytes;
    changed[at + 10] = b't';
    refused(read_manifest(&changed), UpdateFault::Signature);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_of_another_vendor_s_model() {
    for name in ["other.glow2", "lumen2.glow2", "lume.n", "a.lumen"] {
        let foreign = Manifest { model: model(name), ..manifest() };
        let bytes = signed_manifest(&foreign, &M[2..4]);
        let why = refused(read_manifest(&bytes), UpdateFault::WrongModel);
        assert_eq!(why, format!("the vendor lumen signs no releases of {name}"));
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_with_a_flipped_bit() {
    let (good, trust) = (good_manifest(), rotated());
    assert!(trust.manifest(&good, &AwsLc).is_ok());
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(trust.manifest(&bytes, &AwsLc).is_err(), "bit {bit}");
    }
    println!("{} flipped bits, none believed", good.len() * 8);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_truncated() {
    let (good, trust) = (good_manifest(), rotated());
    for length in 0..good.len() {
        refused(trust.manifest(&good[..length], &AwsLc), UpdateFault::Malformed);
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_with_trailing_bytes() {
    for tail in [&[0][..], &[0xf6], &[0; 64], &good_manifest()] {
        let bytes = [&good_manifest()[..], tail].concat();
        refused(read_manifest(&bytes), UpdateFault::Malformed);
    }
    // Within the payload as well: it is signed, but no manifest.
    let payload = [&cbor::encode(&manifest())[..], &[0]].concat();
    refused(read_manifest(&sealed(Manifest::TYP, &payload, &M[2..4])), UpdateFault::Malformed);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_longer_than_2048_bytes() {
    // A vendor's own key makes it as long as wanted.
    let filled = |length: usize| {
        let length = u16::try_from(length).unwrap();
        let head = [&[0x20, 0x59][..], &length.to_be_bytes()].concat();
        let entry = [head, vec![0; length.into()]].concat();
        sealed(Manifest::TYP, &with_entry(cbor::encode(&manifest()), &entry), &M[2..4])
    };
    let missing = MAX_SIGNED - filled(1000).len();
    let longest = filled(1000 + missing);
    assert_eq!(longest.len(), 2048);
    assert_eq!(read_manifest(&longest).unwrap().into_inner(), manifest());
    let longer = filled(1001 + missing);
    assert_eq!(longer.len(), 2049);
    let why = refused(read_manifest(&longer), UpdateFault::Malformed);
    assert!(why.contains("2048"), "{why}");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_with_an_unknown_key_but_takes_vendor_keys() {
    let with = |entry: &[u8]| {
        let payload = with_entry(cbor::encode(&manifest()), entry);
        read_manifest(&sealed(Manifest::TYP, &payload, &M[2..4]))
    };
    // 15 => 0 and "v" => 0 are nobody's; -1 => 0, -1000 => [{"a": null}] and the like are the vendor's.
    for entry in [&[0x0f, 0x00][..], &[0x18, 0x20, 0x00], &[0x61, b'v', 0x00]] {
        refused(with(entry), UpdateFault::Malformed);
    }
    let nested = [0x39, 0x03, 0xe7, 0x81, 0xa1, 0x61, b'a', 0xf6];
    for entry in [&[0x20, 0x00][..], &[0x37, 0x41, 0xff], &nested] {
        assert_eq!(with(entry).unwrap().into_inner(), manifest());
    }
    // Even there: deterministic, nothing twice.
    refused(with(&[0x20, 0x18, 0x01]), UpdateFault::Malformed);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_headers_that_hold_anything_else() {
    let good = good_manifest();
    let swap = |from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|part| part == from).unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    let body = b"\x4e\xa1\x10\x6bpc-manifest\xa0";
    let signer = b"\x43\xa1\x01\x27\xa1\x04\x48";
    for (from, to) in [
        // The body: an algorithm beside the type; an unprotected key; the type as unprotected.
        (&body[..], &b"\x50\xa2\x01\x27\x10\x6bpc-manifest\xa0"[..]),
        (body, b"\x4e\xa1\x10\x6bpc-manifest\xa1\x04\x41\x00"),
        (body, b"\x40\xa1\x10\x6bpc-manifest"),
        // A signature: another algorithm; the algorithm not protected; a key beside kid; no kid.
        (signer, b"\x43\xa1\x01\x26\xa1\x04\x48"),
        (signer, b"\x40\xa2\x01\x27\x04\x48"),
        (signer, b"\x43\xa1\x01\x27\xa2\x05\x41\x00\x04\x48"),
        (signer, b"\x43\xa1\x01\x27\xa1\x05\x48"),
        // The tag: none, that of COSE_Sign1, in a longer form, twice.
        (b"\xd8\x62", b""),
        (b"\xd8\x62", b"\xd2"),
        (b"\xd8\x62", b"\xd9\x00\x62"),
        (b"\xd8\x62", b"\xd8\x62\xd8\x62"),
    ] {
        refused(read_manifest(&swap(from, to)), UpdateFault::Malformed);
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_manifest_without_its_payload() {
    let good = good_manifest();
    let payload = cbor::encode(&manifest());
    let from = [&[0x58, u8::try_from(payload.len()).unwrap()][..], &payload].concat();
    let at = good.windows(from.len()).position(|part| part == from).unwrap();
    let detached = [&good[..at], &[0xf6], &good[at + from.len()..]].concat();
    let why = refused(read_manifest(&detached), UpdateFault::Malformed);
    assert!(why.contains("its payload must be within it"), "{why}");
}
