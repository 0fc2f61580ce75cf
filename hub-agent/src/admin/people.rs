//! Who asks, logins and accounts.

use super::routes::{Body, Failure, bad, changed};
use crate::{
    people::{self, hash, verify},
    pki::certificate::sha256,
    run::HubCell,
};
use hub_core::{
    AccountChange, Actor, Answer, Command, Hub, Input, access::pairing::code_text,
    inventory::export::rfc3339,
};
use hyper::{StatusCode, header::HeaderMap};
use protocol::{definition::Role, id::Slug, refusal::Refusal};
use serde::Deserialize;
use serde_json::json;
use std::rc::Rc;

/// Somebody on the socket.
pub(super) enum Caller {
    /// Somebody known.
    Known(Actor),
    /// A local user of this number who has not logged in.
    Stranger(Option<u32>),
    /// A token that is not good, or not any more.
    BadToken,
}

/// By what somebody is known.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) uid: Option<u32>,
    pub(super) headers: &'a HeaderMap,
}

impl Who<'_> {
    /// Who that is now, after some time: a login may have ended meanwhile.
    fn still(self, cell: &HubCell) -> Result<Actor, Failure> {
        match caller(cell, self.uid, self.headers) {
            Caller::Known(actor) => Ok(actor),
            Caller::Stranger(_) | Caller::BadToken => Err(Refusal::BadCredentials.into()),
        }
    }
}

/// Who asks: the holder of a token, else the daemon's own user or root, who are its owner.
pub(super) fn caller(cell: &HubCell, uid: Option<u32>, headers: &HeaderMap) -> Caller {
    if let Some(header) = headers.get("authorization") {
        let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let holder = token.and_then(|token| cell.holder(&sha256(token.as_bytes())));
        return holder.map_or(Caller::BadToken, Caller::Known);
    }
    match uid.filter(|_| is_own(uid)) {
        Some(uid) => Caller::Known(Actor::LocalUser(uid)),
        None => Caller::Stranger(uid),
    }
}

/// Whether this is the daemon's own user or root.
pub(super) fn is_own(uid: Option<u32>) -> bool {
    let own = rustix::process::getuid().as_raw();
    uid.is_some_and(|uid| uid == own || uid == 0)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    name: Slug,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setup {
    code: String,
    name: Slug,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    name: Slug,
    role: Role,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    password: String,
}

fn parsed<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|e| bad(format!("the body is not what this path takes: {e}")))
}

fn slow_down(wait: std::time::Duration) -> Failure {
    let seconds = wait.as_secs().max(1);
    Failure {
        status: StatusCode::TOO_MANY_REQUESTS,
        refusal: Refusal::SlowDown,
        advice: format!("wait {seconds} s, then try again"),
    }
}

/// Works on a password, one at a time: each takes memory and time. The place is taken until the work is
/// done, also when nobody waits for it any more.
async fn in_turn<T: Send + 'static>(
    cell: &HubCell,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let internal = || Failure::from(Refusal::Internal);
    let place = cell.passwords().acquire_owned().await.map_err(|_| internal())?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    });
    done.await.map_err(|_| internal())
}

/// Compares a password.
async fn right(cell: &Rc<HubCell>, name: &Slug, password: String) -> Result<bool, Failure> {
    let mono = cell.now().mono;
    let hash = cell.look(|hub| hub.may_try(name, mono)).map_err(slow_down)?;
    in_turn(cell, move || verify(&password, hash.as_deref())).await
}

/// Logs in. A client that hangs up stops nothing: its try counts.
pub(super) async fn login(cell: &Rc<HubCell>, from: String, body: &[u8]) -> Result<Body, Failure> {
    let login = parsed(body)?;
    let cell = cell.clone();
    let tried = tokio::task::spawn_local(async move { try_login(&cell, from, login).await });
    tried.await.unwrap_or_else(|_| Err(Refusal::Internal.into()))
}

async fn try_login(
    cell: &Rc<HubCell>,
    from: String,
    Login { name, password }: Login,
) -> Result<Body, Failure> {
    let mono = cell.now().mono;
    // Who may not try yet is told to wait by the hub itself, which records it.
    let waits = cell.look(|hub| hub.may_try(&name, mono)).is_err();
    let right = !waits && right(cell, &name, password).await?;
    let (token, digest) = people::token().map_err(|_| Failure::from(Refusal::Internal))?;
    match cell.apply_durably(Input::Login { name, right, token: digest, from }).await? {
        Answer::LoggedIn(until) => {
            Ok(Body::Json(json!({ "token": token, "until": rfc3339(until) })))
        }
        Answer::Refused { why: Refusal::SlowDown, retry_after, .. } => {
            Err(slow_down(retry_after.unwrap_or_default()))
        }
        Answer::Refused { .. } => Err(Failure {
            status: StatusCode::UNAUTHORIZED,
            refusal: Refusal::BadCredentials,
            advice: "the name or the password is wrong; each wrong try makes the next wait longer"
                .into(),
        }),
        Answer::Done
        | Answer::Issue(_)
        | Answer::Paced
        | Answer::Wait(_)
        | Answer::Changed(_)
        | Answer::PairingOpen(_)
        | Answer::Defined { .. }
        | Answer::NotDefined(_) => Err(Refusal::Internal.into()),
    }
}

