//! Messages between a component and the hub.

use super::field::{ByeReason, Interval, List, TrustState, V1};
use crate::{
    cbor::int_map,
    id::{BootId, Digest, Label, Note, Slug, Uri},
    time::{Date, Timestamp},
};

int_map! {
    /// What a component is: sent after each connect and whenever something in it changes.
    pub struct Announcement {
        /// Wire version.
        1 => version: V1,
        /// Counts announcements over the component's whole life; never goes back.
        2 => seq: u64,
        /// The life between two starts in which this was sent.
        3 => boot: BootId,
        /// Kind of component, such as `lamp`.
        4 => kind: Slug,
        /// Who makes it.
        5 => maker: Label,
        /// Model designation.
        6 => model: Label,
        /// Physical id: the serial number on its label.
        7 => serial: Label,
        /// Hardware revision.
        8 => hardware: u32,
        /// Version of the running firmware.
        9 => firmware: Label,
        /// SHA-256 of the running firmware.
        10 => firmware_digest: Digest,
        /// Network and user interfaces it has.
        11 => interfaces: List<Slug, 16>,
        /// Streams it publishes: its declared channels.
        12 => streams: List<Slug, 16>,
        /// Classes of personal or product data it holds.
        13 => data: List<Slug, 16>,
        /// Seconds between two heartbeats, 1 to 3600.
        14 => interval: Interval,
        /// Revision of its configuration.
        15 => config: u32,
        /// Where its software bill of materials stands.
        16 => sbom [?]: Uri,
        /// Last day of its maker's support.
        17 => support_end [?]: Date,
    }
}

int_map! {
    /// A sign of life.
    pub struct Heartbeat {
        /// Wire version.
        1 => version: V1,
        /// The life between two starts in which this was sent.
        2 => boot: BootId,
        /// Counts heartbeats since the start.
        3 => seq: u64,
        /// Seconds since the start.
        4 => uptime: u64,
    }
}

int_map! {
    /// The component stops talking on purpose.
    pub struct Bye {
        /// Wire version.
        1 => version: V1,
        /// Counts on with the announcements.
        2 => seq: u64,
        /// Why.
        3 => reason: ByeReason,
    }
}

int_map! {
    /// A last will: the connection broke without a goodbye.
    pub struct Lost {
        /// Wire version.
        1 => version: V1,
    }
}

int_map! {
    /// How the hub regards the component now.
    pub struct TrustNotice {
        /// Wire version.
        1 => version: V1,
        /// The state.
        2 => state: TrustState,
        /// Since when.
        3 => since: Timestamp,
        /// Why, in plain words.
        4 => reason: Note,
        /// When the certificate should be renewed, in seconds since 1970.
        5 => renew_at [?]: u64,
    }
}
