//! Small summaries of a lot: each of fixed size, each with an error that is known.

/// A Bloom filter of 1,024 bits with four hashes: what was seen is never taken for new; of what is new, one
/// in forty is taken for seen when 128 things are in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Bloom(pub(super) [u64; 16]);

/// Bits set from which a filter says too little and begins anew.
const BLOOM_FULL: u32 = 512;

impl Bloom {
    /// Whether it is new; then it is not any more.
    pub(super) fn is_new(&mut self, hash: u64) -> bool {
        let bits = [0, 10, 20, 30].map(|shift| (hash >> shift) as usize & 1023);
        let is_new = bits.iter().any(|bit| self.0[bit / 64] >> (bit % 64) & 1 == 0);
        if is_new {
            if self.0.iter().map(|word| word.count_ones()).sum::<u32>() >= BLOOM_FULL {
                self.0 = [0; 16];
            }
            bits.iter().for_each(|bit| self.0[bit / 64] |= 1 << (bit % 64));
        }
        is_new
    }
}

/// How often values of each power of two came, with the past counting ever less.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    pub(super) bins: [u16; BINS],
    pub(super) total: u16,
    /// The bin that 99.5 of a hundred values are in or below.
    pub(super) most: u8,
    pub(super) unusual: u8,
}

/// The last one holds all from half a gibibyte on.
const BINS: usize = 30;

/// Values after which the past counts half.
const HALVED_AT: u16 = 4096;

/// Values without which nothing is unusual.
const LEARNT_AT: u16 = 64;

/// Of values far beyond the usual one in so many is learnt from: an attack does not become the usual, and a
/// lasting change does in the end.
const LEARNT_OF: u8 = 64;

impl Histogram {
    /// Takes a value.
    pub(super) fn add(&mut self, value: u64) {
        if self.usual().is_some_and(|usual| value > usual.saturating_mul(2)) {
            self.unusual = (self.unusual + 1) % LEARNT_OF;
            if self.unusual != 0 {
                return;
            }
        }
        let bin = 64 - value.leading_zeros() as usize;
        let bin = &mut self.bins[bin.min(BINS - 1)];
        *bin = bin.saturating_add(1);
        self.total = self.total.saturating_add(1);
        if self.total >= HALVED_AT {
            self.bins.iter_mut().for_each(|bin| *bin /= 2);
            self.total = self.bins.iter().fold(0, |sum, bin| bin.saturating_add(sum));
        }
        self.most = self.find_most();
    }

    /// What 99.5 of a hundred values are below, once enough was seen.
    pub(super) fn usual(&self) -> Option<u64> {
        (self.total >= LEARNT_AT).then_some(1 << self.most.min(BINS as u8))
    }

    /// Looks from above, where it is near: five values of a thousand may be beyond.
    fn find_most(&self) -> u8 {
        let mut beyond = 0;
        let bin = self.bins.iter().rposition(|count| {
            beyond += u32::from(*count);
            beyond * 1000 > u32::from(self.total) * 5
        });
        bin.unwrap_or(0) as u8
    }
}

/// Counts different things within 13 % (HyperLogLog of 64 registers).
#[derive(Clone, Debug)]
pub(super) struct Distinct(pub(super) [u8; REGISTERS]);

const REGISTERS: usize = 64;

impl Default for Distinct {
    fn default() -> Self {
        Self([0; REGISTERS])
    }
}

impl Distinct {
    pub(super) fn add(&mut self, hash: u64) {
        let rank = ((hash | 63).leading_zeros() + 1) as u8;
        let register = &mut self.0[hash as usize % REGISTERS];
        *register = (*register).max(rank);
    }

    pub(super) fn count(&self) -> u64 {
        let empty = self.0.iter().filter(|rank| **rank == 0).count();
        let registers = REGISTERS as f64;
        if empty > 0 {
            return (registers * (registers / empty as f64).ln()).round() as u64;
        }
        let sum: f64 = self.0.iter().map(|rank| f64::from(-i32::from(*rank)).exp2()).sum();
        (0.709 * registers * registers / sum).round() as u64
    }
}

