//! Why something was refused: one closed list shared by hub, components and tools, each entry with
//! a stable number for the wire, a stable word for counters and logs, and advice for a person.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

macro_rules! refusals {
    ($($(#[$doc:meta])* $code:literal $name:ident $slug:literal $advice:literal;)*) => {
        /// The reason of a refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Refusal {
            $($(#[$doc])* $name = $code,)*
        }

        impl Refusal {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word for counters, logs and MQTT 5 reason strings.
            #[must_use]
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// What the refused side, or its owner, can do next.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

refusals! {
    /// Bytes that are no valid message of their route.
    1 Malformed "malformed" "send deterministic CBOR of the shape the route's CDDL rule gives";
    /// A payload longer than its route allows.
    2 TooLarge "too-large" "keep the payload within the limit of its route";
    /// A topic that belongs to another component.
    3 ForeignTopic "foreign-topic" "use only topics below p/ and your own id";
    /// A topic no route is known for.
    4 UnknownTopic "unknown-topic" "use a topic of the protocol's route table";
    /// Publishing on a topic the hub speaks on, or listening on one it hears.
    5 WrongDirection "wrong-direction" "publish on up topics and subscribe to down topics";
    /// A subscription with wildcards, `$` or a shared group.
    6 WildcardSubscription "wildcard-subscription" "subscribe to each of your topics by its full name";
    /// A retained message where the route allows none.
    7 RetainNotAllowed "retain-not-allowed" "clear the retain flag";
    /// A delivery guarantee the route does not allow.
    8 QosNotAllowed "qos-not-allowed" "use the quality of service of the route table";
    /// A certificate whose id is not in the inventory.
    9 Unknown "unknown-component" "enrol first";
    /// Client id, topic or CSR claims another identity than the certificate proves.
    10 IdentityMismatch "identity-mismatch" "use the id that the certificate carries";
    /// The certificate or its component was revoked.
    11 Revoked "revoked" "the owner must enrol the component anew";
    /// The component has left the product.
    12 Retired "retired" "the owner must enrol the component anew";
    /// The component is quarantined.
    13 Quarantined "quarantined" "the owner must look at the component and approve it";
    /// The component waits for the owner's approval.
    14 NotApproved "not-approved" "wait until the owner approves, then ask again";
    /// The certificate is not the one now in force for its component.
    15 Superseded "superseded-certificate" "use the newest certificate issued";
    /// The certificate is out of its validity period.
    16 Expired "expired" "renew over the enrolment service";
    /// An issuer that is not trusted for this purpose.
    17 UntrustedIssuer "untrusted-issuer" "the owner can trust the maker's root in the hub's settings";
    /// A sequence number already passed.
    18 Replayed "replayed" "continue counting from the last acknowledged sequence number";
    /// The same identity lives twice.
    19 Cloned "cloned-identity" "the owner must find out which device is genuine and enrol it anew";
    /// No pairing window is open.
    20 PairingClosed "pairing-closed" "the owner opens a window with: hub-agent pair open";
    /// The pairing code is wrong.
    21 WrongCode "wrong-code" "check the code; each wrong try makes the next wait longer";
    /// The pairing code was used or its time is over.
    22 SpentCode "spent-code" "the owner opens a new window for a new code";
    /// Too many tries or messages; wait.
    23 SlowDown "slow-down" "wait for the time given, then try again";
    /// The id, serial number or key already belongs to another component.
    24 IdInUse "id-in-use" "retire the other component first, or use a key of your own";
    /// A key or signature the hub holds too weak.
    25 WeakKey "weak-key" "use an ECDSA key on P-256 or P-384, or Ed25519";
    /// A signing request that is not valid.
    26 BadRequest "bad-request" "send a PKCS#10 request as RFC 7030 section 4.2 has it";
    /// The hub cannot make anything durable at the moment.
    27 StoreUnavailable "store-unavailable" "the owner frees disk space; then send again";
    /// A bound of the hub was reached.
    28 Full "full" "retire components that are gone, or raise the limit in the settings";
    /// A command that the present state does not allow.
    29 WrongState "wrong-state" "look at the component's state first: hub-agent component show";
    /// A mistake inside the hub.
    30 Internal "internal" "look into the hub's log and report it to the hub's maker";
    /// A last will outside the component's own topics.
    31 ForeignWill "foreign-will" "set the last will on your own lost topic, or none";
    /// The peer showed no certificate where one is needed.
    32 NoCertificate "no-certificate" "enrol first, then connect with the certificate";
    /// Authentication data that the service does not take.
    33 BadCredentials "bad-credentials" "send user 'pair' and the pairing code, or a certificate";
    /// No signed definition covers the component's maker and kind.
    34 UnknownKind "unknown-kind" "the owner adds its maker's definition: hub-agent definition add FILE";
    /// A stream or command that the kind's definition does not declare.
    35 NotDeclared "not-declared" "use only what the maker's definition declares";
    /// A payload outside its declared schema.
    36 WrongContent "wrong-content" "send what the schema in the maker's definition allows";
    /// A value fell that never falls within one life.
    37 OutOfOrder "out-of-order" "send values in the order in which they came about";
    /// A definition that nobody trusted signed, that is older than the one in force, or has mistakes.
    38 BadDefinition "bad-definition" "its maker finds mistakes with: hub-agent definition check FILE";
    /// A report of a security version smaller than one it had.
    39 RolledBack "rolled-back" "the owner updates the component, looks at it and approves it";
    /// Somebody whose role or kind may not do this.
    40 NotPermitted "not-permitted" "someone with a role or kind that the definition names must do it";
    /// The receiver is no active member, or not connected.
    41 Unreachable "unreachable" "wait until the receiver is there, then send again";
    /// Something of a high risk, by somebody whose login is too old for it.
    42 LoginTooOld "login-too-old" "log in again, then do it within five minutes: hub-agent login NAME";
}

impl Refusal {
    /// The stable number for the wire.
    #[must_use]
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|refusal| refusal.code() == code)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.slug(), self.advice())
    }
}

impl std::error::Error for Refusal {}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.serialize_str(self.slug())
        } else {
            s.serialize_u16(self.code())
        }
    }
}

impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let slug = String::deserialize(d)?;
            let known = Self::ALL.iter().copied().find(|refusal| refusal.slug() == slug);
            known.ok_or_else(|| de::Error::custom("no refusal has this name"))
        } else {
            Self::from_code(u16::deserialize(d)?)
                .ok_or_else(|| de::Error::custom("no refusal has this number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_and_words_are_unique_and_reversible() {
        let words: BTreeSet<_> = Refusal::ALL.iter().map(|r| r.slug()).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
        assert!(Refusal::ALL.iter().all(|r| Refusal::from_code(r.code()) == Some(*r)));
        assert_eq!(Refusal::from_code(0), None);
    }
}
