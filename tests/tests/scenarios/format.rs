//! Mistakes in scenario files are told of with file, line and what was probably meant.

use tests::scenario::file::{MAX_FILE, parse};

const GOOD: &str = "\
name: a test
about: a file that is right
criteria: [T3.CSA.2]
start: 2026-03-10T00:00:00Z
lasts: 1h
components: {lamp: 2, lock: [front]}
events:
  - {at: 10m, who: front, do: record, kind: tamper}
  - from: 20m
    who: lamp
    do: reboot
    every: 5m
    times: 2
expect:
  - {incident: HUB-23, who: front, severity: critical, within: 10m}
";

/// What is said of the good file with this replaced.
fn said(from: &str, to: &str) -> String {
    let text = GOOD.replace(from, to);
    assert_ne!(text, GOOD, "`{from}` is in the file");
    parse("test.yml", &text).expect_err("it has a mistake").to_string()
}

#[test]
fn a_file_without_mistakes_is_read() {
    let scenario = parse("test.yml", GOOD).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((scenario.components.len(), scenario.events.len()), (3, 2));
    assert_eq!(scenario.events[1].line, 9);
    assert_eq!(scenario.events[1].who, [0, 1]);
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_nearest_one() {
    assert_eq!(
        said("lasts: 1h", "lasts: 1h\nsettel: 5m"),
        "test.yml:6: a scenario has no key `settel`; did you mean `settle`?"
    );
    assert_eq!(
        said("    every: 5m", "    evry: 5m"),
        "test.yml:13: times: needs `every`",
        "what is missing comes first"
    );
    assert_eq!(
        said("    do: reboot", "    do: reboot\n    of: 4s"),
        "test.yml:12: an event has no key `of`; did you mean `off`?"
    );
    assert_eq!(
        said("kind: tamper", "kind: tamper, actr: ann"),
        "test.yml:8: an event has no key `actr`; did you mean `actor`?"
    );
}

#[test]
fn values_out_of_their_bounds_are_told_with_their_line() {
    for (from, to, wanted) in [
        ("lasts: 1h", "lasts: 8d", "test.yml:5: lasts: 8d is not within 1m to 7d"),
        ("at: 10m", "at: 2h", "test.yml:8: at: 2h is after the end of the scenario"),
        (
            "do: record",
            "do: recrd",
            "test.yml:8: do: nothing is called `recrd`; did you mean `record`?",
        ),
        (
            "who: lamp\n",
            "who: lmp\n",
            "test.yml:10: who: no component is called `lmp`; did you mean `lamp-1`?",
        ),
        (
            "HUB-23",
            "HUB-99",
            "test.yml:15: incident: no rule raises `HUB-99`; they are called HUB-01 and so on",
        ),
        (
            "{lamp: 2,",
            "{lmap: 2,",
            "test.yml:6: lmap: no kind of component is called so; did you mean `lamp`?",
        ),
        (
            "times: 2",
            "times: 900000",
            "test.yml:13: times: `900000` is no whole number from 1 to 500000",
        ),
        (
            "2026-03-10T00:00:00Z",
            "yesterday",
            "test.yml:4: start: `yesterday` is no RFC 3339 time such as 2026-03-28T00:00:00Z",
        ),
        ("[front]", "[Front Door]", "test.yml:6: lock: `Front Door` is no name: "),
    ] {
        let said = said(from, to);
        assert!(said.starts_with(wanted), "{said}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    assert!(said("expect:", "nothing: medium\nexpect:").contains("but not both"));
    assert!(said("{at: 10m,", "{at: 10m, from: 11m,").contains("either `at` or `from`"));
    assert!(said("who: front, do", "do").contains("needs `who`"));
    assert!(said("name: a test\n", "").contains("needs `name`"));
    assert!(said("lasts: 1h", "lasts: 1h\nlasts: 2h").contains("test.yml:"));
}

#[test]
fn files_are_bounded() {
    let long = format!("{GOOD}# {}\n", "x".repeat(MAX_FILE));
    assert!(parse("test.yml", &long).is_err());
    let crowd = said("{lamp: 2,", "{lamp: 1000,");
    assert!(crowd.contains("1001 of them"), "{crowd}");
    let often = said("times: 2", "times: 400000");
    assert!(often.contains("at most 500000"), "{often}");
}

/// Nothing that somebody else wrote makes the reader panic: pieces of good files in any order.
#[test]
fn mangled_files_are_read_or_refused() {
    let lines: Vec<_> = GOOD.lines().collect();
    for skip in 0..lines.len() {
        for swap in 0..lines.len() {
            let mut mangled = lines.clone();
            mangled.swap(skip, swap);
            mangled.remove(skip);
            let _: Result<_, _> = parse("test.yml", &mangled.join("\n"));
        }
    }
    for cut in 0..GOOD.len() {
        let _: Result<_, _> = parse("test.yml", &GOOD[..cut]);
    }
    for odd in ["", "[]", "name", "- a", "? {a: b}", "a: &x [*x]", "name: !t x", "{{{{", "\u{0}"] {
        assert!(parse("test.yml", odd).is_err(), "{odd:?}");
    }
}
