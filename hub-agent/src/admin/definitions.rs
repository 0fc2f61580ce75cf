//! `/v1/definitions`

use super::routes::{Body, Failure, bad, parameter, percent_decoded};
use crate::run::HubCell;
use hub_core::{
    Actor, Answer, Command, Input,
    access::{channels, policy::Kind},
};
use hyper::StatusCode;
use protocol::refusal::Refusal;
use serde_json::json;
use std::{rc::Rc, sync::Arc};

/// Puts the signed definition in the body in force.
pub(super) async fn add(cell: &Rc<HubCell>, by: &Actor, body: &[u8]) -> Result<Body, Failure> {
    let command = Command::Define(body.to_vec());
    match cell.apply_durably(Input::Command { by: by.clone(), command }).await? {
        Answer::Defined { maker, kind, installed } => {
            Ok(Body::Json(json!({ "maker": maker, "kind": kind, "installed": installed })))
        }
        Answer::NotDefined(error) => Err(Failure {
            status: StatusCode::FORBIDDEN,
            refusal: Refusal::BadDefinition,
            advice: error.to_string(),
        }),
        Answer::Refused { why, .. } => Err(why.into()),
        Answer::Done
        | Answer::Issue(_)
        | Answer::Paced
        | Answer::Wait(_)
        | Answer::Changed(_)
        | Answer::PairingOpen(_)
        | Answer::LoggedIn(_) => Err(Refusal::Internal.into()),
    }
}

/// One kind's definition as its maker wrote it, or the channels it declares.
pub(super) fn show(cell: &HubCell, name: &str, query: &str) -> Result<Body, Failure> {
    let kinds = cell.look(|hub| hub.kinds_named(&percent_decoded(name)));
    let maker = parameter(query, "maker").map(percent_decoded);
    let of = |kind: &&Arc<Kind>| {
        maker.as_deref().is_none_or(|maker| kind.definition().maker.as_str() == maker)
    };
    let mut kinds = kinds.iter().filter(of);
    let unknown = "no definition of this kind is in force; see: hub-agent definition list";
    let kind = kinds.next().ok_or_else(|| Failure {
        status: StatusCode::NOT_FOUND,
        refusal: Refusal::UnknownKind,
        advice: unknown.into(),
    })?;
    if kinds.next().is_some() {
        return Err(bad("several makers have this kind; say which with `maker`"));
    }
    match parameter(query, "format").unwrap_or("toml") {
        "toml" => Ok(Body::Text(kind.document().to_owned())),
        "mud" => Ok(Body::Json(channels::mud(kind.definition(), cell.now().wall))),
        _ => Err(bad("the format is toml or mud")),
    }
}
