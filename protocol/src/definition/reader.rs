//! Values of a TOML document with the lines they stand on, and the list of what is wrong with them.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    fmt::{self, Display},
    ops::{Range, RangeInclusive},
    str::FromStr,
};
use toml::de::{DeTable, DeValue};

/// Mistakes that are listed; a document with more is told so.
const LISTED: usize = 50;

/// One mistake of a document.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1.
    pub column: usize,
    /// The key it is about, such as `stream[2].schema`.
    pub key: String,
    /// What is wrong, and what would be right.
    pub text: String,
}

/// Every mistake of a document, at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { line, column, key, text }) in self.0.iter().enumerate() {
            let gap = if index > 0 { "\n" } else { "" };
            let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
            write!(f, "{gap}line {line}, column {column}: {key}{text}")?;
        }
        Ok(())
    }
}

/// The text that is read, and what was found wrong with it.
pub(super) struct Source<'a> {
    text: &'a str,
    mistakes: RefCell<Vec<Mistake>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, mistakes: RefCell::default() }
    }

    pub(super) fn mistake(&self, at: usize, key: &str, text: impl Display) {
        let mut mistakes = self.mistakes.borrow_mut();
        if mistakes.len() == LISTED {
            return;
        }
        let last = mistakes.len() + 1 == LISTED;
        let text = if last {
            "too many mistakes; mend those above first".into()
        } else {
            text.to_string()
        };
        let (line, column) = (self.line(at), self.column(at));
        mistakes.push(Mistake { line, column, key: key.to_owned(), text });
    }

    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.before(at).matches('\n').count()
    }

    fn column(&self, at: usize) -> usize {
        1 + self.before(at).rsplit('\n').next().map_or(0, |line| line.chars().count())
    }

    fn before(&self, at: usize) -> &str {
        self.text.get(..at).unwrap_or(self.text)
    }

    /// The result, if nothing is wrong.
    pub(super) fn finish<T>(self, result: Option<T>) -> Result<T, Mistakes> {
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        match result {
            Some(result) if mistakes.is_empty() => Ok(result),
            _ => Err(Mistakes(mistakes)),
        }
    }
}

/// A table; each key is asked for once, and what nobody asked for is a mistake.
pub(super) struct Section<'s, 'a> {
    pub(super) source: &'s Source<'a>,
    table: &'s DeTable<'a>,
    at: Range<usize>,
    path: String,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'s, 'a> Section<'s, 'a> {
    pub(super) fn new(
        source: &'s Source<'a>,
        table: &'s DeTable<'a>,
        at: Range<usize>,
        path: String,
    ) -> Self {
        Self { source, table, at, path, asked: RefCell::default() }
    }

    pub(super) fn line(&self) -> usize {
        self.source.line(self.at.start)
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn optional(&self, key: &'static str) -> Option<Field<'s, 'a>> {
        self.asked.borrow_mut().insert(key);
        let value = self.table.get(key)?;
        Some(Field {
            source: self.source,
            value: value.get_ref(),
            at: value.span(),
            path: self.key(key),
        })
    }

    pub(super) fn required(&self, key: &'static str) -> Option<Field<'s, 'a>> {
        let field = self.optional(key);
        if field.is_none() {
            self.source.mistake(self.at.start, &self.path, format_args!("`{key}` is missing"));
        }
        field
    }

    /// What is wrong with the section as a whole.
    pub(super) fn fail<T>(&self, text: impl Display) -> Option<T> {
        self.source.mistake(self.at.start, &self.path, text);
        None
    }

    /// These keys have a place here too, though reading ended before they were asked for.
    pub(super) fn allow(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend(keys);
    }

    /// Finds keys that have no place here.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        let known: Vec<_> = asked.iter().copied().collect();
        for key in self.table.keys().filter(|key| !asked.contains(key.get_ref().as_ref())) {
            let text = format_args!("there is no such key; here may stand: {}", known.join(", "));
            self.source.mistake(key.span().start, &self.key(key.get_ref()), text);
        }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&'s str, Field<'s, 'a>)> {
        let (source, path) = (self.source, self.path.clone());
        self.table.iter().map(move |(key, value)| {
            let path = format!("{path}.{}", key.get_ref());
            let field = Field { source, value: value.get_ref(), at: value.span(), path };
            (key.get_ref().as_ref(), field)
        })
    }
}

/// A value.
pub(super) struct Field<'s, 'a> {
    source: &'s Source<'a>,
    value: &'s DeValue<'a>,
    at: Range<usize>,
    path: String,
}

impl<'s, 'a> Field<'s, 'a> {
    pub(super) fn fail<T>(&self, text: impl Display) -> Option<T> {
        self.source.mistake(self.at.start, &self.path, text);
        None
    }