/// Notices that something becomes slowly more, hour by hour. One hour counts at most [`Drift::CAP`], so that
/// an evening of heavy use is no drift; ten unusual hours without a break are.
#[derive(Clone, Debug, Default)]
pub(super) struct Drift {
    pub(super) hour: u64,
    pub(super) amount: u64,
    pub(super) mean: f32,
    pub(super) spread: f32,
    pub(super) sum: f32,
    pub(super) hours: u16,
}

impl Drift {
    const CAP: f32 = 2.0;
    const SLACK: f32 = 0.75;
    const LIMIT: f32 = 12.0;
    /// Two days are learnt from.
    const LEARNT: u16 = 48;

    /// Takes an amount in an hour; says how much the last whole hour was when a drift was noticed.
    pub(super) fn add(&mut self, hour: u64, amount: u64) -> Option<u64> {
        let mut noticed = None;
        if hour != self.hour {
            if self.hour != 0 && self.close() {
                noticed = Some(self.amount);
            }
            (self.hour, self.amount) = (hour, 0);
        }
        self.amount = self.amount.saturating_add(amount);
        noticed
    }

    fn close(&mut self) -> bool {
        let level = (self.amount as f32 + 1.0).log2();
        let away = level - self.mean;
        let unusual = (away / self.spread.max(0.5)).clamp(-Self::CAP, Self::CAP);
        let is_learnt = self.hours >= Self::LEARNT;
        let weight = 1.0 / f32::from(self.hours.min(167) + 1);
        let step = if is_learnt { unusual * self.spread.max(0.5) } else { away };
        self.mean += weight * step;
        self.spread += weight * (step.abs() - self.spread);
        self.hours = self.hours.saturating_add(1);
        if is_learnt {
            self.sum = (self.sum + unusual - Self::SLACK).max(0.0);
        }
        let is_over = self.sum > Self::LIMIT;
        if is_over {
            self.sum = 0.0;
        }
        is_over
    }
}

/// In which hours of the week something happens: two bits each.
#[derive(Clone, Debug)]
pub(super) struct Week {
    pub(super) cells: [u8; 42],
    pub(super) first: u64,
}

impl Default for Week {
    fn default() -> Self {
        Self { cells: [0; 42], first: 0 }
    }
}

impl Week {
    /// Four weeks are learnt from.
    const LEARNT: u64 = 4 * 168;

    /// Takes an hour since 1970; says whether it is an hour in which nothing ever happened.
    pub(super) fn add(&mut self, hour: u64) -> bool {
        if self.first == 0 {
            self.first = hour;
        }
        let cell = (hour % 168) as usize;
        let (byte, shift) = (cell / 4, 2 * (cell % 4));
        let times = self.cells[byte] >> shift & 3;
        if times < 3 {
            self.cells[byte] += 1 << shift;
        }
        times == 0 && hour.saturating_sub(self.first) >= Self::LEARNT
    }
}

/// Notices contacts at regular times.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beacon {
    to: u32,
    last_s: u32,
    since_s: u32,
    every_s: u32,
    hits: u16,
}

impl Beacon {
    /// Contacts closer to each other are one.
    const BURST_S: u32 = 5;
    /// How long it must go on, and how often at least.
    const LONG_S: u32 = 30 * 60;
    const OFTEN: u16 = 6;

    /// Takes a contact; says whether it is one of a row of regular ones.
    pub(super) fn contact(all: &mut [Self; 4], to: u32, now_s: u32) -> bool {
        let known = all.iter().position(|one| one.to == to && one.last_s != 0);
        let at = known.unwrap_or_else(|| {
            let oldest = (0..all.len()).min_by_key(|at| all[*at].last_s).unwrap_or(0);
            all[oldest] = Self { to, last_s: now_s, since_s: now_s, every_s: 0, hits: 0 };
            oldest
        });
        all[at].step(now_s)
    }

