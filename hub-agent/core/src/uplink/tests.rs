//! The lanes with a small cloud: nothing is lost or doubled there, whatever is cut.

use super::*;
use proptest::{collection::vec, prelude::*};

const SECOND: Duration = Duration::from_secs(1);

/// A cloud that keeps what it gets, and a line that may be cut.
#[derive(Default)]
struct Cloud {
    held: Ranges,
    witnessed: u64,
    /// How often each record was taken.
    taken: Vec<u32>,
    /// First numbers of frames as they came over this connection.
    order: Vec<u64>,
    most_ranges: usize,
}

impl Cloud {
    fn take(&mut self, (first, end): Range) -> Option<UplinkRefusal> {
        let mut held = self.held.clone();
        held.insert((first, end));
        if held.len() > MAX_UPLINK_RANGES {
            return Some(UplinkRefusal::TooMany);
        }
        self.taken.resize(self.taken.len().max(end as usize), 0);
        for number in first..end {
            if !self.held.covers((number, number + 1)) {
                self.taken[number as usize] += 1;
            }
        }
        self.order.push(first);
        self.held = held;
        self.most_ranges = self.most_ranges.max(self.held.len());
        None
    }
}

/// A hub's end with the line to the cloud.
struct World {
    lanes: Lanes,
    cloud: Cloud,
    now: Duration,
    size: u64,
    /// Frames that the cloud did not get yet.
    line: VecDeque<Range>,
    findings: Vec<Finding>,
}

impl World {
    fn new(rate: u32) -> Self {
        Self {
            lanes: Lanes::new(rate, 0),
            cloud: Cloud::default(),
            now: SECOND,
            size: 0,
            line: VecDeque::new(),
            findings: Vec::new(),
        }
    }

    fn connect(&mut self) {
        self.line.clear();
        self.cloud.order.clear();
        self.lanes.connected(self.size, self.now);
    }

    fn grow(&mut self, records: u64) {
        self.size += records;
        self.lanes.grown(self.size);
    }

    fn answer(&mut self, refusal: Option<UplinkRefusal>) {
        if self.cloud.held.prefix() == self.size {
            self.cloud.witnessed = self.size;
        }
        let (held, witnessed) = (self.cloud.held.clone(), self.cloud.witnessed);
        let found = self.lanes.answer(held, refusal, Some(witnessed), self.now);
        if found != Finding::Fine {
            self.findings.push(found);
        }
    }

    /// One step of the hub; reading gives at most so many records.
    fn step(&mut self, given: u64) {
        match self.lanes.next(self.now) {
            Step::Ask => {
                self.lanes.question_sent(self.now);
                self.answer(None);
            }
            Step::Read { from, most, .. } => {
                let end = (from + given.min(most as u64)).min(self.size);
                self.line.push_back((from, end));
                assert!(self.line.len() <= WINDOW, "more frames than the window");
                self.lanes.sent((from, end), false, self.now);
            }
            Step::Wait(time) => self.now += time.min(SECOND),
        }
    }

    /// The cloud gets the next frame, and the hub its answer.
    fn deliver(&mut self) {
        if let Some(frame) = self.line.pop_front() {
            let refusal = self.cloud.take(frame);
            self.answer(refusal);
        }
    }

    fn settle(&mut self) {
        for _ in 0..200_000 {
            if self.lanes.waiting() == 0 && self.cloud.witnessed == self.size {
                return;
            }
            self.step(256);
            self.deliver();
        }
        panic!("it does not end: {:?} of {}", self.cloud.held, self.size);
    }
}

#[derive(Clone, Debug)]
enum Act {
    Grow(u64),
    Step(u64),
    Deliver,
    /// The line breaks; so many frames on it still arrive, but their answers do not.
    Cut(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (1_u64..2_000).prop_map(Act::Grow),
        6 => (1_u64..=256).prop_map(Act::Step),
        5 => Just(Act::Deliver),
        1 => (0_usize..=WINDOW).prop_map(Act::Cut),
    ]
}

