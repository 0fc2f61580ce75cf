//! One request of the local API.

use super::{
    config, definitions, log, metrics,
    people::{self, Caller, Who},
    updates,
};
use crate::run::HubCell;
use http_body_util::{BodyExt, Full, Limited};
use hub_core::{
    Actor, Answer, Command, Denied, Hub, Input, Selector,
    access::{
        gate::{Operation, authorize_operation},
        pairing::{MAX_CODES, code_text},
    },
};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    http::request::Parts,
};
use protocol::{
    id::{ComponentId, Label, Note, Slug},
    refusal::Refusal,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{rc::Rc, time::Duration};
use uuid::Uuid;

/// Largest body of a request: a signed definition.
const MAX_BODY: usize = protocol::definition::envelope::MAX_ENVELOPE + 1;

/// Longest wait for events.
const MAX_WAIT: Duration = Duration::from_secs(20);

type Reply = Response<Full<Bytes>>;

/// Why a request has no answer, as HTTP says it.
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) refusal: Refusal,
    pub(super) advice: String,
}

impl From<Refusal> for Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these few mean anything but no here")]
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::Unknown | Refusal::UnknownTopic => StatusCode::NOT_FOUND,
            Refusal::StoreUnavailable | Refusal::Full => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::WrongState | Refusal::IdInUse => StatusCode::CONFLICT,
            Refusal::BadRequest => StatusCode::BAD_REQUEST,
            Refusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::FORBIDDEN,
        };
        Self { status, refusal, advice: refusal.advice().to_owned() }
    }
}

/// A refusal that says what exactly.
fn detailed(why: Refusal, detail: &str) -> Failure {
    let failure = Failure::from(why);
    let gap = if detail.is_empty() { "" } else { "; " };
    let advice = format!("{detail}{gap}{}", failure.advice);
    Failure { advice, ..failure }
}

pub(super) fn bad(advice: impl Into<String>) -> Failure {
    Failure { status: StatusCode::BAD_REQUEST, refusal: Refusal::BadRequest, advice: advice.into() }
}

pub(super) async fn answer(
    cell: &Rc<HubCell>,
    uid: Option<u32>,
    request: Request<Incoming>,
) -> Reply {
    let (parts, body) = request.into_parts();
    // A login may end while a body comes in, so who asks is found out after that.
    let answered = match whole(body).await {
        Err(why) => Err(why),
        Ok(body) => match people::caller(cell, uid, &parts.headers) {
            Caller::Known(actor) => route(cell, &actor, uid, &parts, &body).await,
            Caller::Stranger(uid) => stranger(cell, uid, &parts, &body).await,
            Caller::BadToken => Err(not_known(cell, "a token that is not good", uid)),
        },
    };
    match answered {
        Ok(Body::Json(value)) => reply(StatusCode::OK, "application/json", value.to_string()),
        Ok(Body::Text(text)) => reply(StatusCode::OK, "text/plain; version=0.0.4", text),
        Err(why) => failure(why),
    }
}

/// Somebody who has not logged in may do nothing but that.
async fn stranger(
    cell: &Rc<HubCell>,
    uid: Option<u32>,
    parts: &Parts,
    body: &[u8],
) -> Result<Body, Failure> {
    match (&parts.method, parts.uri.path()) {
        (&Method::POST, "/v1/login") => people::login(cell, local(uid), body).await,
        (&Method::POST, "/v1/setup") => people::setup(cell, local(uid), body).await,
        _ => Err(not_known(cell, "no login", uid)),
    }
}

fn local(uid: Option<u32>) -> String {
    uid.map_or("an unknown local user".to_owned(), |uid| format!("local user {uid}"))
}

fn not_known(cell: &HubCell, why: &str, uid: Option<u32>) -> Failure {
    let about = format!("the local API: {why}, {}", local(uid));
    let refusal = Refusal::BadCredentials;
    cell.apply(Input::Denied { who: None, from: None, refusal, about });
    let advice = "log in first: hub-agent login NAME; or ask as the daemon's own user".to_owned();
    Failure { status: StatusCode::UNAUTHORIZED, refusal, advice }
}

