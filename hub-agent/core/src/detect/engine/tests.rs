use super::{
    super::rules::{RuleFile, RuleSet},
    *,
};
use crate::record::{Peer, RecordKind};
use proptest::prelude::*;
use protocol::{id::Digest, time::Timestamp};
use std::net::SocketAddr;

fn id(n: u8) -> ComponentId {
    ComponentId::from_key_digest(&Digest([n; 32]))
}

/// A correlation of `kind` over the failures `a` and `b`, for each component.
fn rules(kind: &str, condition: &str) -> RuleSet {
    let one = |name: &str| {
        format!(
            "title: {name}\nname: {name}\nlogsource:\n  product: hub-agent\ndetection:\n  s:\n    \
             metadata.event_code: auth.failure\n    status_code: {name}\n  condition: s\n---\n"
        )
    };
    let text = format!(
        "{}{}title: t\nname: t\ncorrelation:\n  type: {kind}\n  rules:\n    - a\n    - b\n  group-by:\n    - \
         device.uid\n  timespan: 60s\n{condition}level: high\n",
        one("a"),
        one("b")
    );
    RuleSet::compile(&[RuleFile { name: "t.yml", text: &text }]).unwrap()
}

fn failure(code: &str, component: u8) -> Record {
    Record::new(Timestamp(0), RecordKind::AuthFailure).about(id(component)).because(code)
}

fn port(record: Record, port: u16) -> Record {
    record.seen_from(Peer::from(SocketAddr::from(([10, 0, 0, 1], port))))
}

/// One event of a random stream: pause in ms, which rule, which component, which value.
type Event = (u64, bool, u8, u16);

fn events() -> impl Strategy<Value = Vec<Event>> {
    let pause = prop_oneof![4 => 0..5_000_u64, 2 => 0..1u64, 1 => 20_000..90_000_u64];
    proptest::collection::vec((pause, any::<bool>(), 0..3_u8, 0..6_u16), 1..200)
}

/// Whether each event makes the correlation true by the engine.
fn by_engine(rules: RuleSet, events: &[Event], known: bool) -> Vec<bool> {
    let mut engine = Engine::new(rules, 7);
    if known {
        (0..3).for_each(|n| engine.enrolled(id(n)));
    }
    let mut now = 1_000_000;
    let each = |(number, (pause, is_a, who, value)): (usize, &Event)| {
        now += pause;
        let record = port(failure(if *is_a { "a" } else { "b" }, *who), *value);
        !engine.observe(&record, number as u64, now).is_empty()
    };
    events.iter().enumerate().map(each).collect()
}