proptest! {
    /// Criterion: T3.CSA.1 (positive)
    #[test]
    fn whatever_is_cut_the_cloud_ends_with_each_record_once(
        acts in vec(act(), 1..400),
        rate in 1_000_u32..100_000,
    ) {
        let mut world = World::new(rate);
        world.connect();
        for act in acts {
            match act {
                Act::Grow(records) => world.grow(records),
                Act::Step(given) => world.step(given),
                Act::Deliver => world.deliver(),
                Act::Cut(arrive) => {
                    for _ in 0..arrive {
                        if let Some(frame) = world.line.pop_front() {
                            world.cloud.take(frame);
                        }
                    }
                    world.connect();
                }
            }
        }
        world.settle();
        prop_assert!(world.cloud.taken.iter().all(|times| *times == 1));
        prop_assert_eq!(world.cloud.taken.len() as u64, world.size);
        prop_assert!(world.cloud.most_ranges <= MAX_UPLINK_RANGES);
        prop_assert_eq!(world.lanes.waiting(), 0);
        let only_room = |finding: &Finding| *finding == Finding::Refused(UplinkRefusal::TooMany);
        prop_assert!(world.findings.iter().all(only_room), "{:?}", world.findings);
    }

    #[test]
    fn ranges_are_the_set_of_their_numbers(
        ranges in vec((0_u64..60, 0_u64..60), 0..12),
        asked in (0_u64..60, 0_u64..60),
    ) {
        let made = Ranges::new(ranges.iter().copied());
        let is_in = |number: u64| ranges.iter().any(|(first, end)| (*first..*end).contains(&number));
        for number in 0..60 {
            prop_assert_eq!(made.covers((number, number + 1)), is_in(number));
        }
        prop_assert!(made.as_slice().windows(2).all(|pair| pair[0].1 < pair[1].0));
        let mut missing = (asked.0..asked.1).filter(|number| !is_in(*number));
        let first = missing.next();
        prop_assert_eq!(made.gap(asked).map(|gap| gap.0), first);
        if let Some((from, end)) = made.gap(asked) {
            prop_assert!((from..end).all(|number| !is_in(number)));
            prop_assert!(end == asked.1 || is_in(end));
        }
        let below = (0..asked.1).filter(|number| is_in(*number)).count() as u64;
        prop_assert_eq!(made.count_below(asked.1), below);
    }
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn after_an_outage_new_records_go_first_and_the_backlog_between_them() {
    let mut world = World::new(2_000);
    world.grow(10_000);
    world.connect();
    world.step(256);
    world.grow(300);
    (0..2).for_each(|_| world.step(256));
    assert_eq!(world.line, [(10_000, 10_256), (10_256, 10_300)]);
    (0..2).for_each(|_| world.deliver());
    let mut old = 0;
    for _ in 0..400 {
        world.grow(20);
        world.now += Duration::from_millis(20);
        world.step(256);
        world.deliver();
        let (first, newest) = (world.cloud.order[world.cloud.order.len() - 1], world.size - 20);
        old += u32::from(first < 10_000);
        assert!(first < 10_000 || first + 256 > newest, "what is new does not wait");
    }
    assert!(old > 10, "the backlog gets its turns: {old}");
    world.settle();
    let old: Vec<_> = world.cloud.order.iter().filter(|first| **first < 10_000).collect();
    assert!(old.is_sorted(), "in the order of numbers");
}

#[test]
fn a_backlog_goes_at_its_rate_and_no_faster() {
    let mut world = World::new(500);
    world.grow(5_000);
    world.connect();
    let start = world.now;
    while world.cloud.held.prefix() < 5_000 {
        world.step(256);
        world.deliver();
    }
    let took = (world.now - start).as_secs_f64();
    assert!((9.0..=12.0).contains(&took), "{took} s for 5,000 at 500 a second");
}

/// Criterion: T1.CSA.3 (negative)
#[test]
fn tells_a_cloud_that_lost_something_and_a_log_that_was_set_back() {
    let mut lanes = Lanes::new(2_000, 400);
    lanes.connected(500, SECOND);
    let found = lanes.answer(Ranges::new([(0, 300)]), None, Some(200), SECOND);
    assert_eq!(found, Finding::Lost { held: 300, witnessed: 400 });
    assert_eq!(lanes.next(SECOND), Step::Read { from: 300, most: 200, fresh: true });
    let set_back = Finding::SetBack { there: 600, here: 500 };
    let refused = Finding::Refused(UplinkRefusal::SetBack);
    for (held, witnessed, refusal, told) in [
        (100, 600, None, set_back),
        (100, 600, Some(UplinkRefusal::SetBack), set_back),
        // Without the log's own signature it is the cloud's word only.
        (600, 100, None, refused),
        (100, 100, Some(UplinkRefusal::SetBack), refused),
    ] {
        let mut lanes = Lanes::new(2_000, 100);
        lanes.connected(500, SECOND);
        let found = lanes.answer(Ranges::new([(0, held)]), refusal, Some(witnessed), SECOND);
        assert_eq!(found, told);
        assert!(matches!(lanes.next(SECOND), Step::Wait(time) if time > PATIENCE));
    }
}

#[test]
fn a_cloud_that_does_not_answer_is_asked_again_and_gets_no_more_than_a_window() {
    let mut world = World::new(100_000);
    world.grow(10_000);
    world.connect();
    world.now += SECOND;
    (0..20).for_each(|_| world.step(256));
    assert_eq!(world.line.len(), WINDOW);
    let deadline = world.now + PATIENCE + SECOND;
    while world.now < deadline && world.lanes.next(world.now) != Step::Ask {
        world.step(256);
    }
    assert_eq!(world.lanes.next(world.now), Step::Ask);
    world.lanes.question_sent(world.now);
    assert!(matches!(world.lanes.next(world.now), Step::Wait(_)));
    assert_eq!(world.lanes.next(world.now + PATIENCE), Step::Ask, "and again");
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn after_a_refusal_nothing_is_sent_for_a_while() {
    for (refusal, quiet) in
        [(UplinkRefusal::NoRoom, REFUSED.0), (UplinkRefusal::Contradiction, REFUSED.1)]
    {
        let mut lanes = Lanes::new(2_000, 0);
        lanes.connected(500, SECOND);
        let found = lanes.answer(Ranges::default(), Some(refusal), None, SECOND);
        assert_eq!(found, Finding::Refused(refusal));
        assert_eq!(lanes.next(SECOND), Step::Wait(quiet));
        assert_eq!(lanes.next(SECOND + quiet), Step::Ask);
    }
}