/// What looking at a path is to the gate.
fn looking(path: &[&str]) -> Operation {
    match path {
        [
            "v1",
            "log" | "incidents" | "events" | "inventory" | "decisions" | "metrics" | "explain",
            ..,
        ] => Operation::Audit,
        ["v1", "accounts", ..] => Operation::Accounts,
        ["v1", "pairing"] => Operation::Install,
        _ => Operation::Look,
    }
}

pub(super) enum Body {
    Json(Value),
    Text(String),
}

async fn route(
    cell: &Rc<HubCell>,
    by: &Actor,
    uid: Option<u32>,
    parts: &Parts,
    body: &[u8],
) -> Result<Body, Failure> {
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    let query = parts.uri.query().unwrap_or_default();
    let who = Who { uid, headers: &parts.headers };
    let now = cell.now();
    let json = |value: Result<Value, serde_json::Error>| {
        value.map(Body::Json).map_err(|_| Failure::from(Refusal::Internal))
    };
    let looks = parts.method == Method::GET || path == ["v1", "explain"];
    if looks && let Err(denied) = authorize_operation(by.role(), looking(&path)) {
        let about = format!("{by}: {}", parts.uri.path());
        let Denied { refusal, detail } = denied;
        cell.apply(Input::Denied { who: None, from: None, refusal, about });
        return Err(detailed(refusal, &detail));
    }
    match (&parts.method, path.as_slice()) {
        (&Method::POST, ["v1", "login"]) => people::login(cell, local(uid), body).await,
        (&Method::DELETE, ["v1", "login"]) => people::logout(cell, by, &parts.headers).await,
        (&Method::POST, ["v1", "setup"]) => people::setup(cell, local(uid), body).await,
        (&Method::POST, ["v1", "reset"]) => {
            let done = changed(cell, by, Command::Reset).await?;
            cell.announce_setup().map_err(|_| Failure::from(Refusal::Internal))?;
            Ok(done)
        }
        (&Method::GET, ["v1", "accounts"]) => Ok(people::list(cell)),
        (&Method::POST, ["v1", "accounts"]) => people::add(cell, who, body).await,
        (&Method::POST, ["v1", "accounts", name, "password"]) => {
            people::password(cell, who, name, body).await
        }
        (&Method::DELETE, ["v1", "accounts", name]) => people::remove(cell, by, name).await,
        (&Method::GET, ["v1", "status"]) => Ok(Body::Json(status(cell))),
        (&Method::GET, ["v1", "components"]) => {
            json(serde_json::to_value(cell.look(|hub| hub.components())))
        }
        (&Method::GET, ["v1", "components", text]) => {
            let id = find(cell, text)?;
            json(serde_json::to_value(cell.look(|hub| hub.component(id))))
        }
        (&Method::GET, ["v1", "components", text, "config"]) => config::show(cell, text),
        (&Method::GET, ["v1", "config"]) => config::list(cell),
        (&Method::POST, ["v1", "config"]) => config::change(cell, by, body).await,
        (&Method::POST, ["v1", "components", text, "command"]) => {
            let command = give(cell, text, body)?;
            changed(cell, by, command).await
        }
        (&Method::POST, ["v1", "components", text, "notices"]) => {
            updates::switch(cell, by, text, body).await
        }
        (&Method::POST, ["v1", "components", text, verb]) => {
            let command = command(cell, text, verb, &read(body)?)?;
            changed(cell, by, command).await
        }
        (&Method::POST, ["v1", "approve-all"]) => {
            changed(cell, by, Command::Approve(Selector::AllPending)).await
        }
        (&Method::GET, ["v1", "pairing"]) => Ok(Body::Json(pairing(cell))),
        (&Method::POST, ["v1", "pairing"]) => open_pairing(cell, by, &read(body)?).await,
        (&Method::DELETE, ["v1", "pairing"]) => changed(cell, by, Command::ClosePairing).await,
        (&Method::GET, ["v1", "inventory"]) => match parameter(query, "format").unwrap_or("json") {
            "json" => Ok(Body::Json(cell.look(|hub| hub.export_json(now)))),
            "cyclonedx" => {
                Ok(Body::Json(cell.look(|hub| hub.export_cyclonedx(now, random_uuid()))))
            }
            "nftables" => Ok(Body::Text(cell.look(|hub| hub.export_nftables(now)))),
            _ => Err(bad("the format is json, cyclonedx or nftables")),
        },
        (&Method::GET, ["v1", "decisions"]) => decisions(cell, query),
        (&Method::POST, ["v1", "explain"]) => explain(cell, body),
        (&Method::GET, ["v1", "updates"]) => updates::list(cell),
        (&Method::GET, ["v1", "updates", "history"]) => updates::history(cell, query),
        (&Method::GET, ["v1", "notices"]) => updates::notices(cell, by),
        (&Method::POST, ["v1", "updates", "check"]) => updates::check(cell, by).await,
        (&Method::POST, ["v1", "updates", "root"]) => updates::pin(cell, by, body).await,
        (&Method::POST, ["v1", "updates", model]) => updates::wish(cell, by, model, body).await,
        (&Method::GET, ["v1", "definitions"]) => {
            json(serde_json::to_value(cell.look(Hub::definitions)))
        }
        (&Method::GET, ["v1", "definitions", kind]) => definitions::show(cell, kind, query),
        (&Method::POST, ["v1", "definitions"]) => definitions::add(cell, by, body).await,
        (&Method::GET, ["v1", "log"]) => log::records(cell, by, query).await,
        (&Method::GET, ["v1", "log", "heads"]) => log::heads(cell).await,
        (&Method::GET, ["v1", "log", "prove", number]) => log::prove(cell, number).await,
        (&Method::GET, ["v1", "incidents"]) => Ok(log::incidents(cell)),
        (&Method::GET, ["v1", "incidents", number]) => log::incident(cell, number),
        (&Method::POST, ["v1", "incidents", number]) => log::act(cell, by, number, body).await,
        (&Method::POST, ["v1", "dispose"]) => log::dispose(cell, by, body).await,
        (&Method::GET, ["v1", "events"]) => Ok(Body::Json(events(cell, query).await)),
        (&Method::GET, ["v1", "metrics"]) => Ok(Body::Text(metrics::text(cell))),
        _ => Err(Failure {
            status: StatusCode::NOT_FOUND,
            refusal: Refusal::UnknownTopic,
            advice: "see hub-agent/ADMIN.md for the paths there are".into(),
        }),
    }
}

