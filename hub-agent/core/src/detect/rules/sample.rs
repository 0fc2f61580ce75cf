//! Samples in rule files: a few records, and whether the file's incident must come of them.
//!
//! ```yaml
//! samples:
//!   - name: ten wrong proofs within five minutes
//!     raises: medium            # the gravest, or none
//!     records:
//!       - metadata.event_code: auth.failure
//!         device.uid: lamp      # components by any short name
//!         times: 10             # so many, one `every` so often, the first `after` so long
//!         every: 20s
//!         src_endpoint.ip: 10.0.0.{n}     # {n} counts on; a list is gone through
//!       - wait: 10m
//! ```

use super::{
    Field, RuleSet,
    document::{Document, RuleError},
    own::span,
};
use crate::{
    detect::engine::Engine,
    record::{
        Address, Destination, Lane, Peer, Record, RecordKind, Severity, Source, Status, Text, Word,
    },
};
use protocol::{
    id::{ComponentId, Digest},
    time::Timestamp,
};
use std::{net::IpAddr, time::Duration};
use yaml_serde::{Mapping, Value};

/// Samples in one document, and steps in one sample.
const MAX_SAMPLES: usize = 32;
const MAX_STEPS: usize = 64;

/// Records of one step.
const MAX_TIMES: u64 = 10_000;

/// The engine's time when a sample begins.
const START: u64 = super::MAX_SPAN_MS;

/// One sample.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What it shows.
    pub name: String,
    /// How grave the incident must become; `None` when it must not come about.
    pub raises: Option<Severity>,
    incident: Option<u16>,
    file: String,
    line: usize,
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
struct Step {
    after: Duration,
    every: Duration,
    times: u64,
    fields: Vec<(Field, Vec<String>)>,
}

/// What came of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How grave the incident became, if it came about.
    pub raised: Option<Severity>,
    /// After which record, from 1.
    pub at_record: Option<usize>,
    /// Whether that is what the sample wants.
    pub holds: bool,
}

impl Sample {
    /// The file it stands in, and the line.
    #[must_use]
    pub fn place(&self) -> (&str, usize) {
        (&self.file, self.line)
    }

    pub(super) fn of(self, incident: Option<u16>) -> Self {
        Self { incident, ..self }
    }

    /// The incident it is about, in the order of the rule set.
    #[must_use]
    pub fn incident(&self) -> Option<u16> {
        self.incident
    }

    /// Runs the sample on an engine of its own.
    #[must_use]
    pub fn run(&self, rules: &RuleSet) -> Verdict {
        let mut engine = Engine::new(rules.clone(), 1);
        let (mut raised, mut at_record, mut number, mut now) = (None, None, 0, START);
        for step in &self.steps {
            for turn in 0..step.times {
                let pause = if turn == 0 { step.after } else { step.every };
                now += pause.as_millis() as u64;
                let mut hits = engine.tick(now);
                if let Some(record) = step.record(turn, now) {
                    number += 1;
                    record.component.into_iter().for_each(|id| engine.enrolled(id));
                    hits.extend(engine.observe(&record, number, now));
                }
                let own = hits.iter().filter(|hit| Some(hit.incident) == self.incident);
                let gravest = own.map(|hit| hit.severity).max();
                if gravest > raised {
                    (raised, at_record) = (gravest, Some(number as usize));
                }
            }
        }
        Verdict { raised, at_record, holds: raised == self.raises }
    }
}

impl Step {
    /// The record of this turn; nothing when the step only waits. Fields were tried when the file was read.
    fn record(&self, turn: u64, now: u64) -> Option<Record> {
        let mut record = Record::new(Timestamp(now), RecordKind::Health);
        for (field, values) in &self.fields {
            let value = &values[turn as usize % values.len()];
            set(&mut record, *field, &value.replace("{n}", &turn.to_string())).ok()?;
        }
        (!self.fields.is_empty()).then_some(record)
    }
}

/// The samples of a document.
pub(super) fn samples(document: &Document<'_>) -> Result<Vec<Sample>, RuleError> {
    let listed = document.own().and_then(|own| own.get("samples"));
    let Some(listed) = listed else { return Ok(Vec::new()) };
    let listed = listed.as_sequence().filter(|list| list.len() <= MAX_SAMPLES);
    let listed = listed.ok_or_else(|| {
        document.error(format!("`samples` must be a list of at most {MAX_SAMPLES}"))
    })?;
    listed.iter().map(|sample| one(document, sample)).collect()
}

fn one(document: &Document<'_>, sample: &Value) -> Result<Sample, RuleError> {
    let name = sample.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let fail = |why: String| document.error(format!("{why} (in the sample `{name}`)"));
    if name.is_empty() {
        return Err(document.error("each of the `samples` needs a name"));
    }
    let known = |key: &Value| matches!(key.as_str(), Some("name" | "raises" | "records"));
    if !sample.as_mapping().is_some_and(|map| map.keys().all(known)) {
        return Err(fail("a sample has name, raises and records only".into()));
    }
    let records = sample.get("records").and_then(Value::as_sequence);
    let records = records.filter(|list| (1..=MAX_STEPS).contains(&list.len()));
    let records =
        records.ok_or_else(|| fail(format!("`records` must be from 1 to {MAX_STEPS}")))?;
    let place = document.error(format!("`{name}`"));
    Ok(Sample {
        raises: raises(sample.get("raises")).map_err(&fail)?,
        steps: records.iter().map(step).collect::<Result<_, _>>().map_err(&fail)?,
        incident: None,
        file: place.file,
        line: place.line,
        name,
    })
}

