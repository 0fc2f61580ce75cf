//! `wire.cddl` against the vectors: what is valid fits it, what is not does not, as far as CDDL can
//! tell, and it holds every refusal.

use crate::{json, kinds, list, read, text, unhex};
use cddl::{validate_cbor_from_slice, validate_json_from_str};
use protocol::{
    message::{
        Action, ByeReason, ConfigOutcome, ConfigPurpose, LogClass, LogKind, LogOrder, TrustState,
        UpdateFault, UpdateObject, UpdateOrder, UpdateStep, UplinkForm, UplinkRefusal,
    },
    refusal::Refusal,
};
use std::collections::BTreeSet;

/// Reasons that CDDL may be unable to express: the encoding of the same data, the size of the whole,
/// order and difference of list items, single bits of an id, lengths of months.
const BEYOND_CDDL: &[&str] = &[
    "not-shortest",
    "indefinite-length",
    "unsorted-keys",
    "duplicate-key",
    "trailing-bytes",
    "too-deep",
    "too-large",
    "list-order",
    "list-twice",
    "bad-id",
    "bad-date",
    "unsupported-item",
    "no-number",
    "contradiction",
];

/// Vectors that CDDL refuses and our tool cannot judge: it does not look into maps within maps, does not
/// compare byte strings, and reserves memory for lengths that are lies. Those of settings begin with `setting`.
const BEYOND_THE_TOOL: &[&str] = &[
    "number-key-within",
    "number-key-in-a-list",
    "lying-length",
    "lying-map",
    "lying-list",
    "json",
    "report-of-a-job",
    "report-of-almost-no-job",
];

/// The grammar with this rule as its first, which is the one that counts. Our tool's `.regexp` looks
/// for a match anywhere and knows no `\p`; its `.iregexp` does what RFC 8610 section 3.8.3 wants.
/// Maps within maps it takes only when their keys are not looked at.
pub(crate) fn rooted(rule: &str) -> String {
    let grammar = read("wire.cddl");
    assert!(grammar.contains("[ * value ] / text-map"), "the place of maps within maps");
    // It parses the grammar anew for each item, so comments are not given to it.
    let bare = |line: &str| {
        line.split(" ;").next().filter(|line| !line.starts_with(';')).map(str::to_owned)
    };
    let bare: Vec<_> = grammar.lines().filter_map(bare).collect();
    let grammar = bare
        .join("\n")
        .replace(".regexp", ".iregexp")
        .replace("[ * value ] / text-map", "[ * value ] / { * any => any }")
        .replace("4 => settings,", "4 => { * any => any },")
        .replace("bstr .eq h'00000000000000000000000000000000'", "job-id");
    format!("root = {rule}\n{}\n", needed(rule, &grammar))
}

/// The rules that this one names, and those that they name: the rest only costs time.
fn needed(rule: &str, grammar: &str) -> String {
    let starts = |line: &str| line.contains(" = ") && line.starts_with(|c: char| c.is_alphabetic());
    let mut rules: Vec<(&str, String)> = Vec::new();
    for line in grammar.lines() {
        if starts(line) {
            rules.push((line.split(" = ").next().unwrap_or(line), String::new()));
        }
        if let Some((_, body)) = rules.last_mut() {
            *body += line;
            *body += "\n";
        }
    }
    let mut wanted = BTreeSet::from([rule]);
    loop {
        let bodies = rules.iter().filter(|(name, _)| wanted.contains(name));
        let words = bodies.flat_map(|(_, body)| {
            body.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c))
        });
        let known = words.filter(|word| rules.iter().any(|(name, _)| name == word));
        let more: BTreeSet<_> = known.chain([rule]).collect();
        if more.len() == wanted.len() {
            break;
        }
        wanted = more;
    }
    rules.iter().filter(|(name, _)| wanted.contains(name)).map(|(_, body)| body.as_str()).collect()
}

