//! Our own attributes of a rule: which incident comes of it, what to do, and what is done by itself.

use super::document::{Document, RuleError};
use crate::record::{Text, Word};
use std::time::Duration;
use yaml_serde::{Mapping, Value};

/// How long nothing must happen before the same is a new incident.
const QUIET: Duration = Duration::from_secs(3600);

/// The longest time for that.
const MAX_QUIET: Duration = Duration::from_secs(7 * 24 * 3600);

/// ATT&CK techniques of one incident.
const MAX_ATTACK: usize = 8;

/// What the hub may do by itself, where the owner's policy lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Response {
    /// Nothing.
    None,
    /// Quarantine the component.
    Quarantine,
    /// Cut its connection.
    Cut,
    /// Pause the campaign.
    PauseCampaign,
}

impl Response {
    /// Every response.
    pub const ALL: &'static [Self] =
        &[Self::None, Self::Quarantine, Self::Cut, Self::PauseCampaign];

    /// How rules write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Cut => "cut",
            Self::PauseCampaign => "pause campaign",
        }
    }
}

/// An incident that rules can raise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRule {
    /// Its id, such as HUB-01.
    pub id: Word,
    /// Its name.
    pub title: Word,
    /// What to do, in plain words.
    pub advice: Text,
    /// What the hub may do by itself.
    pub response: Response,
    /// ATT&CK techniques, such as T1110.001.
    pub attack: Vec<Word>,
    /// How long nothing must happen before the same is a new incident.
    pub quiet: Duration,
    /// The file it is from.
    pub file: String,
}

/// What a document says about the incident that comes of it; `None` where it says nothing.
pub(super) struct Own {
    pub(super) incident: Option<String>,
    pub(super) advice: Option<String>,
    pub(super) response: Response,
    pub(super) quiet: Duration,
}

impl Own {
    pub(super) fn of(document: &Document<'_>) -> Result<Self, RuleError> {
        let none = Mapping::new();
        let own = document.own().unwrap_or(&none);
        let text = |key: &str| own.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            incident: text("incident"),
            advice: text("advice"),
            response: response(text("response")).map_err(|why| document.error(why))?,
            quiet: quiet(text("quiet")).map_err(|why| document.error(why))?,
        })
    }
}

fn response(word: Option<String>) -> Result<Response, String> {
    let Some(word) = word else { return Ok(Response::None) };
    let known = Response::ALL.iter().copied().find(|response| response.word() == word);
    known.ok_or_else(|| format!("`{word}` is no response: none, quarantine, cut or pause campaign"))
}

fn quiet(text: Option<String>) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(QUIET) };
    let span = span(&text).filter(|span| (Duration::from_secs(60)..=MAX_QUIET).contains(span));
    span.ok_or_else(|| format!("quiet must be from 1m to 7d, not `{text}`"))
}

/// Spans as Sigma writes them, with milliseconds besides.
pub(super) fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "ms" => return Some(Duration::from_millis(count)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    count.checked_mul(unit).map(Duration::from_secs)
}

/// The techniques among a rule's tags.
pub(super) fn attack(tags: &[String]) -> Vec<Word> {
    let technique = |tag: &String| {
        let name = tag.strip_prefix("attack.t")?;
        name.starts_with(|c: char| c.is_ascii_digit()).then(|| Word::clip(&format!("T{name}")))
    };
    tags.iter().filter_map(technique).take(MAX_ATTACK).collect()
}
