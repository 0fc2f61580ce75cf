//! What a maker may get wrong, and where the hub says it is.

use protocol::definition::{Definition, MAX_DOCUMENT, Mistakes};

/// A small definition without mistakes.
const GOOD: &str = r#"format = 1
kind = "gauge"
maker = "Gauge Works"
models = ["G1"]
revision = 3
title = "Gauge"
impact = "low"
support-end = 2030-01-01
documents = { sbom = "https://gauge.example/g1.cdx.json", mud = "https://gauge.example/g1.json" }
data = ["usage"]
update = "ask"
interfaces = { has = ["wifi"], needs = ["wifi"] }
[[setting]]
name = "step"
effect = "Smallest step."
type = "integer"
min = 1
max = 9
default = 2
risk = "normal"
roles = ["owner"]
[[stream]]
name = "level"
meaning = "Level in percent."
data = "usage"
max-bytes = 16
per-minute = 60
rises = "value"
schema = { type = "object", required = ["value"], additionalProperties = false, properties.value = { type = "integer", minimum = 0 } }
[[command]]
name = "reset"
effect = "Starts from zero."
risk = "high"
max-bytes = 4
per-minute = 2
valid-for = 5
roles = ["owner"]
schema = { type = "object", additionalProperties = false }
[[destination]]
host = "time.gauge.example"
port = 123
transport = "udp"
purpose = "Time."
"#;

fn mistakes(document: &str) -> Mistakes {
    Definition::parse(document).expect_err(document)
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn each_mistake_is_found_on_its_line_and_explained() {
    assert!(Definition::parse(GOOD).is_ok(), "{:?}", Definition::parse(GOOD));
    // Text to replace, its replacement, the line of the mistake, and words it must be explained with.
    let cases: &[(&str, &str, usize, &str)] = &[
        ("format = 1", "format = 2", 1, "from 1 to 1"),
        ("kind = \"gauge\"", "kind = \"Gauge\"", 2, "starting with a letter"),
        ("kind = \"gauge\"", "kind = 7", 2, "must be a text, not a TOML integer"),
        ("revision = 3", "revision = 0", 5, "from 1 to 4294967295"),
        ("impact = \"low\"", "impact = \"none\"", 7, "one of low, moderate, high"),
        ("2030-01-01", "2030-02-30", 8, ""),
        ("support-end = 2030-01-01\n", "", 1, "`support-end` is missing"),
        ("https://gauge.example/g1.cdx.json", "g1", 9, "absolute URI"),
        ("data = [\"usage\"]\nupdate", "data = [\"usage\", \"usage\"]\nupdate", 10, "twice"),
        ("needs = [\"wifi\"]", "needs = [\"ble\"]", 12, "needs ble, which it does not have"),
        ("update = \"ask\"", "update = \"ask\"\nupdte = 1", 12, "there is no such key"),
        ("min = 1", "min = 10", 13, "min is greater than max"),
        ("default = 2", "default = 12", 19, "a whole number from 1 to 9, not 12"),
        ("default = 2", "default = \"2\"", 19, "whole number"),
        ("effect = \"Smallest step.\"\n", "", 13, "`effect` is missing"),
        ("max = 9\n", "max = 9\nvalues = [\"a\"]\n", 19, "there is no such key"),
        ("max = 9\n", "max = 9\nopens = \"lora\"\n", 19, "only a boolean setting"),
        ("name = \"level\"", "name = \"le/vel\"", 23, "starting with a letter"),
        ("data = \"usage\"", "data = \"images\"", 25, "not among the classes"),
        ("max-bytes = 16", "max-bytes = 9000", 26, "from 1 to 8192"),
        ("rises = \"value\"", "rises = \"valve\"", 28, "required property of type integer"),
        ("required = [\"value\"], ", "", 28, "required property of type integer"),
        ("minimum = 0", "minimun = 0", 29, "no keyword"),
        ("minimum = 0", "\"$ref\" = \"http://x/\"", 29, "no keyword"),
        (
            "additionalProperties = false, properties.value",
            "properties.value",
            29,
            "what is not declared",
        ),
        ("type = \"object\", required", "required", 29, "payloads are maps"),
        ("roles = [\"owner\"]\nschema", "roles = [\"guest\"]\nschema", 30, "no guest"),
        ("roles = [\"owner\"]\nschema", "schema", 30, "nobody may give this command"),
        ("valid-for = 5", "valid-for = 301", 36, "from 1 to 300"),
        ("time.gauge.example", "10.0.0.1", 40, "DNS name"),
        ("port = 123", "port = 0", 41, "from 1 to 65535"),
        ("transport = \"udp\"", "transport = \"sctp\"", 42, "one of tcp, udp"),
        (
            "[[destination]]",
            "[[stream]]\nname = \"level\"\nmeaning = \"x\"\nmax-bytes = 1\nper-minute = 1\nschema = { type = \"object\", additionalProperties = false }\n[[destination]]",
            1,
            "two streams named level",
        ),
        ("kind = \"gauge\"", "kind = \"gauge", 2, ""),
    ];
    for (from, to, line, words) in cases {
        assert_eq!(GOOD.matches(from).count(), 1, "{from}");
        let found = mistakes(&GOOD.replace(from, to));
        let at_line = found.0.iter().find(|mistake| mistake.line == *line);
        let mistake = at_line.unwrap_or_else(|| panic!("{to}: not at line {line} but\n{found}"));
        assert!(mistake.text.contains(words), "{to}: {mistake:?}");
    }
}

#[test]
fn every_mistake_is_listed_at_once() {
    let document = GOOD
        .replace("revision = 3", "revision = -1")
        .replace("default = 2", "default = 99")
        .replace("port = 123", "port = 0");
    let found = mistakes(&document);
    let lines: Vec<_> = found.0.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [5, 19, 41]);
    assert!(found.to_string().starts_with("line 5, column 12: revision: must be"), "{found}");
}

