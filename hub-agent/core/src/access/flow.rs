//! How much a component says, in which order, and how often it is refused. Kept in memory only: a
//! restart of the hub forgives.

use protocol::{definition::Role, id::Slug, refusal::Refusal};
use std::{collections::BTreeMap, time::Duration};

/// A burst as long as this at the declared rate passes at once.
const BURST: Duration = Duration::from_secs(15);

/// Reports of a configuration per minute.
const REPORTS_PER_MINUTE: u32 = 60;

/// Statuses and reports of updates per minute: each is written, and an update has one every two seconds and
/// a dozen at its ends.
const PROGRESS_PER_MINUTE: u32 = 240;

/// Blocks of an update per minute: the burst alone is 15,000 of them, of which 64 MiB take 1,024. Requests are
/// not counted as messages as long as they stay below it.
const BLOCKS_PER_MINUTE: u32 = 60_000;

/// Batches of its log per minute: each costs a signature check. Its records have a share of their own.
const LOG_BATCHES_PER_MINUTE: u32 = 600;

/// Announcements that say something new per minute.
const ANNOUNCEMENTS_PER_MINUTE: u32 = 60;

/// The span over which refusals are counted.
const SPAN: Duration = Duration::from_secs(60);

/// Refusals within the span from which a component is suspect.
pub const SUSPECT_AT: u32 = 20;

/// What one component did lately; its streams are bounded by its announcement.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    lanes: BTreeMap<Slug, Lane>,
    /// Commands it gives, by name.
    commands: BTreeMap<Slug, Lane>,
    /// Commands that people and the cloud give it, by their role; as many as its definition declares, times four roles.
    orders: BTreeMap<(Role, Slug), Lane>,
    refused: (Duration, u32),
    report: Lane,
    announcement: Lane,
    blocks: Lane,
    progress: Lane,
    log: Lane,
}

#[derive(Debug, Default)]
struct Lane {
    /// When the next message would be due if all came evenly (the generic cell rate algorithm).
    due: Duration,
    risen: Option<i128>,
}

impl Lane {
    fn admit(&mut self, per_minute: u32, mono: Duration) -> Result<(), Held> {
        self.admit_many(1, per_minute, mono)
    }

    fn admit_many(&mut self, count: u32, per_minute: u32, mono: Duration) -> Result<(), Held> {
        if self.due > mono + BURST {
            return Err(Held::TooMany);
        }
        self.due = self.due.max(mono) + Duration::from_secs(60) / per_minute.max(1) * count;
        Ok(())
    }
}

/// Why a message does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Too many within its minute.
    TooMany,
    /// Its number fell.
    Fell,
}

impl Held {
    /// The reason as others are told it.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::TooMany => Refusal::SlowDown,
            Self::Fell => Refusal::OutOfOrder,
        }
    }
}

impl Flow {
    /// Takes a message of a stream into account, unless it comes too soon or its number fell.
    pub(crate) fn admit(
        &mut self,
        stream: &Slug,
        per_minute: u32,
        rises: Option<i128>,
        mono: Duration,
    ) -> Result<(), Held> {
        if !self.lanes.contains_key(stream) {
            self.lanes.insert(stream.clone(), Lane::default());
        }
        let lane = self.lanes.get_mut(stream).expect("it was put there");
        lane.admit(per_minute, mono)?;
        if rises.is_some() && rises < lane.risen {
            return Err(Held::Fell);
        }
        lane.risen = rises.or(lane.risen);
        Ok(())
    }

    /// Takes a command to another component into account.
    pub(crate) fn admit_command(
        &mut self,
        name: &Slug,
        per_minute: u32,
        mono: Duration,
    ) -> Result<(), Held> {
        self.commands.entry(name.clone()).or_default().admit(per_minute, mono)
    }

