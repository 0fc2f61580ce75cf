//! Configurations as people and tools see them.

use super::{Configured, Proof};
use crate::inventory::export::rfc3339;
use protocol::{
    definition::{Definition, Risk, Role, SettingValue},
    id::{ComponentId, Slug},
    message::ConfigPurpose,
};
use serde::Serialize;

/// The configuration of one component.
#[derive(Clone, Debug, Serialize)]
pub struct ConfigView {
    /// Which component.
    pub id: ComponentId,
    /// The name its owner gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its kind.
    pub kind: Slug,
    /// Revision of what it shall be; 0 when nothing was wanted of it yet.
    pub revision: u32,
    /// Whether it is set or restored.
    pub purpose: ConfigPurpose,
    /// How what it is compares with what it shall be.
    #[serde(flatten)]
    pub proof: Proof,
    /// Who wanted this.
    pub by: String,
    /// Since when.
    pub since: String,
    /// When it said last what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<String>,
    /// The greatest security version it reported.
    pub security_version: u32,
    /// The interfaces that may be open.
    pub may_be_open: Vec<Slug>,
    /// The interfaces that it says are open.
    pub open: Vec<Slug>,
    /// Every setting.
    pub settings: Vec<SettingView>,
}

/// One setting.
#[derive(Clone, Debug, Serialize)]
pub struct SettingView {
    /// Its name.
    pub name: Slug,
    /// What it does.
    pub effect: String,
    /// Values it takes, in words.
    pub takes: String,
    /// Its secure default.
    pub default: SettingValue,
    /// What it shall be.
    pub desired: SettingValue,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<SettingValue>,
    /// What hangs on it.
    pub risk: Risk,
    /// Who may set it.
    pub roles: Vec<Role>,
}

/// The view of a component's configuration.
pub(crate) fn view(
    (id, name): (ComponentId, Option<String>),
    definition: &Definition,
    configured: Option<&Configured>,
    proof: Proof,
) -> ConfigView {
    let desired = configured.map(|one| &one.desired);
    let seen = configured.and_then(|one| one.reported.as_ref());
    let setting = |one: &protocol::definition::Setting| SettingView {
        name: one.name.clone(),
        effect: one.effect.to_string(),
        takes: one.kind.to_string(),
        default: one.default.clone(),
        desired: desired
            .and_then(|desired| desired.settings.get(&one.name))
            .unwrap_or(&one.default)
            .clone(),
        reported: seen.and_then(|seen| seen.settings.get(&one.name)).cloned(),
        risk: one.risk,
        roles: one.roles.clone(),
    };
    ConfigView {
        id,
        name,
        kind: definition.kind.clone(),
        revision: desired.map_or(0, |desired| desired.revision),
        purpose: desired.map_or(ConfigPurpose::Set, |desired| desired.purpose),
        proof,
        by: desired.map(|desired| desired.by.clone()).unwrap_or_default(),
        since: desired.map(|desired| rfc3339(desired.since)).unwrap_or_default(),
        reported_at: seen.map(|seen| rfc3339(seen.at)),
        security_version: configured.map_or(0, |one| one.security),
        may_be_open: desired.map(|desired| desired.open.clone()).unwrap_or_default(),
        open: seen.map(|seen| seen.open.clone()).unwrap_or_default(),
        settings: definition.settings.iter().map(setting).collect(),
    }
}
