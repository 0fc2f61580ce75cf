//! The gate: the one place that turns "someone wants to say this" into [`Permitted`] or [`Denied`].
//!
//! `Permitted` has no public constructor, so nothing reaches the hub or leaves it around the gate.

mod operation;
mod person;
mod relay;
mod trial;

pub use operation::{Operation, authorize_operation};
pub use person::Change;
pub(crate) use person::{authorize_change, authorize_restore, step_up};
pub use relay::Command;
pub(crate) use relay::{Receiver, Relay, permit_command, relay_command, relay_value};
pub(crate) use trial::permit_on_trial;

use super::{
    policy::Kind,
    trust::{Hold, may_say},
};
use crate::update::Blocks;
use jsonschema::Validator;
use protocol::{
    cbor::{self, DecodeError},
    definition::Traffic,
    id::{ComponentId, JobId, Nonce, Slug},
    message::{
        Announcement, Assertion, Block, BlockRequest, Bye, Config, Heartbeat, LogBatch, LogControl,
        Lost, Reported, TrustNotice, TrustState, UpdateControl, UpdateFault, UpdateOffer,
        UpdateOrder, UpdateStatus,
    },
    refusal::Refusal,
    signed::{Signed, SignedError},
    topic::{Down, Route, Up},
    update::REPORT,
};
use serde_json::Value;

/// A message the gate let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permitted<M> {
    principal: ComponentId,
    message: M,
}

impl<M> Permitted<M> {
    /// Whose message it is, or to whom it goes.
    #[must_use]
    pub fn principal(&self) -> ComponentId {
        self.principal
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &M {
        &self.message
    }

    pub(crate) fn into_parts(self) -> (ComponentId, M) {
        (self.principal, self.message)
    }
}

/// A refusal of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub refusal: Refusal,
    /// What exactly, for the event.
    pub detail: String,
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, detail: String::new() }
    }
}

/// What a component says.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    /// What it is.
    Announce(Box<Announcement>),
    /// That it lives.
    Heartbeat(Heartbeat),
    /// That it leaves or sleeps.
    Bye(Bye),
    /// Its last will.
    Lost,
    /// What its configuration is.
    Reported(Box<Reported>),
    /// The newest value of a stream.
    Stream {
        /// Which stream.
        name: Slug,
        /// The value, a map that its schema allows.
        value: Vec<u8>,
        /// How many may come per minute.
        per_minute: u32,
        /// Whether other components may hear it.
        heard: bool,
        /// The number in it that must not fall within one life, if there is one.
        rises: Option<i128>,
    },
    /// What another component shall do.
    Command(Command),
    /// It wants blocks of an update.
    UpdateRequest(BlockRequest),
    /// How far an update got.
    UpdateStatus(UpdateStatus),
    /// What it runs; its signature is not checked yet.
    UpdateReport(Box<Signed>),
    /// Records of its log; the signature of their head is not checked yet.
    Log(Box<LogBatch>),
    /// A value of a component on trial that its definition would refuse.
    OnTrial {
        /// Which stream.
        name: Slug,
        /// The value, a map.
        value: Vec<u8>,
        /// What the gate said.
        denied: Denied,
    },
}

/// What the hub says to a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// A message of the hub's own.
    Message {
        /// What it is.
        down: Down,
        /// The message.
        payload: Vec<u8>,
    },
    /// Something of another component's, for the shell to sign.
    Relayed(Box<Assertion>),
    /// Blocks of a verified release, for the shell to read from its cache.
    Blocks(Blocks),
}

/// What the gate needs to know of a component.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) id: ComponentId,
    pub(crate) state: TrustState,
    /// What holds it in quarantine.
    pub(crate) hold: Option<Hold>,
    /// Streams it announced.
    pub(crate) streams: &'a [Slug],
    /// The definition of its kind, if one is in force.
    pub(crate) kind: Option<&'a Kind>,
    /// Whether it is proved or confirmed to be of that kind, and not only says so.
    pub(crate) is_proved: bool,
}

