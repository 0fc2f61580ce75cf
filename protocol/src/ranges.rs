//! Ranges of record numbers, few of them: how hub and cloud tell each other what is there.

/// A range: the first number, and the first that is not in it.
pub type Range = (u64, u64);

/// Ranges in ascending order of which none touches the next. Whoever adds to them bounds how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// From any ranges; empty ones count for nothing.
    #[must_use]
    pub fn new(ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut all = Self::default();
        ranges.into_iter().for_each(|range| all.insert(range));
        all
    }

    /// Adds a range.
    pub fn insert(&mut self, (mut first, mut end): Range) {
        if first >= end {
            return;
        }
        let from = self.0.partition_point(|range| range.1 < first);
        let to = self.0.partition_point(|range| range.0 <= end);
        if let Some(touched) = self.0.get(from..to).filter(|touched| !touched.is_empty()) {
            first = first.min(touched[0].0);
            end = end.max(touched[touched.len() - 1].1);
        }
        self.0.splice(from..to, [(first, end)]);
    }

    /// Whether all of a range is in them.
    #[must_use]
    pub fn covers(&self, (first, end): Range) -> bool {
        let at = self.0.partition_point(|range| range.1 <= first);
        first >= end || self.0.get(at).is_some_and(|range| range.0 <= first && end <= range.1)
    }

    /// The first part of `first..end` that is in none of them.
    #[must_use]
    pub fn gap(&self, (first, end): Range) -> Option<Range> {
        let mut at = first;
        for range in &self.0 {
            if range.0 > at {
                break;
            }
            at = at.max(range.1);
        }
        let next = self.0.iter().map(|range| range.0).find(|start| *start > at);
        let until = next.map_or(end, |next| next.min(end));
        (at < until).then_some((at, until))
    }

    /// How many numbers below a bound are in them.
    #[must_use]
    pub fn count_below(&self, bound: u64) -> u64 {
        self.0.iter().map(|range| range.1.min(bound).saturating_sub(range.0)).sum()
    }

    /// Up to where nothing is missing.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        self.0.first().filter(|range| range.0 == 0).map_or(0, |range| range.1)
    }

    /// The first number after all of them.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |range| range.1)
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Them.
    #[must_use]
    pub fn as_slice(&self) -> &[Range] {
        &self.0
    }
}
