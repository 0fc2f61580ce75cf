//! How long a source may take: to connect, to answer, and for its bytes.

use std::time::Duration;
use tokio::time::Instant;

/// The times of a source.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// For a connection and its TLS handshake.
    pub connect: Duration,
    /// From a request to the head of its answer.
    pub answer: Duration,
    /// For a whole metadata file.
    pub whole: Duration,
    /// Over which time the least rate is looked at.
    pub window: Duration,
    /// Bytes that must come in each window.
    pub least: u64,
}

impl Default for Pace {
    /// 10 s to connect, 30 s to answer, 2 minutes for metadata, and 1 KiB/s over each minute.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            whole: Duration::from_secs(120),
            window: Duration::from_secs(60),
            least: 60 * 1024,
        }
    }
}

impl Pace {
    /// For a whole file of this length: what the least rate takes, and the time of a short one.
    pub(super) fn for_length(&self, length: u64) -> Duration {
        let windows = length / self.least.max(1) + 1;
        let windows = u32::try_from(windows).unwrap_or(u32::MAX);
        self.whole.saturating_add(self.window.saturating_mul(windows))
    }
}

/// Counts what comes against the clock.
pub(super) struct Meter {
    window: Duration,
    least: u64,
    turn: Instant,
    counted: u64,
    deadline: Instant,
}

impl Meter {
    pub(super) fn start(pace: &Pace, whole: Duration) -> Self {
        let now = Instant::now();
        let far = Duration::from_secs(365 * 24 * 3600);
        Self {
            window: pace.window.min(far),
            least: pace.least,
            turn: now + pace.window.min(far),
            counted: 0,
            deadline: now + whole.min(far),
        }
    }

    /// When to look again although nothing came.
    pub(super) fn wake(&self) -> Instant {
        self.turn.min(self.deadline)
    }

    /// Counts bytes; false when the source is too slow.
    pub(super) fn count(&mut self, bytes: u64) -> bool {
        self.counted += bytes;
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        if now >= self.turn {
            let enough = self.counted >= self.least;
            (self.turn, self.counted) = (now + self.window, 0);
            return enough;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    /// Counts this many bytes each second; says after how many seconds it is too slow, within an hour.
    async fn too_slow_after(pace: &Pace, whole: Duration, each_second: u64) -> Option<u64> {
        let mut meter = Meter::start(pace, whole);
        for second in 1..=3600 {
            advance(Duration::from_secs(1)).await;
            if !meter.count(each_second) {
                return Some(second);
            }
        }
        None
    }

    /// Criterion: T3.SU.1a (negative)
    #[tokio::test(start_paused = true)]
    async fn less_than_the_least_rate_over_a_window_is_too_slow() {
        let (pace, day) = (Pace::default(), Duration::from_secs(86_400));
        assert_eq!(too_slow_after(&pace, day, 1023).await, Some(60));
        assert_eq!(too_slow_after(&pace, day, 0).await, Some(60));
        assert_eq!(too_slow_after(&pace, day, 1024).await, None);
        assert_eq!(too_slow_after(&pace, pace.whole, 1_000_000).await, Some(120));
    }

    /// Criterion: T3.SU.1a (positive)
    #[test]
    fn a_long_file_gets_the_time_that_the_least_rate_takes() {
        let pace = Pace::default();
        assert_eq!(pace.for_length(0), Duration::from_secs(180));
        assert_eq!(pace.for_length(64 * 1024 * 1024), Duration::from_secs(120 + 60 * 1093));
        assert!(pace.for_length(u64::MAX) > Duration::from_secs(1 << 30));
    }
}