/// The first owner's account, for whoever has the code that the hub printed when it started.
pub(super) async fn setup(cell: &Rc<HubCell>, from: String, body: &[u8]) -> Result<Body, Failure> {
    let Setup { code, name, password } = parsed(body)?;
    let mono = cell.now().mono;
    if let Err(wait) = cell.look(|hub| hub.may_set_up(mono)) {
        // The hub records the try.
        cell.apply_durably(Input::WrongSetupCode { from }).await?;
        return Err(slow_down(wait));
    }
    let wanted = cell.setup_code().filter(|_| cell.look(Hub::needs_setup));
    let wanted = wanted.ok_or_else(|| Failure {
        status: StatusCode::CONFLICT,
        refusal: Refusal::WrongState,
        advice: "the hub is set up; its owner makes accounts with: hub-agent account add".into(),
    })?;
    let same =
        sha256(code.trim().to_uppercase().as_bytes()) == sha256(code_text(&wanted).as_bytes());
    if !same {
        cell.apply_durably(Input::WrongSetupCode { from }).await?;
        return Err(Failure {
            status: StatusCode::UNAUTHORIZED,
            refusal: Refusal::WrongCode,
            advice: "the set-up code is printed when the hub starts without an owner".into(),
        });
    }
    // Whoever comes second with the same code must not find it good while this one's password is hashed.
    cell.forget_setup_code();
    let made = async {
        let hash = hashed(cell, &name, password).await?;
        let add = AccountChange::Add { role: Role::Owner, hash };
        changed(cell, &Actor::Setup, Command::Account(name, add)).await
    };
    made.await.inspect_err(|_| cell.restore_setup_code(wanted))
}

/// Checks how good a password is, and hashes it.
async fn hashed(cell: &Rc<HubCell>, name: &Slug, password: String) -> Result<String, Failure> {
    people::check(&password, name.as_str()).map_err(|weak| Failure {
        status: StatusCode::FORBIDDEN,
        refusal: Refusal::BadCredentials,
        advice: weak.to_string(),
    })?;
    let hashed = in_turn(cell, move || hash(&password)).await?;
    hashed.map_err(|_| Refusal::Internal.into())
}

pub(super) async fn add(cell: &Rc<HubCell>, who: Who<'_>, body: &[u8]) -> Result<Body, Failure> {
    let NewAccount { name, role, password } = parsed(body)?;
    let hash = hashed(cell, &name, password).await?;
    let add = AccountChange::Add { role, hash };
    changed(cell, &who.still(cell)?, Command::Account(name, add)).await
}

pub(super) async fn password(
    cell: &Rc<HubCell>,
    who: Who<'_>,
    name: &str,
    body: &[u8],
) -> Result<Body, Failure> {
    let NewPassword { password } = parsed(body)?;
    let name = named(name)?;
    let hash = hashed(cell, &name, password).await?;
    let change = AccountChange::Password(hash);
    changed(cell, &who.still(cell)?, Command::Account(name, change)).await
}

pub(super) async fn remove(cell: &Rc<HubCell>, by: &Actor, name: &str) -> Result<Body, Failure> {
    changed(cell, by, Command::Account(named(name)?, AccountChange::Remove)).await
}

pub(super) async fn logout(
    cell: &Rc<HubCell>,
    by: &Actor,
    headers: &HeaderMap,
) -> Result<Body, Failure> {
    let header = headers.get("authorization").and_then(|header| header.to_str().ok());
    let token = header.and_then(|text| text.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| bad("only a login with a token can be ended"))?;
    changed(cell, by, Command::Logout(sha256(token.as_bytes()))).await
}

pub(super) fn list(cell: &HubCell) -> Body {
    let all = cell.look(Hub::accounts);
    let all = all.iter().map(|(name, role)| json!({ "name": name, "role": role }));
    Body::Json(all.collect())
}

fn named(text: &str) -> Result<Slug, Failure> {
    Slug::new(text).map_err(|_| Failure {
        status: StatusCode::NOT_FOUND,
        refusal: Refusal::Unknown,
        advice: "no account has this name; see: hub-agent account list".into(),
    })
}