    fn must_be<T>(&self, what: &str) -> Option<T> {
        self.fail(format_args!("must be {what}, not a TOML {}", self.value.type_str()))
    }

    pub(super) fn text(&self) -> Option<&'s str> {
        self.value.as_str().or_else(|| self.must_be("a text"))
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&self) -> Option<T> {
        match self.text()?.parse() {
            Ok(value) => Some(value),
            Err(error) => self.fail(error),
        }
    }

    /// A date, bare or as a text.
    pub(super) fn date(&self) -> Option<crate::time::Date> {
        let text = match (self.value.as_datetime(), self.value.as_str()) {
            (Some(date), _) => date.to_string(),
            (None, Some(text)) => text.to_owned(),
            (None, None) => return self.must_be("a date"),
        };
        text.parse().map_or_else(|error| self.fail(error), Some)
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.must_be("true or false"))
    }

    pub(super) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let Some(digits) = self.value.as_integer() else { return self.must_be("a whole number") };
        let value = i64::from_str_radix(digits.as_str(), digits.radix()).ok();
        let (least, most) = (*range.start(), *range.end());
        value
            .filter(|value| range.contains(value))
            .or_else(|| self.fail(format_args!("must be a whole number from {least} to {most}")))
    }

    /// A finite number; a whole one may be written without a point.
    pub(super) fn number(&self) -> Option<f64> {
        let text = match (self.value.as_float(), self.value.as_integer()) {
            (Some(float), _) => float.as_str(),
            (None, Some(integer)) if integer.radix() == 10 => integer.as_str(),
            (None, _) => return self.must_be("a number"),
        };
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        value.or_else(|| self.fail("must be a finite number"))
    }

    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, value)| *value).or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.fail(format_args!("must be one of {}", words.join(", ")))
        })
    }

    pub(super) fn list(&self, most: usize) -> Option<Vec<Field<'s, 'a>>> {
        let Some(items) = self.value.as_array() else { return self.must_be("a list") };
        if items.len() > most {
            return self
                .fail(format_args!("has {} items, at most {most} are allowed", items.len()));
        }
        let fields = items.iter().enumerate().map(|(index, item)| Field {
            source: self.source,
            value: item.get_ref(),
            at: item.span(),
            path: format!("{}[{}]", self.path, index + 1),
        });
        Some(fields.collect())
    }

    /// A list whose items are all different.
    pub(super) fn set<T: Ord>(
        &self,
        most: usize,
        read: impl Fn(&Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut seen = BTreeSet::new();
        for field in self.list(most)? {
            if let Some(item) = read(&field)
                && !seen.insert(item)
            {
                field.fail::<()>("stands here twice");
            }
        }
        Some(seen.into_iter().collect())
    }

    pub(super) fn section(&self) -> Option<Section<'s, 'a>> {
        let Some(table) = self.value.as_table() else { return self.must_be("a table") };
        Some(Section::new(self.source, table, self.at.clone(), self.path.clone()))
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    pub(super) fn is_boolean(&self) -> bool {
        self.value.is_bool()
    }

    /// The value as JSON; dates have no place there.
    pub(super) fn json(&self) -> Option<serde_json::Value> {
        use serde_json::Value;
        if let Some(text) = self.value.as_str() {
            return Some(Value::String(text.to_owned()));
        }
        if let Some(value) = self.value.as_bool() {
            return Some(Value::Bool(value));
        }
        if self.value.is_integer() {
            return self.integer(i64::MIN..=i64::MAX).map(Value::from);
        }
        if self.value.is_float() {
            return self.number().map(Value::from);
        }
        if let Some(items) = self.is_list().then(|| self.list(usize::MAX)).flatten() {
            return items.iter().map(Self::json).collect::<Option<Vec<_>>>().map(Value::Array);
        }
        if let Some(section) = self.is_table().then(|| self.section()).flatten() {
            let entries =
                section.entries().map(|(key, field)| Some((key.to_owned(), field.json()?)));
            return entries.collect::<Option<_>>().map(Value::Object);
        }
        self.must_be("a value that JSON has")
    }
}
