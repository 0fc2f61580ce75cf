//! Logins. A token is random bytes that only its holder has; the hub keeps its digest, in memory only,
//! so a restart of the hub logs everybody out.

use protocol::id::{Digest, Slug};
use std::{collections::BTreeMap, time::Duration};

/// How long a token is good without being used.
pub const IDLE: Duration = Duration::from_secs(30 * 60);

/// How long a token is good at most; an owner may make it shorter.
pub const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// How long after the login what has a high risk may be done.
pub const FRESH: Duration = Duration::from_secs(5 * 60);

/// Logins of one account at most; the one that was used longest ago makes room, and nobody's else.
const OF_ONE: usize = 4;

/// Logins by the digest of their token.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    all: BTreeMap<Digest, Login>,
}

#[derive(Debug)]
struct Login {
    who: Slug,
    since: Duration,
    used: Duration,
    until: Duration,
}

impl Tokens {
    /// It is good for so long, and not longer than [`LONGEST`]; the answer is for how long.
    pub(crate) fn add(
        &mut self,
        token: Digest,
        who: Slug,
        mono: Duration,
        life: Duration,
    ) -> Duration {
        self.expire(mono);
        if self.all.values().filter(|login| login.who == who).count() >= OF_ONE {
            self.make_room(&who);
        }
        let life = life.min(LONGEST);
        let until = mono.saturating_add(life);
        self.all.insert(token, Login { who, since: mono, used: mono, until });
        life
    }

    /// Ends the login of an account that was used longest ago.
    fn make_room(&mut self, who: &Slug) {
        let logins = self.all.iter().filter(|(_, login)| login.who == *who);
        let oldest = logins.min_by_key(|(_, login)| login.used).map(|(token, _)| *token);
        oldest.map(|token| self.all.remove(&token));
    }

    /// Whose token it is, and whether the login is fresh. Using it keeps it alive.
    pub(crate) fn who(&mut self, token: &Digest, mono: Duration) -> Option<(Slug, bool)> {
        self.expire(mono);
        let login = self.all.get_mut(token)?;
        login.used = mono;
        Some((login.who.clone(), mono.saturating_sub(login.since) <= FRESH))
    }

    pub(crate) fn remove(&mut self, token: &Digest) -> bool {
        self.all.remove(token).is_some()
    }

    /// Ends every login of an account: its password or role changed, or it is gone.
    pub(crate) fn end(&mut self, who: &Slug) {
        self.all.retain(|_, login| login.who != *who);
    }

    fn expire(&mut self, mono: Duration) {
        self.all.retain(|_, login| mono.saturating_sub(login.used) <= IDLE && mono <= login.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T1.LA.4 (negative)
    #[test]
    fn a_token_ends_when_it_is_idle_old_pushed_out_or_its_account_changes() {
        let at = Duration::from_secs;
        let (ada, bob) = (Slug::new("ada").unwrap(), Slug::new("bob").unwrap());
        let token = |n: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            Digest(bytes)
        };
        let mut tokens = Tokens::default();
        tokens.add(token(1), ada.clone(), at(0), LONGEST);
        assert_eq!(tokens.who(&token(1), at(300)), Some((ada.clone(), true)));
        assert_eq!(tokens.who(&token(1), at(301)), Some((ada.clone(), false)));
        assert_eq!(tokens.who(&token(2), at(301)), None);
        assert_eq!(tokens.who(&token(1), at(301 + 1801)), None, "idle");
        tokens.add(token(1), ada.clone(), at(0), LONGEST);
        for minute in 0..=720 {
            assert!(tokens.who(&token(1), at(60 * minute)).is_some());
        }
        assert_eq!(tokens.who(&token(1), at(60 * 721)), None, "old");
        tokens.add(token(1), ada.clone(), at(0), at(9));
        assert!(tokens.who(&token(1), at(9)).is_some());
        assert_eq!(tokens.who(&token(1), at(10)), None, "as old as the owner lets it be");
        tokens.add(token(1), ada.clone(), at(0), at(24 * 3600));
        assert!(tokens.all[&token(1)].until <= LONGEST, "a setting cannot make it longer");
        tokens.add(token(1), ada.clone(), at(0), LONGEST);
        tokens.add(token(2), bob.clone(), at(1), LONGEST);
        tokens.end(&ada);
        assert_eq!(tokens.who(&token(1), at(2)), None);
        assert!(tokens.who(&token(2), at(2)).is_some());
        for n in 0..300 {
            tokens.add(token(100 + n), ada.clone(), at(3), LONGEST);
        }
        assert_eq!(tokens.who(&token(100), at(4)), None, "pushed out by newer ones");
        assert!(tokens.who(&token(399), at(4)).is_some());
        assert!(tokens.who(&token(2), at(4)).is_some(), "but nobody else's");
        assert_eq!(tokens.all.len(), OF_ONE + 1);
    }
}
