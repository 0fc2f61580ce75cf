//! The one place that reads clocks for the hub's decisions.

use hub_core::Now;
use protocol::time::Timestamp;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Wall clock, and time since the start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX));
        Now { wall, mono: self.started.elapsed() }
    }
}
