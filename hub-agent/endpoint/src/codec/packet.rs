//! Packets as borrowed types: a value that exists obeys the standard.

use super::ReasonCode;
use std::num::NonZeroU16;

/// Protocol version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1, level 4.
    V311,
    /// MQTT 5.0, level 5.
    V5,
}

/// Quality of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// At most once.
    AtMostOnce,
    /// At least once.
    AtLeastOnce,
    /// Exactly once.
    ExactlyOnce,
}

impl Qos {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }

    /// The quality with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::AtMostOnce, Self::AtLeastOnce, Self::ExactlyOnce].get(usize::from(number)).copied()
    }
}

/// A packet identifier; 0 does not exist.
pub type PacketId = NonZeroU16;

/// What a client sends after CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A message.
    Publish(Publish<'a>),
    /// QoS 1 delivery acknowledged.
    PubAck(Ack),
    /// QoS 2 delivery, step 1.
    PubRec(Ack),
    /// QoS 2 delivery, step 2.
    PubRel(Ack),
    /// QoS 2 delivery, step 3.
    PubComp(Ack),
    /// Asks for messages.
    Subscribe(Subscribe<'a>),
    /// Asks for no more of them.
    Unsubscribe(Unsubscribe<'a>),
    /// Asks for a sign of life.
    PingReq,
    /// Leaves in order.
    Disconnect(Disconnect),
}

/// CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Protocol version.
    pub version: Version,
    /// Whether an older session is to be forgotten.
    pub clean_start: bool,
    /// Seconds of silence allowed, 0 for no limit.
    pub keep_alive: u16,
    /// Client identifier, possibly empty.
    pub client_id: &'a str,
    /// Last will.
    pub will: Option<Will<'a>>,
    /// User name.
    pub username: Option<&'a str>,
    /// Password.
    pub password: Option<&'a [u8]>,
    /// Seconds the session outlives its connection; for 3.1.1 the end of time unless clean.
    pub session_expiry: u32,
    /// Most unacknowledged QoS 1 and 2 messages the client takes.
    pub receive_maximum: NonZeroU16,
    /// Largest packet the client takes.
    pub maximum_packet: Option<u32>,
    /// Whether the client names an authentication method.
    pub authentication: bool,
}

/// A last will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// Where it is published.
    pub topic: &'a str,
    /// What is published.
    pub payload: &'a [u8],
    /// Quality of service.
    pub qos: Qos,
    /// Retain flag.
    pub retain: bool,
    /// Seconds between the loss and the will.
    pub delay: u32,
}

/// PUBLISH from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Sent again.
    pub dup: bool,
    /// Quality of service with the identifier it needs.
    pub delivery: Delivery,
    /// Retain flag.
    pub retain: bool,
    /// Topic name without wildcards.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// Seconds the message is worth delivering.
    pub expiry: Option<u32>,
}

/// How a message is delivered: an identifier exists exactly where one is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At most once.
    AtMostOnce,
    /// At least once.
    AtLeastOnce(PacketId),
    /// Exactly once.
    ExactlyOnce(PacketId),
}

impl Delivery {
    /// The quality of service.
    #[must_use]
    pub fn qos(self) -> Qos {
        match self {
            Self::AtMostOnce => Qos::AtMostOnce,
            Self::AtLeastOnce(_) => Qos::AtLeastOnce,
            Self::ExactlyOnce(_) => Qos::ExactlyOnce,
        }
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Which message.
    pub id: PacketId,
    /// How it went.
    pub reason: ReasonCode,
}

/// SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Packet identifier.
    pub id: PacketId,
    /// At least one filter.
    pub filters: Vec<Subscription<'a>>,
    /// Whether a subscription identifier was given.
    pub identifier: Option<u32>,
}

/// One filter of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// A valid topic filter.
    pub filter: &'a str,
    /// Greatest quality of service wanted.
    pub qos: Qos,
    /// When retained messages are wanted.
    pub retain_handling: RetainHandling,
    /// Whether the retain flag is to be kept.
    pub retain_as_published: bool,
    /// Whether the client's own messages are to be left out.
    pub no_local: bool,
}

/// When retained messages are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetainHandling {
    /// At each subscribe.
    Always,
    /// Only when the subscription is new.
    IfNew,
    /// Never.
    Never,
}

/// UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Packet identifier.
    pub id: PacketId,
    /// At least one valid filter.
    pub filters: Vec<&'a str>,
}

/// DISCONNECT from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// Why.
    pub reason: ReasonCode,
    /// A new session expiry.
    pub session_expiry: Option<u32>,
}
