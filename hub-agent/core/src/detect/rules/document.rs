//! Files of rules: cut into documents, each with the line it begins at, and looked over for what the parser
//! would silently leave out.

use super::RuleFile;
use rsigma_parser::{SigmaCollection, parse_sigma_yaml};
use serde::Deserialize;
use std::fmt;
use yaml_serde::{Mapping, Value};

/// Bytes of one file.
pub const MAX_FILE: usize = 64 * 1024;

/// Documents in one file.
pub const MAX_DOCUMENTS: usize = 32;

const RULE_KEYS: &[&str] = &[
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "custom_attributes",
    "correlation",
    "generate",
    "sigma-version",
];
const CORRELATION_KEYS: &[&str] =
    &["type", "rules", "group-by", "timespan", "timeframe", "condition", "generate"];
const CONDITION_KEYS: &[&str] = &["gt", "gte", "lt", "lte", "field"];
const OWN_KEYS: &[&str] = &["incident", "response", "advice", "quiet", "samples"];

/// What a rule file is refused for, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct RuleError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub why: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// One document of a file.
pub(super) struct Document<'a> {
    file: &'a str,
    first: usize,
    text: &'a str,
    /// The document as YAML has it.
    pub(super) raw: Mapping,
    /// The document as Sigma has it.
    pub(super) sigma: SigmaCollection,
}

impl Document<'_> {
    /// A mistake at the line that first has what is named, or else at the document's beginning.
    pub(super) fn error(&self, why: impl Into<String>) -> RuleError {
        let why = why.into();
        let line = named(&why).find_map(|needle| line_of(self.text, needle)).unwrap_or(0);
        RuleError { file: self.file.into(), line: self.first + line, why }
    }

    /// Our own attributes of the document.
    pub(super) fn own(&self) -> Option<&Mapping> {
        self.raw.get("custom_attributes").and_then(Value::as_mapping)
    }
}

/// Cuts a file into documents and parses each.
///
/// # Errors
/// When the file is too large, not YAML, no Sigma, or has keys that nobody would heed.
pub(super) fn documents<'a>(file: &RuleFile<'a>) -> Result<Vec<Document<'a>>, RuleError> {
    let refuse = |line, why: String| RuleError { file: file.name.into(), line, why };
    if file.text.len() > MAX_FILE {
        return Err(refuse(
            1,
            format!("{} bytes, at most {MAX_FILE} are allowed", file.text.len()),
        ));
    }
    let parts = cut(file.text);
    if parts.len() > MAX_DOCUMENTS {
        let (line, _) = parts[MAX_DOCUMENTS];
        return Err(refuse(line, format!("more than {MAX_DOCUMENTS} documents in one file")));
    }
    if parts.is_empty() {
        return Err(refuse(1, "the file holds no rule".into()));
    }
    parts.into_iter().map(|(first, text)| document(file.name, first, text)).collect()
}

fn document<'a>(file: &'a str, first: usize, text: &'a str) -> Result<Document<'a>, RuleError> {
    let refuse = |line: usize, why: String| RuleError { file: file.into(), line, why };
    let raw = Value::deserialize(yaml_serde::Deserializer::from_str(text)).map_err(|error| {
        let line = error.location().map_or(0, |at| at.line().saturating_sub(1));
        refuse(first + line, format!("not YAML: {error}"))
    })?;
    let Value::Mapping(raw) = raw else {
        return Err(refuse(first, "a rule is a mapping of keys to values".into()));
    };
    let sigma = parse_sigma_yaml(text).map_err(|error| refuse(first, error.to_string()))?;
    let document = Document { file, first, text, raw, sigma };
    document.check()?;
    Ok(document)
}

impl Document<'_> {
    fn check(&self) -> Result<(), RuleError> {
        if self.raw.contains_key("action") || self.raw.contains_key("filter") {
            return Err(self.error("`action` and `filter` documents are not supported"));
        }
        let section = |map: &Mapping, key: &str| map.get(key).and_then(Value::as_mapping).cloned();
        self.heeded(&self.raw, RULE_KEYS, "a rule")?;
        if let Some(correlation) = section(&self.raw, "correlation") {
            self.heeded(&correlation, CORRELATION_KEYS, "a correlation")?;
            if let Some(condition) = section(&correlation, "condition") {
                self.heeded(&condition, CONDITION_KEYS, "a correlation's condition")?;
            }
        }
        if let Some(own) = self.own() {
            self.heeded(own, OWN_KEYS, "our own attributes")?;
        }
        match self.sigma.errors.first() {
            Some(error) => Err(self.error(plainer(error))),
            None => Ok(()),
        }
    }

    /// A key that nobody heeds is a misspelt one.
    fn heeded(&self, map: &Mapping, known: &[&str], of: &str) -> Result<(), RuleError> {
        let names = map.keys().map(|key| key.as_str().unwrap_or("?"));
        match names.into_iter().find(|name| !known.contains(name)) {
            Some(name) => {
                Err(self.error(format!("`{name}` is no key of {of} that is supported here")))
            }
            None => Ok(()),
        }
    }
}

/// The parser's words, with names between back-quotes and without its drawings.
fn plainer(error: &str) -> String {
    match error.strip_prefix("Condition parse error") {
        Some(drawing) => {
            let what = drawing.lines().last().unwrap_or_default().trim().trim_start_matches("= ");
            format!("the `condition:` cannot be read: {what}")
        }
        None => error.replace('\'', "`"),
    }
}

/// Documents with the number of their first line; empty ones are left out.
fn cut(text: &str) -> Vec<(usize, &str)> {
    let (mut parts, mut first, mut from, mut at) = (Vec::new(), 1, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let next = at + line.len();
        if line.trim_end() == "---" {
            parts.push((first, &text[from..at]));
            (first, from) = (number + 2, next);
        }
        at = next;
    }
    parts.push((first, &text[from..]));
    let is_empty =
        |text: &str| text.lines().all(|line| line.trim().is_empty() || line.starts_with('#'));
    parts.retain(|(_, text)| !is_empty(text));
    parts
}

/// What stands between back-quotes in a mistake's words.
fn named(why: &str) -> impl Iterator<Item = &str> {
    why.split('`').skip(1).step_by(2).filter(|name| !name.is_empty())
}

fn line_of(text: &str, needle: &str) -> Option<usize> {
    text.lines().position(|line| line.contains(needle))
}
