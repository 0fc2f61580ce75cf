//! Wrong passwords: each makes the next try on the same account wait longer. Names that nobody has share
//! one wait, so that guessing names costs as much.

use protocol::id::Slug;
use std::{collections::BTreeMap, time::Duration};

/// Longest wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// How often somebody tried in vain; at most one entry per account, and one for all other names.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    all: BTreeMap<Option<Slug>, Tried>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tried {
    wrong: u32,
    from: Duration,
}

impl Tries {
    /// How long to wait before the next try, if at all.
    pub(crate) fn wait(&self, account: Option<&Slug>, mono: Duration) -> Option<Duration> {
        let tried = self.all.get(&account.cloned())?;
        tried.from.checked_sub(mono).filter(|wait| !wait.is_zero())
    }

    /// A wrong password; the answer is how many there were in a row.
    pub(crate) fn wrong(&mut self, account: Option<&Slug>, mono: Duration) -> u32 {
        let tried = self.all.entry(account.cloned()).or_default();
        tried.wrong = tried.wrong.saturating_add(1);
        let wait = Duration::from_secs(1).saturating_mul(1 << (tried.wrong - 1).min(20));
        tried.from = mono + wait.min(LONGEST);
        tried.wrong
    }

    /// The right one.
    pub(crate) fn right(&mut self, account: &Slug) {
        self.all.remove(&Some(account.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T3.LA.1c (negative)
    /// Criterion: T1.LA.4 (negative)
    #[test]
    fn twenty_wrong_passwords_take_hours_and_a_right_one_ends_the_wait() {
        let (mut tries, mut mono) = (Tries::default(), Duration::from_secs(100));
        let ada = Slug::new("ada").unwrap();
        let start = mono;
        for count in 1..=20 {
            assert_eq!(tries.wait(Some(&ada), mono), None);
            assert_eq!(tries.wrong(Some(&ada), mono), count);
            let wait = tries.wait(Some(&ada), mono).unwrap();
            assert!(wait <= LONGEST);
            mono += wait;
        }
        assert!(mono - start > Duration::from_secs(2 * 3600), "{:?}", mono - start);
        assert_eq!(tries.wait(None, mono), None, "others are not kept out");
        tries.right(&ada);
        assert_eq!(tries.wrong(Some(&ada), mono), 1);
    }
}
