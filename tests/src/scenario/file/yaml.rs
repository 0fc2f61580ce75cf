//! Mappings of a scenario file, read strictly: every key is taken once by name, and what is left is a mistake. The
//! YAML library tells no lines of values, so lines are looked up in the text.

use std::{cell::RefCell, fmt};
use yaml_serde::{Mapping, Value};

/// What a file is refused for, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FormatError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to do.
    pub why: String,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// A file's name and text.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
}

/// Lines of a text, from the first to before the last, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    first: usize,
    end: usize,
}

impl Source<'_> {
    pub(super) fn whole(&self) -> Span {
        Span { first: 0, end: self.text.lines().count().max(1) }
    }

    pub(super) fn error(&self, line: usize, why: impl Into<String>) -> FormatError {
        FormatError { file: self.file.to_owned(), line: line + 1, why: why.into() }
    }

    fn lines(&self, span: Span) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().take(span.end).skip(span.first)
    }

    /// The lines that belong to a key within a span: until the next line that is indented no deeper.
    fn of_key(&self, span: Span, key: &str) -> Span {
        let mut found = self.lines(span).filter(|(_, line)| names(line, key));
        let Some((first, line)) = found.next() else { return span };
        let depth = indent(line);
        let deeper = |line: &str| {
            let line = line.trim_end();
            line.is_empty() || is_comment(line) || indent(line) > depth || is_item(line, depth)
        };
        let rest = Span { first: first + 1, end: span.end };
        let end = self.lines(rest).find(|(_, line)| !deeper(line)).map_or(span.end, |(at, _)| at);
        Span { first, end }
    }

    /// The lines of the items of the list in a span.
    fn items(&self, span: Span) -> Vec<Span> {
        let dashes: Vec<_> =
            self.lines(span).filter(|(_, line)| line.trim_start().starts_with("- ")).collect();
        let depth = dashes.iter().map(|(_, line)| indent(line)).min().unwrap_or(0);
        let firsts: Vec<_> =
            dashes.iter().filter(|(_, line)| indent(line) == depth).map(|(at, _)| *at).collect();
        let ends = firsts.iter().skip(1).copied().chain([span.end]);
        firsts.iter().zip(ends).map(|(first, end)| Span { first: *first, end }).collect()
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn is_item(line: &str, depth: usize) -> bool {
    indent(line) == depth && line.trim_start().starts_with("- ")
}

/// Whether a line has this key: at its beginning, or within braces.
fn names(line: &str, key: &str) -> bool {
    if is_comment(line) {
        return false;
    }
    let mut rest = line;
    while let Some(at) = rest.find(key) {
        let before = rest[..at].trim_end().chars().next_back();
        let after = rest[at + key.len()..].trim_start_matches(['"', '\'']);
        if matches!(before, None | Some('{' | ',' | '-' | '"' | '\'')) && after.starts_with(':') {
            return true;
        }
        rest = &rest[at + key.len()..];
    }
    false
}

/// Parses the text into a mapping.
pub(super) fn parse<'a>(source: Source<'a>) -> Result<Keys<'a>, FormatError> {
    let value: Value = yaml_serde::from_str(source.text).map_err(|error| {
        let line = error.location().map_or(0, |at| at.line().saturating_sub(1));
        source.error(line, format!("not YAML: {error}"))
    })?;
    Keys::new(source, source.whole(), value, "a scenario")
}

