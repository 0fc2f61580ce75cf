//! One comparison of a rule, compiled to what a record holds.

use super::{
    field::{Field, Type, Value},
    pattern::{Anchor, Pattern},
};
use crate::record::{Record, RecordKind};
use regex::{Regex, RegexBuilder};
use rsigma_parser::{DetectionItem, Modifier, SigmaValue};
use std::net::IpAddr;

/// Values in one list of a rule.
pub const MAX_VALUES: usize = 64;

/// Bytes a compiled regular expression may take; a larger one is refused.
const MAX_REGEX: usize = 64 * 1024;

/// A set of kinds of records, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Kinds(pub(super) u128);

impl Kinds {
    pub(super) const ALL: Self = Self(u128::MAX);

    pub(crate) fn has(self, kind: RecordKind) -> bool {
        self.0 >> (kind as u8) & 1 == 1
    }
}

/// Modifiers that say where in a text something stands.
const ANCHORS: [(Modifier, Anchor); 3] = [
    (Modifier::Contains, Anchor::Contains),
    (Modifier::StartsWith, Anchor::Starts),
    (Modifier::EndsWith, Anchor::Ends),
];

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Not,
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// One comparison.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    /// The kind is one of these.
    Kind(Kinds),
    /// A text is like one of these, or like all of them.
    Text { field: Field, any: Box<[Pattern]>, all: bool },
    /// A text fits one of these expressions.
    Regex { field: Field, any: Box<[Regex]> },
    /// A number compares with one of these.
    Number { field: Field, order: Order, any: Box<[u64]> },
    /// An address is within one of these nets.
    Net { field: Field, any: Box<[(IpAddr, u8)]> },
    /// There is something, or nothing.
    Exists { field: Field, wanted: bool },
}

impl Test {
    /// Compiles a comparison.
    ///
    /// # Errors
    /// In words, when the field is unknown or the comparison is none that this engine makes.
    pub(super) fn compile(item: &DetectionItem) -> Result<Self, String> {
        let path =
            item.field.name.as_deref().ok_or("keywords without a field are not supported")?;
        let field = Field::named(path).ok_or_else(|| unknown(path))?;
        if item.values.len() > MAX_VALUES {
            return Err(format!(
                "`{path}` has {} values, at most {MAX_VALUES} are allowed",
                item.values.len()
            ));
        }
        let modifiers = &item.field.modifiers;
        let values = &item.values[..];
        match (modifiers.as_slice(), values) {
            ([Modifier::Exists], [SigmaValue::Bool(wanted)]) => {
                Ok(Self::Exists { field, wanted: *wanted })
            }
            ([], [SigmaValue::Null]) => Ok(Self::Exists { field, wanted: false }),
            ([Modifier::Cidr], _) if field.holds() == Type::Ip => nets(field, values),
            ([Modifier::Re, flags @ ..], _) => regexes(field, flags, values),
            _ => match field.holds() {
                Type::Number => numbers(field, modifiers, values),
                Type::Text | Type::Ip | Type::Id => texts(field, modifiers, values),
            },
        }
    }

    /// The comparison in words.
    pub(super) fn words(&self) -> String {
        let list = |items: Vec<String>| items.join(" or ");
        match self {
            Self::Kind(kinds) => {
                let named = RecordKind::ALL.iter().filter(|kind| kinds.has(**kind));
                list(named.map(|kind| kind.word().into()).collect())
            }
            Self::Exists { field, wanted: true } => format!("{} is there", field.path()),
            Self::Exists { field, wanted: false } => format!("{} is not there", field.path()),
            Self::Number { field, order, any } => {
                let numbers = any.iter().map(u64::to_string).collect();
                format!("{} {} {}", field.path(), order.word(), list(numbers))
            }
            Self::Net { field, any } => {
                let nets = any.iter().map(|(net, bits)| format!("{net}/{bits}")).collect();
                format!("{} is within {}", field.path(), list(nets))
            }
            Self::Text { field, any, all } => {
                let texts: Vec<_> = any.iter().map(ToString::to_string).collect();
                let joined = if *all { texts.join(" and ") } else { list(texts) };
                format!("{} is {joined}", field.path())
            }
            Self::Regex { field, any } => {
                format!(
                    "{} fits {}",
                    field.path(),
                    list(any.iter().map(ToString::to_string).collect())
                )
            }
        }
    }

