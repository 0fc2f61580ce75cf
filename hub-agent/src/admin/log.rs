//! `/v1/log`, `/v1/incidents` and `/v1/dispose`

use super::routes::{Body, Failure, bad, changed, find, parameter, percent_decoded};
use crate::{journal::Question, run::HubCell, store::StoreError};
use hub_core::{
    Actor, Command, Table, Write,
    detect::Incident,
    record::{RecordKind, Severity, rfc3339},
};
use hyper::StatusCode;
use protocol::{id::Note, refusal::Refusal, time::Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use state_log::{From, MAX_PAGE, Query};
use std::rc::Rc;

/// Records of an answer unless more are asked for, and at most: what one answer holds stays small.
const PAGE: (usize, usize) = (100, 1000);

/// Records looked at for one answer; where more lie between, the answer says where to go on.
const EXAMINED: usize = 200_000;

impl std::convert::From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let advice = error.to_string();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, refusal: Refusal::StoreUnavailable, advice }
    }
}

/// Records that match, and where to go on.
pub(super) async fn records(cell: &Rc<HubCell>, text: &str) -> Result<Body, Failure> {
    let query = query(cell, text)?;
    let hub = cell.look(hub_core::Hub::own_id);
    let question = match parameter(text, "format").unwrap_or("json") {
        "json" => Question::Records(query),
        "ocsf" => Question::Export { query, syslog: false, hub },
        "syslog" => Question::Export { query, syslog: true, hub },
        _ => return Err(bad("the format is json, ocsf or syslog")),
    };
    Ok(Body::Json(cell.ask_log(question).await?))
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
struct Disposal {
    component: Option<String>,
    /// Must be there: nothing brings it back.
    confirm: bool,
}

/// Makes what the log holds of a component, or everything, unreadable for good.
pub(super) async fn dispose(cell: &Rc<HubCell>, by: &Actor, body: &[u8]) -> Result<Body, Failure> {
    let Disposal { component, confirm } = parsed(body)?;
    if !confirm {
        return Err(bad("nothing brings erased data back: say so with confirm"));
    }
    let whom = component.map(|text| find(cell, &text)).transpose()?;
    changed(cell, by, Command::Dispose(whom)).await?;
    let Timestamp(now) = cell.now().wall;
    // Who wanted it is in the log before anything goes.
    let row = Write {
        table: Table::Meta,
        key: b"disposed".to_vec(),
        value: Some(now.to_be_bytes().to_vec()),
    };
    cell.make_durable(vec![row]).await?;
    Ok(Body::Json(cell.ask_log(Question::Erase(whom, now)).await?))
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is not what this path takes: {e}")))
}
