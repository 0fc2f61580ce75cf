//! New keys. A hub follows from root to root, a component from anchor to anchor; each is signed by enough of the
//! keys before and of its own, so nobody has to be told anything. Old key files stay until somebody removes them.

use super::{Repository, draft::Draft, error::Mistake, keys::Role, metadata::Delegation};
use protocol::id::Slug;

/// Whose keys change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The keys that say which keys are in force.
    Root,
    /// The keys that say who the vendors are.
    Targets,
    /// The online key of the snapshot; hubs forget its version numbers then.
    Snapshot,
    /// The online key of the timestamp; hubs forget its version numbers then.
    Timestamp,
    /// Both online keys at once: what ends a fast-forward.
    Online,
    /// A vendor's keys for hubs.
    Vendor(Slug),
    /// A vendor's keys for components: anchor roots and manifests. All its manifests are signed anew.
    Anchors(Slug),
}

impl Repository {
    /// Makes new keys and publishes what says that they are in force.
    ///
    /// # Errors
    /// When too few keys can sign, or the system refuses; nothing changed then.
    pub fn rotate(&self, what: &Rotation, now: u64) -> Result<(), Mistake> {
        let mut draft = self.draft(now)?;
        match what {
            Rotation::Root => draft.new_keys_in_root(&Role::Root)?,
            Rotation::Targets => draft.new_keys_in_root(&Role::Targets)?,
            Rotation::Snapshot => draft.new_keys_in_root(&Role::Snapshot)?,
            Rotation::Timestamp => draft.new_keys_in_root(&Role::Timestamp)?,
            Rotation::Online => {
                draft.new_keys_in_root(&Role::Snapshot)?;
                draft.new_keys_in_root(&Role::Timestamp)?;
            }
            Rotation::Vendor(vendor) => {
                draft.known(vendor)?;
                draft.delegate(|by| Delegation::of(vendor.clone(), by), vendor)?;
            }
            Rotation::Anchors(vendor) => {
                draft.known(vendor)?;
                draft.next_anchor(vendor)?;
            }
        }
        draft.commit()
    }
}

impl Draft<'_> {
    fn known(&mut self, vendor: &Slug) -> Result<(), Mistake> {
        self.state.vendor(vendor.as_str()).map(|_| ())
    }
}
