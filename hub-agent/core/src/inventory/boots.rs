//! One life at a time: a boot id that returns after another took its place means that one identity
//! lives in two devices.

use protocol::id::BootId;
use serde::{Deserialize, Serialize};

/// Former lives remembered; a clone fights for the session within a few of them.
const REMEMBERED: usize = 16;

/// The boot ids of one component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boots {
    current: Option<BootId>,
    former: Vec<BootId>,
}

/// What a boot id means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The same life goes on.
    Same,
    /// The component started anew.
    New,
    /// A former life returned: two devices have this identity.
    Returned,
}

impl Boots {
    /// What a boot id means.
    #[must_use]
    pub fn look(&self, boot: BootId) -> Life {
        if self.current == Some(boot) {
            Life::Same
        } else if self.former.contains(&boot) {
            Life::Returned
        } else {
            Life::New
        }
    }

    /// A life goes on or begins.
    pub fn begin(&mut self, boot: BootId) {
        if self.look(boot) == Life::New {
            if self.former.len() == REMEMBERED {
                self.former.remove(0);
            }
            self.former.extend(self.current.replace(boot));
        }
    }

    /// A person looked at the component: what was before does not count any more.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T3.AI.1 (negative)
    #[test]
    fn restarts_are_benign_and_a_return_is_not() {
        let boot = |n: u8| BootId([n; 8]);
        let mut boots = Boots::default();
        for n in 1..40 {
            assert_eq!(boots.look(boot(n)), Life::New);
            boots.begin(boot(n));
            assert_eq!(boots.look(boot(n)), Life::Same, "a reconnect");
        }
        assert_eq!(boots.look(boot(38)), Life::Returned);
        assert_eq!(boots.look(boot(39)), Life::Same);
        assert!(boots.former.len() <= REMEMBERED);
    }
}