#[test]
fn valid_vectors_fit_the_cddl() {
    for kind in kinds() {
        let vectors = kind.vectors();
        let grammar = rooted(text(&vectors["rule"]));
        for vector in list(&vectors["valid"]) {
            let fits = validate_cbor_from_slice(&grammar, &unhex(text(&vector["hex"])), None);
            assert!(fits.is_ok(), "{} {}: {}", kind.name, vector["name"], fits.unwrap_err());
        }
    }
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn invalid_vectors_do_not_fit_the_cddl_where_it_can_tell() {
    let (mut refused, mut beyond) = (0, 0);
    for kind in kinds() {
        let vectors = kind.vectors();
        let grammar = rooted(text(&vectors["rule"]));
        for vector in list(&vectors["invalid"]) {
            let (name, why) = (text(&vector["name"]), text(&vector["why"]));
            if BEYOND_THE_TOOL.contains(&name) || name.starts_with("setting") {
                continue;
            }
            if vector["cddl_refuses"] == true {
                let fits = validate_cbor_from_slice(&grammar, &unhex(text(&vector["hex"])), None);
                assert!(fits.is_err(), "{} {name} ({why}) fits the CDDL", kind.name);
                refused += 1;
            } else {
                assert!(BEYOND_CDDL.contains(&why), "{} {name}: CDDL can tell {why}", kind.name);
                beyond += 1;
            }
        }
    }
    println!("{refused} invalid vectors do not fit the CDDL, {beyond} are beyond it");
}

#[test]
fn the_list_of_what_is_beyond_cddl_stands_in_the_readme() {
    let readme = read("README.md");
    for why in BEYOND_CDDL {
        assert!(readme.contains(&format!("`{why}`")), "{why}");
    }
}

#[test]
fn every_refusal_stands_in_the_cddl_with_its_number_and_nothing_else_does() {
    let grammar = read("wire.cddl");
    let (words, numbers) = grammar.split_once("\nrefusal = &(").expect("the list of numbers");
    let (_, words) = words.split_once("refusal-word =").expect("the list of words");
    let listed = |text: &str, mark: &str| {
        text.lines().filter(|line| line.split(';').next().is_some_and(|c| c.contains(mark))).count()
    };
    for refusal in Refusal::ALL {
        let (slug, code) = (refusal.slug(), refusal.code());
        assert!(words.contains(&format!("\"{slug}\"\n")), "{slug}");
        assert!(numbers.contains(&format!("\n  {slug}: {code}, ")), "{slug}: {code}");
    }
    assert_eq!(listed(words, "\""), Refusal::ALL.len());
    assert_eq!(listed(numbers, ": "), Refusal::ALL.len());
}

#[test]
fn every_word_with_a_number_stands_in_the_cddl_with_their_numbers() {
    let grammar = read("wire.cddl");
    let states = TrustState::ALL.iter().map(|state| (state.word(), state.number()));
    let reasons = ByeReason::ALL.iter().map(|reason| (reason.word(), reason.number()));
    let purposes = ConfigPurpose::ALL.iter().map(|one| (one.word(), one.number()));
    let outcomes = ConfigOutcome::ALL.iter().map(|one| (one.word(), one.number()));
    let actions = Action::ALL.iter().map(|one| (one.word(), one.number()));
    let faults = UpdateFault::ALL.iter().map(|one| (one.word(), one.number()));
    let steps = UpdateStep::ALL.iter().map(|one| (one.word(), one.number()));
    let objects = UpdateObject::ALL.iter().map(|one| (one.word(), one.number()));
    let orders = UpdateOrder::ALL.iter().map(|one| (one.word(), one.number()));
    let all = states.chain(reasons).chain(purposes).chain(outcomes).chain(actions);
    let all = all.chain(faults).chain(steps).chain(objects).chain(orders);
    let kinds = LogKind::ALL.iter().map(|one| (one.word(), one.number()));
    let wishes = LogOrder::ALL.iter().map(|one| (one.word(), one.number()));
    let classes = LogClass::ALL.iter().map(|one| (one.word(), one.number()));
    let all = all.chain(kinds).chain(wishes).chain(classes);
    let forms = UplinkForm::ALL.iter().map(|one| (one.word(), one.number()));
    let all = all.chain(forms);
    let refusals = UplinkRefusal::ALL.iter().map(|one| (one.word(), one.number()));
    let all = all.chain(refusals);
    for (word, number) in all {
        assert!(grammar.contains(&format!("\n  {word}: {number}, ")), "{word}: {number}");
    }
}

#[test]
fn error_bodies_of_enrolment_fit_the_cddl_and_the_known_refusals() {
    let grammar = rooted("est-error");
    let bodies = &json("vectors/enrolment.json")["error_bodies"];
    for body in list(&bodies["valid"]) {
        let fits = validate_json_from_str(&grammar, text(body), None);
        assert!(fits.is_ok(), "{body}: {}", fits.unwrap_err());
        let body: serde_json::Value = serde_json::from_str(text(body)).unwrap();
        let refusal: Refusal = serde_json::from_value(body["refusal"].clone()).unwrap();
        assert_eq!(text(&body["advice"]), refusal.advice());
    }
    for body in list(&bodies["invalid"]) {
        assert!(validate_json_from_str(&grammar, text(body), None).is_err(), "{body}");
    }
}
