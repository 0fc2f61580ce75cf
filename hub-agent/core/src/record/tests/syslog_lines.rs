//! Lines are what RFC 5424 calls a SYSLOG-MSG, and its receivers take them whole.

use super::*;
use proptest::prelude::*;

/// What every receiver should take (RFC 5424, 6.1).
const MOST: usize = 2048;

type Parameters = Vec<(String, String)>;

/// The parts of a line, read by the grammar of RFC 5424, 6, and nothing more lenient.
#[derive(Debug, PartialEq)]
struct Line {
    priority: u8,
    at: String,
    host: String,
    kind: String,
    parameters: Parameters,
    text: Option<String>,
}

fn parse(line: &str) -> Result<Line, &'static str> {
    if line.chars().any(|one| one.is_control() || matches!(one, '\u{2028}' | '\u{2029}')) {
        return Err("control characters");
    }
    let rest = line.strip_prefix('<').ok_or("priority")?;
    let (digits, rest) = rest.split_once('>').ok_or("priority")?;
    let priority: u8 = digits.parse().map_err(|_| "priority")?;
    if priority > 191 || priority.to_string() != digits {
        return Err("priority");
    }
    let mut fields = rest.splitn(7, ' ');
    let mut field = |most: usize| {
        let field = fields.next().filter(|one| (1..=most).contains(&one.len())).ok_or("length")?;
        let is_plain = field.bytes().all(|byte| byte.is_ascii_graphic());
        is_plain.then(|| field.to_owned()).ok_or("plain")
    };
    if field(3)? != "1" {
        return Err("version");
    }
    let at = timestamp(field(24)?)?;
    let (host, app, process, kind) = (field(255)?, field(48)?, field(128)?, field(32)?);
    if app != "hub-agent" || process != "-" {
        return Err("application");
    }
    let rest = fields.next().and_then(|rest| rest.strip_prefix('[')).ok_or("structured data")?;
    let (id, rest) = rest.split_at(rest.find([' ', ']']).ok_or("element")?);
    is_element(id).then_some(()).ok_or("element")?;
    let (parameters, rest) = parameters(rest)?;
    let text = match rest {
        "" => None,
        rest => Some(rest.strip_prefix(" \u{feff}").ok_or("text")?.to_owned()),
    };
    Ok(Line { priority, at, host, kind, parameters, text })
}

/// RFC 3339 in UTC with three digits of a second; no second is the sixtieth.
fn timestamp(at: String) -> Result<String, &'static str> {
    let shape: String = at.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let number = |from: usize| at[from..from + 2].parse::<u8>().unwrap();
    let is_right = shape == "0000-00-00T00:00:00.000Z"
        && (1..=12).contains(&number(5))
        && (1..=31).contains(&number(8))
        && number(11) < 24
        && number(14) < 60
        && number(17) < 60;
    if is_right { Ok(at) } else { Err("time") }
}

fn is_name(name: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b']' | b'"');
    (1..=32).contains(&name.len()) && name.bytes().all(is_right)
}

/// A name of IANA's registry, or one's own before the number of an enterprise.
fn is_element(id: &str) -> bool {
    let is_number = |number: &str| number.parse::<u32>().is_ok_and(|one| one.to_string() == number);
    match id.split_once('@') {
        Some((name, enterprise)) => is_name(id) && is_name(name) && is_number(enterprise),
        None => matches!(id, "timeQuality" | "origin" | "meta"),
    }
}

/// Up to the end of the element.
fn parameters(mut rest: &str) -> Result<(Parameters, &str), &'static str> {
    let mut parameters = Vec::new();
    while let Some(next) = rest.strip_prefix(' ') {
        let (name, next) = next.split_once("=\"").ok_or("parameter")?;
        is_name(name).then_some(()).ok_or("parameter")?;
        let (mut value, mut characters) = (String::new(), next.char_indices());
        rest = loop {
            match characters.next().ok_or("value")? {
                (at, '"') => break &next[at + 1..],
                (_, '\\') => match characters.next() {
                    Some((_, one @ ('"' | '\\' | ']'))) => value.push(one),
                    _ => return Err("escape"),
                },
                (_, ']') => return Err("value"),
                (_, one) => value.push(one),
            }
        };
        parameters.push((name.to_owned(), value));
    }
    let rest = rest.strip_prefix(']').ok_or("element's end")?;
    Ok((parameters, rest))
}

/// What a line has to say of a record.
fn expected(record: &Record) -> Parameters {
    let one_line = |text: String| text.replace(['\u{2028}', '\u{2029}'], " ");
    let to = record.destination.as_ref().and_then(|to| match (&to.host, to.ip) {
        (Some(host), _) => Some(format!("{host}:{}", to.port)),
        (None, ip) => ip.map(|ip| SocketAddr::new(ip.0, to.port).to_string()),
    });
    let all = [
        ("number", Some("5".to_owned())),
        ("status", Some(record.status.to_string())),
        ("source", Some(record.source.to_string())),
        ("component", record.component.map(|id| id.to_string())),
        ("code", record.code.as_ref().map(ToString::to_string)),
        ("from", record.peer.as_ref().map(|peer| peer.ip.0.to_string())),
        ("to", to),
        ("actor", record.actor.as_ref().map(ToString::to_string)),
        ("subject", record.subject.as_ref().map(ToString::to_string)),
        ("count", record.counters.count.map(|count| count.to_string())),
    ];
    let known = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    known.map(|(name, value)| (name, one_line(value))).collect()
}

