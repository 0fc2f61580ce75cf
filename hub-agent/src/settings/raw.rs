//! Texts by key, each with its source.

use super::{
    MakerSettings, SettingsError,
    keys::{self, Key},
};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Embedded.
    Default,
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
    /// The command line.
    CommandLine,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Environment(name) => f.write_str(name),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// All texts, the strongest source of each.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    values: BTreeMap<&'static str, (String, Source)>,
    pub(super) makers: Vec<MakerSettings>,
    /// Whether unknown keys are passed over.
    lenient: bool,
}

impl Raw {
    /// Takes what it knows and passes over the rest.
    pub(super) fn lenient() -> Self {
        Self { lenient: true, ..Self::default() }
    }

    /// Takes a file.
    pub(super) fn file(&mut self, path: &Path) -> Result<(), SettingsError> {
        let failed = |why: String| SettingsError::File { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
        let table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| failed(e.to_string()))?;
        self.table("", &table, path)
    }

    fn table(
        &mut self,
        prefix: &str,
        table: &toml::Table,
        path: &Path,
    ) -> Result<(), SettingsError> {
        for (name, value) in table {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                toml::Value::Table(inner) => self.table(&key, inner, path)?,
                toml::Value::Array(_) if key == "makers" && self.lenient => {}
                toml::Value::Array(makers) if key == "makers" => self.add_makers(makers, path)?,
                toml::Value::Array(items) => {
                    let texts: Vec<_> = items.iter().map(text).collect();
                    self.set(&key, &texts.join(","), Source::File(path.to_owned()))?;
                }
                toml::Value::String(_)
                | toml::Value::Integer(_)
                | toml::Value::Float(_)
                | toml::Value::Boolean(_)
                | toml::Value::Datetime(_) => {
                    self.set(&key, &text(value), Source::File(path.to_owned()))?;
                }
            }
        }
        Ok(())
    }

    fn add_makers(&mut self, makers: &[toml::Value], path: &Path) -> Result<(), SettingsError> {
        for maker in makers {
            let maker = maker.clone().try_into::<MakerSettings>();
            self.makers.push(maker.map_err(|e| SettingsError::File {
                path: path.to_owned(),
                why: format!("[[makers]] needs `name` and `roots` and nothing else: {e}"),
            })?);
        }
        Ok(())
    }

    /// Takes `HUB_A__B` as `a.b`.
    pub(super) fn environment(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), SettingsError> {
        for (name, value) in variables {
            // A login's token is no setting: the command line sends it to the daemon.
            if name == "HUB_TOKEN" {
                continue;
            }
            if let Some(key) = name.strip_prefix("HUB_") {
                let key = key.to_lowercase().replace("__", ".");
                self.set(&key, &value, Source::Environment(name))?;
            }
        }
        Ok(())
    }

    /// Takes one value.
    pub(super) fn set(
        &mut self,
        key: &str,
        value: &str,
        source: Source,
    ) -> Result<(), SettingsError> {
        match keys::find(key) {
            Some(known) => {
                self.values.insert(known.name, (value.to_owned(), source));
                Ok(())
            }
            None if self.lenient => Ok(()),
            None => Err(SettingsError::Unknown {
                source_name: source.to_string(),
                key: key.to_owned(),
                nearest: keys::nearest(key),
            }),
        }
    }

    /// The value of a key and where it comes from.
    #[must_use]
    pub fn value(&self, key: &Key) -> (&str, Source) {
        match self.values.get(key.name) {
            Some((value, source)) => (value, source.clone()),
            None => (key.default, Source::Default),
        }
    }

    /// Whether a source gave this key.
    #[must_use]
    pub fn given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }
}

fn text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_)
        | toml::Value::Table(_) => value.to_string(),
    }
}
