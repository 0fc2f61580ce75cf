//! What components record of themselves: each has a chain of its own, of which the hub keeps the end, and a share of
//! the hub's log.
//!
//! Records are taken in their order only. What is missing is told of at once and asked for; what is there already is
//! acknowledged again and recorded once; what does not fit what was taken before is a log that somebody edited.
//!
//! | module | holds |
//! |---|---|
//! | `chain` | whether a batch continues what there is |
//! | `share` | how much of the hub's log one component may fill |
//! | `translate` | a component's record as the hub's |

mod chain;
mod share;
mod translate;

pub(crate) use chain::{Break, Fault, Verdict, judge, read_head};
pub(crate) use share::Share;
pub(crate) use translate::{Came, age, translate};

use protocol::{
    id::{ComponentId, Digest, LogLife},
    message::LogClass,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Former lives of one log that are remembered: none of them comes back.
const PAST_LIVES: usize = 8;

/// Ends of batches that are remembered: one that comes again with another content is found out.
const HEADS: usize = 8;

/// So many times records that are missing are asked for; then the log goes on without them.
pub(crate) const PULLS: u8 = 3;

/// A component's records are up to date once the last of a batch is younger than this; until then, after a
/// connection, they are of an outage.
pub(crate) const FRESH: Duration = Duration::from_secs(60);

/// Records older than this when they are sent say nothing about rates now.
pub(crate) const LIVE_FOR: Duration = Duration::from_secs(5 * 60);

/// What is beyond a share, or damaged, is told of once in this time.
pub(crate) const TELL_EVERY: Duration = Duration::from_secs(10);

/// What the owner wants of components' logs. A share is a rate and how much may come at once: what a component
/// kept during an outage.
#[derive(Clone, Debug)]
pub struct LogRules {
    /// Classes of data that are not recorded.
    pub quiet: BTreeSet<LogClass>,
    /// Records of one component per minute.
    pub per_minute: u32,
    /// Records of one component at once.
    pub at_once: u32,
    /// Bytes of one component per minute.
    pub bytes_per_minute: u32,
    /// Bytes of one component at once.
    pub bytes_at_once: u32,
}

impl Default for LogRules {
    fn default() -> Self {
        Self {
            quiet: BTreeSet::new(),
            per_minute: 600,
            at_once: 8_192,
            bytes_per_minute: 128 * 1024,
            bytes_at_once: 2 * 1024 * 1024,
        }
    }
}

/// Where a component's log stands, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Book {
    /// Which log.
    pub(crate) life: LogLife,
    /// Number of the last record that was taken; 0 for none.
    pub(crate) last: u64,
    /// The chain's value after it.
    pub(crate) chain: Digest,
    /// Ends of the last batches and the values there, oldest first; at most [`HEADS`].
    heads: Vec<(u64, Digest)>,
    /// Former lives, oldest first; at most [`PAST_LIVES`].
    past: Vec<LogLife>,
    /// Records beyond the component's share that were not told of yet.
    pub(crate) limited: u32,
}

impl Book {
    pub(crate) fn new(life: LogLife, begin: Digest) -> Self {
        Self { life, last: 0, chain: begin, heads: Vec::new(), past: Vec::new(), limited: 0 }
    }

    /// Goes on to the end of a batch, which may be of a new life.
    pub(crate) fn advance(&mut self, life: LogLife, last: u64, chain: Digest) {
        if life != self.life {
            self.past.push(std::mem::replace(&mut self.life, life));
            self.past.drain(..self.past.len().saturating_sub(PAST_LIVES));
            self.heads.clear();
        }
        (self.last, self.chain) = (last, chain);
        self.heads.push((last, chain));
        self.heads.drain(..self.heads.len().saturating_sub(HEADS));
    }
}

/// What is known of a component's log in this life of the hub.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Whether what it sends is of an outage.
    pub(crate) is_catching_up: bool,
    /// When it connected.
    pub(crate) connected: Duration,
    /// The gap that was told of, and how often its records were asked for.
    pub(crate) gap: Option<(u64, u8)>,
    pub(crate) share: Share,
    /// When it was last told that records are beyond its share.
    pub(crate) limited_told: Option<Duration>,
    /// When it was last told that its log is damaged.
    pub(crate) damage_told: Option<Duration>,
    /// Number of its last record that the hub's log is known to hold, and of which life where that was a new
    /// one: the store may be behind the log.
    pub(crate) recalled: (Option<LogLife>, u64),
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            is_catching_up: true,
            connected: Duration::ZERO,
            gap: None,
            share: Share::default(),
            limited_told: None,
            damage_told: None,
            recalled: (None, 0),
        }
    }
}

/// The logs of all components; as many as the inventory has records.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    pub(crate) books: BTreeMap<ComponentId, Book>,
    pub(crate) desks: BTreeMap<ComponentId, Desk>,
}

impl Logs {
    /// A component connected that the hub had not heard for so long: what it sends first may be of an outage. A line that
    /// was cut for a moment excuses nothing.
    pub(crate) fn connected(&mut self, id: ComponentId, away: Duration, mono: Duration) {
        let desk = self.desks.entry(id).or_default();
        (desk.is_catching_up, desk.gap, desk.connected) = (away > FRESH, None, mono);
    }
}

/// Whether something that is told of once in a while may be told of now.
pub(crate) fn may_tell(told: &mut Option<Duration>, mono: Duration) -> bool {
    let may = told.is_none_or(|at| mono.saturating_sub(at) >= TELL_EVERY);
    if may {
        *told = Some(mono);
    }
    may
}
