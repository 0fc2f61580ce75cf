//! Anchors: how trust goes on to new keys, and how somebody may try to take it along.

use crate::{
    AwsLc, M, R, anchor, factory, first_anchor, keys, refused, rotated, sealed, second_anchor,
    signed_anchor, with_entry,
};
use protocol::{
    cbor,
    id::{PublicKey, Slug},
    message::{List, UpdateFault},
    update::{Anchor, Anchors, Distrust},
};

fn advance(bytes: &[u8]) -> Result<Anchors, Distrust> {
    factory().advance(bytes, &AwsLc)
}

/// Criterion: T3.SU.1a (positive)
/// Criterion: T1.SU.2 (positive)
#[test]
fn goes_on_to_the_next_anchor_that_both_sets_of_roots_signed() {
    let second = rotated();
    assert_eq!(second.anchor(), &anchor(2, &R[1..4], &M[1..4]));
    assert_eq!(second.bytes(), second_anchor());
    // All keys anew at once: two of the old and two of the new roots sign.
    let all = signed_anchor(&anchor(3, &[R[0], R[4]], &M[..1]), &[R[1], R[2], R[0], R[4]]);
    let none = Anchor { manifest_threshold: 1, ..anchor(3, &[R[0], R[4]], &M[..1]) };
    refused(second.advance(&all, &AwsLc), UpdateFault::Malformed);
    let all = signed_anchor(&none, &[R[1], R[2], R[0], R[4]]);
    assert_eq!(second.advance(&all, &AwsLc).unwrap().anchor().number, 3);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_anchor_that_skips_a_number() {
    let bytes = signed_anchor(&anchor(3, &R[1..4], &M[1..4]), &R[1..3]);
    let why = refused(advance(&bytes), UpdateFault::AnchorChain);
    assert!(why.starts_with("anchor 3 does not follow anchor 1"), "{why}");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_anchor_of_the_same_number() {
    refused(advance(&first_anchor()), UpdateFault::AnchorChain);
    let other = signed_anchor(&anchor(1, &R[..3], &M[2..5]), &R[..2]);
    refused(advance(&other), UpdateFault::AnchorChain);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_anchor_of_a_lower_number() {
    let old = signed_anchor(&anchor(1, &R[1..4], &M[..3]), &R[1..3]);
    refused(rotated().advance(&old, &AwsLc), UpdateFault::AnchorChain);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_number_after_the_last_there_is() {
    let last = anchor(u32::MAX, &R[..3], &M[..3]);
    let last = Anchors::pin(&signed_anchor(&last, &R[..2]), &AwsLc).unwrap();
    for number in [1, u32::MAX] {
        let next = signed_anchor(&anchor(number, &R[..3], &M[..3]), &R[..2]);
        refused(last.advance(&next, &AwsLc), UpdateFault::AnchorChain);
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_anchor_of_another_vendor() {
    let other = Anchor { vendor: Slug::new("other").unwrap(), ..anchor(2, &R[..3], &M[..3]) };
    refused(advance(&signed_anchor(&other, &R[..2])), UpdateFault::AnchorChain);
}

/// Criterion: T3.SU.1a (negative)
/// Criterion: T1.SU.2 (negative)
#[test]
fn refuses_an_anchor_that_the_old_roots_did_not_sign() {
    let next = anchor(2, &R[2..5], &M[1..4]);
    for signers in [&R[3..5], &R[2..5], &M[..2]] {
        let why = refused(advance(&signed_anchor(&next, signers)), UpdateFault::Signature);
        assert!(why.ends_with("signed the anchor, 2 must"), "{why}");
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_anchor_that_its_own_roots_did_not_sign() {
    let next = anchor(2, &R[2..5], &M[1..4]);
    for signers in [&R[..2], &R[..3]] {
        refused(advance(&signed_anchor(&next, signers)), UpdateFault::Signature);
    }
    refused(Anchors::pin(&signed_anchor(&next, &R[..2]), &AwsLc), UpdateFault::Signature);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_anchor_signed_twice_by_one_root() {
    let bytes = signed_anchor(&anchor(2, &R[..3], &M[..3]), &[R[0], R[0]]);
    let why = refused(advance(&bytes), UpdateFault::Malformed);
    assert!(why.contains("a key signed it twice"), "{why}");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_threshold_of_0() {
    let good = anchor(2, &R[..3], &M[..3]);
    for (root_threshold, manifest_threshold) in [(0, 2), (2, 0), (0, 0)] {
        let bytes = Anchor { root_threshold, manifest_threshold, ..good.clone() };
        let bytes = signed_anchor(&bytes, &R[..2]);
        let why = refused(advance(&bytes), UpdateFault::Malformed);
        assert!(why.contains("threshold must be 1 to"), "{why}");
        refused(Anchors::pin(&bytes, &AwsLc), UpdateFault::Malformed);
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_a_threshold_above_its_keys() {
    let good = anchor(2, &R[..3], &M[..3]);
    for (root_threshold, manifest_threshold) in [(4, 2), (2, 4), (255, 255)] {
        let bytes = Anchor { root_threshold, manifest_threshold, ..good.clone() };
        let why = refused(advance(&signed_anchor(&bytes, &R[..2])), UpdateFault::Malformed);
        assert!(why.contains("threshold must be 1 to"), "{why}");
    }
    let most = Anchor { root_threshold: 3, manifest_threshold: 3, ..good };
    assert!(advance(&signed_anchor(&most, &R[..3])).is_ok(), "as many as there are");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_anchor_whose_threshold_is_met_only_by_fewer() {
    // Its own threshold counts too, not only that of the one before.
    let next = Anchor { root_threshold: 3, ..anchor(2, &R[..3], &M[..3]) };
    let why = refused(advance(&signed_anchor(&next, &R[..2])), UpdateFault::Signature);
    assert_eq!(why, "2 of the trusted keys signed the anchor, 3 must");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_anchor_whose_lists_of_keys_are_none() {
    let good = cbor::encode(&anchor(2, &R[..3], &M[..3]));
    let list = |items: &[PublicKey]| cbor::encode(&items);
    let roots = list(keys(&R[..3]).items());
    let at = good.windows(roots.len()).position(|part| part == roots).unwrap();
    let mut sorted = keys(&R[..4]).items().to_vec();
    let fifth = [&sorted[..], &[PublicKey([0xff; 32])]].concat();
    let twice = [sorted[0], sorted[0], sorted[1]];
    sorted.reverse();
    let short = [0x81, 0x41, 0x00].to_vec();
    for bad in [list(&[]), list(&fifth), list(&twice), list(&sorted), short] {
        let payload = [&good[..at], &bad, &good[at + roots.len()..]].concat();
        refused(advance(&sealed(Anchor::TYP, &payload, &R[..2])), UpdateFault::Malformed);
    }
    let none = Anchor { manifest_keys: List::default(), ..anchor(2, &R[..3], &M[..3]) };
    refused(advance(&signed_anchor(&none, &R[..2])), UpdateFault::Malformed);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_anchor_0_and_keys_that_no_anchor_has() {
    let zero = signed_anchor(&anchor(0, &R[..3], &M[..3]), &R[..2]);
    refused(Anchors::pin(&zero, &AwsLc), UpdateFault::Malformed);
    // Unlike manifests, anchors have no keys of the vendor's own.
    for entry in [&[0x08, 0x00][..], &[0x20, 0x00], &[0x61, b'v', 0x00]] {
        let payload = with_entry(cbor::encode(&anchor(2, &R[..3], &M[..3])), entry);
        refused(advance(&sealed(Anchor::TYP, &payload, &R[..2])), UpdateFault::Malformed);
    }
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn refuses_an_anchor_with_a_flipped_bit_or_truncated_or_with_trailing_bytes() {
    let (good, trust) = (second_anchor(), factory());
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(trust.advance(&bytes, &AwsLc).is_err(), "bit {bit}");
        assert!(Anchors::pin(&bytes, &AwsLc).is_err(), "bit {bit}");
    }
    for length in 0..good.len() {
        refused(trust.advance(&good[..length], &AwsLc), UpdateFault::Malformed);
    }
    refused(advance(&[&good[..], &[0]].concat()), UpdateFault::Malformed);
}

/// Criterion: T3.SU.1a (positive)
#[test]
fn follows_the_anchors_of_an_offer_and_skips_those_it_has_passed() {
    let third = signed_anchor(&anchor(3, &R[1..4], &M[..3]), &R[1..3]);
    let (first, second) = (first_anchor(), second_anchor());
    let offer = [&first[..], &second, &third];
    for trust in [factory(), rotated()] {
        assert_eq!(trust.follow(offer, &AwsLc).unwrap().anchor().number, 3);
        assert_eq!(trust.follow([], &AwsLc), Ok(trust));
    }
    let newest = rotated().advance(&third, &AwsLc).unwrap();
    assert_eq!(newest.follow(offer, &AwsLc), Ok(newest), "the offer came again");
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn following_stops_at_a_gap_at_a_bad_one_and_at_nonsense() {
    let third = signed_anchor(&anchor(3, &R[1..4], &M[..3]), &R[1..3]);
    let second = second_anchor();
    let follow = |offer: &[&[u8]]| factory().follow(offer.iter().copied(), &AwsLc);
    refused(follow(&[&third]), UpdateFault::AnchorChain);
    refused(follow(&[&third, &second]), UpdateFault::AnchorChain);
    refused(follow(&[&second, b"\xd8\x62"]), UpdateFault::Malformed);
    // A forged one that claims to be old is skipped and changes nothing.
    let forged = signed_anchor(&anchor(1, &[0x77, 0x78], &[0x77, 0x78]), &[0x77, 0x78]);
    assert_eq!(follow(&[&forged]).unwrap(), factory());
    let forged = signed_anchor(&anchor(2, &[0x77, 0x78], &[0x77, 0x78]), &[0x77, 0x78]);
    refused(follow(&[&forged]), UpdateFault::Signature);
}
