//! Valid messages, damaged: nothing panics, and whatever is still accepted is the one encoding of
//! what was read.

use crate::{
    Kind,
    damage::{Random, damage, inputs},
    hex, kinds, list, reasons, text, unhex,
};
use std::collections::BTreeMap;

const MUTANTS: usize = 100_000;
const SEED: u64 = 0x5eed_2026;

fn corpus(kind: &Kind) -> Vec<Vec<u8>> {
    let vectors = kind.vectors();
    // The largest ones say nothing that shorter ones do not, and cost the most.
    let bytes = list(&vectors["valid"]).iter().map(|vector| unhex(text(&vector["hex"])));
    bytes.filter(|bytes| bytes.len() <= 2048).collect()
}

/// Criterion: T3.LA.1b (negative)
/// Criterion: T1.LA.3 (negative)
#[test]
fn a_hundred_thousand_damaged_messages_are_refused_or_canonical() {
    let mut random = Random::new(SEED);
    let kinds: Vec<_> = kinds().into_iter().map(|kind| (corpus(&kind), kind)).collect();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let (mut unchanged, mut accepted) = (0, 0);
    // Each kind of message is a parser of its own.
    let mutants = MUTANTS.max(inputs(0) * kinds.len());
    for number in 0..mutants {
        let (corpus, kind) = &kinds[number % kinds.len()];
        let original = &corpus[random.below(corpus.len())];
        let donors = &kinds[random.below(kinds.len())].0;
        let donor = &donors[random.below(donors.len())];
        let mut bytes = original.clone();
        (0..=random.below(3)).for_each(|_| damage(&mut random, &mut bytes, donor));
        match kind.recode(&bytes) {
            Ok(again) => {
                let context = format!("{} mutant {number} of seed {SEED:#x}", kind.name);
                assert_eq!(hex(&again), hex(&bytes), "{context}");
                *(if bytes == *original { &mut unchanged } else { &mut accepted }) += 1;
            }
            Err(error) => *refused.entry(reasons(&error).swap_remove(0)).or_default() += 1,
        }
    }
    let total: usize = refused.values().sum();
    println!("seed {SEED:#x}: {mutants} mutants, {total} refused, {accepted} other valid messages");
    println!("{unchanged} unchanged; refused as {refused:#?}");
    assert_eq!(total + accepted + unchanged, mutants);
    assert!(total > mutants / 2, "most damage is noticed");
    assert!(refused.len() >= 18, "the damage is of many kinds: {refused:?}");
}
