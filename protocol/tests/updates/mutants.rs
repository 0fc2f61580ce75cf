//! Signed objects, damaged in 100,000 ways: only those that came out as they were are believed.

use crate::{
    AwsLc,
    damage::{Random, damage, inputs},
    factory, good_manifest, rotated, second_anchor,
};
use protocol::update::Distrust;
use std::collections::BTreeMap;

const MUTANTS: usize = 100_000;
const SEED: u64 = 0x5eed_2027;

/// What became of the mutants of one object.
fn spread(
    name: &str,
    original: &[u8],
    donor: &[u8],
    believe: impl Fn(&[u8]) -> Result<(), Distrust>,
) {
    let mut random = Random::new(SEED);
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let mut unchanged = 0;
    let mutants = inputs(MUTANTS);
    for number in 0..mutants {
        let mut bytes = original.to_vec();
        (0..=random.below(3)).for_each(|_| damage(&mut random, &mut bytes, donor));
        match believe(&bytes) {
            Ok(()) => {
                assert!(bytes == original, "{name} mutant {number} of seed {SEED:#x} is believed");
                unchanged += 1;
            }
            Err(error) => {
                assert!(bytes != original, "{name} mutant {number}: {error}");
                *refused.entry(error.fault().word().to_owned()).or_default() += 1;
            }
        }
    }
    println!("{name}, seed {SEED:#x}: {mutants} mutants, {unchanged} unchanged and believed");
    println!("no other believed; refused as {refused:?}");
    assert_eq!(refused.values().sum::<usize>() + unchanged, mutants);
    assert!(refused["signature"] > mutants / 10, "many come as far as the signatures");
    assert!(refused["malformed"] > mutants / 10, "many do not: {refused:?}");
}

/// Criterion: T3.SU.1a (negative)
/// Criterion: T1.SU.2 (negative)
/// Criterion: T1.LA.3 (negative)
#[test]
fn none_of_a_hundred_thousand_damaged_manifests_is_believed() {
    let trust = rotated();
    let believe = |bytes: &[u8]| trust.manifest(bytes, &AwsLc).map(drop);
    spread("manifest", &good_manifest(), &second_anchor(), believe);
}

/// Criterion: T3.SU.1a (negative)
#[test]
fn none_of_a_hundred_thousand_damaged_anchors_is_believed() {
    let trust = factory();
    let believe = |bytes: &[u8]| trust.advance(bytes, &AwsLc).map(drop);
    spread("anchor", &second_anchor(), &good_manifest(), believe);
}
