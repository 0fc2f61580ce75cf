//! Valid messages, damaged: nothing panics, and whatever is still accepted is the one encoding of
//! what was read.

use crate::{Kind, hex, kinds, list, reasons, text, unhex};
use std::collections::BTreeMap;

const MUTANTS: usize = 100_000;
const SEED: u64 = 0x5eed_2026;

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).expect("below a usize")
    }
}

/// Bytes that mean something at the start of an item.
const HEADS: &[u8] = &[
    0x00, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x20, 0x40, 0x5f, 0x60, 0x78, 0x7f, 0x80, 0x98, 0x9f,
    0xa0, 0xb8, 0xbf, 0xc1, 0xf4, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xff,
];

fn damage(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len());
    match random.below(8) {
        0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        2 if !bytes.is_empty() => bytes[at] = HEADS[random.below(HEADS.len())],
        3 => bytes.truncate(at),
        4 => bytes.insert(at, HEADS[random.below(HEADS.len())]),
        5 if !bytes.is_empty() => {
            bytes.remove(at);
        }
        6 => {
            let end = (at + random.below(12)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => {
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.below(other.len())..]);
        }
    }
}

fn corpus(kind: &Kind) -> Vec<Vec<u8>> {
    let vectors = kind.vectors();
    // The largest ones say nothing that shorter ones do not, and cost the most.
    let bytes = list(&vectors["valid"]).iter().map(|vector| unhex(text(&vector["hex"])));
    bytes.filter(|bytes| bytes.len() <= 2048).collect()
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn a_hundred_thousand_damaged_messages_are_refused_or_canonical() {
    let mut random = Random(SEED);
    let kinds: Vec<_> = kinds().into_iter().map(|kind| (corpus(&kind), kind)).collect();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    let (mut unchanged, mut accepted) = (0, 0);
    for number in 0..MUTANTS {
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
    println!("seed {SEED:#x}: {MUTANTS} mutants, {total} refused, {accepted} other valid messages");
    println!("{unchanged} unchanged; refused as {refused:#?}");
    assert_eq!(total + accepted + unchanged, MUTANTS);
    assert!(total > MUTANTS / 2, "most damage is noticed");
    assert!(refused.len() >= 18, "the damage is of many kinds: {refused:?}");
}
