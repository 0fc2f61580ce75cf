//! `/v1/log`, `/v1/incidents` and `/v1/dispose`

use super::routes::{Body, Failure, bad, changed, find, parameter, percent_decoded};
use crate::{
    journal::{Gone, Question, subject_of},
    run::HubCell,
    store::StoreError,
};
use hub_core::{
    Actor, Command, Disposal, Input,
    detect::Incident,
    record::{RecordKind, Severity, rfc3339},
};
use hyper::StatusCode;
use protocol::{
    id::{Note, Slug},
    refusal::Refusal,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Value, json};
use state_log::{Deletion, Erasure, From, MAX_PAGE, Query};
use std::rc::Rc;

/// Records of an answer unless more are asked for, and at most: what one answer holds stays small.
const PAGE: (usize, usize) = (100, 1000);

/// Records looked at for one answer; where more lie between, the answer says where to go on.
const EXAMINED: usize = 200_000;

impl std::convert::From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let advice = error.to_string();
        let (status, refusal) = match error {
            StoreError::NothingHeld => (StatusCode::NOT_FOUND, Refusal::Unknown),
            StoreError::InUse(_)
            | StoreError::Damaged { .. }
            | StoreError::Format { .. }
            | StoreError::Full { .. }
            | StoreError::LogDamaged(_)
            | StoreError::Log(_)
            | StoreError::Io(_) => (StatusCode::SERVICE_UNAVAILABLE, Refusal::StoreUnavailable),
        };
        Self { status, refusal, advice }
    }
}

/// Records that match, and where to go on. That somebody takes a copy is told of once, where the copy begins.
pub(super) async fn records(cell: &Rc<HubCell>, by: &Actor, text: &str) -> Result<Body, Failure> {
    let query = query(cell, text)?;
    let hub = cell.look(hub_core::Hub::own_id);
    let as_lines = match parameter(text, "format").unwrap_or("json") {
        "json" => return Ok(Body::Json(cell.ask_log(Question::Records(query)).await?)),
        "ocsf" => false,
        "syslog" => true,
        _ => return Err(bad("the format is json, ocsf or syslog")),
    };
    if matches!(query.from, From::Newest | From::On(0)) {
        cell.apply_durably(Input::Exported { by: by.clone() }).await?;
    }
    Ok(Body::Json(cell.ask_log(Question::Export { query, syslog: as_lines, hub }).await?))
}

fn query(cell: &HubCell, text: &str) -> Result<Query, Failure> {
    let number = |name: &str| -> Result<Option<u64>, Failure> {
        let given = parameter(text, name).map(str::parse::<u64>).transpose();
        given.map_err(|_| bad(format!("{name} must be a whole number")))
    };
    let kinds = parameter(text, "kind").map(percent_decoded);
    let kinds = kinds.iter().flat_map(|kinds| kinds.split(','));
    let kinds = kinds.map(|kind| kind.parse::<RecordKind>().map(|kind| kind as u16));
    let component = parameter(text, "component").map(|text| find(cell, text)).transpose()?;
    let severity = parameter(text, "severity").map(severity).transpose()?;
    let (from, to) = (number("from")?, number("to")?);
    Ok(Query {
        subject: component.map(|id| *id.as_bytes()),
        kinds: kinds.collect::<Result<_, _>>().map_err(|error| bad(error.to_string()))?,
        times: (from.is_some() || to.is_some())
            .then(|| (from.unwrap_or(0), to.unwrap_or(u64::MAX))),
        severity: severity.map_or(0, |severity| severity as u8),
        from: match (number("on")?, number("below")?) {
            (Some(on), None) => From::On(on),
            (None, Some(below)) => From::Below(below),
            (None, None) => From::Newest,
            (Some(_), Some(_)) => return Err(bad("give on or below, not both")),
        },
        limit: usize::try_from(number("limit")?.unwrap_or(PAGE.0 as u64))
            .unwrap_or(PAGE.1)
            .clamp(1, PAGE.1.min(MAX_PAGE)),
        examine: EXAMINED,
    })
}

fn severity(word: &str) -> Result<Severity, Failure> {
    let known = Severity::ALL.iter().copied().find(|severity| severity.word() == word);
    known.ok_or_else(|| bad("the severity is informational, low, medium, high or critical"))
}

/// The newest checkpoint and the heads that a witness cosigned.
pub(super) async fn heads(cell: &Rc<HubCell>) -> Result<Body, Failure> {
    Ok(Body::Json(cell.ask_log(Question::Heads).await?))
}