    /// Whether the record is so.
    pub(crate) fn holds(&self, record: &Record) -> bool {
        match self {
            Self::Kind(kinds) => kinds.has(record.kind),
            Self::Exists { field, wanted } => field.of(record).is_some() == *wanted,
            Self::Number { field, order, any } => match field.of(record) {
                Some(Value::Number(number)) => any.iter().any(|other| order.holds(number, *other)),
                _ => false,
            },
            Self::Net { field, any } => match field.of(record) {
                Some(Value::Ip(ip)) => any.iter().any(|net| within(ip, *net)),
                _ => false,
            },
            Self::Text { field, any, all } => with_text(*field, record, |text| {
                if *all {
                    any.iter().all(|pattern| pattern.matches(text))
                } else {
                    any.iter().any(|pattern| pattern.matches(text))
                }
            }),
            Self::Regex { field, any } => {
                with_text(*field, record, |text| any.iter().any(|regex| regex.is_match(text)))
            }
        }
    }
}

impl Order {
    fn word(self) -> &'static str {
        match self {
            Self::Equal => "is",
            Self::Not => "is not",
            Self::Above => "is above",
            Self::AtLeast => "is at least",
            Self::Below => "is below",
            Self::AtMost => "is at most",
        }
    }

    fn holds(self, one: u64, other: u64) -> bool {
        match self {
            Self::Equal => one == other,
            Self::Not => one != other,
            Self::Above => one > other,
            Self::AtLeast => one >= other,
            Self::Below => one < other,
            Self::AtMost => one <= other,
        }
    }
}

/// Addresses and ids are compared as they print; both are short, and rules that name them are rare.
fn with_text(field: Field, record: &Record, holds: impl Fn(&str) -> bool) -> bool {
    match field.of(record) {
        None => false,
        Some(Value::Text(text)) => holds(text),
        Some(Value::Number(number)) => holds(&number.to_string()),
        Some(Value::Ip(ip)) => holds(&ip.to_string()),
        Some(Value::Component(id)) => holds(&id.to_string()),
        Some(Value::Digest(digest)) => holds(&digest.to_string()),
    }
}

fn unknown(path: &str) -> String {
    let near = Field::ALL.iter().min_by_key(|field| distance(field.path(), path));
    let near = near.map_or("", |field| field.path());
    format!("`{path}` is no field of a record; the nearest one is `{near}`")
}

/// Letters that differ at the same place, and those one of them has more: enough to name the nearest.
fn distance(one: &str, other: &str) -> usize {
    let common = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let back = one.bytes().rev().zip(other.bytes().rev()).take_while(|(a, b)| a == b).count();
    (one.len() + other.len()).saturating_sub(2 * (common + back))
}

fn nets(field: Field, values: &[SigmaValue]) -> Result<Test, String> {
    let net = |value: &SigmaValue| {
        let text = plain(value).ok_or("a net must be a text such as 192.168.0.0/16")?;
        let wrong = || format!("`{text}` is no net such as 192.168.0.0/16");
        let (ip, bits) = text.split_once('/').ok_or_else(wrong)?;
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?;
        Ok::<_, String>((ip, bits))
    };
    Ok(Test::Net { field, any: values.iter().map(net).collect::<Result<_, _>>()? })
}

fn within(ip: IpAddr, (net, bits): (IpAddr, u8)) -> bool {
    let as_number = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    ip.is_ipv4() == net.is_ipv4() && (as_number(ip) ^ as_number(net)) & mask == 0
}

fn regexes(field: Field, flags: &[Modifier], values: &[SigmaValue]) -> Result<Test, String> {
    let flag = |wanted| flags.contains(&wanted);
    let known = [Modifier::IgnoreCase, Modifier::Multiline, Modifier::DotAll];
    if let Some(other) = flags.iter().find(|flag| !known.contains(flag)) {
        return Err(format!("the modifier {other:?} does not go with `re`"));
    }
    if field.holds() != Type::Text {
        return Err(format!("`{}` holds no text that an expression could fit", field.path()));
    }
    let regex = |value: &SigmaValue| {
        let text = plain(value).ok_or("an expression must be a text")?;
        RegexBuilder::new(&text)
            .case_insensitive(flag(Modifier::IgnoreCase))
            .multi_line(flag(Modifier::Multiline))
            .dot_matches_new_line(flag(Modifier::DotAll))
            .size_limit(MAX_REGEX)
            .dfa_size_limit(MAX_REGEX)
            .nest_limit(32)
            .build()
            .map_err(|error| format!("the expression `{text}` is refused: {}", brief(&error)))
    };
    Ok(Test::Regex { field, any: values.iter().map(regex).collect::<Result<_, String>>()? })
}

