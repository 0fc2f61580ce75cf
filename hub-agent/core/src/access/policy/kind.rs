//! A definition ready for use.

use super::verify::{Authored, Verified};
use jsonschema::{PatternOptions, Validator};
use protocol::{
    definition::{Command, Definition, Mistake, Mistakes, Stream, Traffic},
    id::{Label, Slug},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Largest compiled regular expression in bytes. The engine's time is linear in the text.
const PATTERN_SIZE: usize = 256 * 1024;

/// One kind of component, with its schemas compiled.
#[derive(Clone, Debug)]
pub struct Kind {
    definition: Definition,
    document: String,
    anchor: Label,
    streams: BTreeMap<Slug, Validator>,
    commands: BTreeMap<Slug, Validator>,
}

impl Kind {
    /// Compiles a definition.
    ///
    /// # Errors
    /// When a schema is none, by the line of its stream or command.
    pub fn compile(verified: Verified<Authored>) -> Result<Self, Mistakes> {
        let (Authored { document, definition }, anchor) = verified.into_parts();
        let (streams, commands) = compiled(&definition)?;
        Ok(Self { definition, document, anchor, streams, commands })
    }

    /// What its maker says.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The document as its maker wrote it.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Name of the roots that vouch for it.
    #[must_use]
    pub fn anchor(&self) -> &Label {
        &self.anchor
    }

    /// The stream of this name and its schema.
    #[must_use]
    pub fn stream(&self, name: &Slug) -> Option<(&Stream, &Validator)> {
        Some((self.definition.stream(name)?, self.streams.get(name)?))
    }

    /// The command of this name and its schema.
    #[must_use]
    pub fn command(&self, name: &Slug) -> Option<(&Command, &Validator)> {
        Some((self.definition.command(name)?, self.commands.get(name)?))
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Definition { kind, revision, .. } = &self.definition;
        write!(f, "{kind} revision {revision}")
    }
}

/// Finds every mistake of a document that no signature covers yet: what its maker runs before signing.
///
/// # Errors
/// The mistakes.
pub fn check(document: &str) -> Result<Definition, Mistakes> {
    let definition = Definition::parse(document)?;
    compiled(&definition).map(|_| definition)
}

type Compiled = (BTreeMap<Slug, Validator>, BTreeMap<Slug, Validator>);

fn compiled(definition: &Definition) -> Result<Compiled, Mistakes> {
    let mut mistakes = Vec::new();
    let mut all = |key: &str, rules: &mut dyn Iterator<Item = (&Slug, usize, &Traffic)>| {
        let mut validators = BTreeMap::new();
        for (name, line, traffic) in rules {
            match schema(&traffic.schema) {
                Ok(validator) => drop(validators.insert(name.clone(), validator)),
                Err(text) => {
                    let key = format!("{key} {name}: schema");
                    mistakes.push(Mistake { line, column: 1, key, text });
                }
            }
        }
        validators
    };
    let streams =
        all("stream", &mut definition.streams.iter().map(|s| (&s.name, s.line, &s.traffic)));
    let commands =
        all("command", &mut definition.commands.iter().map(|c| (&c.name, c.line, &c.traffic)));
    if mistakes.is_empty() { Ok((streams, commands)) } else { Err(Mistakes(mistakes)) }
}

fn schema(schema: &Value) -> Result<Validator, String> {
    jsonschema::draft202012::options()
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE))
        .build(schema)
        .map_err(|error| error.to_string())
}