#[track_caller]
fn assert_right(record: &Record) {
    let written = syslog::line(record, 5, &origin());
    assert!(written.len() <= MOST, "{} bytes", written.len());
    let line = parse(&written).unwrap_or_else(|why| panic!("{why}: {written}"));
    assert_eq!(line.parameters, expected(record), "{written}");
    assert_eq!(line.host, origin().hub.to_string());
    assert_eq!(line.kind, record.kind.word());
    assert_eq!(line.at, rfc3339(record.at));
    let text = record.text.as_ref().map(|text| text.replace(['\u{2028}', '\u{2029}'], " "));
    assert_eq!(line.text, text);
}

/// Criterion: T3.CSA.1 (positive)
#[test]
fn every_kind_is_a_right_syslog_line_whatever_it_knows() {
    for kind in RecordKind::ALL {
        for mut record in variants(*kind) {
            assert_right(&record);
            record.at = Timestamp(u64::MAX);
            assert_right(&record);
        }
    }
}

/// Facility 13 is the audit log; grave things have small numbers.
///
/// Criterion: T3.CSA.1 (positive)
#[test]
fn the_priority_of_a_syslog_line_follows_the_severity() {
    let mut record = sparse(RecordKind::Tamper);
    for (severity, priority) in Severity::ALL.iter().zip([110, 109, 108, 107, 106]) {
        record.severity = *severity;
        assert_eq!(parse(&syslog::line(&record, 5, &origin())).unwrap().priority, priority);
    }
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_syslog_line_is_one_line_whatever_a_component_says() {
    let record = sparse(RecordKind::AuthFailure).on("a\"]\n<13>1 forged").saying("x\r\n<13>1 y");
    let line = syslog::line(&record, 5, &origin());
    assert_eq!(line.lines().count(), 1);
    assert!(line.starts_with("<109>1 2023-11-14T22:13:20.123Z "), "{line}");
    assert!(line.contains(r#"subject="a\"\] <13>1 forged""#), "{line}");
}

/// The longest line is one where everything is escaped.
///
/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_syslog_line_of_nothing_but_escapes_is_whole() {
    for letter in ["\"", "\\", "]", "\\\"", "\u{2028}", "\u{feff}"] {
        let said = letter.repeat(300);
        let mut record = full(RecordKind::DefinitionInForce);
        record = record.because(&said).on(&said).by(&said).saying(&said);
        record.destination.as_mut().unwrap().host = Some(Word::clip(&said));
        assert_right(&record);
    }
}

/// The port of an address of 16 bytes is told from the address.
///
/// Criterion: T3.CSA.1 (positive)
#[test]
fn a_syslog_line_has_addresses_in_brackets() {
    let mut record = full(RecordKind::NetCounters);
    record.destination.as_mut().unwrap().host = None;
    let line = syslog::line(&record, 5, &origin());
    assert!(line.contains(r#" to="[2001:db8::1\]:65535""#), "{line}");
}

/// Criterion: T3.CSA.1 (negative)
#[test]
fn a_wrong_syslog_line_is_found_out() {
    let right = syslog::line(&full(RecordKind::Tamper).on("a\"b").saying("x"), 5, &origin());
    assert!(parse(&right).is_ok(), "{right}");
    for (part, wrong) in [
        ("<106>", "<0106>"),
        ("<106>", "<192>"),
        ("<106>", "106"),
        (">1 ", ">2 "),
        (".123Z", "Z"),
        (".123Z", ".123+00:00"),
        ("T22", "t22"),
        (":20.", ":60."),
        (" hub-agent", ""),
        (" tamper", ""),
        ("record@32473", "record"),
        ("record@32473", "record@"),
        ("record@32473", "re=cord@32473"),
        ("a\\\"b", "a\"b"),
        ("a\\\"b", "a]b"),
        ("a\\\"b", "a\\b"),
        ("a\\\"b", "a\nb"),
        ("] \u{feff}", "] "),
        ("] \u{feff}", "]\u{feff}"),
        (" status=", " sta tus="),
    ] {
        assert!(right.contains(part), "{part} {right}");
        assert!(parse(&right.replacen(part, wrong, 1)).is_err(), "{part} {wrong}");
    }
}

proptest! {
    /// Criterion: T3.CSA.1 (negative)
    #[test]
    fn every_word_is_read_back_from_its_syslog_line(
        words in proptest::array::uniform4(any::<String>()),
        text in any::<String>(),
    ) {
        let [code, subject, actor, host] = &words;
        let mut record = full(RecordKind::PolicyDenied);
        record = record.because(code).on(subject).by(actor).saying(&text);
        record.destination.as_mut().unwrap().host = Some(Word::clip(host));
        assert_right(&record);
    }
}