fn status(cell: &HubCell) -> Value {
    let now = cell.now().wall;
    let status = cell.look(|hub| hub.status(now));
    let counters =
        cell.handle().stats().into_iter().map(|(name, _, value)| (name.to_owned(), value.into()));
    let mqtt: serde_json::Map<String, Value> = counters.collect();
    json!({
        "status": status,
        "listens": { "mqtt": cell.mqtt_address(), "est": cell.est_address() },
        "mqtt": mqtt,
        "log_at_cloud": cell.settings().cloud.as_ref().map(|_| cell.at_cloud().view(cell.log_size())),
    })
}

pub(super) fn find(cell: &HubCell, text: &str) -> Result<ComponentId, Failure> {
    let text = percent_decoded(text);
    cell.look(|hub| hub.inventory().find(&text)).map_err(|error| Failure {
        status: StatusCode::NOT_FOUND,
        refusal: Refusal::Unknown,
        advice: error.to_string(),
    })
}

/// `%20` and the like in a name given in a path.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wanted {
    reason: Option<Note>,
    name: Option<Label>,
    group: Option<Slug>,
    seconds: Option<u64>,
    approve: bool,
    count: Option<usize>,
}

async fn whole(body: Incoming) -> Result<Bytes, Failure> {
    let body = Limited::new(body, MAX_BODY).collect().await;
    Ok(body.map_err(|_| Failure::from(Refusal::TooLarge))?.to_bytes())
}

