//! Documents and topics, damaged: nothing panics, memory stays bounded, and what is still taken is whole.

use crate::damage::{Random, damage, inputs};
use protocol::{definition::Definition, topic::Route};

const SEED: u64 = 0x5eed_2028;

const DOCUMENTS: [&str; 2] = [
    include_str!("../../../device-sim/definitions/lamp.toml"),
    include_str!("../../../device-sim/definitions/lock.toml"),
];

/// Most memory that the process ever held, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Criterion: T1.LA.3 (negative)
#[test]
fn damaged_documents_are_explained_and_what_is_still_taken_is_taken_again() {
    let (mut random, before) = (Random::new(SEED), peak());
    let (mut taken, mut refused) = (0, 0);
    for number in 0..inputs(2_000) {
        let mut bytes = DOCUMENTS[number % 2].as_bytes().to_vec();
        let donor = DOCUMENTS[(number + 1) % 2].as_bytes();
        (0..=random.below(3)).for_each(|_| damage(&mut random, &mut bytes, donor));
        let text = String::from_utf8_lossy(&bytes);
        match Definition::parse(&text) {
            Ok(definition) => {
                assert_eq!(Definition::parse(&text).ok(), Some(definition), "document {number}");
                taken += 1;
            }
            Err(mistakes) => {
                assert!(!mistakes.to_string().is_empty(), "document {number}");
                refused += 1;
            }
        }
    }
    let grown = peak() - before;
    println!(
        "seed {SEED:#x}: {refused} refused, {taken} still documents, {grown} KiB more at most"
    );
    assert!(refused > taken / 10 && grown < 256 * 1024, "{refused} {taken} {grown}");
}

/// Criterion: T1.LA.3 (negative)
/// Criterion: T3.LA.1a (negative)
#[test]
fn a_damaged_topic_is_no_route_or_the_one_that_it_says() {
    let id = "abababab-abab-8bab-abab-abababababab";
    let leaves = ["announce", "stream/power", "upd/req", &format!("command/{id}/switch")];
    let topics: Vec<_> = leaves.iter().map(|leaf| format!("p/{id}/{leaf}")).collect();
    let mut random = Random::new(SEED);
    let (mut routes, all) = (0, inputs(100_000));
    for number in 0..all {
        let mut bytes = topics[number % topics.len()].clone().into_bytes();
        let donor = topics[random.below(topics.len())].as_bytes();
        (0..=random.below(3)).for_each(|_| damage(&mut random, &mut bytes, donor));
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if let Ok(route) = Route::parse(&text) {
            assert_eq!(route.to_string(), text, "topic {number}");
            routes += 1;
        }
    }
    println!("seed {SEED:#x}: {routes} of {all} damaged topics are routes");
    assert!(routes < all / 2, "{routes}");
}
