//! Components on trial: what their definition would refuse is taken and reported, so that a maker can try a
//! definition against real devices. Nothing that was not judged ever reaches another component.

use super::{Denied, Inbound, Permitted, Standing};
use protocol::{
    cbor,
    refusal::Refusal,
    topic::{MAX_PAYLOAD, Route, Up},
};

/// A stream value that only its definition speaks against. Everything else stays refused: other topics,
/// states without rights, what is no deterministic map or longer than the route allows, commands.
pub(crate) fn permit_on_trial(
    who: &Standing<'_>,
    topic: &str,
    payload: &[u8],
    denied: &Denied,
) -> Option<Permitted<Inbound>> {
    let by_definition =
        matches!(denied.refusal, Refusal::NotDeclared | Refusal::WrongContent | Refusal::TooLarge);
    let Ok(Route::Up(owner, Up::Stream(name))) = Route::parse(topic) else { return None };
    let sound = payload.len() <= MAX_PAYLOAD && cbor::check_text_map(payload).is_ok();
    if !by_definition || owner != who.id || !sound || !who.streams.contains(&name) {
        return None;
    }
    let message = Inbound::OnTrial { name, value: payload.to_vec(), denied: denied.clone() };
    Some(Permitted { principal: who.id, message })
}
