//! The inventory as people and their tools read it: `schema/inventory.schema.json` describes it.

use super::record::{Origin, Record};
use crate::access::trust::Hold;
use protocol::{
    id::{ComponentId, Digest},
    message::{Announcement, TrustState},
    time::Timestamp,
};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A point in time as RFC 3339.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    let nanos = i128::from(at.0) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| format!("{} ms", at.0))
}

/// One component as people see it. Absent facts are absent, never invented.
#[derive(Clone, Debug, Serialize)]
pub struct ComponentView {
    /// Logical id.
    pub id: ComponentId,
    /// Name its owner gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Groups it is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Whether its definition is only tried, not enforced.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub on_trial: bool,
    /// Whether more than its own word says what it is.
    pub is_proved: bool,
    /// Trust state.
    pub trust: TrustState,
    /// What holds it in quarantine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Why it is in this state.
    pub trust_reason: String,
    /// Since when.
    pub trust_since: String,
    /// How it proved who it is.
    pub origin: &'static str,
    /// What it says of itself.
    #[serde(flatten)]
    pub facts: Option<FactsView>,
    /// Number of its newest announcement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announcement: Option<u64>,
    /// Fields an inventory should have that the component did not give.
    pub missing: Vec<&'static str>,
    /// Its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateView>,
    /// Whether a request for a certificate waits for the owner.
    pub waits_for_approval: bool,
    /// Whether it is connected now.
    pub connected: bool,
    /// How well its link is protected.
    pub link_grade: &'static str,
    /// When it was first noticed.
    pub first_seen: String,
    /// Its last sign of life.
    pub last_seen: String,
    /// State of its updates.
    pub update_state: UpdateState,
    /// Counter of the release that it signed that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_counter: Option<u32>,
    /// SHA-256 of the image that it signed that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_digest: Option<String>,
    /// What changed, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<ChangeView>,
}

/// State of a component's updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateState {
    /// Its definition names no line of releases.
    #[default]
    NotManaged,
    /// It has not signed yet what it runs.
    Unknown,
    /// It runs the newest release that is known for it.
    Current,
    /// There is a newer release, which it does not get at this moment.
    Behind,
    /// It is getting a release.
    Updating,
    /// Its newest update failed, and it runs something else.
    Failed,
    /// What it signed is not to be believed.
    Doubted,
}

impl UpdateState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::NotManaged,
        Self::Unknown,
        Self::Current,
        Self::Behind,
        Self::Updating,
        Self::Failed,
        Self::Doubted,
    ];

    /// The stable word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotManaged => "not-managed",
            Self::Unknown => "unknown",
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Updating => "updating",
            Self::Failed => "failed",
            Self::Doubted => "doubted",
        }
    }
}

/// What is known of a component's updates.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpdateView {
    /// Their state.
    pub state: UpdateState,
    /// Counter of what it signed that it runs, unless that is doubted.
    pub counter: Option<u32>,
    /// SHA-256 of the image that it signed that it runs, unless that is doubted.
    pub image: Option<Digest>,
}

/// What a component says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct FactsView {
    /// Kind of component.
    pub kind: String,
    /// Maker.
    pub maker: String,
    /// Model.
    pub model: String,
    /// Physical id.
    pub serial: String,
    /// Hardware revision.
    pub hardware: u32,
    /// Firmware version.
    pub firmware: String,
    /// SHA-256 of the firmware.
    pub firmware_digest: String,
    /// Interfaces.
    pub interfaces: Vec<String>,
    /// Declared channels.
    pub streams: Vec<String>,
    /// Classes of data it holds.
    pub data: Vec<String>,
    /// Seconds between heartbeats.
    pub interval: u16,
    /// Configuration revision.
    pub config: u32,
    /// Where its SBOM stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbom: Option<String>,
    /// Last day of support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub support_end: Option<String>,
}

/// A certificate as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateView {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of its key.
    pub key: String,
    /// End of validity.
    pub not_after: String,
    /// When it should be renewed.
    pub renew_at: String,
}

/// A change as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct ChangeView {
    /// When.
    pub at: String,
    /// What.
    pub what: String,
    /// Before.
    pub old: String,
    /// After.
    pub new: String,
}

impl From<&Announcement> for FactsView {
    fn from(facts: &Announcement) -> Self {
        let texts = |items: &[protocol::id::Slug]| items.iter().map(ToString::to_string).collect();
        Self {
            kind: facts.kind.to_string(),
            maker: facts.maker.to_string(),
            model: facts.model.to_string(),
            serial: facts.serial.to_string(),
            hardware: facts.hardware,
            firmware: facts.firmware.to_string(),
            firmware_digest: facts.firmware_digest.to_string(),
            interfaces: texts(facts.interfaces.items()),
            streams: texts(facts.streams.items()),
            data: texts(facts.data.items()),
            interval: facts.interval.get(),
            config: facts.config,
            sbom: facts.sbom.as_ref().map(ToString::to_string),
            support_end: facts.support_end.map(|day| day.to_string()),
        }
    }
}

/// The view of one record.
#[must_use]
pub fn view(
    record: &Record,
    update: UpdateView,
    connected: bool,
    with_history: bool,
) -> ComponentView {
    let certificate = record.credentials.current.as_ref().map(|certificate| CertificateView {
        serial: hex(&certificate.serial),
        key: certificate.key.to_string(),
        not_after: rfc3339(certificate.not_after),
        renew_at: rfc3339(certificate.renew_at()),
    });
    let change = |c: &super::record::Change| ChangeView {
        at: rfc3339(c.at),
        what: c.what.clone(),
        old: c.old.clone(),
        new: c.new.clone(),
    };
    ComponentView {
        id: record.id,
        name: record.name.as_ref().map(ToString::to_string),
        on_trial: record.on_trial,
        is_proved: record.is_proved(),
        groups: record.groups.iter().map(ToString::to_string).collect(),
        trust: record.trust.state,
        hold: record.trust.hold,
        trust_reason: record.trust.reason.clone(),
        trust_since: rfc3339(record.trust.since),
        origin: match record.origin {
            Origin::Idevid { .. } => "idevid",
            Origin::PairingCode { .. } => "pairing-code",
        },
        facts: record.facts.as_ref().map(FactsView::from),
        announcement: record.facts.as_ref().map(|facts| facts.seq),
        missing: record.missing(),
        certificate,
        waits_for_approval: record.request.as_ref().is_some_and(|request| !request.approved),
        connected,
        link_grade: "mutual-tls-1.3",
        first_seen: rfc3339(record.first_seen),
        last_seen: rfc3339(record.last_seen),
        update_state: update.state,
        update_counter: update.counter,
        verified_digest: update.image.map(|digest| digest.to_string()),
        history: if with_history {
            record.history.iter().map(change).collect()
        } else {
            Vec::new()
        },
    }
}

/// Hexadecimal digits of bytes.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
