//! How much of the hub's log one component may fill: a rate of records and of bytes, each with what may come at once
//! (the generic cell rate algorithm). Nobody else has less because of it.

use super::LogRules;
use std::time::Duration;

const MINUTE_MICROS: u64 = 60_000_000;

/// What one component used of its share.
#[derive(Debug, Default)]
pub(crate) struct Share {
    /// When the next record would be due if all came evenly.
    records_due: Duration,
    /// The same of its bytes.
    bytes_due: Duration,
    /// The same of what is grave, once the share is used up.
    grave_due: Duration,
}

/// Grave records beyond the share: per minute, and at once.
const GRAVE: (u32, u32) = (30, 60);

impl Share {
    /// Takes a record of so many bytes into account; the answer is whether it is within the share.
    pub(crate) fn admit(&mut self, bytes: usize, rules: &LogRules, mono: Duration) -> bool {
        let record = span(1, rules.per_minute);
        let bytes = span(bytes as u64, rules.bytes_per_minute);
        let records_ahead = span(rules.at_once.into(), rules.per_minute);
        let bytes_ahead = span(rules.bytes_at_once.into(), rules.bytes_per_minute);
        let (records_due, bytes_due) =
            (self.records_due.max(mono) + record, self.bytes_due.max(mono) + bytes);
        if records_due > mono + records_ahead || bytes_due > mono + bytes_ahead {
            return false;
        }
        (self.records_due, self.bytes_due) = (records_due, bytes_due);
        true
    }
}

impl Share {
    /// Takes a grave record into account that has no room in the share any more: a flood does not push it out.
    pub(crate) fn admit_grave(&mut self, mono: Duration) -> bool {
        let due = self.grave_due.max(mono) + span(1, GRAVE.0);
        let fits = due <= mono + span(GRAVE.1.into(), GRAVE.0);
        if fits {
            self.grave_due = due;
        }
        fits
    }
}

/// How long so many take at a rate.
fn span(count: u64, per_minute: u32) -> Duration {
    Duration::from_micros(count.saturating_mul(MINUTE_MICROS) / u64::from(per_minute.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> LogRules {
        LogRules { per_minute: 60, at_once: 100, ..LogRules::default() }
    }

    fn passed(share: &mut Share, tries: usize, seconds: u64) -> usize {
        let mono = Duration::from_secs(seconds);
        (0..tries).filter(|_| share.admit(100, &rules(), mono)).count()
    }

    /// Criterion: T3.CSA.1 (negative)
    #[test]
    fn what_an_outage_kept_passes_at_once_and_then_one_a_second() {
        let mut share = Share::default();
        assert_eq!(passed(&mut share, 500, 1000), 100);
        assert_eq!(passed(&mut share, 500, 1000), 0);
        assert_eq!(passed(&mut share, 500, 1010), 10);
        let minute: usize = (1011..1071).map(|second| passed(&mut share, 50, second)).sum();
        assert_eq!(minute, 60);
    }

    /// Criterion: T3.CSA.1 (negative)
    #[test]
    fn what_is_grave_has_room_beside_a_flood_and_is_bounded_too() {
        let mut share = Share::default();
        let at = Duration::from_secs;
        assert_eq!(passed(&mut share, 500, 1000), 100);
        assert_eq!((0..500).filter(|_| share.admit_grave(at(1000))).count(), 60);
        assert_eq!((0..500).filter(|_| share.admit_grave(at(1060))).count(), 30);
    }

    /// Criterion: T3.CSA.1 (negative)
    #[test]
    fn few_long_records_use_up_the_share_of_bytes() {
        let rules =
            LogRules { bytes_per_minute: 6_000, bytes_at_once: 12_000, ..LogRules::default() };
        let mut share = Share::default();
        let mono = Duration::from_secs(5);
        assert_eq!((0..1000).filter(|_| share.admit(500, &rules, mono)).count(), 24);
    }
}
