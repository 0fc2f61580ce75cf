//! A rule's detections and condition, compiled into one expression on a record.

use super::test::{Kinds, Test};
use crate::record::Record;
use rsigma_parser::{ConditionExpr, Detection, Detections, Quantifier, SelectorPattern};
use std::collections::BTreeMap;

/// Comparisons within one rule, after selectors were spelt out.
pub const MAX_TESTS: usize = 256;

/// How deep conditions may be nested.
const MAX_DEPTH: usize = 16;

/// What a record must be like.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    All(Box<[Expr]>),
    Any(Box<[Expr]>),
    Not(Box<Expr>),
    Test(Test),
}

impl Expr {
    /// Compiles the `detection` section of a rule.
    ///
    /// # Errors
    /// In words, when something in it is not supported, too much, or names no kind of record.
    pub(super) fn compile(section: &Detections) -> Result<Self, String> {
        if section.timeframe.is_some() {
            return Err("`timeframe` belongs into a correlation".into());
        }
        let [condition] = &section.conditions[..] else {
            return Err("a rule needs exactly one condition".into());
        };
        // In the order of their names, so that of several mistakes always the same one is told.
        let sorted: BTreeMap<_, _> = section.named.iter().collect();
        let named: Result<BTreeMap<_, _>, String> = sorted
            .into_iter()
            .map(|(name, detection)| Ok((name.as_str(), Self::detection(detection, 0)?)))
            .collect();
        let whole = Self::condition(condition, &named?, 0)?;
        match whole.tests() {
            0 => Err("the condition compares nothing".into()),
            tests if tests > MAX_TESTS => {
                Err(format!("{tests} comparisons, at most {MAX_TESTS} are allowed"))
            }
            _ if whole.kinds() == Kinds::ALL => {
                Err("the rule must name its kinds of records: `metadata.event_code`".into())
            }
            _ => Ok(whole),
        }
    }

    fn detection(detection: &Detection, depth: usize) -> Result<Self, String> {
        match detection {
            Detection::AllOf(items) => {
                let tests: Result<_, String> =
                    items.iter().map(|item| Test::compile(item).map(Self::Test)).collect();
                Ok(Self::All(tests?))
            }
            Detection::AnyOf(parts) if depth < MAX_DEPTH => {
                let parts: Result<_, String> =
                    parts.iter().map(|part| Self::detection(part, depth + 1)).collect();
                Ok(Self::Any(parts?))
            }
            Detection::AnyOf(_) => Err(format!("nested deeper than {MAX_DEPTH}")),
            Detection::Keywords(_) => Err("keywords without a field are not supported".into()),
            Detection::ArrayMatch { .. } | Detection::And(_) | Detection::Conditional { .. } => {
                Err("records hold no lists: array matching is not supported".into())
            }
        }
    }

    fn condition(
        condition: &ConditionExpr,
        named: &BTreeMap<&str, Self>,
        depth: usize,
    ) -> Result<Self, String> {
        if depth > MAX_DEPTH {
            return Err(format!("the condition is nested deeper than {MAX_DEPTH}"));
        }
        let each = |parts: &[ConditionExpr]| -> Result<Box<[Self]>, String> {
            parts.iter().map(|part| Self::condition(part, named, depth + 1)).collect()
        };
        match condition {
            ConditionExpr::And(parts) => Ok(Self::All(each(parts)?)),
            ConditionExpr::Or(parts) => Ok(Self::Any(each(parts)?)),
            ConditionExpr::Not(part) => {
                Ok(Self::Not(Box::new(Self::condition(part, named, depth + 1)?)))
            }
            ConditionExpr::Identifier(name) => {
                let known = named.get(name.as_str()).cloned();
                known.ok_or_else(|| format!("the condition names `{name}`, which is not there"))
            }
            ConditionExpr::Selector { quantifier, pattern } => selector(quantifier, pattern, named),
        }
    }

    /// Kinds that a record may be of when the expression holds, perhaps too many, never too few.
    pub(super) fn kinds(&self) -> Kinds {
        match self {
            Self::All(parts) => {
                Kinds(parts.iter().fold(u128::MAX, |kinds, part| kinds & part.kinds().0))
            }
            Self::Any(parts) => Kinds(parts.iter().fold(0, |kinds, part| kinds | part.kinds().0)),
            Self::Not(_) => Kinds::ALL,
            Self::Test(Test::Kind(kinds)) => *kinds,
            Self::Test(_) => Kinds::ALL,
        }
    }

    /// Whether the record is so.
    pub(crate) fn holds(&self, record: &Record) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(record)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(record)),
            Self::Not(part) => !part.holds(record),
            Self::Test(test) => test.holds(record),
        }
    }

    fn tests(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::tests).sum(),
            Self::Not(part) => part.tests(),
            Self::Test(_) => 1,
        }
    }
}

fn selector(
    quantifier: &Quantifier,
    pattern: &SelectorPattern,
    named: &BTreeMap<&str, Expr>,
) -> Result<Expr, String> {
    let fits = |name: &str| match pattern {
        SelectorPattern::Them => !name.starts_with('_'),
        SelectorPattern::Pattern(pattern) => match pattern.split_once('*') {
            None => name == pattern,
            Some((head, tail)) => {
                name.len() >= head.len() + tail.len()
                    && name.starts_with(head)
                    && name.ends_with(tail)
            }
        },
    };
    let parts: Box<[Expr]> =
        named.iter().filter(|(name, _)| fits(name)).map(|(_, part)| part.clone()).collect();
    if parts.is_empty() {
        return Err(format!("nothing is named like `{pattern}`"));
    }
    match quantifier {
        Quantifier::Any | Quantifier::Count(1) => Ok(Expr::Any(parts)),
        Quantifier::All => Ok(Expr::All(parts)),
        Quantifier::Count(count) => {
            Err(format!("`{count} of` is not supported: use 1 of or all of"))
        }
    }
}
