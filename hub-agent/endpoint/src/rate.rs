//! A token bucket for messages and bytes of one client; time is an argument.

use std::time::Duration;

/// Two seconds' worth of messages and bytes may come at once.
const BURST: f64 = 2.0;

pub(crate) struct Bucket {
    messages: f64,
    bytes: f64,
    message_rate: f64,
    byte_rate: f64,
    at: Duration,
}

impl Bucket {
    pub(crate) fn new(message_rate: u32, byte_rate: u32, now: Duration) -> Self {
        let (message_rate, byte_rate) = (f64::from(message_rate), f64::from(byte_rate));
        Self {
            messages: message_rate * BURST,
            bytes: byte_rate * BURST,
            message_rate,
            byte_rate,
            at: now,
        }
    }

    /// Takes what was received; the answer is how long to wait before receiving more.
    pub(crate) fn take(&mut self, messages: u32, bytes: usize, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = now;
        let fill = |level: f64, rate: f64| (level + rate * passed).min(rate * BURST);
        self.messages = fill(self.messages, self.message_rate) - f64::from(messages);
        self.bytes = fill(self.bytes, self.byte_rate) - bytes as f64;
        let wait = |level: f64, rate: f64| (-level / rate).max(0.0);
        Duration::from_secs_f64(
            wait(self.messages, self.message_rate).max(wait(self.bytes, self.byte_rate)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let at = Duration::from_secs;
        let mut bucket = Bucket::new(10, 1000, at(0));
        assert_eq!(bucket.take(20, 0, at(0)), Duration::ZERO);
        assert_eq!(bucket.take(10, 0, at(0)), at(1));
        assert_eq!(bucket.take(0, 0, at(2)), Duration::ZERO);
        assert_eq!(bucket.take(0, 4000, at(100)), at(2));
    }
}
