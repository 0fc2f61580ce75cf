//! A component's record as the hub's. Its time is kept beside the hub's own and never used for windows.

use super::LIVE_FOR;
use crate::record::{
    Address, Counters, Destination, Lane, Peer, Record, RecordKind, Source, Text, Word,
};
use protocol::{
    id::ComponentId,
    message::{LogBatch, LogCounters, LogEnd, LogKind, LogRecord, Percent},
    time::Timestamp,
};
use std::{net::IpAddr, time::Duration};

/// How a record came to the hub.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    /// When, by the hub's clock.
    pub(crate) at: Timestamp,
    /// From whom.
    pub(crate) from: ComponentId,
    /// Its number in the component's log.
    pub(crate) number: u64,
    /// How old it was when it was sent.
    pub(crate) age: Duration,
}

impl From<LogKind> for RecordKind {
    /// Total: whatever a component may tell has its place in the hub's vocabulary, under the same number.
    fn from(kind: LogKind) -> Self {
        match kind {
            LogKind::UpdateInstalled => Self::UpdateInstalled,
            LogKind::UpdateFailed => Self::UpdateFailed,
            LogKind::UpdateRefused => Self::UpdateRefused,
            LogKind::Restart => Self::Restart,
            LogKind::AuthSuccess => Self::AuthSuccess,
            LogKind::AuthFailure => Self::AuthFailure,
            LogKind::NetCounters => Self::NetCounters,
            LogKind::NetDestination => Self::NetFirstSeen,
            LogKind::CommandReceived => Self::CommandIssued,
            LogKind::CommandRefused => Self::CommandRefused,
            LogKind::ConfigChanged => Self::ConfigChanged,
            LogKind::BootVerified => Self::BootVerified,
            LogKind::BootMismatch => Self::BootMismatch,
            LogKind::Tamper => Self::Tamper,
            LogKind::ClockJump => Self::ClockJump,
            LogKind::Health => Self::Health,
            LogKind::LogStopped => Self::LogStopped,
        }
    }
}

/// How old a record was when its batch was sent. While a component catches up after an outage the greater of
/// what its clock and its uptime tell counts, because uptimes of before a restart say nothing; else only the uptime,
/// so that a false clock does not take its records out of the windows.
pub(crate) fn age(record: &LogRecord, batch: &LogBatch, is_catching_up: bool) -> Duration {
    let uptime = batch.uptime.checked_sub(record.uptime).map(Duration::from_millis);
    if !is_catching_up {
        return uptime.unwrap_or_default();
    }
    let clock = batch.time.zip(record.time).map(|(sent, then)| sent.since(then));
    uptime.unwrap_or(Duration::MAX).max(clock.unwrap_or_default())
}

/// The record as the hub keeps it.
pub(crate) fn translate(record: &LogRecord, came: Came) -> Record {
    let kind = RecordKind::from(record.kind);
    let lane = if came.age > LIVE_FOR { Lane::Backlog } else { Lane::Live };
    Record {
        source: Source::Component,
        lane,
        original: record.time,
        component: Some(came.from),
        code: record.code.as_ref().map(|code| Word::clip(code.as_str())),
        peer: record.from.as_ref().and_then(peer),
        destination: record.to.as_ref().map(destination),
        actor: record.actor.as_ref().map(|actor| Word::clip(actor.as_str())),
        subject: record.subject.as_ref().map(|subject| Word::clip(subject.as_str())),
        counters: record.counters.as_ref().map_or(Counters::NONE, counters),
        text: record.text.as_ref().map(|text| Text::clip(text.as_str())),
        related: Some(came.number),
        age: u64::try_from(came.age.as_millis()).ok().filter(|ms| *ms > 0),
        ..Record::new(came.at, kind)
    }
}

/// The other end, where it is an address; names of those who connect prove nothing.
fn peer(end: &LogEnd) -> Option<Peer> {
    let ip: IpAddr = end.host.as_str().parse().ok()?;
    Some(Peer { ip: Address(ip), port: end.port, fingerprint: None })
}

fn destination(end: &LogEnd) -> Destination {
    let (host, port) = (end.host.as_str(), end.port);
    match host.parse::<IpAddr>() {
        Ok(ip) => Destination { host: None, ip: Some(Address(ip)), port },
        Err(_) => Destination { host: Some(Word::clip(host)), ip: None, port },
    }
}

fn counters(from: &LogCounters) -> Counters {
    Counters {
        count: from.count,
        bytes_in: from.bytes_in,
        bytes_out: from.bytes_out,
        connections: from.connections,
        cpu: from.cpu.map(Percent::get),
        memory: from.memory.map(Percent::get),
        battery: from.battery.map(Percent::get),
        ..Counters::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T1.CSA.1 (positive)
    #[test]
    fn every_kind_of_a_component_has_the_number_that_the_hubs_log_has_for_it() {
        for kind in LogKind::ALL {
            assert_eq!(RecordKind::from(*kind) as u8, kind.number(), "{kind}");
        }
        assert!(LogKind::ALL.len() >= 12);
    }
}
