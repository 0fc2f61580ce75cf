//! People: accounts with a role, tokens that stand for a login, and growing delays on wrong passwords.
//!
//! Passwords never come here: the shell hashes and compares them (argon2id), the hub decides whether
//! anybody may try, and what follows.
//!
//! | module | holds |
//! |---|---|
//! | `tokens` | logins that are good for a while |
//! | `tries` | how long somebody must wait after wrong passwords |

mod tokens;
mod tries;

pub(crate) use tokens::Tokens;
pub use tokens::{FRESH, IDLE, LONGEST};
pub(crate) use tries::{Door, Tries};

use protocol::{definition::Role, id::Slug, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Accounts at most.
pub const MAX_ACCOUNTS: usize = 64;

/// One person's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub name: Slug,
    /// What it may do.
    pub role: Role,
    /// The password's hash, a PHC string of argon2id.
    pub hash: String,
    /// Since when there is this password.
    pub since: Timestamp,
}

/// All accounts by name.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    all: BTreeMap<Slug, Account>,
}

impl Accounts {
    pub(crate) fn get(&self, name: &Slug) -> Option<&Account> {
        self.all.get(name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Account> {
        self.all.values()
    }

    /// Puts an account in its place; the answer is whether there was room.
    pub(crate) fn put(&mut self, account: Account) -> bool {
        let room = self.all.len() < MAX_ACCOUNTS || self.all.contains_key(&account.name);
        if room {
            self.all.insert(account.name.clone(), account);
        }
        room
    }

    pub(crate) fn remove(&mut self, name: &Slug) -> Option<Account> {
        self.all.remove(name)
    }

    /// Whether anybody could log in as owner.
    pub(crate) fn has_owner(&self) -> bool {
        self.all.values().any(|account| account.role == Role::Owner)
    }
}
