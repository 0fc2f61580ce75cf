//! The lowest versions and the earliest time that are still accepted.
//!
//! Metadata guards against older metadata only while it can be read. The floors are a record of their own,
//! so that a file that was torn, emptied or deleted opens no way back. When they are gone themselves,
//! nothing is accepted until an operator pins a root again.

use crate::Refused;
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Roles of targets that one repository may have.
pub(crate) const MOST_ROLES: usize = 4096;

/// Longest name of a role that is kept.
pub(crate) const LONGEST_ROLE: usize = 200;

/// What this version writes.
const FORMAT: u32 = 1;

/// The floors, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Floors {
    format: u32,
    /// How many commits there were, this one included.
    pub(crate) commits: u64,
    /// Version of the root that is trusted.
    pub(crate) root: u64,
    /// Nothing before the first timestamp, and after a change of keys.
    pub(crate) timestamp: Option<u64>,
    /// As above, and raised by what the timestamp pins.
    pub(crate) snapshot: Option<u64>,
    /// By role, the top one included; raised by what the snapshot pins.
    pub(crate) targets: BTreeMap<String, u64>,
    /// The time of the last refresh that succeeded as a whole, in seconds since 1970.
    pub(crate) time: i64,
    /// Digests over the roles' keys in hexadecimal.
    timestamp_keys: String,
    snapshot_keys: String,
}

/// Who may sign a role, in the words of one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleKeys {
    digest: String,
}

impl RoleKeys {
    /// The keys as key id, type, scheme and value, and the threshold. Order and repetition do not matter.
    pub(crate) fn new(threshold: usize, mut keys: Vec<[&str; 4]>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        let text =
            serde_json::to_vec(&(threshold, keys)).expect("numbers and strings always fit JSON");
        Self { digest: hex(digest(&SHA256, &text).as_ref()) }
    }
}

/// What a verified file says about versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Versions {
    /// A root and who may sign timestamp and snapshot from now on.
    Root { version: u64, timestamp_keys: RoleKeys, snapshot_keys: RoleKeys },
    /// A timestamp and the snapshot it pins.
    Timestamp { version: u64, snapshot: u64 },
    /// A snapshot and what it pins, by role.
    Snapshot { version: u64, targets: BTreeMap<String, u64> },
    /// A role of targets.
    Targets { role: String, version: u64 },
}

impl Floors {
    /// Those of a root that has just been pinned.
    pub(crate) fn pinned(root: u64, timestamp_keys: RoleKeys, snapshot_keys: RoleKeys) -> Self {
        Self {
            format: FORMAT,
            commits: 0,
            root,
            timestamp: None,
            snapshot: None,
            targets: BTreeMap::new(),
            time: 0,
            timestamp_keys: timestamp_keys.digest,
            snapshot_keys: snapshot_keys.digest,
        }
    }

    /// Reads what was stored.
    pub(crate) fn parse(stored: &[u8]) -> Result<Self, Refused> {
        let damaged = |why: &str| Refused::FloorsDamaged(why.to_owned());
        let floors: Self =
            serde_json::from_slice(stored).map_err(|_| damaged("their record cannot be read"))?;
        if floors.format != FORMAT {
            return Err(damaged("their record is of another version of this program"));
        }
        if floors.root == 0 || floors.targets.len() > MOST_ROLES {
            return Err(damaged("their record holds what was never written"));
        }
        Ok(floors)
    }

    /// What is stored; the same floors always give the same bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and strings always fit JSON")
    }

    /// Whether a file is new enough; it changes nothing.
    pub(crate) fn admit(&self, file: &Versions) -> Result<(), Refused> {
        match file {
            Versions::Root { version, .. } => at_least("root", *version, self.root),
            Versions::Timestamp { version, snapshot } => {
                at_least("timestamp", *version, self.timestamp.unwrap_or(0))?;
                at_least("snapshot (by timestamp)", *snapshot, self.snapshot.unwrap_or(0))
            }
            Versions::Snapshot { version, targets } => {
                at_least("snapshot", *version, self.snapshot.unwrap_or(0))?;
                self.admit_pins(targets)
            }
            Versions::Targets { role, version } => {
                at_least(role, *version, self.targets.get(role).copied().unwrap_or(0))
            }
        }
    }

    fn admit_pins(&self, pins: &BTreeMap<String, u64>) -> Result<(), Refused> {
        if pins.len() > MOST_ROLES {
            return Err(Refused::TooLarge(format!("a snapshot with {} roles", pins.len())));
        }
        for (role, floor) in &self.targets {
            let pinned = pins.get(role).ok_or_else(|| Refused::Removed(role.clone()))?;
            at_least(&format!("{role} (by snapshot)"), *pinned, *floor)?;
        }
        Ok(())
    }

    /// Raises the floors to an admitted file. Says whether a root changed the keys of timestamp or snapshot:
    /// only then may versions begin anew, because only then can those who raised them no longer sign.
    pub(crate) fn raise(&mut self, file: &Versions) -> bool {
        match file {
            Versions::Root { version, timestamp_keys, snapshot_keys } => {
                // Only a newer root is news; an old one that comes back must not take floors away.
                if *version <= self.root {
                    return false;
                }
                self.root = *version;
                return self.change_keys(timestamp_keys, snapshot_keys);
            }
            Versions::Timestamp { version, snapshot } => {
                self.timestamp = self.timestamp.max(Some(*version));
                self.snapshot = self.snapshot.max(Some(*snapshot));
            }
            Versions::Snapshot { version, targets } => {
                self.snapshot = self.snapshot.max(Some(*version));
                for (role, pinned) in targets {
                    let floor = self.targets.entry(role.clone()).or_default();
                    *floor = (*floor).max(*pinned);
                }
            }
            Versions::Targets { role, version } => {
                // The snapshot that pins the role has made its entry.
                if let Some(floor) = self.targets.get_mut(role) {
                    *floor = (*floor).max(*version);
                }
            }
        }
        false
    }

    fn change_keys(&mut self, timestamp: &RoleKeys, snapshot: &RoleKeys) -> bool {
        if self.timestamp_keys == timestamp.digest && self.snapshot_keys == snapshot.digest {
            return false;
        }
        self.timestamp_keys.clone_from(&timestamp.digest);
        self.snapshot_keys.clone_from(&snapshot.digest);
        (self.timestamp, self.snapshot) = (None, None);
        self.targets.clear();
        true
    }

    /// The time that counts: the clock's, but never before the last refresh that succeeded.
    pub(crate) fn time(&self, clock: i64) -> i64 {
        clock.max(self.time)
    }
}