/// A message that somebody wants judged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    component: String,
    topic: String,
    /// As JSON, which becomes deterministic CBOR.
    value: Option<Value>,
    /// As bytes in hexadecimal.
    hex: Option<String>,
    #[serde(default = "usual_qos")]
    qos: u8,
}

fn usual_qos() -> u8 {
    1
}

fn explain(cell: &HubCell, body: &[u8]) -> Result<Body, Failure> {
    let message: Message = serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is not what this path takes: {e}")))?;
    let id = find(cell, &message.component)?;
    let payload = match (&message.value, &message.hex) {
        (None, None) => None,
        (Some(value), None) => Some(protocol::cbor::from_json(value)),
        (None, Some(hex)) => Some(bytes(hex).ok_or_else(|| bad("`hex` is no hexadecimal"))?),
        (Some(_), Some(_)) => return Err(bad("give `value` or `hex`, not both")),
    };
    // A topic of the component's own may be given by its end.
    let topic = match message.topic.split_once('/') {
        Some(("p" | "h", _)) => message.topic,
        _ => format!("p/{id}/{}", message.topic),
    };
    let told = cell.look(|hub| hub.explain(id, &topic, payload.as_deref(), message.qos));
    serde_json::to_value(told).map(Body::Json).map_err(|_| Refusal::Internal.into())
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = hex.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some(digit(&pair[0])? << 4 | digit(&pair[1])?)).collect()
}

/// What was relayed, newest last.
fn decisions(cell: &HubCell, query: &str) -> Result<Body, Failure> {
    let about = parameter(query, "component").map(|text| find(cell, text)).transpose()?;
    let all = cell.look(|hub| hub.decisions(about).map(serde_json::to_value).collect());
    let all: Result<Vec<_>, _> = all;
    all.map(|all| Body::Json(all.into())).map_err(|_| Refusal::Internal.into())
}

/// A command that somebody wants given.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: Slug,
    /// Its arguments; none when left out.
    #[serde(default)]
    arguments: serde_json::Map<String, Value>,
}

fn give(cell: &HubCell, text: &str, body: &[u8]) -> Result<Command, Failure> {
    let given: Given = serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is not what this path takes: {e}")))?;
    let Given { name, arguments } = given;
    Ok(Command::Give { id: find(cell, text)?, name, arguments: arguments.into() })
}

fn read(body: &[u8]) -> Result<Wanted, Failure> {
    if body.is_empty() {
        return Ok(Wanted::default());
    }
    serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is not what this path takes: {e}")))
}

fn command(cell: &HubCell, text: &str, verb: &str, wanted: &Wanted) -> Result<Command, Failure> {
    let id = find(cell, text)?;
    let reason =
        || wanted.reason.clone().ok_or_else(|| bad("give a `reason`: it is kept in the history"));
    match verb {
        "approve" => Ok(Command::Approve(Selector::One(id))),
        "quarantine" => Ok(Command::Quarantine(id, reason()?)),
        "revoke" => Ok(Command::Revoke(id, reason()?)),
        "retire" => Ok(Command::Retire(id, reason()?)),
        "rename" => {
            let name = wanted.name.clone().ok_or_else(|| bad("give a `name`"))?;
            Ok(Command::Rename(id, name))
        }
        "trial" => Ok(Command::Trial(id, true)),
        "enforce" => Ok(Command::Trial(id, false)),
        "pull-log" => Ok(Command::PullLog(id)),
        "join" | "part" => {
            let group = wanted.group.clone().ok_or_else(|| bad("give a `group`"))?;
            Ok(Command::Regroup { id, group, joins: verb == "join" })
        }
        _ => Err(bad(
            "the last part of the path is approve, quarantine, revoke, retire, rename, trial, enforce, pull-log, join, part or command",
        )),
    }
}

