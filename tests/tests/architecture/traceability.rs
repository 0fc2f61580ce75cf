//! Every criterion the hub answers to so far has a positive and a negative test that name it.

use crate::{files, read, root};
use std::collections::BTreeMap;

/// Criteria whose tests must exist, with whether each also needs a negative test.
const CRITERIA: &[&str] = &[
    "T3.AI.1", "T3.AI.2", "T3.AI.3", "T3.LA.1a", "T3.LA.1c", "T1.AI.1", "T1.AI.2", "T1.LA.2",
    "T1.LA.4", "T1.LA.5a", "T1.LA.5b", "T1.DP.1", "T1.DP.2", "T3.SU.1a", "T1.SU.1", "T1.SU.2",
    "T1.SU.3",
];

/// How often each `Criterion: <id> (<side>)` stands in the tree.
fn tags() -> BTreeMap<(String, String), usize> {
    let mut tags = BTreeMap::new();
    for path in
        files(&root(), ".rs").into_iter().chain(files(&root(), ".sh")).chain(files(&root(), ".py"))
    {
        for line in read(&path).lines() {
            let Some((_, tag)) = line.split_once("Criterion: ") else { continue };
            let Some((id, rest)) = tag.split_once(" (") else { continue };
            let Some((side, _)) = rest.split_once(')') else { continue };
            *tags.entry((id.to_owned(), side.to_owned())).or_default() += 1;
        }
    }
    tags
}

#[test]
fn every_criterion_has_a_positive_and_a_negative_test() {
    let tags = tags();
    for id in CRITERIA {
        for side in ["positive", "negative"] {
            let count = tags.get(&((*id).to_owned(), side.to_owned())).copied().unwrap_or(0);
            println!("{id} {side}: {count}");
            assert!(count > 0, "no test is tagged `Criterion: {id} ({side})`");
        }
    }
}
