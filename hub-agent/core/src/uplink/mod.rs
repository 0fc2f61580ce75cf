//! Which records of the hub's log go to the cloud next. The log is the queue, the cloud says what it has of it, so
//! nothing is stored for this: after whatever cut, both sides go on from what the cloud has.
//!
//! Two lanes: what came since the connection goes first; what an outage left open is drained between, at a bounded
//! rate. The type decides, and reads no clock: who uses it reads the log, sends, and tells what the cloud answered.

#[cfg(test)]
mod tests;

use protocol::{
    message::{MAX_UPLINK_RANGES, MAX_UPLINK_RECORDS, UplinkRefusal},
    ranges::{Range, Ranges},
};
use std::{collections::VecDeque, time::Duration};

/// Frames that may be on their way without an answer.
pub const WINDOW: usize = 4;

/// After this time without an answer the cloud is asked again what it has.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A wish to have the newest checkpoint witnessed comes so often at most.
pub const WITNESS_EVERY: Duration = Duration::from_secs(5);

/// How long nothing is sent after a refusal that time may heal, and after one that it will not.
pub const REFUSED: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// New frames in a row before one of the backlog has its turn.
const IN_A_ROW: u32 = 7;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send a frame without records, with the newest checkpoint: the cloud answers with what it has.
    Ask,
    /// Read records from this number on, and send them.
    Read {
        /// The first.
        from: u64,
        /// How many at most.
        most: usize,
        /// Whether they are new ones.
        fresh: bool,
    },
    /// Nothing, until something happens or so much time went by.
    Wait(Duration),
}

/// What an answer of the cloud tells besides what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// All is well.
    Fine,
    /// The witness is not the one it was at first, or its signature does not hold.
    Untrusted,
    /// It refused something.
    Refused(UplinkRefusal),
    /// It has less than it witnessed: so many records up to which nothing is missing, of so many.
    Lost {
        /// What it has.
        held: u64,
        /// What it had witnessed.
        witnessed: u64,
    },
    /// It witnessed more than there is here, and the log's own signature is under that: this log was set back.
    SetBack {
        /// Records there.
        there: u64,
        /// Records here.
        here: u64,
    },
}

impl Finding {
    /// The stable word; nothing when all is well.
    #[must_use]
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Fine => None,
            Self::Untrusted => Some("witness-changed"),
            Self::Refused(why) => Some(why.word()),
            Self::Lost { .. } => Some("cloud-lost"),
            Self::SetBack { .. } => Some("set-back"),
        }
    }

    /// What an owner reads.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Fine => "the cloud has the log".to_owned(),
            Self::Untrusted => "the cloud witnesses with another key than at first: ask its operator; if that is right, remove pki/witness.pub".to_owned(),
            Self::Refused(why) if self.heals() => format!("the cloud takes nothing of the log: {why}; it is asked again"),
            Self::Refused(why) => format!("the cloud does not believe the log: {why}; compare: hub-agent log verify"),
            Self::Lost { held, witnessed } => format!(
                "the cloud witnessed {witnessed} records and has {held} without a gap; the rest is sent again"
            ),
            Self::SetBack { there, here } => format!(
                "the cloud witnessed {there} records of this log and there are {here}: it was set back; compare with the cloud's head: hub-agent log verify"
            ),
        }
    }

    /// Whether time may heal it.
    #[must_use]
    pub fn heals(self) -> bool {
        matches!(self, Self::Refused(UplinkRefusal::TooMany | UplinkRefusal::NoRoom))
    }
}

/// The state of the sending.
#[derive(Debug)]
pub struct Lanes {
    /// Records of the backlog a second.
    rate: u32,
    size: u64,
    held: Ranges,
    on_way: VecDeque<(Range, Duration)>,
    /// Where new records begin; unknown before the cloud's first answer.
    fresh: Option<u64>,
    in_a_row: u32,
    /// The question that was not answered yet.
    asked: Option<Duration>,
    answered: bool,
    quiet_until: Duration,
    /// Records of the backlog that may go, and since when.
    allowance: (u64, Duration),
    witnessed: u64,
    wished: Option<Duration>,
}

