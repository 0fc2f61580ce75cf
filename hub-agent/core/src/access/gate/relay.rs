//! What one component may say to another. The hub is the only way between them: it judges the message by
//! the definitions of both, and vouches for it to that one receiver.

use super::{Denied, Inbound, Outbound, Permitted, Standing, judged, person::step_up};
use crate::{access::policy::Kind, input::Actor};
use protocol::{
    cbor,
    id::{ComponentId, Slug},
    message::{Action, Assertion, Octets, TrustState, V1},
    refusal::Refusal,
    time::Timestamp,
};

/// How long a relayed value of a stream counts.
const VALUE_COUNTS: u64 = 60_000;

/// The receiver of a command, as the gate needs to know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiver<'a> {
    pub(crate) id: ComponentId,
    pub(crate) state: TrustState,
    pub(crate) kind: Option<&'a Kind>,
    /// Whether it can be reached now: commands are never kept.
    pub(crate) connected: bool,
}

/// Who gives a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Giver<'a> {
    /// A component of this kind.
    Kind(&'a Kind),
    /// A person.
    Person(&'a Actor),
}

/// A command that may be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// To whom.
    pub receiver: ComponentId,
    /// Which.
    pub name: Slug,
    /// Its arguments, a map that its schema allows.
    pub arguments: Vec<u8>,
    /// How many may come per minute from one giver.
    pub per_minute: u32,
    /// How long it counts, in milliseconds.
    pub valid_for: u64,
}

/// Decides about a command of a component.
pub(super) fn read_command(
    receiver: Option<&Receiver<'_>>,
    name: &Slug,
    payload: &[u8],
    who: &Standing<'_>,
) -> Result<Inbound, Denied> {
    let kind = who.kind.ok_or(Refusal::UnknownKind)?;
    if !who.is_proved {
        let detail =
            "that it is of this kind only itself says; confirm it: hub-agent component approve";
        return Err(Denied { refusal: Refusal::NotApproved, detail: detail.into() });
    }
    let giver = Giver::Kind(kind);
    authorize_command(giver, receiver, name, payload).map(Inbound::Command)
}

/// Decides about a command: declared by its receiver's maker, given by a kind or role that may, with
/// arguments as declared, to an active member that is there.
pub(crate) fn authorize_command(
    giver: Giver<'_>,
    receiver: Option<&Receiver<'_>>,
    name: &Slug,
    payload: &[u8],
) -> Result<Command, Denied> {
    let denied = |refusal, detail: String| Denied { refusal, detail };
    let away = |why: &str| denied(Refusal::Unreachable, format!("{name}: its receiver {why}"));
    let receiver = receiver.ok_or_else(|| away("is not known"))?;
    let kind = receiver.kind.ok_or_else(|| away("is of a kind that nobody defined"))?;
    let (command, schema) = kind.command(name).ok_or_else(|| {
        denied(Refusal::NotDeclared, format!("{kind} declares no command {name}"))
    })?;
    let (may, whom) = match giver {
        Giver::Kind(sender) => {
            let named = command.from.contains(&sender.definition().kind);
            (named && same_root(sender, kind), sender.to_string())
        }
        Giver::Person(by) => {
            let role = by.role();
            (command.roles.contains(&role), format!("the {role}"))
        }
    };
    if !may {
        let detail = format!("{name} of {kind}, line {}: not for {whom}", command.line);
        return Err(denied(Refusal::NotPermitted, detail));
    }
    if let Giver::Person(by) = giver {
        step_up(by, command.risk, name)?;
    }
    if receiver.state != TrustState::Active {
        return Err(away(&format!("is {}", receiver.state)));
    }
    if !receiver.connected {
        return Err(away("is not connected"));
    }
    judged(name, kind, (command.line, &command.traffic), schema, payload)?;
    Ok(Command {
        receiver: receiver.id,
        name: name.clone(),
        arguments: payload.to_vec(),
        per_minute: command.traffic.per_minute,
        valid_for: u64::from(command.valid_for) * 1000,
    })
}

/// Lets a person's command, which is judged like a component's, go to its receiver.
pub(crate) fn permit_command(
    by: &Actor,
    receiver: &Receiver<'_>,
    name: &Slug,
    arguments: &serde_json::Value,
) -> Result<Permitted<Command>, Denied> {
    let payload = cbor::from_json(arguments);
    let command = authorize_command(Giver::Person(by), Some(receiver), name, &payload)?;
    Ok(Permitted { principal: receiver.id, message: command })
}

/// What a relay is made of besides the message itself.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    pub(crate) hub: ComponentId,
    pub(crate) number: u64,
    pub(crate) sender: ComponentId,
    /// The sender's kind.
    pub(crate) kind: Slug,
    pub(crate) now: Timestamp,
}

/// Lets a command that the gate permitted go to its receiver.
pub(crate) fn relay_command(relay: &Relay, command: Command) -> Permitted<Outbound> {
    let Command { receiver, name, arguments, valid_for, .. } = command;
    vouch(relay, receiver, Action::Command, (name, arguments), valid_for)
}

/// Lets a value that the gate permitted go to a component of a kind that may hear the stream; the answer
/// is nothing for another.
pub(crate) fn relay_value(
    relay: &Relay,
    (sender, reader): (&Kind, &Kind),
    receiver: ComponentId,
    stream: &Slug,
    value: &[u8],
) -> Option<Permitted<Outbound>> {
    let (declared, _) = sender.stream(stream)?;
    if !declared.readers.contains(&reader.definition().kind) || !same_root(sender, reader) {
        return None;
    }
    let said = (stream.clone(), value.to_vec());
    Some(vouch(relay, receiver, Action::Stream, said, VALUE_COUNTS))
}

/// A definition names kinds that its own root vouches for; others may have a kind of the same name.
fn same_root(one: &Kind, other: &Kind) -> bool {
    one.anchor() == other.anchor()
}

fn vouch(
    relay: &Relay,
    receiver: ComponentId,
    action: Action,
    (name, payload): (Slug, Vec<u8>),
    counts: u64,
) -> Permitted<Outbound> {
    let assertion = Assertion {
        version: V1,
        hub: relay.hub,
        number: relay.number,
        sender: relay.sender,
        kind: relay.kind.clone(),
        receiver,
        action,
        name,
        issued: relay.now,
        expires: Timestamp(relay.now.0.saturating_add(counts)),
        payload: Octets(payload),
    };
    Permitted { principal: receiver, message: Outbound::Relayed(Box::new(assertion)) }
}
