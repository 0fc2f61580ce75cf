//! Component definitions: what a maker says one kind of component is, holds and may do.
//!
//! One signed document per kind is the single source of rights, validation, baselines and
//! documentation. Makers write it in TOML; [`Definition::parse`] explains every mistake by its line, and
//! what it returns cannot contradict itself. [`envelope`] carries the signature.
//!
//! | module | holds |
//! |---|---|
//! | [`envelope`] | the document with its maker's signature, as it travels |
//! | `document` | the sections of a document, one reader each |
//! | `schema` | what a JSON Schema in a document may use |
//! | `reader` | values with their lines, and the list of mistakes |
//! | `value` | types and values of settings |

mod document;
pub mod envelope;
mod reader;
mod schema;
mod value;

pub use reader::{Mistake, Mistakes};
pub use value::{OutOfRange, SettingType, SettingValue};

use crate::{
    id::{Label, ModelId, Note, Slug, Uri},
    time::Date,
};
use std::{collections::BTreeMap, fmt};

/// Version of the document format this code reads: the key `format`.
pub const FORMAT: i64 = 1;

/// Largest document in bytes.
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// Most settings, streams, commands and destinations of one kind.
pub const MOST: Most =
    Most { settings: 64, streams: 16, commands: 32, destinations: 32, names: 32 };

/// How many of each a document may declare.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// Settings.
    pub settings: usize,
    /// Streams; an announcement names as many at most.
    pub streams: usize,
    /// Commands.
    pub commands: usize,
    /// Network destinations.
    pub destinations: usize,
    /// Items of each other list.
    pub names: usize,
}

/// What one kind of component is, holds and may do.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The kind, as components announce it.
    pub kind: Slug,
    /// Who makes it, as components announce it.
    pub maker: Label,
    /// Models it covers.
    pub models: Vec<Label>,
    /// Counts the maker's changes; an older one never replaces a newer one.
    pub revision: u32,
    /// What it is called, for people.
    pub title: Label,
    /// What harm its misuse may do.
    pub impact: Impact,
    /// Last day of its maker's support.
    pub support_end: Date,
    /// Where its software bill of materials stands.
    pub sbom: Uri,
    /// Where its maker publishes its MUD file (RFC 8520).
    pub mud: Uri,
    /// Classes of personal or product data it may hold.
    pub data: Vec<Slug>,
    /// Its interfaces.
    pub interfaces: Interfaces,
    /// How its updates are installed.
    pub update: Install,
    /// The line of releases its images are of; none are relayed to it when there is none.
    pub update_model: Option<ModelId>,
    /// What can be configured.
    pub settings: Vec<Setting>,
    /// What it says.
    pub streams: Vec<Stream>,
    /// What it can be told to do.
    pub commands: Vec<Command>,
    /// Where it may connect to outside the product.
    pub destinations: Vec<Destination>,
}

/// What harm misuse may do (the levels of FIPS 199).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// A nuisance.
    Low,
    /// Serious harm.
    Moderate,
    /// Severe harm, to people too.
    High,
}

/// Network and user interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// Those it has.
    pub has: Vec<Slug>,
    /// Those of them it needs to work; the hub asks it to close the others.
    pub needs: Vec<Slug>,
}

/// How updates are installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// As soon as they are verified.
    Automatic,
    /// When the owner agrees.
    Ask,
}

/// How much a setting or command can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Everyday use.
    Normal,
    /// Safety, security or privacy hang on it.
    High,
}