/// How a message wants to be carried.
#[derive(Clone, Copy, Debug)]
pub struct Carriage {
    /// Quality of service.
    pub qos: u8,
    /// Retain flag.
    pub retain: bool,
    /// Whether it is a last will.
    pub will: bool,
}

/// Decides about a component's message: own topic, right direction, limits of the route, rights of
/// its trust state, shape of the payload.
pub(crate) fn authorize<'a>(
    who: &Standing<'_>,
    topic: &str,
    payload: &[u8],
    carriage: Carriage,
    receiver: impl FnOnce(ComponentId) -> Option<Receiver<'a>>,
) -> Result<Permitted<Inbound>, Denied> {
    let up = own_up_route(who.id, topic)?;
    check_carriage(who.id, &up, payload, carriage)?;
    if !may_say(who.state, who.hold, &up) {
        return Err(state_refusal(who.state).into());
    }
    let message = match &up {
        Up::Command(to, name) => relay::read_command(receiver(*to).as_ref(), name, payload, who)?,
        Up::Announce
        | Up::Heartbeat
        | Up::Bye
        | Up::Lost
        | Up::Reported
        | Up::Stream(_)
        | Up::UpdateRequest
        | Up::UpdateStatus
        | Up::UpdateReport
        | Up::Log => read(&up, payload, who)?,
    };
    Ok(Permitted { principal: who.id, message })
}

/// Decides whether a last will may be left: only on the own `lost` topic.
pub(crate) fn authorize_will(
    id: ComponentId,
    topic: &str,
    payload: &[u8],
    carriage: Carriage,
) -> Result<(), Denied> {
    let up = own_up_route(id, topic).map_err(|_| Denied::from(Refusal::ForeignWill))?;
    if up != Up::Lost {
        return Err(Refusal::ForeignWill.into());
    }
    check_carriage(id, &up, payload, carriage)?;
    cbor::decode::<Lost>(payload, payload.len()).map(|_| ()).map_err(malformed)
}

/// Decides about a subscription: only own down topics, by their full name.
pub(crate) fn authorize_subscription(
    id: ComponentId,
    state: TrustState,
    filter: &str,
) -> Result<Route, Denied> {
    if filter.contains(['+', '#']) || filter.starts_with('$') {
        return Err(Refusal::WildcardSubscription.into());
    }
    let route = Route::parse(filter).map_err(|_| Denied::from(Refusal::UnknownTopic))?;
    if route.owner() != id {
        return Err(Refusal::ForeignTopic.into());
    }
    match route {
        Route::Down(..) if super::trust::may_connect(state) => Ok(route),
        Route::Down(..) => Err(state_refusal(state).into()),
        Route::Up(..) => Err(Refusal::WrongDirection.into()),
        Route::ToCloud(..) | Route::FromCloud(..) => Err(Refusal::ForeignTopic.into()),
    }
}

/// Lets the hub tell a component how it regards it; only those that may connect are told.
pub(crate) fn permit_notice(id: ComponentId, notice: &TrustNotice) -> Permitted<Outbound> {
    let payload = cbor::encode(notice);
    Permitted { principal: id, message: Outbound::Message { down: Down::Trust, payload } }
}

/// Lets the hub tell a component what it shall be.
pub(crate) fn permit_config(id: ComponentId, config: &Config) -> Permitted<Outbound> {
    let payload = cbor::encode(config);
    Permitted { principal: id, message: Outbound::Message { down: Down::Config, payload } }
}

/// Lets the hub offer a component a release that was verified.
pub(crate) fn permit_offer(id: ComponentId, offer: &UpdateOffer) -> Permitted<Outbound> {
    let payload = cbor::encode(offer);
    Permitted { principal: id, message: Outbound::Message { down: Down::UpdateOffer, payload } }
}

/// Lets the hub tell a component what to do about an update.
pub(crate) fn permit_control(
    id: ComponentId,
    job: JobId,
    order: UpdateOrder,
    nonce: Option<Nonce>,
) -> Permitted<Outbound> {
    let payload = cbor::encode(&UpdateControl { job, order, nonce });
    Permitted { principal: id, message: Outbound::Message { down: Down::UpdateControl, payload } }
}

