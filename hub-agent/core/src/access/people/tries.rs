//! Wrong passwords: each makes the next try on the same name wait longer. A name that nobody has behaves
//! as one that somebody has, so that waiting tells nobody which names there are.

use protocol::id::Slug;
use std::{collections::BTreeMap, time::Duration};

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Most names that nobody has that are remembered; whose wait ends first is forgotten first.
const STRANGERS: usize = 1024;

/// What somebody tries to get in by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    /// The password of this account.
    Account(Slug),
    /// The set-up code.
    Setup,
    /// The password of an account that there is not.
    Nobody(Slug),
}

/// How often somebody tried in vain: as many entries as there are accounts, one for the set-up code, and
/// the names that nobody has.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    all: BTreeMap<Door, Tried>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    wrong: u32,
    from: Duration,
}

impl Tries {
    /// How long to wait before the next try, if at all.
    pub(crate) fn wait(&self, door: &Door, mono: Duration) -> Option<Duration> {
        let tried = self.all.get(door)?;
        tried.from.checked_sub(mono).filter(|wait| !wait.is_zero())
    }

    /// A wrong password; the answer is how many there were in a row.
    pub(crate) fn wrong(&mut self, door: &Door, mono: Duration) -> u32 {
        if matches!(door, Door::Nobody(_)) && !self.all.contains_key(door) {
            self.make_room();
        }
        let tried = self.all.entry(door.clone()).or_default();
        tried.wrong = tried.wrong.saturating_add(1);
        let wait = Duration::from_secs(1).saturating_mul(1 << (tried.wrong - 1).min(20));
        tried.from = mono + wait.min(LONGEST);
        tried.wrong
    }

    fn make_room(&mut self) {
        let strange = || self.all.iter().filter(|(door, _)| matches!(door, Door::Nobody(_)));
        if strange().count() >= STRANGERS {
            let first = strange().min_by_key(|(_, tried)| tried.from).map(|(door, _)| door.clone());
            first.map(|first| self.all.remove(&first));
        }
    }

    /// The right one.
    pub(crate) fn right(&mut self, door: &Door) {
        self.all.remove(door);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Door {
        Door::Account(Slug::new(name).unwrap())
    }

    /// Criterion: T3.LA.1c (negative)
    /// Criterion: T1.LA.4 (negative)
    #[test]
    fn twenty_wrong_passwords_take_hours_and_a_right_one_ends_the_wait() {
        let (mut tries, mut mono) = (Tries::default(), Duration::from_secs(100));
        let ada = account("ada");
        let start = mono;
        for count in 1..=20 {
            assert_eq!(tries.wait(&ada, mono), None);
            assert_eq!(tries.wrong(&ada, mono), count);
            let wait = tries.wait(&ada, mono).unwrap();
            assert!(wait <= LONGEST);
            mono += wait;
        }
        assert!(mono - start > Duration::from_secs(2 * 3600), "{:?}", mono - start);
        assert_eq!(tries.wait(&account("bob"), mono), None, "others are not kept out");
        tries.right(&ada);
        assert_eq!(tries.wrong(&ada, mono), 1);
    }

    /// Criterion: T1.LA.4 (negative)
    #[test]
    fn names_that_nobody_has_are_remembered_up_to_a_bound_and_cost_no_account_its_wait() {
        let (mut tries, mono) = (Tries::default(), Duration::from_secs(100));
        tries.wrong(&account("ada"), mono);
        tries.wrong(&Door::Setup, mono);
        for n in 0..3 * STRANGERS {
            tries.wrong(&Door::Nobody(Slug::new(&format!("n{n}")).unwrap()), mono);
        }
        assert_eq!(tries.all.len(), STRANGERS + 2);
        assert!(tries.wait(&account("ada"), mono).is_some());
        assert!(tries.wait(&Door::Setup, mono).is_some());
    }
}
