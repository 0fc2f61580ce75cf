//! What survives a power cut: identity, counters, credentials.

use crate::{log, profile::Profile, update::Memory};
use anyhow::Context;
use protocol::{definition::SettingValue, id::Slug};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path};

/// The persistent memory of one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Flash {
    /// Serial number.
    pub serial: String,
    /// Kind, which names the profile.
    pub kind: String,
    /// Number of the newest announcement.
    pub seq: u64,
    /// Revision of the configuration it was last given; 0 for none since its factory state.
    pub config: u32,
    /// Its settings.
    pub settings: BTreeMap<Slug, SettingValue>,
    /// Its open interfaces.
    pub open: Vec<Slug>,
    /// Security version of its firmware.
    pub security: u32,
    /// Records of its user's data.
    pub user_data: u64,
    /// Its LDevID, once it has one.
    pub credentials: Option<Credentials>,
    /// What it remembers of updates.
    #[serde(default)]
    pub update: Memory,
    /// Its log.
    #[serde(default)]
    pub log: log::Memory,
}

/// A certificate of the hub, with what belongs to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// Logical id.
    pub id: protocol::id::ComponentId,
    /// Certificate, DER.
    pub certificate: Vec<u8>,
    /// Private key, PKCS#8 DER.
    pub key: Vec<u8>,
    /// The hub's CA, DER.
    pub ca: Vec<u8>,
    /// Begin and end of validity, seconds since 1970.
    pub validity: (u64, u64),
}

impl Credentials {
    /// When to renew: after two thirds of the life, in seconds since 1970.
    #[must_use]
    pub fn renew_at(&self) -> u64 {
        let (from, to) = self.validity;
        from + to.saturating_sub(from) * 2 / 3
    }
}

impl Flash {
    /// The memory of a device fresh from its factory, with what its former user left in it.
    #[must_use]
    pub fn factory(profile: &Profile, serial: &str) -> Self {
        let (settings, open) = profile.factory();
        Self {
            serial: serial.to_owned(),
            kind: profile.kind().into(),
            seq: 0,
            config: 0,
            settings,
            open,
            security: 1,
            user_data: 9,
            credentials: None,
            update: Memory::default(),
            log: log::Memory::default(),
        }
    }

    /// Reads a device's memory, if it has one.
    ///
    /// # Errors
    /// When the file is there but not readable as one.
    pub fn read(folder: &Path, serial: &str) -> anyhow::Result<Option<Self>> {
        let path = folder.join(format!("{serial}.json"));
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(
                serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?,
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(format!("{}.json", self.serial));
        let temporary = path.with_extension("new");
        fs::write(&temporary, serde_json::to_vec(self)?)?;
        fs::rename(&temporary, &path).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_from_before_there_were_updates_still_reads() {
        let profile = crate::profile::Kinds::built_in().unwrap().at(0).clone();
        let mut json = serde_json::to_value(Flash::factory(&profile, "LW-1")).unwrap();
        json.as_object_mut().unwrap().remove("update").unwrap();
        let read: Flash = serde_json::from_value(json).unwrap();
        assert_eq!(read.update, Memory::default());
    }
}
