//! `/v1/config`: settings of components.

use super::routes::{Body, Failure, bad, changed, find};
use crate::run::HubCell;
use hub_core::{Actor, Command, Hub, Members, Wish};
use hyper::StatusCode;
use protocol::{definition::SettingValue, id::Slug, refusal::Refusal};
use serde::Deserialize;
use std::{collections::BTreeMap, rc::Rc};

/// Whose configuration is meant, and what shall become of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    component: Option<String>,
    kind: Option<Slug>,
    group: Option<Slug>,
    #[serde(default)]
    all: bool,
    /// Values by name; null for the secure default.
    set: Option<BTreeMap<Slug, Option<SettingValue>>>,
    /// Back to the secure default.
    #[serde(default)]
    restore: bool,
}

/// The configurations of all components.
pub(super) fn list(cell: &HubCell) -> Result<Body, Failure> {
    serde_json::to_value(cell.look(Hub::configurations))
        .map(Body::Json)
        .map_err(|_| Refusal::Internal.into())
}

/// The configuration of one.
pub(super) fn show(cell: &HubCell, text: &str) -> Result<Body, Failure> {
    let id = find(cell, text)?;
    let view = cell.look(|hub| hub.configuration(id)).ok_or_else(|| Failure {
        status: StatusCode::NOT_FOUND,
        refusal: Refusal::UnknownKind,
        advice: "no definition covers it, so nothing of it can be configured".into(),
    })?;
    serde_json::to_value(view).map(Body::Json).map_err(|_| Refusal::Internal.into())
}

/// Changes settings, or brings back the secure default.
pub(super) async fn change(cell: &Rc<HubCell>, by: &Actor, body: &[u8]) -> Result<Body, Failure> {
    let wanted: Wanted = serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is not what this path takes: {e}")))?;
    let members = match (wanted.component, wanted.kind, wanted.group, wanted.all) {
        (Some(text), None, None, false) => Members::One(find(cell, &text)?),
        (None, Some(kind), None, false) => Members::Kind(kind),
        (None, None, Some(group), false) => Members::Group(group),
        (None, None, None, true) => Members::All,
        _ => return Err(bad("give one of `component`, `kind`, `group` and `all`")),
    };
    let command = match (wanted.set, wanted.restore) {
        (Some(set), false) if !set.is_empty() => {
            let wish = |value: Option<SettingValue>| value.map_or(Wish::Default, Wish::Value);
            let set = set.into_iter().map(|(name, value)| (name, wish(value))).collect();
            Command::Configure(members, set)
        }
        (None, true) => Command::Restore(members),
        _ => return Err(bad("give `set` with at least one setting, or `restore`")),
    };
    changed(cell, by, command).await
}
