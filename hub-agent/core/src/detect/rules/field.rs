//! The OCSF paths that rules may name, and where a record has them.

use crate::record::{Destination, Peer, Record, ocsf};
use protocol::id::{ComponentId, Digest};
use std::net::IpAddr;

/// What a record has at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A word or sentence.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// An address.
    Ip(IpAddr),
    /// A component.
    Component(ComponentId),
    /// A digest.
    Digest(Digest),
}

/// What a path holds, and so which comparisons make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Words and sentences.
    Text,
    /// Numbers.
    Number,
    /// Addresses.
    Ip,
    /// Components and digests: compared as the text they print.
    Id,
}

macro_rules! fields {
    ($($name:ident $path:literal $type:ident $what:literal,)*) => {
        /// A path that rules may name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $(#[doc = $what] $name,)* }

        impl Field {
            /// Every path.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// How rules write it.
            #[must_use]
            pub fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }

            /// What it holds.
            #[must_use]
            pub fn holds(self) -> Type {
                match self { $(Self::$name => Type::$type,)* }
            }

            /// What it means, in plain words.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }
        }
    };
}

fields! {
    Kind "metadata.event_code" Text "The kind of record.",
    Severity "severity_id" Number "How grave, from 1 to 5.",
    Status "status_detail" Text "How it ended: success, failure or denied.",
    Code "status_code" Text "Why, in a stable word.",
    Device "device.uid" Id "The component it is about.",
    SourceIp "src_endpoint.ip" Ip "Where a connection to the hub comes from, in classes with a source.",
    SourcePort "src_endpoint.port" Number "The port it comes from.",
    ToHost "dst_endpoint.hostname" Text "The name of where a component talks to.",
    ToIp "dst_endpoint.ip" Ip "The address of where a component talks to.",
    ToPort "dst_endpoint.port" Number "The port of where a component talks to.",
    Actor "actor.user.name" Text "Who did it.",
    Message "message" Text "The sentence for people.",
    Count "count" Number "How often, where equal things are one record.",
    BytesIn "traffic.bytes_in" Number "Bytes a component received.",
    BytesOut "traffic.bytes_out" Number "Bytes a component sent.",
    Subject "unmapped.subject" Text "What it was about: a topic, setting, stream, rule.",
    Observer "unmapped.source" Text "Who observed it: hub, component or cloud.",
    Lane "unmapped.lane" Text "live, or backlog after an outage.",
    Connections "unmapped.connections" Number "Connections a component made.",
    Cpu "unmapped.cpu" Number "Load of the processor in percent.",
    Memory "unmapped.memory" Number "Used memory in percent.",
    Battery "unmapped.battery" Number "Charge of the battery in percent.",
    Measured "unmapped.value" Number "What was measured.",
    Bound "unmapped.bound" Number "What it was measured against.",
    Fingerprint "unmapped.fingerprint" Id "SHA-256 of the certificate or client hello of the other end.",
    Related "unmapped.related" Number "The number of what it belongs to.",
    OtherSourceIp "unmapped.src_endpoint.ip" Ip "Where a connection comes from, in classes without a source.",
    OtherSourcePort "unmapped.src_endpoint.port" Number "The port it comes from, there.",
    OtherToHost "unmapped.dst_endpoint.hostname" Text "The name, in classes without a destination.",
    OtherToIp "unmapped.dst_endpoint.ip" Ip "The address, there.",
    OtherToPort "unmapped.dst_endpoint.port" Number "The port, there, or where neither name nor address is known.",
    OtherBytesIn "unmapped.traffic.bytes_in" Number "Bytes received, in classes without traffic.",
    OtherBytesOut "unmapped.traffic.bytes_out" Number "Bytes sent, there.",
}

impl Field {
    /// The path that is written so.
    #[must_use]
    pub fn named(path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.path() == path)
    }

    /// What the record has there.
    #[must_use]
    pub fn of(self, record: &Record) -> Option<Value<'_>> {
        let text = |word: &'static str| Some(Value::Text(word));
        let number = |number: Option<u64>| number.map(Value::Number);
        let counters = &record.counters;
        match self {
            Self::Kind => text(record.kind.word()),
            Self::Severity => number(Some(record.severity as u64)),
            Self::Status => text(record.status.word()),
            Self::Code => record.code.as_deref().map(Value::Text),
            Self::Device => record.component.map(Value::Component),
            Self::SourceIp => source(record, true).map(|peer| Value::Ip(peer.ip.0)),
            Self::OtherSourceIp => source(record, false).map(|peer| Value::Ip(peer.ip.0)),
            Self::SourcePort => number(source(record, true).map(|peer| peer.port.into())),
            Self::OtherSourcePort => number(source(record, false).map(|peer| peer.port.into())),
            Self::ToHost => to_host(record, true),
            Self::OtherToHost => to_host(record, false),
            Self::ToIp => to_ip(record, true),
            Self::OtherToIp => to_ip(record, false),
            Self::ToPort => number(destination(record, true).map(|to| to.port.into())),
            Self::OtherToPort => number(destination(record, false).map(|to| to.port.into())),
            Self::Actor => record.actor.as_deref().map(Value::Text),
            Self::Message => record.text.as_deref().map(Value::Text),
            Self::Count => number(counters.count.map(u64::from)),
            Self::BytesIn => number(bytes(record, counters.bytes_in, true)),
            Self::OtherBytesIn => number(bytes(record, counters.bytes_in, false)),
            Self::BytesOut => number(bytes(record, counters.bytes_out, true)),
            Self::OtherBytesOut => number(bytes(record, counters.bytes_out, false)),
            Self::Subject => record.subject.as_deref().map(Value::Text),
            Self::Observer => text(record.source.word()),
            Self::Lane => text(record.lane.word()),
            Self::Connections => number(counters.connections.map(u64::from)),
            Self::Cpu => number(counters.cpu.map(u64::from)),
            Self::Memory => number(counters.memory.map(u64::from)),
            Self::Battery => number(counters.battery.map(u64::from)),
            Self::Measured => number(counters.value),
            Self::Bound => number(counters.bound),
            Self::Fingerprint => {
                record.peer.as_ref().and_then(|peer| peer.fingerprint).map(Value::Digest)
            }
            Self::Related => number(record.related),
        }
    }
}

/// The other end, if OCSF has a place for it in the record's class, or only if it has none.
fn source(record: &Record, has_place: bool) -> Option<&Peer> {
    record.peer.as_ref().filter(|_| ocsf::has_source(record) == has_place)
}

fn destination(record: &Record, has_place: bool) -> Option<&Destination> {
    record.destination.as_ref().filter(|_| ocsf::has_destination(record) == has_place)
}

fn to_host(record: &Record, has_place: bool) -> Option<Value<'_>> {
    destination(record, has_place).and_then(|to| to.host.as_deref()).map(Value::Text)
}

fn to_ip(record: &Record, has_place: bool) -> Option<Value<'_>> {
    destination(record, has_place).and_then(|to| to.ip).map(|ip| Value::Ip(ip.0))
}

fn bytes(record: &Record, bytes: Option<u64>, has_place: bool) -> Option<u64> {
    bytes.filter(|_| ocsf::has_traffic(record) == has_place).map(ocsf::long)
}
