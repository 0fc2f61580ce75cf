//! Events of a busy day: mostly normal life, some of what rules look at.

use hub_core::record::{Counters, Peer, Record, RecordKind};
use protocol::{
    id::{ComponentId, Digest},
    time::Timestamp,
};
use std::net::SocketAddr;

/// Kinds by how often they come, in percent.
const MIX: &[(u64, RecordKind)] = &[
    (30, RecordKind::NetCounters),
    (25, RecordKind::Health),
    (10, RecordKind::AuthSuccess),
    (10, RecordKind::ConnUp),
    (10, RecordKind::ConnDown),
    (4, RecordKind::PolicyDenied),
    (3, RecordKind::AuthFailure),
    (3, RecordKind::CommandIssued),
    (2, RecordKind::Restart),
    (1, RecordKind::PayloadMalformed),
    (1, RecordKind::SessionTakeover),
    (1, RecordKind::UpdateFailed),
];

pub(crate) fn id(n: u8) -> ComponentId {
    ComponentId::from_key_digest(&Digest([n; 32]))
}

/// So many events of so many members, 200 a second.
pub(crate) fn events(many: usize, members: u8) -> Vec<Record> {
    let mut chance = 7_u64;
    let mut below = move |bound: u64| {
        chance =
            chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % bound
    };
    let mut kind = move || {
        let mut rest = below(100);
        let found = MIX.iter().find(|(share, _)| {
            let is_it = rest < *share;
            rest = rest.saturating_sub(*share);
            is_it
        });
        (found.map_or(RecordKind::Health, |(_, kind)| *kind), below(u64::MAX >> 33))
    };
    (0..many as u64)
        .map(|number| {
            let (kind, chance) = kind();
            let who = (chance % u64::from(members)) as u8;
            let from = SocketAddr::from(([10, 0, 0, who], 50_000));
            let record = Record::new(Timestamp(1_000_000_000 + number * 5), kind).about(id(who));
            let counters = if kind == RecordKind::NetCounters {
                Counters {
                    bytes_in: Some(chance % 5000),
                    bytes_out: Some(chance % 9000),
                    ..Counters::NONE
                }
            } else {
                Counters::NONE
            };
            Record { counters, ..record.seen_from(Peer::from(from)).on("c/state") }
        })
        .collect()
}

/// What one invented identity does.
pub(crate) fn strange(n: u32) -> [Record; 4] {
    let from = SocketAddr::from((n.to_be_bytes(), 9));
    let record = |kind| Record::new(Timestamp(0), kind).seen_from(Peer::from(from));
    [
        record(RecordKind::AuthFailure).by(&format!("guest {n}")),
        record(RecordKind::ConnRefused),
        record(RecordKind::PayloadMalformed),
        record(RecordKind::EnrolRefused).because("pairing-closed"),
    ]
}
