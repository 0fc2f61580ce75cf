//! Configuration of other components: what each shall be (desired), what it is (reported), and the
//! steady work of making the second equal the first.
//!
//! | module | holds |
//! |---|---|
//! | `desired` | what a component shall be: its definition's baseline and what people changed |
//! | `view` | both as people and tools see them |
//! | `delivery` | when it is told again, and when the hub gives up hoping |

mod delivery;
mod desired;
mod view;

pub(crate) use delivery::{Deliveries, GIVE_UP};
pub use desired::{Configured, Desired, Proof, Seen};
pub(crate) use desired::{next_revision, on_the_wire};

pub(crate) use view::view;
pub use view::{ConfigView, SettingView};

use protocol::id::ComponentId;
use std::{collections::BTreeMap, time::Duration};

/// Least time between two claims of one component that are believed: so its lies neither use up the numbers
/// nor hide that it is not what it shall be.
const BETWEEN_CLAIMS: Duration = Duration::from_secs(3600);

/// The configurations of all components; as many as the inventory has records.
#[derive(Debug, Default)]
pub(crate) struct Configs {
    all: BTreeMap<ComponentId, Configured>,
    /// When a claim of a component was believed last.
    claims: BTreeMap<ComponentId, Duration>,
    /// What is still to be told or proved.
    pub(crate) deliveries: Deliveries,
}

impl Configs {
    pub(crate) fn get(&self, id: ComponentId) -> Option<&Configured> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ComponentId) -> Option<&mut Configured> {
        self.all.get_mut(&id)
    }

    pub(crate) fn put(&mut self, id: ComponentId, configured: Configured) {
        self.all.insert(id, configured);
    }

    pub(crate) fn remove(&mut self, id: ComponentId) -> bool {
        self.deliveries.settled(id);
        self.claims.remove(&id);
        self.all.remove(&id).is_some()
    }

    /// Whether a claim of a greater revision than it was told is believed now: once in a while, since it may
    /// have belonged to another hub, or this one come back from a backup.
    pub(crate) fn believe(&mut self, id: ComponentId, mono: Duration) -> bool {
        let last = self.claims.get(&id);
        let may = last.is_none_or(|last| mono.saturating_sub(*last) >= BETWEEN_CLAIMS);
        if may {
            self.claims.insert(id, mono);
        }
        may
    }
}