    fn step(&mut self, now_s: u32) -> bool {
        let pause = now_s.saturating_sub(self.last_s);
        if pause < Self::BURST_S {
            return false;
        }
        let is_regular = pause.abs_diff(self.every_s) <= (self.every_s / 10).max(2);
        if is_regular {
            self.hits = self.hits.saturating_add(1);
        } else {
            (self.since_s, self.every_s, self.hits) = (self.last_s, pause, 1);
        }
        self.last_s = now_s;
        let is_beacon =
            self.hits >= Self::OFTEN && now_s.saturating_sub(self.since_s) >= Self::LONG_S;
        if is_beacon {
            (self.since_s, self.hits) = (now_s, 0);
        }
        is_beacon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_never_new() {
        let mut bloom = Bloom::default();
        let hash = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        let new = (1..=60).filter(|n| bloom.is_new(hash(*n))).count();
        assert!(new >= 58, "{new}");
        assert!((1..=60).all(|n| !bloom.is_new(hash(n))));
    }

    #[test]
    fn an_attack_does_not_become_the_usual() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.usual(), None);
        (0..1000).for_each(|n| histogram.add(5 + n % 3));
        assert_eq!(histogram.usual(), Some(8));
        (0..100).for_each(|_| histogram.add(1_000_000));
        assert!(histogram.usual().is_some_and(|usual| usual <= 32), "{:?}", histogram.usual());
    }

    #[test]
    fn different_things_are_counted_within_a_fifth() {
        for many in [5_u64, 50, 500, 5000] {
            let mut distinct = Distinct::default();
            (0..many).for_each(|n| {
                let product = u128::from(n + 1) * 0xd6e8_feb8_6659_fd93;
                let product =
                    u128::from((product >> 64) as u64 ^ product as u64) * 0xa076_1d64_78bd_642f;
                distinct.add((product >> 64) as u64 ^ product as u64);
            });
            let error = distinct.count().abs_diff(many) as f64 / many as f64;
            assert!(error < 0.35, "{many}: {}", distinct.count());
        }
    }

    #[test]
    fn slowly_more_is_noticed_and_an_evening_of_use_is_not() {
        let mut drift = Drift::default();
        let usual =
            |hour: u64| if hour % 24 >= 19 { 40_000_000 } else { 1_000_000 + hour % 7 * 50_000 };
        assert!(
            (1..24 * 14).all(|hour| drift.add(hour, usual(hour)).is_none()),
            "two weeks of evenings"
        );
        let noticed = (24 * 14..24 * 21).find(|hour| {
            let more = 1 << ((hour - 24 * 14) / 6).min(12);
            drift.add(*hour, usual(*hour) * more).is_some()
        });
        assert!(noticed.is_some(), "a week of ever more");
    }

    #[test]
    fn regular_contacts_are_noticed_after_half_an_hour_and_irregular_ones_never() {
        let mut beacons = [Beacon::default(); 4];
        let first = (1..60).find(|n| Beacon::contact(&mut beacons, 7, 1000 + n * 60));
        assert_eq!(first, Some(31));
        let mut beacons = [Beacon::default(); 4];
        let irregular = |n: u32| 1000 + n * 60 + n * n * 7 % 53;
        assert!((1..200).all(|n| !Beacon::contact(&mut beacons, 7, irregular(n))));
    }

    #[test]
    fn the_hour_in_which_nothing_ever_happened_is_unusual_after_a_month() {
        let mut week = Week::default();
        let by_day = |hour: &u64| (8..20).contains(&(hour % 24));
        assert!((1000..1000 + 168 * 5).filter(by_day).all(|hour| !week.add(hour)));
        assert!(week.add((1000 + 168 * 5) / 24 * 24 + 3));
    }
}