fn raises(word: Option<&Value>) -> Result<Option<Severity>, String> {
    match word.and_then(Value::as_str) {
        Some("none") => Ok(None),
        word => {
            let known = Severity::ALL.iter().copied().find(|one| Some(one.word()) == word);
            known.map(Some).ok_or_else(|| "`raises` must be a level, or none".into())
        }
    }
}

fn step(step: &Value) -> Result<Step, String> {
    let map: &Mapping = step.as_mapping().ok_or("each of the `records` is a mapping")?;
    let mut made =
        Step { after: Duration::ZERO, every: Duration::ZERO, times: 1, fields: Vec::new() };
    for (key, value) in map {
        let key = key.as_str().unwrap_or("?");
        let values = texts(value);
        let time = || {
            values
                .first()
                .and_then(|text| span(text))
                .ok_or_else(|| format!("`{key}` is a span such as 20s"))
        };
        match key {
            "after" | "wait" => made.after = time()?,
            "every" => made.every = time()?,
            "times" => {
                let times = value.as_u64().filter(|times| (1..=MAX_TIMES).contains(times));
                made.times = times.ok_or_else(|| format!("`times` is from 1 to {MAX_TIMES}"))?;
            }
            path => {
                let field = Field::named(path)
                    .ok_or_else(|| format!("`{path}` is no field of a record"))?;
                let mut probe = Record::new(Timestamp(0), RecordKind::Health);
                for text in &values {
                    set(&mut probe, field, &text.replace("{n}", "1"))?;
                }
                if values.is_empty() {
                    return Err(format!("`{path}` has no value"));
                }
                made.fields.push((field, values));
            }
        }
    }
    // The kind decides severity and status, which further fields may change.
    made.fields.sort_by_key(|(field, _)| *field);
    Ok(made)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Sequence(list) => list.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(_) | Value::Null | Value::Mapping(_) | Value::Tagged(_) => Vec::new(),
    }
}

/// Puts a value where a rule would look for it.
fn set(record: &mut Record, field: Field, text: &str) -> Result<(), String> {
    let number = || text.parse::<u64>().map_err(|_| format!("`{text}` is no number"));
    let narrow = |most: u64| number().map(|number| number.min(most));
    let counters = &mut record.counters;
    match field {
        Field::Kind => {
            let kind: RecordKind =
                text.parse().map_err(|_| format!("no kind of record is called `{text}`"))?;
            (record.kind, record.severity, record.status) = (kind, kind.severity(), kind.status());
        }
        Field::Severity => {
            record.severity = one_of(Severity::ALL, |one| (*one as u8).to_string(), text)?
        }
        Field::Status => record.status = one_of(Status::ALL, |one| one.word().into(), text)?,
        Field::Observer => record.source = one_of(Source::ALL, |one| one.word().into(), text)?,
        Field::Lane => record.lane = one_of(Lane::ALL, |one| one.word().into(), text)?,
        Field::Code => record.code = Some(Word::clip(text)),
        Field::Actor => record.actor = Some(Word::clip(text)),
        Field::Subject => record.subject = Some(Word::clip(text)),
        Field::Message => record.text = Some(Text::clip(text)),
        Field::Device => record.component = Some(named(text)),
        Field::SourceIp | Field::OtherSourceIp => peer(record).ip = Address(address(text)?),
        Field::SourcePort | Field::OtherSourcePort => {
            peer(record).port = narrow(u64::from(u16::MAX))? as u16
        }
        Field::Fingerprint => peer(record).fingerprint = Some(digest(text)),
        Field::ToHost | Field::OtherToHost => destination(record).host = Some(Word::clip(text)),
        Field::ToIp | Field::OtherToIp => destination(record).ip = Some(Address(address(text)?)),
        Field::ToPort | Field::OtherToPort => {
            destination(record).port = narrow(u64::from(u16::MAX))? as u16
        }
        Field::Count => counters.count = Some(narrow(u64::from(u32::MAX))? as u32),
        Field::BytesIn | Field::OtherBytesIn => counters.bytes_in = Some(number()?),
        Field::BytesOut | Field::OtherBytesOut => counters.bytes_out = Some(number()?),
        Field::Connections => counters.connections = Some(narrow(u64::from(u32::MAX))? as u32),
        Field::Cpu => counters.cpu = Some(narrow(100)? as u8),
        Field::Memory => counters.memory = Some(narrow(100)? as u8),
        Field::Battery => counters.battery = Some(narrow(100)? as u8),
        Field::Measured => counters.value = Some(number()?),
        Field::Bound => counters.bound = Some(number()?),
        Field::Related => record.related = Some(number()?),
    }
    Ok(())
}

fn one_of<T: Copy>(all: &[T], word: impl Fn(&T) -> String, text: &str) -> Result<T, String> {
    all.iter()
        .copied()
        .find(|one| word(one) == text)
        .ok_or_else(|| format!("`{text}` is not possible here"))
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address"))
}

fn peer(record: &mut Record) -> &mut Peer {
    let nowhere = || Peer { ip: Address(IpAddr::from([0; 4])), port: 0, fingerprint: None };
    record.peer.get_or_insert_with(nowhere)
}

fn destination(record: &mut Record) -> &mut Destination {
    record.destination.get_or_insert(Destination { host: None, ip: None, port: 0 })
}

/// A component for a short name.
fn named(name: &str) -> ComponentId {
    ComponentId::from_key_digest(&digest(name))
}

/// The name's own bytes: names of up to 16 are told apart.
fn digest(name: &str) -> Digest {
    let mut bytes = [0; 32];
    for (byte, letter) in bytes.iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    Digest(bytes)
}
