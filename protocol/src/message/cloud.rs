//! Messages between the hub and its maker's cloud.

use super::{config::Settings, field::V1, octets::Octets};
use crate::{
    cbor::int_map,
    id::{ComponentId, Label, Note, Slug},
    refusal::Refusal,
    time::Timestamp,
};

int_map! {
    /// The hub's state as its cloud sees it.
    pub struct HubStatus {
        /// Wire version.
        1 => version: V1,
        /// Counts statuses over the hub's whole life.
        2 => seq: u64,
        /// When it was made.
        3 => time: Timestamp,
        /// Version of the hub's software.
        4 => software: Label,
        /// Members of the product, the hub and the cloud left out.
        5 => members: u32,
        /// How many of them are active.
        6 => active: u32,
        /// How many of them are quarantined.
        7 => quarantined: u32,
    }
}

int_map! {
    /// What the cloud is.
    pub struct CloudHello {
        /// Wire version.
        1 => version: V1,
        /// Logical id, made of the key of the cloud's certificate.
        2 => id: ComponentId,
        /// Who runs it.
        3 => maker: Label,
        /// What it is called.
        4 => model: Label,
        /// Version of its software.
        5 => software: Label,
    }
}

int_map! {
    /// What the cloud wants of a component: settings, or a command. The hub judges it as it judges people.
    pub struct CloudAsk {
        /// Wire version.
        1 => version: V1,
        /// Counts what the cloud asks of this hub; never goes back.
        2 => seq: u64,
        /// Of which component.
        3 => component: ComponentId,
        /// Settings that shall change.
        4 => settings [?]: Settings,
        /// The command, if it is one.
        5 => command [?]: Slug,
        /// The command's arguments: the bytes of a map with text keys.
        6 => arguments [?]: Octets,
    }
}

int_map! {
    /// What came of it.
    pub struct CloudAnswer {
        /// Wire version.
        1 => version: V1,
        /// Which ask this answers.
        2 => seq: u64,
        /// Why it was refused; nothing when it was taken.
        3 => refusal [?]: Refusal,
        /// What exactly.
        4 => detail [?]: Note,
    }
}