/// Who acts, besides components.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Owns the product.
    Owner,
    /// Sets it up and services it.
    Installer,
    /// Uses it for a while.
    Guest,
    /// The maker's cloud.
    Cloud,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Installer, Self::Guest, Self::Cloud];

    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Installer => "installer",
            Self::Guest => "guest",
            Self::Cloud => "cloud",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = &'static str;
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|role| role.word() == word);
        found.ok_or("must be owner, installer, guest or cloud")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Something that can be configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Line of the document.
    pub line: usize,
    /// Its name.
    pub name: Slug,
    /// What it does, in plain words.
    pub effect: Note,
    /// Values it takes.
    pub kind: SettingType,
    /// Its secure default.
    pub default: SettingValue,
    /// What hangs on it.
    pub risk: Risk,
    /// The interface that is open while it is true.
    pub opens: Option<Slug>,
    /// Who may set it.
    pub roles: Vec<Role>,
}

/// Bounds of one kind of message.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// Largest payload in bytes.
    pub max_bytes: usize,
    /// Messages per minute, with a burst of a quarter of a minute.
    pub per_minute: u32,
    /// JSON Schema (2020-12) of the payload, with text keys.
    pub schema: serde_json::Value,
}

/// Something it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Line of the document.
    pub line: usize,
    /// Its name.
    pub name: Slug,
    /// What a value means, with its unit.
    pub meaning: Note,
    /// Class of data it carries, if any.
    pub data: Option<Slug>,
    /// Its bounds.
    pub traffic: Traffic,
    /// Property that must grow from value to value within one life.
    pub rises: Option<String>,
    /// Kinds of components that may hear it.
    pub readers: Vec<Slug>,
}

/// Something it can be told to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Line of the document.
    pub line: usize,
    /// Its name.
    pub name: Slug,
    /// What it does, in plain words.
    pub effect: Note,
    /// What hangs on it.
    pub risk: Risk,
    /// Its bounds.
    pub traffic: Traffic,
    /// Seconds after which it must not be obeyed any more.
    pub valid_for: u32,
    /// Kinds of components that may give it.
    pub from: Vec<Slug>,
    /// People and services that may give it.
    pub roles: Vec<Role>,
}

/// A connection it may make to the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Line of the document.
    pub line: usize,
    /// DNS name.
    pub host: Host,
    /// Port there.
    pub port: u16,
    /// TCP or UDP.
    pub transport: Transport,
    /// What for.
    pub purpose: Note,
}

/// Transport protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A DNS name of at least two labels, in lower case (RFC 1123).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host(Box<str>);

impl Host {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Host {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let good =
            text.len() <= 253 && text.contains('.') && text.split('.').all(label) && !numeric;
        good.then(|| Self(text.into()))
            .ok_or("must be a DNS name in lower case with at least one dot, no address")
    }
}

impl Definition {
    /// Reads a document.
    ///
    /// # Errors
    /// Every mistake it has, by line.
    pub fn parse(document: &str) -> Result<Self, Mistakes> {
        document::parse(document)
    }

    /// The stream of this name.
    #[must_use]
    pub fn stream(&self, name: &Slug) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.name == *name)
    }

    /// The command of this name.
    #[must_use]
    pub fn command(&self, name: &Slug) -> Option<&Command> {
        self.commands.iter().find(|command| command.name == *name)
    }

    /// The setting of this name.
    #[must_use]
    pub fn setting(&self, name: &Slug) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.name == *name)
    }

    /// The interfaces that may be open with these settings: those it needs, and those that a setting opens.
    #[must_use]
    pub fn open(&self, settings: &BTreeMap<Slug, SettingValue>) -> Vec<Slug> {
        let opened = |setting: &Setting| {
            let on = settings.get(&setting.name) == Some(&SettingValue::Boolean(true));
            setting.opens.clone().filter(|_| on)
        };
        let needed = self.interfaces.needs.iter().cloned();
        let mut open: Vec<_> = needed.chain(self.settings.iter().filter_map(opened)).collect();
        open.sort_unstable();
        open.dedup();
        open
    }

    /// Every setting at its secure default.
    #[must_use]
    pub fn baseline(&self) -> BTreeMap<Slug, SettingValue> {
        self.settings.iter().map(|one| (one.name.clone(), one.default.clone())).collect()
    }
}
