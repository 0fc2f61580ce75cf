//! Correlations, compiled: what is counted, over which span, for whom.

use super::field::Field;
use rsigma_parser::{
    ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, WindowMode,
};

/// The longest span of a correlation: a week.
pub const MAX_SPAN_MS: u64 = 7 * 24 * 3600 * 1000;

/// The highest count a correlation may wait for: so many places its window keeps.
pub const MAX_COUNT: u64 = 256;

/// Rules one correlation may refer to.
pub const MAX_PARTS: usize = 8;

/// Fields one correlation may group by, or count together.
pub const MAX_FIELDS: usize = 4;

/// What a correlation waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// At least so many records.
    Count(usize),
    /// At least so many different values of these fields.
    Distinct(usize, Box<[Field]>),
    /// Each rule at least once, in any order.
    Together(usize),
    /// Each rule at least once, in this order.
    Ordered(usize),
    /// No record for the whole span.
    Absence,
}

/// A correlation without its references.
#[derive(Clone, Debug)]
pub(crate) struct Correlation {
    pub(crate) wants: Wants,
    pub(crate) span_ms: u64,
    pub(crate) group: Box<[Field]>,
}

impl Correlation {
    /// Compiles a correlation.
    ///
    /// # Errors
    /// In words, when it is not supported, not bounded, or contradicts itself.
    pub(super) fn compile(rule: &CorrelationRule) -> Result<Self, String> {
        if rule.window != WindowMode::Sliding || !rule.aliases.is_empty() {
            return Err("only sliding windows without aliases are supported".into());
        }
        let span_ms = rule.timespan.seconds.saturating_mul(1000);
        if !(1..=MAX_SPAN_MS).contains(&span_ms) {
            return Err(format!("the span `{}` must be from 1s to 7d", rule.timespan.original));
        }
        let parts = rule.rules.len();
        if !(1..=MAX_PARTS).contains(&parts) {
            return Err(format!("{parts} rules in `rules`, from 1 to {MAX_PARTS} are allowed"));
        }
        let group = fields(&rule.group_by)?;
        let wants = wants(rule, parts)?;
        if wants == Wants::Absence && *group != [Field::Device] {
            return Err("absence is known of components only: `group-by` must be device.uid".into());
        }
        Ok(Self { wants, span_ms, group })
    }
}

fn wants(rule: &CorrelationRule, parts: usize) -> Result<Wants, String> {
    match (rule.correlation_type, &rule.condition) {
        (_, CorrelationCondition::Extended(_)) => {
            Err("a `condition` in words is not supported for correlations".into())
        }
        (CorrelationType::EventCount, CorrelationCondition::Threshold { predicates, .. }) => {
            match predicates[..] {
                [(ConditionOperator::Lt, 1) | (ConditionOperator::Lte, 0)] => Ok(Wants::Absence),
                _ => least(predicates).map(Wants::Count),
            }
        }
        (
            CorrelationType::ValueCount,
            CorrelationCondition::Threshold { predicates, field: Some(names), .. },
        ) => Ok(Wants::Distinct(least(predicates)?, fields(names)?)),
        (CorrelationType::ValueCount, CorrelationCondition::Threshold { .. }) => {
            Err("a `value_count` needs the field it counts".into())
        }
        (CorrelationType::Temporal, condition) => Ok(Wants::Together(several(condition, parts)?)),
        (CorrelationType::TemporalOrdered, condition) => {
            Ok(Wants::Ordered(several(condition, parts)?))
        }
        (other, _) => {
            Err(format!("`{}` is not supported: its state would not be bounded", other.as_str()))
        }
    }
}

/// All rules of a temporal correlation must match; a condition may say so. Without one, the parser makes up
/// `gte: 1`.
fn several(condition: &CorrelationCondition, parts: usize) -> Result<usize, String> {
    let is_all = |predicates: &[(ConditionOperator, u64)]| match predicates {
        [(ConditionOperator::Gte, count)] => *count == parts as u64 || *count == 1,
        _ => false,
    };
    match condition {
        CorrelationCondition::Threshold { predicates, .. } if is_all(predicates) && parts >= 2 => {
            Ok(parts)
        }
        CorrelationCondition::Threshold { .. } if parts < 2 => {
            Err("a temporal correlation needs two `rules` or more".into())
        }
        CorrelationCondition::Threshold { .. } | CorrelationCondition::Extended(_) => Err(format!(
            "all of a temporal correlation must match: no condition, or `gte`: {parts}"
        )),
    }
}

fn least(predicates: &[(ConditionOperator, u64)]) -> Result<usize, String> {
    let least = match predicates {
        [(ConditionOperator::Gte, count)] => *count,
        [(ConditionOperator::Gt, count)] => count.saturating_add(1),
        _ => return Err("only `gte`, `gt` and, for absence, `lt: 1` are supported".into()),
    };
    if !(1..=MAX_COUNT).contains(&least) {
        return Err(format!(
            "waiting for `{least}` is not bounded: from 1 to {MAX_COUNT} are allowed"
        ));
    }
    Ok(least as usize)
}

fn fields(names: &[String]) -> Result<Box<[Field]>, String> {
    if names.len() > MAX_FIELDS {
        return Err(format!("{} fields, at most {MAX_FIELDS} are allowed", names.len()));
    }
    let field = |name: &String| {
        Field::named(name).ok_or_else(|| format!("`{name}` is no field of a record"))
    };
    names.iter().map(field).collect()
}
