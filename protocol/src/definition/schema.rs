//! What a JSON Schema (2020-12) in a definition may use. A misspelt keyword would silently allow
//! everything, a reference could lead elsewhere or in circles, and a huge schema would cost more than
//! its messages: all are mistakes.

use super::reader::Field;
use serde_json::Value;

/// Deepest nesting of schemas.
const MAX_DEPTH: usize = 12;

/// Most schemas within one, itself counted.
const MAX_SCHEMAS: usize = 256;

/// Longest regular expression in bytes.
const MAX_PATTERN: usize = 256;

/// Most regular expressions of a whole document: each may take memory once it is compiled.
pub(super) const MAX_PATTERNS: usize = 16;

/// Longest list of values.
const MAX_VALUES: usize = 256;

/// What a keyword holds.
enum Holds {
    /// Anything without schemas in it; the compiler judges its type.
    Plain,
    /// A regular expression.
    Pattern,
    /// A schema.
    Schema,
    /// A list of schemas.
    Schemas,
    /// Schemas by name.
    Named,
    /// Schemas by regular expression.
    ByPattern,
}

fn holds(keyword: &str) -> Option<Holds> {
    Some(match keyword {
        "type" | "enum" | "const" | "multipleOf" | "maximum" | "exclusiveMaximum" | "minimum"
        | "exclusiveMinimum" | "maxLength" | "minLength" | "maxItems" | "minItems"
        | "uniqueItems" | "maxContains" | "minContains" | "maxProperties" | "minProperties"
        | "required" | "dependentRequired" | "title" | "description" | "examples" | "default"
        | "$comment" => Holds::Plain,
        "pattern" => Holds::Pattern,
        "items"
        | "contains"
        | "additionalProperties"
        | "propertyNames"
        | "not"
        | "if"
        | "then"
        | "else"
        | "unevaluatedItems"
        | "unevaluatedProperties" => Holds::Schema,
        "prefixItems" | "allOf" | "anyOf" | "oneOf" => Holds::Schemas,
        "properties" | "dependentSchemas" => Holds::Named,
        "patternProperties" => Holds::ByPattern,
        _ => return None,
    })
}

/// Reads the schema of a payload: a map of which every key is declared.
pub(super) fn read(field: &Field<'_, '_>) -> Option<Value> {
    let mut left = MAX_SCHEMAS;
    check(field, 0, &mut left)?;
    let schema = field.json()?;
    if schema["type"] != "object" {
        return field.fail("must have type = \"object\": payloads are maps");
    }
    if schema["additionalProperties"] != false && schema["unevaluatedProperties"] != false {
        return field
            .fail("must have additionalProperties = false: what is not declared is refused");
    }
    Some(schema)
}

fn check(field: &Field<'_, '_>, depth: usize, left: &mut usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return field.fail(format_args!("schemas may be nested {MAX_DEPTH} deep"));
    }
    *left = match left.checked_sub(1) {
        Some(left) => left,
        None => return field.fail(format_args!("a schema may hold {MAX_SCHEMAS} schemas")),
    };
    if field.is_boolean() {
        return Some(());
    }
    let mut good = Some(());
    for (keyword, value) in field.section()?.entries() {
        let checked = match holds(keyword) {
            None => value.fail(
                "is no keyword that a definition may use: those of JSON Schema 2020-12 but for $ref and other $ keywords, and format",
            ),
            Some(Holds::Plain) if value.is_list() => value.list(MAX_VALUES).map(drop),
            Some(Holds::Plain) => Some(()),
            Some(Holds::Pattern) => value.text().and_then(|text| pattern(&value, text)),
            Some(Holds::Schema) => check(&value, depth + 1, left),
            Some(Holds::Schemas) => each(&value, depth, left),
            Some(Holds::Named) => named(&value, depth, left, |_, _| Some(())),
            Some(Holds::ByPattern) => named(&value, depth, left, pattern),
        };
        good = good.and(checked);
    }
    good
}

fn each(field: &Field<'_, '_>, depth: usize, left: &mut usize) -> Option<()> {
    let items = field.list(MAX_VALUES)?;
    items.iter().try_for_each(|item| check(item, depth + 1, left))
}

fn named(
    field: &Field<'_, '_>,
    depth: usize,
    left: &mut usize,
    name: impl Fn(&Field<'_, '_>, &str) -> Option<()>,
) -> Option<()> {
    field.section()?.entries().try_for_each(|(key, value)| {
        name(&value, key)?;
        check(&value, depth + 1, left)
    })
}

fn pattern(field: &Field<'_, '_>, text: &str) -> Option<()> {
    match text.len() <= MAX_PATTERN {
        true => Some(()),
        false => field.fail(format_args!("a regular expression may have {MAX_PATTERN} bytes")),
    }
}

/// How many regular expressions a schema holds.
pub(super) fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Object(entries) => {
            let own = |(keyword, value): (&String, &Value)| match keyword.as_str() {
                "pattern" if value.is_string() => 1,
                "patternProperties" => {
                    value.as_object().map_or(0, serde_json::Map::len) + patterns(value)
                }
                _ => patterns(value),
            };
            entries.iter().map(own).sum()
        }
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}