pub(super) async fn changed(cell: &HubCell, by: &Actor, command: Command) -> Result<Body, Failure> {
    match cell.apply_durably(Input::Command { by: by.clone(), command }).await? {
        Answer::Changed(count) => Ok(Body::Json(json!({ "changed": count }))),
        Answer::Refused { why, detail, .. } => Err(detailed(why, &detail)),
        Answer::Done
        | Answer::Issue(_)
        | Answer::Paced
        | Answer::Wait(_)
        | Answer::PairingOpen(_)
        | Answer::LoggedIn(_)
        | Answer::Defined { .. }
        | Answer::NotDefined(_) => Err(Refusal::Internal.into()),
    }
}

fn pairing(cell: &HubCell) -> Value {
    let now = cell.now().wall;
    match cell.look(|hub| hub.pairing_window(now)) {
        None => json!({ "open": false }),
        Some(window) => json!({
            "open": true,
            "until": hub_core::inventory::export::rfc3339(window.until),
            "unused_codes": window.unused,
            "approved_in_advance": window.approve,
        }),
    }
}

async fn open_pairing(cell: &HubCell, by: &Actor, wanted: &Wanted) -> Result<Body, Failure> {
    if cell.est_address().is_none() {
        let advice = "enrolment is off (est.listen in the settings), so a code would be of no use";
        return Err(Failure { advice: advice.into(), ..Refusal::WrongState.into() });
    }
    let count = wanted.count.unwrap_or(1);
    if !(1..=MAX_CODES).contains(&count) {
        return Err(bad(format!("a window has 1 to {MAX_CODES} codes")));
    }
    let mut codes = vec![[0; 10]; count];
    for code in &mut codes {
        aws_lc_rs::rand::fill(code).map_err(|_| Failure::from(Refusal::Internal))?;
    }
    let texts: Vec<_> = codes.iter().map(code_text).collect();
    let duration = Duration::from_secs(wanted.seconds.unwrap_or(600));
    let command = Command::OpenPairing { codes, duration, approve: wanted.approve };
    match cell.apply_durably(Input::Command { by: by.clone(), command }).await? {
        Answer::PairingOpen(until) => Ok(Body::Json(json!({
            "codes": texts,
            "until": hub_core::inventory::export::rfc3339(until),
            "approved_in_advance": wanted.approve,
            "ca_fingerprint": cell.ca().fingerprint(),
            "est": cell.est_address(),
            "mqtt": cell.mqtt_address(),
        }))),
        Answer::Refused { why, detail, .. } => Err(detailed(why, &detail)),
        Answer::Done
        | Answer::Issue(_)
        | Answer::Paced
        | Answer::Wait(_)
        | Answer::Changed(_)
        | Answer::LoggedIn(_)
        | Answer::Defined { .. }
        | Answer::NotDefined(_) => Err(Refusal::Internal.into()),
    }
}

/// Events from a number on; with `wait` it waits for the first one, though not for ever.
async fn events(cell: &HubCell, query: &str) -> Value {
    let since = parameter(query, "since").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut found = cell.events_since(since);
    if found.is_empty() && parameter(query, "wait").is_some() {
        // Running out of time is an answer too: an empty list.
        let _ = tokio::time::timeout(MAX_WAIT, cell.next_event()).await;
        found = cell.events_since(since);
    }
    found.into()
}

pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| match pair.split_once('=') {
        Some((key, value)) => (key == name).then_some(value),
        None => (pair == name).then_some(""),
    })
}

fn random_uuid() -> Uuid {
    let mut bytes = [0; 16];
    // Without randomness the serial number is constant, which merely makes two exports look alike.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn failure(why: Failure) -> Reply {
    let body = json!({ "refusal": why.refusal.slug(), "advice": why.advice }).to_string();
    reply(why.status, "application/json", body)
}

fn reply(status: StatusCode, kind: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}