/// The last line of a parser's drawing of a mistake says what it is.
fn brief(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn numbers(field: Field, modifiers: &[Modifier], values: &[SigmaValue]) -> Result<Test, String> {
    let order = match modifiers {
        [] => Order::Equal,
        [Modifier::Neq] => Order::Not,
        [Modifier::Gt] => Order::Above,
        [Modifier::Gte] => Order::AtLeast,
        [Modifier::Lt] => Order::Below,
        [Modifier::Lte] => Order::AtMost,
        other => return Err(unsupported(field, other)),
    };
    let number = |value: &SigmaValue| match value {
        SigmaValue::Integer(number) => u64::try_from(*number).ok(),
        SigmaValue::String(_) => plain(value).and_then(|text| text.parse().ok()),
        SigmaValue::Float(_) | SigmaValue::Bool(_) | SigmaValue::Null => None,
    };
    let any: Option<Box<[u64]>> = values.iter().map(number).collect();
    let any =
        any.ok_or_else(|| format!("`{}` is compared with whole numbers only", field.path()))?;
    Ok(Test::Number { field, order, any })
}

fn texts(field: Field, modifiers: &[Modifier], values: &[SigmaValue]) -> Result<Test, String> {
    let (mut anchor, mut all, mut cased) = (Anchor::Whole, false, false);
    for modifier in modifiers {
        let anchored = ANCHORS.iter().find(|(named, _)| named == modifier);
        if let Some((_, wanted)) = anchored.filter(|_| anchor == Anchor::Whole) {
            anchor = *wanted;
        } else if *modifier == Modifier::All {
            all = true;
        } else if *modifier == Modifier::Cased {
            cased = true;
        } else {
            return Err(unsupported(field, modifiers));
        }
    }
    let pattern = |value: &SigmaValue| match value {
        SigmaValue::String(text) => Ok(Pattern::new(text, anchor, cased)),
        SigmaValue::Integer(number) => Ok(Pattern::new(
            &rsigma_parser::SigmaString::from_raw(&number.to_string()),
            anchor,
            cased,
        )),
        SigmaValue::Float(_) | SigmaValue::Bool(_) | SigmaValue::Null => {
            Err(format!("`{}` is compared with texts only", field.path()))
        }
    };
    let any: Box<[Pattern]> = values.iter().map(pattern).collect::<Result<_, _>>()?;
    if field == Field::Kind { kinds(&any, all) } else { Ok(Test::Text { field, any, all }) }
}

/// Kinds are known beforehand, so a word that is none is a mistake and the comparison is one bit.
fn kinds(any: &[Pattern], all: bool) -> Result<Test, String> {
    let mut kinds = Kinds::default();
    for pattern in any {
        let fits = RecordKind::ALL.iter().filter(|kind| pattern.matches(kind.word()));
        let bits = fits.fold(0, |bits, kind| bits | 1_u128 << (*kind as u8));
        if bits == 0 {
            let word = pattern.exact().unwrap_or("this pattern");
            return Err(format!("no kind of record is called `{word}`"));
        }
        kinds.0 = if all && kinds.0 != 0 { kinds.0 & bits } else { kinds.0 | bits };
    }
    Ok(Test::Kind(kinds))
}

fn unsupported(field: Field, modifiers: &[Modifier]) -> String {
    format!("`{}` does not support the modifiers {modifiers:?}", field.path())
}

fn plain(value: &SigmaValue) -> Option<String> {
    match value {
        SigmaValue::String(text) => text.as_plain(),
        SigmaValue::Integer(_) | SigmaValue::Float(_) | SigmaValue::Bool(_) | SigmaValue::Null => {
            None
        }
    }
}