/// A mapping whose keys are taken one after the other.
pub(super) struct Keys<'a> {
    source: Source<'a>,
    span: Span,
    what: &'static str,
    left: Mapping,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Keys<'a> {
    fn new(
        source: Source<'a>,
        span: Span,
        value: Value,
        what: &'static str,
    ) -> Result<Self, FormatError> {
        let Value::Mapping(left) = value else {
            let why = format!("{what} is a mapping of keys to values");
            return Err(source.error(span.first, why));
        };
        Ok(Self { source, span, what, left, known: RefCell::default() })
    }

    /// The line it begins at, from 1.
    pub(super) fn line(&self) -> usize {
        self.span.first + 1
    }

    /// A mistake in the value of a key.
    pub(super) fn error(&self, key: &str, why: impl fmt::Display) -> FormatError {
        let line = self.source.of_key(self.span, key).first;
        self.source.error(line, format!("{key}: {why}"))
    }

    /// A mistake in the whole.
    pub(super) fn mistake(&self, why: impl Into<String>) -> FormatError {
        self.source.error(self.span.first, why)
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.borrow_mut().push(key);
        self.left.remove(key)
    }

    /// The value of a key in its words: a text, a number or a yes or no.
    pub(super) fn word(&mut self, key: &'static str) -> Result<Option<String>, FormatError> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match scalar(&value) {
                Some(word) => Ok(Some(word)),
                None => Err(self.error(key, "one value is wanted here, not several")),
            },
        }
    }

    /// The value of a key, read by its type's own rules.
    pub(super) fn read<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, FormatError> {
        let Some(word) = self.word(key)? else { return Ok(None) };
        read(&word).map(Some).map_err(|why| self.error(key, why))
    }

    /// The same of a key that must be there.
    pub(super) fn need<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, FormatError> {
        let found = self.read(key, read)?;
        found.ok_or_else(|| self.mistake(format!("{} needs `{key}`", self.what)))
    }

    /// One value or a list of values.
    pub(super) fn words(&mut self, key: &'static str) -> Result<Vec<String>, FormatError> {
        let values = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(Value::Sequence(values)) => values,
            Some(one) => vec![one],
        };
        let words: Option<Vec<_>> = values.iter().map(scalar).collect();
        words.ok_or_else(|| self.error(key, "a value or a list of values is wanted here"))
    }

    /// The mapping under a key.
    pub(super) fn inner(
        &mut self,
        key: &'static str,
        what: &'static str,
    ) -> Result<Option<Keys<'a>>, FormatError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        Keys::new(self.source, self.source.of_key(self.span, key), value, what).map(Some)
    }

    /// The mappings in the list under a key, at most so many.
    pub(super) fn list(
        &mut self,
        key: &'static str,
        what: &'static str,
        most: usize,
    ) -> Result<Vec<Keys<'a>>, FormatError> {
        let values = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(Value::Sequence(values)) => values,
            Some(_) => return Err(self.error(key, "a list is wanted here")),
        };
        if values.len() > most {
            return Err(self.error(key, format!("{} of them, at most {most}", values.len())));
        }
        let span = self.source.of_key(self.span, key);
        let spans = self.source.items(span);
        let places = (0..).map(|n| spans.get(n).copied().unwrap_or(span));
        values.into_iter().zip(places).map(|(v, at)| Keys::new(self.source, at, v, what)).collect()
    }

    /// Every pair of a mapping whose keys are names.
    pub(super) fn pairs(&mut self) -> Result<Vec<(String, Value)>, FormatError> {
        let left = std::mem::take(&mut self.left);
        let pair = |(key, value)| Some((scalar(&key)?, value));
        let pairs: Option<Vec<_>> = left.into_iter().map(pair).collect();
        pairs.ok_or_else(|| self.mistake("a key here is a name"))
    }

    /// The mapping of a pair.
    pub(super) fn of(
        &self,
        key: &str,
        value: Value,
        what: &'static str,
    ) -> Result<Keys<'a>, FormatError> {
        Keys::new(self.source, self.source.of_key(self.span, key), value, what)
    }

    /// What nobody took is a mistake.
    pub(super) fn end(self) -> Result<(), FormatError> {
        let Some(key) = self.left.keys().next() else { return Ok(()) };
        let key = scalar(key).unwrap_or_else(|| "?".into());
        let known = self.known.borrow();
        let near = nearest(&key, known.iter().copied());
        let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let line = self.source.of_key(self.span, &key).first;
        Err(self.source.error(line, format!("{} has no key `{key}`{hint}", self.what)))
    }
}

/// A single value in words.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}

/// The known word that is nearest to this one.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known.min_by_key(|other| strsim::levenshtein(word, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_keys_and_items_are_found_in_both_styles() {
        let text = "name: x\n# events: no\nevents:\n  - at: 1h\n    do: reboot\n  - {at: 2h, do: login}\nexpect:\n- {who: a}\n";
        let source = Source { file: "f", text };
        let span = source.of_key(source.whole(), "events");
        assert_eq!(span, Span { first: 2, end: 6 });
        let items = source.items(span);
        assert_eq!(items, [Span { first: 3, end: 5 }, Span { first: 5, end: 6 }]);
        assert_eq!(source.of_key(items[0], "do").first, 4);
        assert_eq!(source.of_key(items[1], "do").first, 5);
        let expect = source.of_key(source.whole(), "expect");
        assert_eq!(source.items(expect), [Span { first: 7, end: 8 }]);
    }

    #[test]
    fn a_key_is_no_part_of_a_longer_one() {
        assert!(names("  - at: 1h", "at"));
        assert!(names("{do: x, at: 1h}", "at"));
        assert!(!names("  - what: 1h", "at"));
        assert!(!names("  # at: 1h", "at"));
        assert!(!names("text: at noon", "at"));
    }
}
