//! Sigma rules on OCSF paths, compiled once into typed comparisons on records.
//!
//! A file holds detections, correlations over them, and in `custom_attributes` what is our own: the incident
//! that comes of it, advice, response and samples. What cannot be bounded or would silently not be heeded
//! is refused with file and line, and then nothing of the set comes into force.

mod condition;
mod correlation;
mod document;
mod explain;
mod field;
mod link;
mod own;
mod pattern;
mod sample;
mod shipped;
mod test;

pub(crate) use condition::Expr;
pub use condition::MAX_TESTS;
pub(crate) use correlation::Wants;
pub use correlation::{MAX_COUNT, MAX_FIELDS, MAX_PARTS, MAX_SPAN_MS};
pub use document::{MAX_DOCUMENTS, MAX_FILE, RuleError};
pub use explain::explain;
pub use field::{Field, Type, Value};
pub use own::{IncidentRule, Response};
pub use sample::{Sample, Verdict};
pub use shipped::shipped;
pub use test::MAX_VALUES;

use crate::record::{RecordKind, Severity};

/// Detections and correlations in all files together.
pub const MAX_RULES: usize = 512;

/// A file of rules.
#[derive(Clone, Copy, Debug)]
pub struct RuleFile<'a> {
    /// Its name, for mistakes and reports.
    pub name: &'a str,
    /// What it holds.
    pub text: &'a str,
}

/// What comes of a rule: which incident, how grave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raises {
    pub(crate) incident: u16,
    pub(crate) severity: Severity,
}

/// Where matches of a rule go on to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    /// Correlations, and as which of their parts.
    pub(crate) feeds: Box<[(u16, u8)]>,
    pub(crate) raises: Option<Raises>,
}

#[derive(Clone, Debug)]
pub(crate) struct DetectionRule {
    pub(crate) expr: Expr,
    pub(crate) links: Links,
    pub(crate) title: Box<str>,
}

#[derive(Clone, Debug)]
pub(crate) struct CorrelationRule {
    pub(crate) wants: Wants,
    pub(crate) span_ms: u64,
    pub(crate) group: Box<[Field]>,
    pub(crate) links: Links,
    pub(crate) title: Box<str>,
    /// Whether it, and all it feeds on, says something about a backlog too.
    pub(crate) in_backlog: bool,
}

/// Rules in force together.
#[derive(Clone, Debug)]
pub struct RuleSet {
    pub(crate) detections: Vec<DetectionRule>,
    pub(crate) correlations: Vec<CorrelationRule>,
    /// Detections by kind of record.
    pub(crate) by_kind: Vec<Box<[u16]>>,
    incidents: Vec<IncidentRule>,
    samples: Vec<Sample>,
}

impl RuleSet {
    /// Compiles files of rules.
    ///
    /// # Errors
    /// All mistakes, in the order of files and lines.
    pub fn compile(files: &[RuleFile<'_>]) -> Result<Self, Vec<RuleError>> {
        link::compile(files)
    }

    /// The rules that come with the hub.
    ///
    /// # Panics
    /// Never: tests compile them.
    #[must_use]
    pub fn shipped() -> Self {
        Self::compile(&shipped()).expect("shipped rules are compiled by the tests")
    }

    /// The incidents that the rules can raise.
    #[must_use]
    pub fn incidents(&self) -> &[IncidentRule] {
        &self.incidents
    }

    /// Samples of what raises them and what does not.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// So many detections and correlations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.detections.len() + self.correlations.len()
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn detections_of(&self, kind: RecordKind) -> &[u16] {
        &self.by_kind[kind as usize]
    }
}

#[cfg(test)]
mod tests;
