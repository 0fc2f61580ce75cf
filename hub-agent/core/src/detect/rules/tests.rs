use super::*;

/// Criterion: T3.CSA.2 (positive)
#[test]
fn every_shipped_rule_raises_on_its_samples_and_stays_silent_on_the_others() {
    let rules = RuleSet::compile(&shipped()).unwrap();
    let mut wrong = Vec::new();
    for sample in rules.samples() {
        let verdict = sample.run(&rules);
        if !verdict.holds {
            wrong.push(format!("{:?} {}: {verdict:?}", sample.place(), sample.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for (number, incident) in rules.incidents().iter().enumerate() {
        let samples = rules.samples().iter().filter(|one| one.incident() == Some(number as u16));
        let (raising, silent): (Vec<_>, Vec<_>) = samples.partition(|one| one.raises.is_some());
        assert!(!raising.is_empty() && !silent.is_empty(), "{}", incident.id);
        assert!(!incident.attack.is_empty() && incident.advice.len() > 40, "{}", incident.id);
        assert!(explain(&rules, number as u16).contains(incident.advice.as_str()));
    }
    let ids: Vec<_> = rules.incidents().iter().map(|one| one.id.to_string()).collect();
    let all: Vec<_> = (1..=27).map(|number| format!("HUB-{number:02}")).collect();
    assert_eq!(ids, all);
}

#[test]
fn fields_are_what_the_export_has_at_their_paths() {
    let origin = crate::record::ocsf::Origin {
        hub: protocol::id::ComponentId::from_key_digest(&protocol::id::Digest([3; 32])),
        version: "1",
    };
    for kind in RecordKind::ALL {
        let full = crate::record::full(*kind);
        // A port alone is no endpoint: it stands elsewhere.
        let mut nameless = full.clone();
        let there = nameless.destination.as_mut().unwrap();
        (there.host, there.ip) = (None, None);
        for record in [full, nameless] {
            let event = crate::record::ocsf::event(&record, 1, &origin);
            for field in Field::ALL {
                let pointer = format!("/{}", field.path().replace('.', "/"));
                let exported = event.pointer(&pointer).map(|value| match value.as_str() {
                    Some(text) => text.to_owned(),
                    None => value.to_string(),
                });
                let held = field.of(&record).map(|value| match value {
                    Value::Text(text) => text.to_owned(),
                    Value::Number(number) => number.to_string(),
                    Value::Ip(ip) => ip.to_string(),
                    Value::Component(id) => id.to_string(),
                    Value::Digest(digest) => digest.to_string(),
                });
                assert_eq!(held, exported, "{kind} {}", field.path());
            }
        }
    }
}

fn refused(text: &str) -> RuleError {
    let file = RuleFile { name: "own.yml", text };
    RuleSet::compile(&[file]).unwrap_err().remove(0)
}

/// A rule whose lines can be replaced.
const GOOD: &str = "title: One
name: one
logsource:
  product: hub-agent
detection:
  selection:
    metadata.event_code: auth.failure
    status_code: wrong
  condition: selection
---
title: Many
name: many
correlation:
  type: event_count
  rules:
    - one
  group-by:
    - device.uid
  timespan: 5m
  condition:
    gte: 3
level: high
";

/// Criterion: T3.CSA.2 (negative)
#[test]
fn a_rule_that_is_malformed_unbounded_or_catastrophic_is_refused_with_file_and_line() {
    assert!(RuleSet::compile(&[RuleFile { name: "own.yml", text: GOOD }]).is_ok());
    let cases = [
        ("    status_code: wrong", "    status_cod: wrong", 8, "nearest"),
        ("    status_code: wrong", "    status_code|base64: wrong", 8, "modifiers"),
        ("    status_code: wrong", "    status_code|nonsense: wrong", 8, "nonsense"),
        ("    status_code: wrong", "    status_code|re: '(a)\\1'", 8, "backreferences"),
        ("    status_code: wrong", "    status_code|re: '(?=a)b'", 8, "look-around"),
        ("    status_code: wrong", "    status_code|re: '((a{99}){99}){99}'", 8, "size limit"),
        ("    status_code: wrong", "    src_endpoint.ip|cidr: 10.0.0.0/40", 8, "no net"),
        ("    status_code: wrong", "    count|gte: lots", 8, "whole numbers"),
        ("auth.failure", "auth.fail", 7, "no kind"),
        ("    metadata.event_code: auth.failure\n", "", 1, "event_code"),
        ("  condition: selection", "  condition: selektion", 9, "selektion"),
        ("  condition: selection", "  condition: selection and (", 9, "expected"),
        ("  condition: selection", "  condition: 2 of them", 9, "1 of or all of"),
        ("  type: event_count", "  type: value_avg", 14, "bounded"),
        ("  type: event_count", "  type: value_count", 14, "field"),
        ("    - one", "    - two", 16, "no rule is called"),
        ("    - one", "    - many", 11, "circle"),
        ("  timespan: 5m", "  timespan: 90d", 19, "from 1s to 7d"),
        ("  timespan: 5m", "  timespan: soon", 19, "soon"),
        ("  timespan: 5m", "  timespan: 5m\n  window: session\n  gap: 1m", 20, "no key"),
        ("    gte: 3", "    gte: 100000", 21, "not bounded"),
        ("    gte: 3", "    eq: 3", 21, "no key"),
        ("    - device.uid", "    - device.id", 18, "no field"),
        ("level: high", "level: enormous", 22, "enormous"),
        ("level: high", "levle: high", 22, "no key"),
        ("title: One", "title: [One", 2, "not YAML"),
        ("name: many", "name: one", 12, "another rule"),
    ];
    let mut wrong = Vec::new();
    for (line, instead, number, why) in cases {
        assert!(GOOD.contains(line), "{line}");
        let error = refused(&GOOD.replace(line, instead));
        if !error.why.contains(why) || error.line != number || error.file != "own.yml" {
            wrong.push(format!("{instead}, line {number}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Criterion: T3.CSA.2 (negative)
#[test]
fn files_made_to_cost_memory_are_refused() {
    assert!(refused(&"# \n".repeat(MAX_FILE)).why.contains("bytes"));
    assert!(refused(&GOOD.replace("---", &"---\ntitle: x\n".repeat(40))).why.contains("documents"));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
        d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
        g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
    assert_eq!(refused(bomb).line, 1);
    let deep = format!("title: {}", "[".repeat(10_000));
    assert_eq!(refused(&deep).file, "own.yml");
    let values = (0..=MAX_VALUES).map(|n| format!("      - w{n}\n")).collect::<String>();
    let many = GOOD.replace("    status_code: wrong", &format!("    status_code:\n{values}"));
    assert!(refused(&many).why.contains("at most"));
}

#[test]
fn a_plain_sigma_rule_of_the_owner_becomes_an_incident_of_its_own() {
    let rules = RuleSet::compile(&[RuleFile { name: "own.yml", text: GOOD }]).unwrap();
    assert_eq!(rules.incidents().len(), 1, "what a correlation refers to raises nothing by itself");
    assert_eq!(rules.incidents()[0].id.as_str(), "many");
    assert_eq!(rules.incidents()[0].response, Response::None);
}