/// Lets the hub tell a component about its log.
pub(crate) fn permit_log_control(id: ComponentId, control: &LogControl) -> Permitted<Outbound> {
    let payload = cbor::encode(control);
    Permitted { principal: id, message: Outbound::Message { down: Down::LogControl, payload } }
}

/// Lets blocks of a verified release go to the component whose update it is.
pub(crate) fn permit_blocks(id: ComponentId, blocks: Blocks) -> Permitted<Outbound> {
    Permitted { principal: id, message: Outbound::Blocks(blocks) }
}

/// Lets the hub say why there are no blocks.
pub(crate) fn permit_no_block(
    id: ComponentId,
    request: &BlockRequest,
    fault: UpdateFault,
) -> Permitted<Outbound> {
    let BlockRequest { job, object, offset, .. } = *request;
    let block = Block { job, object, offset, data: None, fault: Some(fault) };
    let payload = cbor::encode(&block);
    Permitted { principal: id, message: Outbound::Message { down: Down::UpdateBlock, payload } }
}

fn own_up_route(id: ComponentId, topic: &str) -> Result<Up, Denied> {
    let route = Route::parse(topic).map_err(|error| Denied {
        refusal: Refusal::UnknownTopic,
        detail: format!("{}: {error}", shortened(topic)),
    })?;
    let foreign = || Denied { refusal: Refusal::ForeignTopic, detail: shortened(topic) };
    match route {
        Route::Up(owner, up) if owner == id => Ok(up),
        Route::Down(owner, _) if owner == id => Err(Refusal::WrongDirection.into()),
        Route::Up(..) | Route::Down(..) | Route::ToCloud(..) | Route::FromCloud(..) => {
            Err(foreign())
        }
    }
}

fn check_carriage(
    id: ComponentId,
    up: &Up,
    payload: &[u8],
    carriage: Carriage,
) -> Result<(), Denied> {
    let limits = Route::Up(id, up.clone()).limits();
    let Carriage { qos, retain, will } = carriage;
    if payload.len() > limits.max_payload {
        return Err(Denied {
            refusal: Refusal::TooLarge,
            detail: format!("{} bytes, at most {}", payload.len(), limits.max_payload),
        });
    }
    if retain && !limits.retain {
        return Err(Refusal::RetainNotAllowed.into());
    }
    if !will && !(limits.qos.0..=limits.qos.1).contains(&qos) {
        return Err(Refusal::QosNotAllowed.into());
    }
    Ok(())
}

/// The reason that belongs to a state without rights.
#[must_use]
pub(crate) fn state_refusal(state: TrustState) -> Refusal {
    match state {
        TrustState::Seen | TrustState::Pending => Refusal::NotApproved,
        TrustState::Quarantined => Refusal::Quarantined,
        TrustState::Revoked => Refusal::Revoked,
        TrustState::Retired => Refusal::Retired,
        TrustState::Active | TrustState::Stale => Refusal::WrongState,
    }
}

fn read(up: &Up, payload: &[u8], who: &Standing<'_>) -> Result<Inbound, Denied> {
    let limit = payload.len();
    match up {
        Up::Announce => Ok(Inbound::Announce(Box::new(
            cbor::decode::<Announcement>(payload, limit).map_err(malformed)?,
        ))),
        Up::Heartbeat => Ok(Inbound::Heartbeat(cbor::decode(payload, limit).map_err(malformed)?)),
        Up::Bye => Ok(Inbound::Bye(cbor::decode(payload, limit).map_err(malformed)?)),
        Up::Lost => cbor::decode::<Lost>(payload, limit).map(|_| Inbound::Lost).map_err(malformed),
        Up::Reported => read_reported(payload, who),
        Up::Stream(name) => read_stream(name, payload, who),
        Up::UpdateRequest => {
            cbor::decode(payload, limit).map(Inbound::UpdateRequest).map_err(malformed)
        }
        Up::UpdateStatus => {
            cbor::decode(payload, limit).map(Inbound::UpdateStatus).map_err(malformed)
        }
        Up::UpdateReport => {
            let signed = Signed::parse(REPORT, payload);
            let signed = signed.map(|signed| Inbound::UpdateReport(Box::new(signed)));
            let detail = |error: SignedError| error.to_string();
            signed.map_err(|e| Denied { refusal: Refusal::Malformed, detail: detail(e) })
        }
        Up::Log => cbor::decode(payload, limit).map(Box::new).map(Inbound::Log).map_err(malformed),
        // Between components, where the gate asks about the receiver too.
        Up::Command(..) => Err(Refusal::Internal.into()),
    }
}

