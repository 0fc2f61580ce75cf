//! Bodies of the fuzz targets, also replayed over a committed corpus by the tests.

use crate::{
    codec::{
        Frame, decode, decode_connect, frame,
        packet::{Delivery, Packet, Version},
    },
    limits::Limits,
    session::{Outcome, Session},
};
use bytes::BytesMut;

/// Decodes `bytes` as the start of a connection and as packets of both versions. Whatever is
/// accepted must lie within the input; nothing may panic.
pub fn decode_any(bytes: &[u8]) {
    if let Ok(Some(first)) = frame(bytes, 1 << 20) {
        let _ = decode_connect(&first);
    }
    for version in [Version::V311, Version::V5] {
        each_frame(bytes, |frame| decode(version, frame).is_ok());
    }
}

/// Runs `bytes` as packets through a session whose gate accepts everything.
pub fn drive_session(bytes: &[u8]) {
    for version in [Version::V311, Version::V5] {
        let limits = Limits::default();
        let (mut session, mut outcome) = (Session::new(version, &limits), Outcome::default());
        let (mut out, mut commit) = (BytesMut::new(), 0);
        each_frame(bytes, |frame| {
            let Ok(packet) = decode(version, frame) else { return false };
            commit += 1;
            let goes_on = step(&mut session, &packet, commit, &mut out);
            outcome.committed(commit / 2);
            session.release(&outcome, &mut out, &mut Vec::new());
            assert!(out.len() <= 64 * bytes.len() + 64, "output grows faster than input");
            goes_on
        });
    }
}

fn step(session: &mut Session, packet: &Packet<'_>, commit: u64, out: &mut BytesMut) -> bool {
    match packet {
        Packet::Publish(publish) => match session.begin(publish.delivery) {
            Ok(true) => session.accept(publish.delivery, Some(commit)),
            Ok(false) => {}
            Err(_) => return false,
        },
        Packet::PubAck(ack) | Packet::PubComp(ack) => session.complete(*ack),
        Packet::PubRec(ack) => session.recorded(*ack, out),
        Packet::PubRel(ack) => session.released(*ack, out),
        Packet::Subscribe(subscribe) => {
            for wanted in &subscribe.filters {
                session.subscribe(wanted.filter, wanted.qos);
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            for filter in &unsubscribe.filters {
                session.unsubscribe(filter);
            }
        }
        Packet::PingReq => {}
        Packet::Disconnect(_) => return false,
    }
    session.begin(Delivery::AtMostOnce).is_ok()
}

fn each_frame(mut bytes: &[u8], mut take: impl FnMut(&Frame<'_>) -> bool) {
    while let Ok(Some(frame)) = frame(bytes, 1 << 20) {
        assert!(frame.length <= bytes.len() && frame.length >= 2);
        if !take(&frame) {
            return;
        }
        bytes = &bytes[frame.length..];
    }
}