/// Criterion: T3.LA.1b (negative)
#[test]
fn a_document_that_wants_too_much_is_refused_in_bounded_memory() {
    let huge = format!("{GOOD}# {}", "x".repeat(MAX_DOCUMENT));
    assert!(mistakes(&huge).to_string().contains("at most 65536 are allowed"));
    let deep = format!("x = {}1{}", "[".repeat(30_000), "]".repeat(30_000));
    assert!(!mistakes(&deep).0.is_empty());
    let many = "[[stream]]\n".repeat(17);
    assert!(mistakes(&format!("{GOOD}{many}")).to_string().contains("18 items, at most 16"));
    let nested = (0..20).fold("true".to_owned(), |inner, _| format!("{{ not = {inner} }}"));
    let schema =
        format!("properties.value = {{ type = \"integer\", minimum = 0, not = {nested} }}");
    let document = GOOD.replace("properties.value = { type = \"integer\", minimum = 0 }", &schema);
    assert!(mistakes(&document).to_string().contains("nested 12 deep"), "{}", mistakes(&document));
    let wide: Vec<_> = (0..300).map(|n| format!("p{n} = true")).collect();
    let schema =
        format!("patternProperties = {{ {} }}, properties.value = {{ type", wide.join(", "));
    let document = GOOD.replace("properties.value = { type", &schema);
    assert!(mistakes(&document).to_string().contains("may hold 256 schemas"));
    let patterns: Vec<_> = (0..17).map(|n| format!("'^a{n}$' = true")).collect();
    let schema =
        format!("patternProperties = {{ {} }}, properties.value = {{ type", patterns.join(", "));
    let document = GOOD.replace("properties.value = { type", &schema);
    assert!(
        mistakes(&document).to_string().contains("17 regular expressions"),
        "{}",
        mistakes(&document)
    );
    let large: String = (0..30)
        .map(|n| format!("[[setting]]\nname = \"text-{n}\"\neffect = \"x\"\ntype = \"text\"\nmax-bytes = 256\ndefault = \"\"\nrisk = \"normal\"\n"))
        .collect();
    assert!(mistakes(&format!("{GOOD}{large}")).to_string().contains("at most 7680 are allowed"));
    let unknown: String = (0..200).map(|n| format!("unknown{n} = 1\n")).collect();
    assert_eq!(mistakes(&format!("{unknown}{GOOD}")).0.len(), 50, "the list is bounded");
}