impl Lanes {
    /// Nothing is known yet; `rate` bounds how many records of a backlog go in a second, `witnessed` is what the
    /// cloud witnessed as far as the log remembers.
    #[must_use]
    pub fn new(rate: u32, witnessed: u64) -> Self {
        Self {
            rate: rate.max(1),
            size: 0,
            held: Ranges::default(),
            on_way: VecDeque::with_capacity(WINDOW),
            fresh: None,
            in_a_row: 0,
            asked: None,
            answered: false,
            quiet_until: Duration::ZERO,
            allowance: (0, Duration::ZERO),
            witnessed,
            wished: None,
        }
    }

    /// A connection began, with so many records in the log: what was on its way may be lost.
    pub fn connected(&mut self, size: u64, now: Duration) {
        *self = Self { allowance: (0, now), ..Self::new(self.rate, self.witnessed) };
        self.size = size;
    }

    /// The log has so many records.
    pub fn grown(&mut self, size: u64) {
        self.size = self.size.max(size);
    }

    /// Records that the cloud does not have yet.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.size.saturating_sub(self.held.count_below(self.size))
    }

    /// The largest size that the cloud witnessed.
    #[must_use]
    pub fn witnessed(&self) -> u64 {
        self.witnessed
    }

    /// What to do next. A reading that was asked for ends with [`Lanes::sent`] before this is asked again.
    pub fn next(&mut self, now: Duration) -> Step {
        if now < self.quiet_until {
            return Step::Wait(self.quiet_until - now);
        }
        if let Some(since) = self.asked {
            let waited = now.saturating_sub(since);
            return if waited < PATIENCE { Step::Wait(PATIENCE - waited) } else { Step::Ask };
        }
        let overdue = self.on_way.front().is_some_and(|(_, since)| *since + PATIENCE <= now);
        if !self.answered || overdue {
            return Step::Ask;
        }
        if self.on_way.len() >= WINDOW {
            return Step::Wait(PATIENCE);
        }
        self.choose(now)
    }

    /// The question was sent.
    pub fn question_sent(&mut self, now: Duration) {
        self.on_way.clear();
        self.asked = Some(now);
        self.wished = Some(now);
    }

    /// Records were read and sent, or there were none; with the newest checkpoint or without.
    pub fn sent(&mut self, range: Range, with_checkpoint: bool, now: Duration) {
        if range.0 < range.1 {
            self.on_way.push_back((range, now));
        }
        let fresh = self.fresh.is_some_and(|fresh| range.0 >= fresh);
        self.in_a_row = if fresh { self.in_a_row + 1 } else { 0 };
        if !fresh {
            self.allowance.0 = self.allowance.0.saturating_sub(range.1 - range.0.min(range.1));
        }
        if with_checkpoint {
            self.wished = Some(now);
        }
    }

    /// Whether a frame that ends with the log shall carry its checkpoint.
    #[must_use]
    pub fn wants_witness(&self, now: Duration) -> bool {
        self.wished.is_none_or(|since| since + WITNESS_EVERY <= now)
    }

    /// The cloud says what it has, why it refused something, and up to where it witnessed; the last only when both
    /// signatures hold.
    pub fn answer(
        &mut self,
        held: Ranges,
        refusal: Option<UplinkRefusal>,
        witnessed: Option<u64>,
        now: Duration,
    ) -> Finding {
        let first = !std::mem::replace(&mut self.answered, true);
        self.asked = None;
        let remembered = self.witnessed;
        self.witnessed = remembered.max(witnessed.unwrap_or(0));
        self.held = held;
        self.on_way.retain(|(range, _)| !self.held.covers(*range));
        if first {
            self.begin();
        }
        let there = witnessed.unwrap_or(0);
        if there > self.size {
            self.pause(REFUSED.1, now);
            return Finding::SetBack { there, here: self.size };
        }
        let beyond = self.held.end() > self.size;
        if let Some(why) = refusal.or(beyond.then_some(UplinkRefusal::SetBack)) {
            let found = Finding::Refused(why);
            self.pause(if found.heals() { REFUSED.0 } else { REFUSED.1 }, now);
            return found;
        }
        let has = self.held.prefix();
        if first && has < remembered {
            return Finding::Lost { held: has, witnessed: remembered };
        }
        Finding::Fine
    }

    /// Nothing is sent for a time; then the cloud is asked again.
    pub fn pause(&mut self, time: Duration, now: Duration) {
        self.quiet_until = now + time;
        self.on_way.clear();
        self.answered = false;
    }

    /// New is what comes from now on, unless what is open before is no more than a frame, or the cloud has as many
    /// ranges as it can keep apart: then nothing that would be one more.
    fn begin(&mut self) {
        let backlog = self.held.gap((0, self.size));
        let small = self.waiting() <= MAX_UPLINK_RECORDS as u64;
        let fresh = match backlog {
            Some((first, _)) if small => first,
            Some(_) if self.held.len() + 1 >= MAX_UPLINK_RANGES => self.held.end(),
            Some(_) | None => self.size,
        };
        self.fresh = Some(fresh);
    }

    fn choose(&mut self, now: Duration) -> Step {
        let mut taken = self.held.clone();
        self.on_way.iter().for_each(|(range, _)| taken.insert(*range));
        let border = self.fresh.unwrap_or(self.size);
        let (new, old) = (taken.gap((border, self.size)), taken.gap((0, border.min(self.size))));
        let (wait, allowed) = self.allowed(old, now);
        let read = |(from, end): Range, most: u64, fresh| {
            let most = most.min(end - from).min(MAX_UPLINK_RECORDS as u64);
            Step::Read { from, most: usize::try_from(most).unwrap_or(MAX_UPLINK_RECORDS), fresh }
        };
        match (new, old) {
            (Some(new), None) => read(new, u64::MAX, true),
            (Some(new), Some(_)) if self.in_a_row < IN_A_ROW || wait > Duration::ZERO => {
                read(new, u64::MAX, true)
            }
            (_, Some(old)) if wait == Duration::ZERO => read(old, allowed, false),
            (_, Some(_)) => Step::Wait(wait),
            (None, None) => self.idle(now),
        }
    }

    /// All is there or on its way: at times the newest checkpoint is still to be witnessed.
    fn idle(&self, now: Duration) -> Step {
        let open = self.on_way.is_empty() && self.witnessed < self.size;
        match self.wished {
            _ if !open => Step::Wait(PATIENCE),
            Some(since) if since + WITNESS_EVERY > now => Step::Wait(since + WITNESS_EVERY - now),
            Some(_) | None => Step::Ask,
        }
    }

    /// How long the backlog has to wait, and how many of its records may go then.
    fn allowed(&mut self, old: Option<Range>, now: Duration) -> (Duration, u64) {
        let Some((first, end)) = old else { return (Duration::ZERO, 0) };
        let since = now.saturating_sub(self.allowance.1);
        let earned = since.as_millis() as u64 * u64::from(self.rate) / 1000;
        if earned > 0 {
            let most = u64::from(self.rate).max(1);
            self.allowance = (self.allowance.0.saturating_add(earned).min(most), now);
        }
        let wanted = (end - first).min(MAX_UPLINK_RECORDS as u64).min(u64::from(self.rate));
        let missing = wanted.saturating_sub(self.allowance.0);
        let wait = (missing * 1000).div_ceil(u64::from(self.rate));
        (Duration::from_millis(wait), self.allowance.0)
    }
}
