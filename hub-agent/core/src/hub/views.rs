//! What people and tools may look at; nothing here changes anything.

use super::Hub;
use crate::{
    access::{
        channels::{Place, nftables},
        credential::RevokedCertificate,
        pairing::WindowView,
        policy::Kind,
    },
    input::{Now, StoreState, Uplink},
    inventory::{
        cyclonedx,
        export::{ComponentView, rfc3339, view},
        record::Record,
    },
};
use protocol::{definition::Impact, id::ComponentId, message::TrustState, time::Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use uuid::Uuid;

/// The hub at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// The hub itself.
    pub hub: HubView,
    /// The cloud.
    pub cloud: CloudView,
    /// Components by trust state.
    pub components: BTreeMap<&'static str, usize>,
    /// Connections now.
    pub connected: usize,
    /// Components that wait for the owner.
    pub waiting: usize,
    /// Digest of what people made of the hub: equal at the first start and after each reset.
    pub made_digest: String,
    /// Security updates that are not everywhere after the time that the owner allows.
    pub overdue_updates: usize,
    /// The hub's own software, if it updates itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<crate::update::OwnSoftware>,
    /// Why updates are stopped, if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates_stopped: Option<String>,
    /// Whether the store takes writes.
    pub store: StoreState,
    /// Messages taken since the start.
    pub messages: u64,
    /// Refusals since the start, by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Until when a pairing window is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairing_until: Option<String>,
}

/// The hub's own entry.
#[derive(Clone, Debug, Serialize)]
pub struct HubView {
    /// Logical id.
    pub id: ComponentId,
    /// Kind.
    pub kind: &'static str,
    /// Version of its software.
    pub software: String,
    /// SHA-256 of its CA certificate.
    pub ca_fingerprint: String,
}

/// The cloud's entry.
#[derive(Clone, Debug, Serialize)]
pub struct CloudView {
    /// Kind.
    pub kind: &'static str,
    /// `not-configured`, `down` or `up`.
    pub state: &'static str,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Logical id, proved by its certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<ComponentId>,
    /// Who runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maker: Option<String>,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Version of its software.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
}

/// A definition in force.
#[derive(Clone, Debug, Serialize)]
pub struct DefinitionView {
    /// Who made it.
    pub maker: String,
    /// The kind it defines.
    pub kind: String,
    /// The maker's count of its changes.
    pub revision: u32,
    /// What the kind is called.
    pub title: String,
    /// What harm its misuse may do.
    pub impact: Impact,
    /// Last day of support.
    pub support_end: String,
    /// Models it covers.
    pub models: Vec<String>,
    /// Name of the roots that vouch for it.
    pub vouched_by: String,
    /// Components it covers now.
    pub components: usize,
}

impl Hub {
    /// The definitions in force.
    #[must_use]
    pub fn definitions(&self) -> Vec<DefinitionView> {
        let covers = |kind: &Kind| {
            let same = |record: &&Record| {
                self.kind_of(record).is_some_and(|covering| std::ptr::eq(&**covering, kind))
            };
            self.inventory.all().filter(same).count()
        };
        let view = |kind: &Arc<Kind>| {
            let definition = kind.definition();
            DefinitionView {
                maker: definition.maker.to_string(),
                kind: definition.kind.to_string(),
                revision: definition.revision,
                title: definition.title.to_string(),
                impact: definition.impact,
                support_end: definition.support_end.to_string(),
                models: definition.models.iter().map(ToString::to_string).collect(),
                vouched_by: kind.anchor().to_string(),
                components: covers(kind),
            }
        };
        self.policy.all().map(view).collect()
    }

    /// The definitions in force of kinds with this name, of whatever maker.
    #[must_use]
    pub fn kinds_named(&self, name: &str) -> Vec<Arc<Kind>> {
        let named = |kind: &&Arc<Kind>| kind.definition().kind.as_str() == name;
        self.policy.all().filter(named).cloned().collect()
    }

