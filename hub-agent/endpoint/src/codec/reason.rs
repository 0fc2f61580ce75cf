//! MQTT 5 reason codes (section 2.4).

macro_rules! reasons {
    ($($(#[$doc:meta])* $code:literal $name:ident,)*) => {
        /// Why something went as it did; 0x80 and above are failures.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum ReasonCode { $($(#[$doc])* $name = $code,)* }

        impl ReasonCode {
            /// The code on the wire.
            #[must_use]
            pub fn code(self) -> u8 {
                self as u8
            }

            /// The reason with this code.
            #[must_use]
            pub fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// Success, normal disconnection, granted QoS 0.
    0x00 Success,
    /// Granted QoS 1.
    0x01 GrantedQos1,
    /// Granted QoS 2.
    0x02 GrantedQos2,
    /// Disconnect with the will to be published.
    0x04 DisconnectWithWill,
    /// Nobody subscribes to the topic.
    0x10 NoMatchingSubscribers,
    /// There was no such subscription.
    0x11 NoSubscriptionExisted,
    /// Failure without a better word.
    0x80 UnspecifiedError,
    /// Bytes that are no packet.
    0x81 MalformedPacket,
    /// A packet out of order or against the rules.
    0x82 ProtocolError,
    /// Valid, but not taken by this server.
    0x83 ImplementationSpecificError,
    /// Protocol version not supported.
    0x84 UnsupportedProtocolVersion,
    /// Client identifier not allowed.
    0x85 ClientIdentifierNotValid,
    /// Wrong user name or password.
    0x86 BadUserNameOrPassword,
    /// Not authorized.
    0x87 NotAuthorized,
    /// Server not available.
    0x88 ServerUnavailable,
    /// Server busy.
    0x89 ServerBusy,
    /// The client was banned.
    0x8A Banned,
    /// The server is shutting down.
    0x8B ServerShuttingDown,
    /// Authentication method not supported.
    0x8C BadAuthenticationMethod,
    /// Nothing was received for one and a half keep-alive times.
    0x8D KeepAliveTimeout,
    /// The same client identifier connected anew.
    0x8E SessionTakenOver,
    /// Topic filter not accepted.
    0x8F TopicFilterInvalid,
    /// Topic name not accepted.
    0x90 TopicNameInvalid,
    /// Packet identifier in use.
    0x91 PacketIdentifierInUse,
    /// Packet identifier not known.
    0x92 PacketIdentifierNotFound,
    /// More unacknowledged messages than the receive maximum.
    0x93 ReceiveMaximumExceeded,
    /// Topic alias not valid.
    0x94 TopicAliasInvalid,
    /// Packet larger than the limit.
    0x95 PacketTooLarge,
    /// Messages come too fast.
    0x96 MessageRateTooHigh,
    /// A quota is exceeded.
    0x97 QuotaExceeded,
    /// Ended by an administrator.
    0x98 AdministrativeAction,
    /// Payload of the wrong format.
    0x99 PayloadFormatInvalid,
    /// Retained messages not supported here.
    0x9A RetainNotSupported,
    /// Quality of service not supported here.
    0x9B QosNotSupported,
    /// Use another server.
    0x9C UseAnotherServer,
    /// The server moved.
    0x9D ServerMoved,
    /// Shared subscriptions not supported.
    0x9E SharedSubscriptionsNotSupported,
    /// Connections come too fast.
    0x9F ConnectionRateExceeded,
    /// The connection lived for its longest time.
    0xA0 MaximumConnectTime,
    /// Subscription identifiers not supported.
    0xA1 SubscriptionIdentifiersNotSupported,
    /// Wildcard subscriptions not supported.
    0xA2 WildcardSubscriptionsNotSupported,
}

impl ReasonCode {
    /// Whether this is a failure.
    #[must_use]
    pub fn is_failure(self) -> bool {
        self.code() >= 0x80
    }

    /// This reason, or the nearest one that a PUBACK or PUBREC may carry (tables 3-4 and 3-5).
    #[must_use]
    pub fn in_ack(self) -> Self {
        match self.code() {
            0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99 => self,
            0x8a => Self::NotAuthorized,
            _ => Self::ImplementationSpecificError,
        }
    }

    /// This reason, or the nearest one that a SUBACK may carry (table 3-8).
    #[must_use]
    pub fn in_suback(self) -> Self {
        match self.code() {
            0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8f | 0x91 | 0x97 | 0x9e | 0xa1 | 0xa2 => self,
            0x90 => Self::TopicFilterInvalid,
            0x8a => Self::NotAuthorized,
            _ => Self::ImplementationSpecificError,
        }
    }

    /// This reason, or the nearest one that a server's DISCONNECT may carry (table 3-10).
    #[must_use]
    pub fn in_disconnect(self) -> Self {
        match self.code() {
            0x84 | 0x85 | 0x91 | 0x92 => Self::ProtocolError,
            0x86 | 0x8a | 0x8c => Self::NotAuthorized,
            0x88 => Self::ServerBusy,
            0x01 | 0x02 | 0x04 | 0x10 | 0x11 => Self::Success,
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_fits_the_packet_it_is_put_into() {
        let all = (0..=u8::MAX).filter_map(ReasonCode::from_code);
        for reason in all {
            let ack = reason.in_ack().code();
            assert!(
                matches!(ack, 0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99),
                "{reason:?}"
            );
            let disconnect = reason.in_disconnect().code();
            assert!(
                matches!(disconnect, 0 | 0x80..=0x83 | 0x87 | 0x89 | 0x8b | 0x8d..=0x90 | 0x93..=0xa2),
                "{reason:?}"
            );
            assert!(!reason.is_failure() || reason.in_suback().is_failure(), "{reason:?}");
            assert!(!reason.is_failure() || reason.in_ack().is_failure(), "{reason:?}");
        }
    }
}
