//! People come and go.

use super::{Hub, state::Details};
use crate::{
    access::people::{Account, Door},
    effect::Answer,
    event::EventKind,
    input::{AccountChange, Actor},
    persist,
    record::Word,
};
use protocol::{
    definition::Role,
    id::{Digest, Slug},
    refusal::Refusal,
};
use std::time::Duration;

/// Wrong passwords in a row that make the owner be told.
const GUESSES_TO_TELL: u32 = 10;

impl Hub {
    /// Whether anybody may try a password for this name now; the answer is the hash to compare it with,
    /// nothing for a name that nobody has.
    ///
    /// # Errors
    /// How long to wait first.
    pub fn may_try(&self, name: &Slug, mono: Duration) -> Result<Option<String>, Duration> {
        match self.tries.wait(&self.door(name), mono) {
            Some(wait) => Err(wait),
            None => Ok(self.accounts.get(name).map(|account| account.hash.clone())),
        }
    }

    /// Whether anybody may try the set-up code now.
    ///
    /// # Errors
    /// How long to wait first.
    pub fn may_set_up(&self, mono: Duration) -> Result<(), Duration> {
        self.tries.wait(&Door::Setup, mono).map_or(Ok(()), Err)
    }

    /// Somebody tried a wrong set-up code, or any before it was time to try again.
    pub(super) fn wrong_setup_code(&mut self, from: &str) {
        let waits = self.tries.wait(&Door::Setup, self.now.mono).is_some();
        let why = if waits { Refusal::SlowDown } else { Refusal::WrongCode };
        if !waits {
            self.tries.wrong(&Door::Setup, self.now.mono);
        }
        self.count(why.slug());
        self.event(EventKind::AuthFailure, None, Some(why), format!("a set-up code, from {from}"));
        self.refuse(why, self.tries.wait(&Door::Setup, self.now.mono));
    }

    fn door(&self, name: &Slug) -> Door {
        let known = self.accounts.get(name).is_some();
        if known { Door::Account(name.clone()) } else { Door::Nobody(name.clone()) }
    }

    /// Who holds a token.
    pub fn holder(&mut self, token: &Digest, mono: Duration) -> Option<Actor> {
        let (name, fresh) = self.tokens.who(token, mono)?;
        let role = self.accounts.get(&name)?.role;
        Some(Actor::Person { name, role, fresh })
    }

    /// Every account, without its hash.
    #[must_use]
    pub fn accounts(&self) -> Vec<(Slug, Role)> {
        self.accounts.all().map(|account| (account.name.clone(), account.role)).collect()
    }

    /// Whether nobody could log in as owner yet.
    #[must_use]
    pub fn needs_setup(&self) -> bool {
        !self.accounts.has_owner()
    }

    /// Somebody tried a password; `right` says whether it was the one.
    pub(super) fn login(&mut self, name: &Slug, right: bool, token: Digest, from: &str) {
        let door = self.door(name);
        if let Some(wait) = self.tries.wait(&door, self.now.mono) {
            self.auth_failed(name, Refusal::SlowDown, from);
            self.refuse(Refusal::SlowDown, Some(wait));
            return;
        }
        if !right || matches!(door, Door::Nobody(_)) {
            let count = self.tries.wrong(&door, self.now.mono);
            let wait = self.tries.wait(&door, self.now.mono);
            self.auth_failed(name, Refusal::BadCredentials, from);
            if count.is_multiple_of(GUESSES_TO_TELL) {
                let text =
                    format!("{count} wrong passwords in a row for {name}, the last from {from}");
                self.event(EventKind::AuthGuessing, None, Some(Refusal::BadCredentials), text);
            }
            self.refuse(Refusal::BadCredentials, wait);
            return;
        }
        self.tries.right(&door);
        let life = self.tokens.add(token, name.clone(), self.now.mono, self.settings.login_life);
        let text = format!("{name}, from {from}");
        let details = Details::by(name.as_str());
        self.event_with(EventKind::AuthLogin, None, None, text, details);
        self.out.answer = Answer::LoggedIn(self.now.wall.plus(life));
    }

    fn auth_failed(&mut self, name: &Slug, why: Refusal, from: &str) {
        self.count(why.slug());
        let text = format!("a password for {name}, from {from}");
        let details = Details::by(name.as_str());
        self.event_with(EventKind::AuthFailure, None, Some(why), text, details);
    }

    pub(super) fn change_account(
        &mut self,
        name: &Slug,
        change: AccountChange,
    ) -> Result<Answer, Refusal> {
        let known = self.accounts.get(name).cloned();
        let word = Word::clip(name.as_str());
        match (change, known) {
            (AccountChange::Add { .. }, Some(_)) => return Err(Refusal::IdInUse),
            (AccountChange::Add { role, hash }, None) => {
                let account = Account { name: name.clone(), role, hash, since: self.now.wall };
                self.write(persist::put_account(&account));
                if !self.accounts.put(account) {
                    self.out.writes.pop();
                    return Err(Refusal::Full);
                }
                self.detector.account_known(&word);
            }
            (_, None) => return Err(Refusal::Unknown),
            (AccountChange::Password(hash), Some(account)) => {
                let account = Account { hash, since: self.now.wall, ..account };
                self.write(persist::put_account(&account));
                self.accounts.put(account);
            }
            (AccountChange::Remove, Some(_)) => {
                self.accounts.remove(name);
                self.detector.account_removed(&word);
                self.write(persist::remove_account(name));
            }
        }
        self.tokens.end(name);
        self.tries.right(&Door::Account(name.clone()));
        Ok(Answer::Changed(1))
    }

    pub(super) fn logout(&mut self, token: &Digest) -> Result<Answer, Refusal> {
        if self.tokens.remove(token) {
            Ok(Answer::Changed(1))
        } else {
            Err(Refusal::BadCredentials)
        }
    }
}