    /// The hub at a glance.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> StatusView {
        let count = |state: &TrustState| (state.word(), self.inventory.count(*state));
        StatusView {
            hub: self.own_view(),
            cloud: self.cloud_view(),
            components: TrustState::ALL.iter().map(count).filter(|(_, count)| *count > 0).collect(),
            connected: self.links.len(),
            waiting: self
                .inventory
                .all()
                .filter(|r| r.request.as_ref().is_some_and(|r| !r.approved))
                .count(),
            made_digest: self.made_digest().to_string(),
            overdue_updates: self.overdue_updates(),
            own: self.updates.own.clone(),
            updates_stopped: self.updates.stopped.clone(),
            store: self.store,
            messages: self.messages,
            refusals: self.refusals.clone(),
            pairing_until: self.pairing.view(now).map(|window| rfc3339(window.until)),
        }
    }

    fn own_view(&self) -> HubView {
        HubView {
            id: self.own.id,
            kind: "hub",
            software: self.own.software.to_string(),
            ca_fingerprint: self.own.fingerprint.to_string(),
        }
    }

    /// The cloud's entry.
    #[must_use]
    pub fn cloud_view(&self) -> CloudView {
        let (state, why) = match &self.uplink.state {
            Uplink::NotConfigured | Uplink::Hello(_) => ("not-configured", None),
            Uplink::Down(why) => ("down", Some(why.clone())),
            Uplink::Up(_) => ("up", None),
        };
        let hello = self.uplink.hello.as_ref();
        CloudView {
            kind: "cloud",
            state,
            why,
            id: self.uplink.key.map(|key| ComponentId::from_key_digest(&key)),
            maker: hello.map(|hello| hello.maker.to_string()),
            model: hello.map(|hello| hello.model.to_string()),
            software: hello.map(|hello| hello.software.to_string()),
        }
    }

    /// The open pairing window.
    #[must_use]
    pub fn pairing_window(&self, now: Timestamp) -> Option<WindowView> {
        self.pairing.view(now)
    }

    /// All components, by id.
    #[must_use]
    pub fn components(&self) -> Vec<ComponentView> {
        self.inventory.all().map(|record| self.component_view(record, false)).collect()
    }

    /// One component with its history.
    #[must_use]
    pub fn component(&self, id: ComponentId) -> Option<ComponentView> {
        self.inventory.get(id).map(|record| self.component_view(record, true))
    }

    fn component_view(&self, record: &Record, with_history: bool) -> ComponentView {
        let connected = self.links.contains_key(&record.id);
        view(record, self.update_of(record), connected, with_history)
    }

    /// Where a component is connected from.
    #[must_use]
    pub fn address(&self, id: ComponentId) -> Option<SocketAddr> {
        self.links.get(&id).map(|link| link.from)
    }

    /// The whole inventory as JSON; `schema/inventory.schema.json` describes it.
    #[must_use]
    pub fn export_json(&self, now: Now) -> Value {
        json!({
            "version": 1,
            "exported_at": rfc3339(now.wall),
            "hub": self.own_view(),
            "cloud": self.cloud_view(),
            "components": self.inventory.all()
                .map(|record| self.component_view(record, true)).collect::<Vec<_>>(),
        })
    }

    /// The channels of those connected now, as nftables rules.
    #[must_use]
    pub fn export_nftables(&self, now: Now) -> String {
        let place = |(id, link): (&ComponentId, &super::Link)| {
            let record = self.inventory.get(*id)?;
            let facts = record.facts.as_ref()?;
            let definition = self.kind_of(record)?.definition();
            let label = format!("{} {}, serial {}", facts.maker, facts.model, facts.serial);
            Some(Place { address: link.from.ip().to_canonical(), label, definition })
        };
        let places: Vec<_> = self.links.iter().filter_map(place).collect();
        nftables(&places, now.wall)
    }

    /// The whole inventory as CycloneDX 1.6, under a fresh serial number.
    #[must_use]
    pub fn export_cyclonedx(&self, now: Now, serial: Uuid) -> Value {
        let gone = |v: &ComponentView| matches!(v.trust, TrustState::Retired | TrustState::Revoked);
        let members: Vec<_> = self.components().into_iter().filter(|v| !gone(v)).collect();
        let fingerprint = ("hub:ca-fingerprint", self.own.fingerprint.to_string());
        let hub = cyclonedx::own(
            &self.own.id.to_string(),
            "hub-agent",
            self.own.software.as_str(),
            &[("hub:kind", "hub".into()), fingerprint],
        );
        let cloud = self.cloud_view();
        let cloud = cloud.id.map(|id| {
            let (name, version) =
                (cloud.model.unwrap_or_default(), cloud.software.unwrap_or_default());
            let name = if name.is_empty() { "cloud" } else { &name };
            let properties =
                [("hub:kind", "cloud".to_owned()), ("hub:state", cloud.state.to_owned())];
            cyclonedx::own(&id.to_string(), name, &version, &properties)
        });
        cyclonedx::document(serial, &rfc3339(now.wall), &hub, &members, cloud)
    }

    /// Certificates withdrawn before their expiry, for the revocation list.
    #[must_use]
    pub fn revoked_certificates(&self, now: Timestamp) -> Vec<RevokedCertificate> {
        let all = self.inventory.all().flat_map(|record| &record.credentials.revoked);
        all.filter(|revoked| revoked.expires > now).cloned().collect()
    }

    /// When the hub wants to be told of the time at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let deliveries = self.configs.deliveries.next().filter(|_| self.store == StoreState::Ok);
        self.presence.next().into_iter().chain(deliveries).min()
    }
}