/// A report passes when it speaks of what its maker declared, and of nothing else. Whether its values
/// are good is what the hub wants to learn from it.
fn read_reported(payload: &[u8], who: &Standing<'_>) -> Result<Inbound, Denied> {
    let reported: Reported = cbor::decode(payload, payload.len()).map_err(malformed)?;
    let undeclared = |kind: &Kind| {
        let definition = kind.definition();
        let mut names = reported.settings.values().keys();
        let setting = names.find(|name| definition.setting(name).is_none());
        let mut open = reported.open.items().iter();
        let interface = open.find(|name| !definition.interfaces.has.contains(name));
        let setting = setting.map(|name| format!("{kind} declares no setting {name}"));
        setting.or(interface.map(|name| format!("{kind} declares no interface {name}")))
    };
    match who.kind.and_then(undeclared) {
        Some(detail) => Err(Denied { refusal: Refusal::NotDeclared, detail }),
        None => Ok(Inbound::Reported(Box::new(reported))),
    }
}

/// A value passes when its component announced the stream, its maker declared it, and the value is
/// what was declared.
fn read_stream(name: &Slug, payload: &[u8], who: &Standing<'_>) -> Result<Inbound, Denied> {
    let denied = |refusal, detail: String| Denied { refusal, detail };
    if !who.streams.contains(name) {
        let detail = format!("stream {name} was not announced");
        return Err(denied(Refusal::UnknownTopic, detail));
    }
    let kind = who.kind.ok_or(Refusal::UnknownKind)?;
    let (stream, schema) = kind
        .stream(name)
        .ok_or_else(|| denied(Refusal::NotDeclared, format!("{kind} declares no stream {name}")))?;
    let value = judged(name, kind, (stream.line, &stream.traffic), schema, payload)?;
    let rises = match &stream.rises {
        None => None,
        Some(property) => {
            // JSON Schema takes 1.0 for an integer; a number to compare is written as one.
            let number = &value[property];
            let whole = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
            let detail = || format!("{name}/{property}: not an integer as it is written");
            Some(whole.ok_or_else(|| denied(Refusal::WrongContent, detail()))?)
        }
    };
    let (per_minute, heard) = (stream.traffic.per_minute, !stream.readers.is_empty());
    Ok(Inbound::Stream { name: name.clone(), value: payload.to_vec(), per_minute, heard, rises })
}

/// The payload as JSON, if size and content are what the definition declares on this line.
fn judged(
    name: &Slug,
    kind: &Kind,
    (line, traffic): (usize, &Traffic),
    schema: &Validator,
    payload: &[u8],
) -> Result<Value, Denied> {
    let (size, most) = (payload.len(), traffic.max_bytes);
    if size > most {
        let detail = format!("{size} bytes, {kind} allows {most} on line {line}");
        return Err(Denied { refusal: Refusal::TooLarge, detail });
    }
    let value = cbor::to_json(payload).map_err(malformed)?;
    match schema.validate(&value) {
        Ok(()) => Ok(value),
        Err(error) => {
            let place = error.instance_path().to_string();
            let detail = format!("{name}{place}: not what {kind} declares on line {line}");
            Err(Denied { refusal: Refusal::WrongContent, detail })
        }
    }
}

fn malformed(error: DecodeError) -> Denied {
    Denied { refusal: Refusal::Malformed, detail: error.to_string() }
}

/// Text from outside, cut to a length that fits an event.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(96).collect()
}
