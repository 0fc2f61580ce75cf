//! `/v1/updates` and `/v1/notices`

use super::routes::{Body, Failure, bad, changed, find, parameter, percent_decoded};
use crate::run::HubCell;
use hub_core::{
    Actor, Command, Hub, UpdateWish,
    access::gate::{Operation, authorize_operation},
};
use hyper::StatusCode;
use protocol::{
    id::{ComponentId, ModelId},
    refusal::Refusal,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::json;
use std::{rc::Rc, time::Duration};

/// Longest postponement.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    wish: Wish,
    /// Milliseconds since 1970.
    until: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Wish {
    Approve,
    Postpone,
    Pause,
    Cancel,
    Retry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Switch {
    on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Root {
    root: String,
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is not what this path takes: {e}")))
}

fn json(value: impl serde::Serialize) -> Result<Body, Failure> {
    serde_json::to_value(value).map(Body::Json).map_err(|_| Refusal::Internal.into())
}

/// Every campaign, newest first.
pub(super) fn list(cell: &HubCell) -> Result<Body, Failure> {
    json(cell.look(Hub::campaigns))
}

/// Releases that this person wants to be told of.
pub(super) fn notices(cell: &HubCell, by: &Actor) -> Result<Body, Failure> {
    json(cell.look(|hub| hub.notices(by)))
}

/// Updates that ended, newest last.
pub(super) fn history(cell: &HubCell, query: &str) -> Result<Body, Failure> {
    let of = parameter(query, "component").map(|text| member(cell, text)).transpose()?;
    let wanted = |id: ComponentId| of.is_none_or(|of| of == id);
    let ended = cell.look(|hub| {
        let all = hub.update_history().filter(|ended| wanted(ended.component));
        let view = |ended: &hub_core::update::Ended| {
            json!({
                "at": hub_core::inventory::export::rfc3339(ended.at),
                "since": hub_core::inventory::export::rfc3339(ended.since),
                "component": ended.component,
                "model": ended.model,
                "name": ended.name,
                "counter": ended.counter,
                "outcome": ended.outcome,
                "fault": ended.fault,
            })
        };
        all.map(view).collect::<Vec<_>>()
    });
    json(ended)
}

/// Somebody wants something of a model's newest release.
pub(super) async fn wish(
    cell: &Rc<HubCell>,
    by: &Actor,
    model: &str,
    body: &[u8],
) -> Result<Body, Failure> {
    let model = ModelId::new(&percent_decoded(model)).map_err(|e| bad(e.to_string()))?;
    let Wanted { wish, until } = parsed(body)?;
    let wish = match (wish, until) {
        (Wish::Postpone, Some(until)) => {
            let latest = cell.now().wall.plus(LONGEST);
            UpdateWish::Postpone(Timestamp(until).min(latest))
        }
        (Wish::Postpone, None) => return Err(bad("give `until`, in milliseconds since 1970")),
        (_, Some(_)) => return Err(bad("`until` belongs to `postpone`")),
        (Wish::Approve, None) => UpdateWish::Approve,
        (Wish::Pause, None) => UpdateWish::Pause,
        (Wish::Cancel, None) => UpdateWish::Cancel,
        (Wish::Retry, None) => UpdateWish::Retry,
    };
    changed(cell, by, Command::Campaign(model, wish)).await
}

/// Somebody wants to be told of updates of a component, or not.
pub(super) async fn switch(
    cell: &Rc<HubCell>,
    by: &Actor,
    text: &str,
    body: &[u8],
) -> Result<Body, Failure> {
    let Switch { on } = parsed(body)?;
    changed(cell, by, Command::Notices(member(cell, text)?, on)).await
}

/// A component, or the hub itself as `hub` or by its id.
fn member(cell: &HubCell, text: &str) -> Result<ComponentId, Failure> {
    let own = cell.look(Hub::own_id);
    if text == "hub" || text == own.to_string() { Ok(own) } else { find(cell, text) }
}

/// Asks the repository now.
pub(super) async fn check(cell: &Rc<HubCell>, by: &Actor) -> Result<Body, Failure> {
    authorize(by, Operation::Install)?;
    let repository = cell.repository().ok_or_else(none)?;
    json(repository.check().await.map_err(refused)?)
}

/// Pins a root of the repository.
pub(super) async fn pin(cell: &Rc<HubCell>, by: &Actor, body: &[u8]) -> Result<Body, Failure> {
    authorize(by, Operation::Own)?;
    let Root { root } = parsed(body)?;
    let repository = cell.repository().ok_or_else(none)?;
    let pinned = repository.pin(root.into_bytes()).await.map_err(refused)?;
    cell.apply(hub_core::Input::Repository(hub_core::RepositoryState::Pinned(by.to_string())));
    json(pinned)
}

fn authorize(by: &Actor, operation: Operation) -> Result<(), Failure> {
    authorize_operation(by.role(), operation).map_err(|denied| denied.refusal.into())
}

fn none() -> Failure {
    Failure {
        status: StatusCode::CONFLICT,
        refusal: Refusal::WrongState,
        advice: "no repository is set: see updates.mirrors and updates.root in the settings".into(),
    }
}

fn refused(why: String) -> Failure {
    Failure { status: StatusCode::FORBIDDEN, refusal: Refusal::WrongState, advice: why }
}
