//! The strict wire codec of MQTT 3.1.1 and 5.0, server side: decodes what clients send, encodes what
//! servers send, and refuses everything the standards forbid. It allocates nothing but lists.
//!
//! | module | holds |
//! |---|---|
//! | [`packet`] | the packets as borrowed types |
//! | [`mod@frame`] | fixed header: where a packet ends |
//! | `decode`, `connect`, `properties` | bytes to packets |
//! | [`encode`] | packets to bytes |
//! | [`topic`] | topic names and filters, and matching |
//! | [`reason`] | MQTT 5 reason codes |

mod connect;
mod decode;
pub mod encode;
pub mod frame;
pub mod packet;
mod properties;
mod read;
pub mod reason;
pub mod topic;

pub use connect::decode_connect;
pub use decode::decode;
pub use frame::{Frame, frame};
pub use reason::ReasonCode;

/// Most topic filters in one SUBSCRIBE or UNSUBSCRIBE; a longer list is refused.
pub const MAX_FILTERS: usize = 64;

/// Most user properties in one property list; a longer list is refused.
pub const MAX_USER_PROPERTIES: usize = 32;

/// What makes bytes no packet a client may send. The client is always at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The packet is larger than the limit.
    #[error("packet of {0} bytes is over the limit")]
    TooLarge(usize),
    /// A variable byte integer of more than four bytes or in a longer form than needed.
    #[error("a variable byte integer is malformed")]
    Varint,
    /// The packet's body ends inside a field.
    #[error("the packet ends inside a field")]
    Truncated,
    /// Bytes follow the last field.
    #[error("bytes follow the last field")]
    TrailingBytes,
    /// Fixed header flags that the packet kind does not have.
    #[error("reserved flags of the fixed header are set")]
    HeaderFlags,
    /// A packet kind clients may not send, or not here.
    #[error("packet kind {0} is not allowed here")]
    Kind(u8),
    /// A text that is no valid MQTT UTF-8 string.
    #[error("a string is not valid UTF-8 or holds a forbidden character")]
    Text,
    /// The protocol name is not `MQTT`.
    #[error("the protocol name is not MQTT")]
    ProtocolName,
    /// Neither level 4 (3.1.1) nor 5.
    #[error("protocol level {0} is not supported")]
    ProtocolLevel(u8),
    /// Connect flags that contradict each other or are reserved.
    #[error("the connect flags are not valid")]
    ConnectFlags,
    /// An empty client id with a session to keep (3.1.1).
    #[error("an empty client id cannot have a session to keep")]
    ClientId,
    /// Quality of service 3.
    #[error("quality of service 3 does not exist")]
    Qos,
    /// DUP set on a quality of service 0 message.
    #[error("DUP is set at quality of service 0")]
    DupAtQos0,
    /// Packet identifier 0.
    #[error("packet identifier 0 does not exist")]
    PacketId,
    /// A topic name that is empty or holds wildcards.
    #[error("the topic name is not valid")]
    TopicName,
    /// A topic filter with misplaced wildcards, or an invalid shared subscription.
    #[error("the topic filter is not valid")]
    TopicFilter,
    /// A SUBSCRIBE or UNSUBSCRIBE without filters, or with too many.
    #[error("the list of topic filters is empty or too long")]
    FilterCount,
    /// Subscription options that are reserved or impossible.
    #[error("the subscription options are not valid")]
    SubscriptionOptions,
    /// A property that is unknown or not allowed in this packet.
    #[error("property {0} is not allowed here")]
    Property(u8),
    /// A property that stands twice.
    #[error("property {0} stands twice")]
    PropertyTwice(u8),
    /// A property with a value it may not have.
    #[error("property {0} has a value it may not have")]
    PropertyValue(u8),
    /// A topic alias, which this server does not offer.
    #[error("topic aliases are not offered")]
    TopicAlias,
    /// A reason code the packet may not carry.
    #[error("reason code {0:#04x} is not allowed here")]
    Reason(u8),
}

impl DecodeError {
    /// The MQTT 5 reason to disconnect with.
    #[must_use]
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::TooLarge(_) => ReasonCode::PacketTooLarge,
            Self::ProtocolName | Self::ProtocolLevel(_) => ReasonCode::UnsupportedProtocolVersion,
            Self::ClientId => ReasonCode::ClientIdentifierNotValid,
            Self::TopicName => ReasonCode::TopicNameInvalid,
            Self::TopicFilter => ReasonCode::TopicFilterInvalid,
            Self::TopicAlias => ReasonCode::TopicAliasInvalid,
            Self::Kind(_) | Self::PropertyTwice(_) | Self::PropertyValue(_) | Self::FilterCount => {
                ReasonCode::ProtocolError
            }
            Self::Varint
            | Self::Truncated
            | Self::TrailingBytes
            | Self::HeaderFlags
            | Self::Text
            | Self::ConnectFlags
            | Self::Qos
            | Self::DupAtQos0
            | Self::PacketId
            | Self::SubscriptionOptions
            | Self::Property(_)
            | Self::Reason(_) => ReasonCode::MalformedPacket,
        }
    }
}