    /// Takes a command that a person or the cloud gives this component into account: nobody of another role
    /// uses up what one role may give.
    pub(crate) fn admit_order(
        &mut self,
        by: Role,
        name: &Slug,
        per_minute: u32,
        mono: Duration,
    ) -> Result<(), Held> {
        self.orders.entry((by, name.clone())).or_default().admit(per_minute, mono)
    }

    /// Takes a report of its configuration into account.
    pub(crate) fn admit_report(&mut self, mono: Duration) -> Result<(), Held> {
        self.report.admit(REPORTS_PER_MINUTE, mono)
    }

    /// Takes an announcement that says something new into account.
    pub(crate) fn admit_announcement(&mut self, mono: Duration) -> Result<(), Held> {
        self.announcement.admit(ANNOUNCEMENTS_PER_MINUTE, mono)
    }

    /// Takes a status or report of an update into account.
    pub(crate) fn admit_progress(&mut self, mono: Duration) -> Result<(), Held> {
        self.progress.admit(PROGRESS_PER_MINUTE, mono)
    }

    /// Takes a batch of its log into account.
    pub(crate) fn admit_log(&mut self, mono: Duration) -> Result<(), Held> {
        self.log.admit(LOG_BATCHES_PER_MINUTE, mono)
    }

    /// Takes a request for so many blocks of an update into account.
    pub(crate) fn admit_blocks(&mut self, count: u8, mono: Duration) -> Result<(), Held> {
        self.blocks.admit_many(u32::from(count), BLOCKS_PER_MINUTE, mono)
    }

    /// A new life: numbers start again.
    pub(crate) fn new_life(&mut self) {
        self.lanes.values_mut().for_each(|lane| lane.risen = None);
    }

    /// Counts a refusal; the answer is whether this one makes the component suspect.
    pub(crate) fn refused(&mut self, mono: Duration) -> bool {
        if mono.saturating_sub(self.refused.0) >= SPAN {
            self.refused = (mono, 0);
        }
        self.refused.1 = self.refused.1.saturating_add(1);
        self.refused.1 == SUSPECT_AT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Criterion: T3.LA.1b (negative)
    #[test]
    fn a_minute_lets_through_what_was_declared_and_a_burst_no_more() {
        let (mut flow, stream) = (Flow::default(), Slug::new("power").unwrap());
        let passed = |flow: &mut Flow, seconds: u64| {
            (0..100).filter(|_| flow.admit(&stream, 60, None, at(seconds)).is_ok()).count()
        };
        assert_eq!(passed(&mut flow, 100), 16, "one and a burst of 15 seconds");
        assert_eq!(passed(&mut flow, 100), 0);
        assert_eq!(passed(&mut flow, 110), 10, "one a second again");
        let total: usize = (111..171).map(|second| passed(&mut flow, second)).sum();
        assert_eq!(total, 60);
    }

    #[test]
    fn numbers_may_repeat_but_not_fall_until_a_new_life() {
        let (mut flow, stream) = (Flow::default(), Slug::new("frames").unwrap());
        let admit = |flow: &mut Flow, number| flow.admit(&stream, 6000, Some(number), at(1));
        for number in [-5, 7, 7, 8] {
            assert_eq!(admit(&mut flow, number), Ok(()));
        }
        assert_eq!(admit(&mut flow, 7), Err(Held::Fell));
        assert_eq!(admit(&mut flow, 8), Ok(()));
        flow.new_life();
        assert_eq!(admit(&mut flow, 0), Ok(()));
    }

    #[test]
    fn many_refusals_within_a_minute_make_suspect_once() {
        let mut flow = Flow::default();
        let slow = (0..100).filter(|n| flow.refused(at(n * 4))).count();
        assert_eq!(slow, 0, "fifteen a minute");
        assert_eq!((0..100).filter(|_| flow.refused(at(1000))).count(), 1);
        assert_eq!(
            (0..100).filter(|_| flow.refused(at(1060))).count(),
            1,
            "and in the next minute"
        );
    }
}