/// That a record is in the log.
pub(super) async fn prove(cell: &Rc<HubCell>, number: &str) -> Result<Body, Failure> {
    let number = number.parse().map_err(|_| bad("a record's number is a whole number"))?;
    Ok(Body::Json(cell.ask_log(Question::Prove(number)).await?))
}

/// Every incident that is remembered, oldest first.
pub(super) fn incidents(cell: &HubCell) -> Body {
    Body::Json(cell.look(|hub| hub.incidents().iter().map(shown).collect()))
}

/// One incident.
pub(super) fn incident(cell: &HubCell, number: &str) -> Result<Body, Failure> {
    let number: u64 = number.parse().map_err(|_| bad("an incident's number is a whole number"))?;
    let found = cell.look(|hub| hub.incidents().get(number).map(shown));
    found.map(Body::Json).ok_or_else(|| Refusal::Unknown.into())
}

fn shown(incident: &Incident) -> Value {
    let mut shown = json!(incident);
    shown["severity"] = incident.severity.word().into();
    (shown["first"], shown["last"]) =
        (rfc3339(incident.first).into(), rfc3339(incident.last).into());
    for (act, done) in [("acknowledged", &incident.acknowledged), ("closed", &incident.closed)] {
        if let Some(done) = done {
            shown[act]["at"] = rfc3339(done.at).into();
        }
    }
    shown["state"] = match (&incident.closed, &incident.acknowledged) {
        (Some(_), _) => "closed",
        (None, Some(_)) => "acknowledged",
        (None, None) => "open",
    }
    .into();
    shown
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    reason: Note,
    #[serde(default)]
    close: bool,
}

/// Somebody looked at an incident, or closes it.
pub(super) async fn act(
    cell: &Rc<HubCell>,
    by: &Actor,
    number: &str,
    body: &[u8],
) -> Result<Body, Failure> {
    let number = number.parse().map_err(|_| bad("an incident's number is a whole number"))?;
    let Act { reason, close } = parsed(body)?;
    changed(cell, by, Command::Incident { number, reason, closes: close }).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    component: Option<String>,
    person: Option<Slug>,
    /// Only records from this time on, and before that one: milliseconds since 1970.
    from: Option<u64>,
    to: Option<u64>,
    /// Must be there: nothing brings it back.
    confirm: bool,
}

impl Wanted {
    fn meant(&self, cell: &HubCell) -> Result<Disposal, Failure> {
        let id = self.component.as_ref().map(|text| find(cell, text)).transpose()?;
        match (id, &self.person, self.from, self.to) {
            (None, None, None, None) => Ok(Disposal::All),
            (Some(id), None, None, None) => Ok(Disposal::Component(id)),
            (None, Some(name), None, None) => Ok(Disposal::Person(name.clone())),
            (Some(id), None, from, to) => {
                let (from, to) = (Timestamp(from.unwrap_or(0)), Timestamp(to.unwrap_or(u64::MAX)));
                Ok(Disposal::Times(id, from, to))
            }
            (_, Some(_), _, _) => Err(bad("give a component or a person; a person without times")),
            (None, None, _, _) => Err(bad("times need a component")),
        }
    }
}

/// Makes data unreadable, or takes it away, for good.
pub(super) async fn dispose(cell: &Rc<HubCell>, by: &Actor, body: &[u8]) -> Result<Body, Failure> {
    let wanted: Wanted = parsed(body)?;
    if !wanted.confirm {
        return Err(bad("nothing brings erased data back: say so with confirm"));
    }
    let what = wanted.meant(cell)?;
    // Who wanted it is in the log before anything goes.
    changed(cell, by, Command::Dispose(what.clone())).await?;
    let Timestamp(now) = cell.now().wall;
    let gone = match &what {
        Disposal::All => Gone::Keys(Erasure::All),
        Disposal::Component(id) => Gone::Keys(Erasure::Subject(*id.as_bytes())),
        Disposal::Person(name) => Gone::Keys(Erasure::Personal(subject_of(name.as_str()))),
        Disposal::Times(id, from, to) => {
            let whose = state_log::What::Subject(*id.as_bytes());
            Gone::Records(Deletion { what: whose, times: (from.0, to.0) })
        }
    };
    let mut receipt = cell.ask_log(Question::Dispose(gone, now)).await?;
    cell.forget_events(&what);
    receipt["erased"] = what.to_string().into();
    Ok(Body::Json(receipt))
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is not what this path takes: {e}")))
}
