//! Damage to bytes, the same at each run: what tests with mutants have in common, in this package and others.

/// Inputs for each parser in a long run (LONG_TESTS=1), as the criterion T1.LA.3 wants them.
const LONG: usize = 1_000_000;

/// How many inputs there are: so many in a usual run.
#[allow(dead_code, reason = "not every test that is made of this asks")]
pub(crate) fn inputs(usual: usize) -> usize {
    if std::env::var_os("LONG_TESTS").is_some() { LONG.max(usual) } else { usual }
}

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).expect("below a usize")
    }
}

/// Bytes that mean something at the start of an item.
const HEADS: &[u8] = &[
    0x00, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x20, 0x40, 0x5f, 0x60, 0x78, 0x7f, 0x80, 0x98, 0x9f,
    0xa0, 0xb8, 0xbf, 0xc1, 0xf4, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xff,
];

/// Changes the bytes in one way; `other` gives a piece of something else.
pub(crate) fn damage(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
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