/// The same by looking at all that came before within the span.
fn by_model(events: &[Event], is_true: impl Fn(&[Event]) -> bool) -> Vec<bool> {
    let times: Vec<u64> = events
        .iter()
        .scan(0, |now, event| {
            *now += event.0;
            Some(*now)
        })
        .collect();
    (0..events.len())
        .map(|at| {
            let of =
                |past: &usize| times[at] - times[*past] < 60_000 && events[*past].2 == events[at].2;
            let window: Vec<Event> = (0..=at).filter(of).map(|past| events[past]).collect();
            is_true(&window)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bounded_counts_are_exact(events in events(), known: bool) {
        let rules = rules("event_count", "  condition:\n    gte: 5\n");
        prop_assert_eq!(by_engine(rules, &events, known), by_model(&events, |window| window.len() >= 5));
    }

    #[test]
    fn bounded_counts_of_different_values_are_exact(events in events(), known: bool) {
        let rules = rules("value_count", "  condition:\n    field: src_endpoint.port\n    gte: 4\n");
        let model = by_model(&events, |window| {
            let values: std::collections::BTreeSet<_> = window.iter().map(|event| event.3).collect();
            values.len() >= 4
        });
        prop_assert_eq!(by_engine(rules, &events, known), model);
    }

    #[test]
    fn all_of_several_in_any_order_is_exact(events in events(), known: bool) {
        let model = by_model(&events, |window| {
            window.iter().any(|event| event.1) && window.iter().any(|event| !event.1)
        });
        prop_assert_eq!(by_engine(rules("temporal", ""), &events, known), model);
    }

    #[test]
    fn one_after_the_other_is_exact(events in events(), known: bool) {
        let model = by_model(&events, |window| {
            let (last, before) = window.split_last().unwrap();
            !last.1 && before.iter().any(|event| event.1)
        });
        prop_assert_eq!(by_engine(rules("temporal_ordered", ""), &events, known), model);
    }
}

#[test]
fn absence_is_noticed_by_the_clock_and_once() {
    let mut engine = Engine::new(rules("event_count", "  condition:\n    lt: 1\n"), 7);
    engine.enrolled(id(1));
    engine.observe(&failure("a", 1), 5, 1_000_000);
    assert!(engine.tick(1_059_999).is_empty());
    let hits = engine.tick(1_060_000);
    assert_eq!((&hits[0].scope, &hits[0].evidence[..]), (&Scope::Component(id(1)), &[5][..]));
    assert!(engine.tick(1_200_000).is_empty());
    engine.observe(&failure("a", 1), 6, 1_300_000);
    assert_eq!(engine.tick(1_400_000).len(), 1);
}

#[test]
fn a_record_that_stands_for_many_counts_as_many() {
    let mut engine = Engine::new(rules("event_count", "  condition:\n    gte: 50\n"), 7);
    engine.enrolled(id(1));
    let mut record = failure("a", 1);
    assert!(engine.observe(&record, 1, 1_000_000).is_empty());
    record.counters.count = Some(49);
    assert_eq!(engine.observe(&record, 2, 1_000_900).len(), 1);
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_backlog_says_nothing_about_rates_but_tells_of_sequences() {
    let backlog = |code: &str| Record { lane: Lane::Backlog, ..failure(code, 1) };
    let mut rates = Engine::new(rules("event_count", "  condition:\n    gte: 2\n"), 7);
    assert!((0..50).all(|n| rates.observe(&backlog("a"), n, 1_000_000).is_empty()));
    let mut order = Engine::new(rules("temporal_ordered", ""), 7);
    assert!(order.observe(&backlog("a"), 1, 1_000_000).is_empty());
    assert_eq!(order.observe(&backlog("b"), 2, 1_000_000).len(), 1);
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn two_hundred_thousand_invented_identities_neither_hide_an_attack_nor_cost_memory() {
    let mut engine = Engine::new(RuleSet::shipped(), 99);
    (0..100).for_each(|n| engine.enrolled(id(n)));
    engine.account_known(&Word::clip("owner"));
    let quiet = engine.bytes();
    let (mut now, mut found) = (1_000_000, Vec::new());
    for n in 0..200_000_u32 {
        now += 1;
        let from = SocketAddr::from((n.to_be_bytes(), 5));
        let guest = Record::new(Timestamp(0), RecordKind::AuthFailure).by(&format!("guest {n}"));
        found.extend(engine.observe(&guest.seen_from(from), u64::from(n), now));
        if n % 15_000 == 14_999 {
            for attacked in [
                Record::new(Timestamp(0), RecordKind::AuthFailure).about(id(42)),
                Record::new(Timestamp(0), RecordKind::AuthFailure).by("owner"),
            ] {
                found.extend(engine.observe(
                    &attacked.seen_from(from),
                    1_000_000 + u64::from(n),
                    now,
                ));
            }
        }
    }
    let scopes: std::collections::BTreeSet<_> = found.iter().map(|hit| hit.scope.clone()).collect();
    assert!(scopes.contains(&Scope::Component(id(42))), "guessing at a member");
    assert!(scopes.contains(&Scope::Actor(Word::clip("owner"))), "guessing at an account");
    assert!(engine.take_evicted() > 100_000, "the flood is noticed");
    let grown = engine.bytes() - quiet;
    assert!(grown < 512 * 1024, "{grown} bytes");
    engine.tick(now + super::super::rules::MAX_SPAN_MS);
    assert_eq!(engine.seen.groups.bytes() / 1024 / 1024, 0);
}

#[test]
fn the_same_seed_gives_the_same_outcome() {
    let run = |seed| {
        let mut engine = Engine::new(RuleSet::shipped(), seed);
        let hits = (0..20_000_u32).flat_map(|n| {
            let from = SocketAddr::from(((n % 700).to_be_bytes(), 5));
            let record = Record::new(Timestamp(0), RecordKind::ConnRefused).seen_from(from);
            engine.observe(&record, u64::from(n), 1_000_000 + u64::from(n / 8))
        });
        hits.map(|hit| hit.evidence).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
}
