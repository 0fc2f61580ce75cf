//! What the endpoint asks the rest of the program, and the answers. All calls are synchronous and
//! made while the endpoint holds no borrow, so a gate may call its [`crate::Handle`] from inside.

use crate::codec::{
    ReasonCode,
    packet::{Qos, Version, Will},
};
use std::net::SocketAddr;

/// Number of one connection, never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// Number of a commit; later commits have greater numbers.
pub type CommitId = u64;

/// Decides who may connect, publish and subscribe.
pub trait Gate: 'static {
    /// Who a peer is, decided once from its verified certificate; cheap to clone.
    type Principal: Clone + 'static;

    /// After each TLS handshake, a resumed one too.
    ///
    /// # Errors
    /// A refusal closes the connection before any MQTT byte is read.
    fn admit(&self, peer: &Peer<'_>) -> Result<Self::Principal, Refused>;

    /// A CONNECT was decoded.
    ///
    /// # Errors
    /// A refusal is answered in the CONNACK.
    fn connect(&self, who: &Self::Principal, request: &ConnectRequest<'_>) -> Result<(), Refused>;

    /// The connection is accepted.
    fn connected(&self, who: &Self::Principal, link: LinkId, info: &Connected);

    /// A message, or a last will that became due.
    fn publish(&self, who: &Self::Principal, message: &Inbound<'_>) -> Answer;

    /// One filter of a SUBSCRIBE; the answer is the quality of service granted.
    ///
    /// # Errors
    /// A refusal is answered in the SUBACK.
    fn subscribe(&self, who: &Self::Principal, filter: &str, qos: Qos) -> Result<Qos, Refused>;

    /// An accepted connection is gone.
    fn disconnected(&self, who: &Self::Principal, link: LinkId, why: Closed);

    /// The endpoint itself refused something.
    fn refused(&self, who: Option<&Self::Principal>, from: SocketAddr, what: &EndpointRefusal);
}

/// A peer whose certificate was verified by the TLS configuration.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Its end-entity certificate, DER.
    pub certificate: &'a [u8],
    /// Where it connects from.
    pub from: SocketAddr,
}

/// What a CONNECT asks for.
#[derive(Clone, Debug)]
pub struct ConnectRequest<'a> {
    /// Protocol version.
    pub version: Version,
    /// Client identifier, possibly empty.
    pub client_id: &'a str,
    /// Last will.
    pub will: Option<&'a Will<'a>>,
    /// Whether a user name or password was sent.
    pub credentials: bool,
    /// Where it connects from.
    pub from: SocketAddr,
}

/// An accepted connection.
#[derive(Clone, Copy, Debug)]
pub struct Connected {
    /// Protocol version.
    pub version: Version,
    /// Where it comes from.
    pub from: SocketAddr,
    /// Whether a former session goes on.
    pub session_present: bool,
    /// The live connection it replaced.
    pub took_over: Option<TakenOver>,
}

/// A live connection that was replaced by a newer one of the same client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// Its number.
    pub link: LinkId,
    /// Where it came from.
    pub from: SocketAddr,
}

/// A message from a client.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// Quality of service.
    pub qos: Qos,
    /// Retain flag.
    pub retain: bool,
    /// Whether this is a last will.
    pub will: bool,
}

/// The gate's answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Acknowledge now.
    Done,
    /// Acknowledge now, and do not count it as a message: the gate bounds how many of these a client sends. Its
    /// bytes count all the same.
    Paced,
    /// Acknowledge when this commit is durable.
    AfterCommit(CommitId),
    /// Refuse: 5.0 gets the reason in the acknowledgement; 3.1.1, which has no negative
    /// acknowledgement, is disconnected unless the quality of service is 0.
    Refused(Refused),
    /// Refuse and close the connection.
    Cut(Refused),
}

/// A refusal as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// MQTT 5 reason code.
    pub reason: ReasonCode,
    /// Stable word, shown to 5.0 clients as the reason string.
    pub word: &'static str,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The client sent DISCONNECT.
    Left,
    /// The stream ended or broke without one.
    Lost,
    /// Nothing came for one and a half keep-alive times.
    Silent,
    /// The same client connected anew.
    TakenOver,
    /// The program cut it.
    Cut(Refused),
    /// The client broke a rule; the word says which.
    Refused(Refused),
    /// The endpoint is shutting down.
    Draining,
    /// A mistake inside the program ended this connection only.
    Panicked,
}

/// Something the endpoint refused without asking the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRefusal {
    /// Stable word for events and counters.
    pub word: &'static str,
    /// What exactly, for people.
    pub detail: String,
}
