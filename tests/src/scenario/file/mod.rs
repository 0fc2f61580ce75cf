//! Scenario files: what happens to a product, and what must be found of it. `tests/scenarios/README.md` describes
//! every key; this reads them, strictly and within bounds.

mod act;
mod read;
mod values;
mod yaml;

pub use act::{
    Act, Code, Decision, Enrolment, Event, Impostor, Note, Payload, Publish, Refused, Release,
    Step, Topic, When,
};
pub use read::parse;
pub use yaml::FormatError;

use hub_core::record::{RecordKind, Severity};
use protocol::{definition::Role, id::Slug, time::Timestamp};
use std::time::Duration;

/// Bytes of one file.
pub const MAX_FILE: usize = 64 * 1024;
/// Components of one product.
pub const MAX_COMPONENTS: usize = 1000;
/// Events in one file.
pub const MAX_EVENTS: usize = 256;
/// How often all events of a file happen together.
pub const MAX_HAPPENINGS: u64 = 500_000;
/// Expectations in one file, and outages.
pub const MAX_EXPECTED: usize = 64;

/// One scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its file.
    pub file: String,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Criteria it covers.
    pub criteria: Vec<String>,
    /// When it begins, by the wall clock.
    pub start: Timestamp,
    /// How long it lasts.
    pub lasts: Duration,
    /// How long before its beginning the product is brought up.
    pub settle: Duration,
    /// The components.
    pub components: Vec<Component>,
    /// Accounts of people.
    pub accounts: Vec<(Slug, Role)>,
    /// The hub's settings.
    pub settings: Settings,
    /// The network.
    pub network: Network,
    /// What happens.
    pub events: Vec<Event>,
    /// What must be found.
    pub expect: Vec<Expectation>,
    /// From which severity on nothing may be found.
    pub quiet: Option<Severity>,
    /// Rules whose incidents do not matter.
    pub may: Vec<String>,
    /// What must have been recorded, or the scenario did not show what it is about.
    pub happened: Vec<Happened>,
}

/// Records that there must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Of what kind.
    pub record: RecordKind,
    /// About which component, or which kind of components; anybody else.
    pub who: Option<String>,
    /// So many.
    pub at_least: u64,
}

/// One component.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its name in the scenario.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// How often it speaks.
    pub pace: Pace,
    /// Whether it joins only when an event says so.
    pub joins_later: bool,
}

/// How often a component speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two signs of life.
    pub heartbeat: Duration,
    /// Between two values of its streams; zero for none.
    pub values: Duration,
    /// Between two batches of its log; zero for no log.
    pub log: Duration,
}

/// The hub's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether the hub does by itself what rules let it do.
    pub respond: bool,
    /// Records of one component's log per minute.
    pub share: u32,
    /// Life of components' certificates.
    pub certificates: Duration,
    /// How long the first component has to run a release before others get it.
    pub soak: Duration,
    /// Whether the hub has a cloud.
    pub cloud: bool,
}

/// The network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// One way, least and most.
    pub latency: (Duration, Duration),
    /// Packets that are lost and sent again, of ten thousand.
    pub loss: u32,
    /// When it is away.
    pub outages: Vec<Outage>,
}

/// A time without a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Whose; nothing for the line to the cloud.
    pub who: Option<Vec<usize>>,
    /// From when on, after the start.
    pub from: Duration,
    /// Until when.
    pub to: Duration,
    /// Whether an attacker does it.
    pub hostile: bool,
}

/// An incident that must be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Its rule.
    pub incident: String,
    /// About whom: a component, an account, an address, `product`, or anybody.
    pub who: Option<String>,
    /// How grave it must be at least.
    pub severity: Severity,
    /// How soon after the first hostile event.
    pub within: Duration,
}