fn at_least(role: &str, offered: u64, floor: u64) -> Result<(), Refused> {
    if offered < floor {
        return Err(Refused::Rollback { role: role.to_owned(), offered, floor });
    }
    Ok(())
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(version: u64, key: &str) -> Versions {
        let keys = RoleKeys::new(1, vec![["id", "ed25519", "ed25519", key]]);
        Versions::Root { version, timestamp_keys: keys.clone(), snapshot_keys: keys }
    }

    fn raised() -> Floors {
        let keys = RoleKeys::new(1, vec![["id", "ed25519", "ed25519", "a"]]);
        let mut floors = Floors::pinned(3, keys.clone(), keys);
        floors.raise(&Versions::Timestamp { version: 5, snapshot: 6 });
        let targets = BTreeMap::from([("targets".to_owned(), 7)]);
        floors.raise(&Versions::Snapshot { version: 6, targets });
        floors
    }

    /// Criterion: T3.SU.1a (negative)
    #[test]
    fn only_a_newer_root_with_other_keys_takes_floors_away() {
        for (version, key, taken) in
            [(1, "b", false), (3, "b", false), (4, "a", false), (4, "b", true)]
        {
            let mut floors = raised();
            assert_eq!(floors.raise(&root(version, key)), taken, "{version} {key}");
            assert_eq!(floors.timestamp.is_none(), taken, "{version} {key}");
            assert_eq!(floors.targets.is_empty(), taken, "{version} {key}");
        }
    }

    /// Criterion: T3.SU.1a (negative)
    #[test]
    fn each_kind_of_file_has_its_floor() {
        let floors = raised();
        let pins = |version| BTreeMap::from([("targets".to_owned(), version)]);
        for (file, good) in [
            (root(2, "a"), false),
            (root(3, "a"), true),
            (Versions::Timestamp { version: 4, snapshot: 6 }, false),
            (Versions::Timestamp { version: 5, snapshot: 5 }, false),
            (Versions::Timestamp { version: 5, snapshot: 6 }, true),
            (Versions::Snapshot { version: 5, targets: pins(7) }, false),
            (Versions::Snapshot { version: 6, targets: pins(6) }, false),
            (Versions::Snapshot { version: 6, targets: BTreeMap::new() }, false),
            (Versions::Snapshot { version: 6, targets: pins(7) }, true),
            (Versions::Targets { role: "targets".to_owned(), version: 6 }, false),
            (Versions::Targets { role: "targets".to_owned(), version: 7 }, true),
        ] {
            assert_eq!(floors.admit(&file).is_ok(), good, "{file:?}");
        }
    }

    /// Criterion: T3.SU.1a (positive)
    #[test]
    fn what_is_stored_is_read_back_and_nothing_else_is() {
        let floors = raised();
        assert_eq!(Floors::parse(&floors.bytes()).expect("our own record"), floors);
        let whole = floors.bytes();
        for end in 0..whole.len() {
            assert!(Floors::parse(&whole[..end]).is_err(), "cut after {end}");
        }
        let unknown = String::from_utf8(whole).expect("JSON").replacen('{', "{\"more\":1,", 1);
        assert!(Floors::parse(unknown.as_bytes()).is_err());
    }

    #[test]
    fn a_snapshot_with_too_many_roles_is_refused() {
        let targets = (0..=MOST_ROLES).map(|n| (n.to_string(), 1)).collect();
        let refused = raised().admit(&Versions::Snapshot { version: 9, targets });
        assert!(matches!(refused, Err(Refused::TooLarge(_))));
    }
}
