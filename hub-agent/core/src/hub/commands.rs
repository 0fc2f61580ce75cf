//! What people want.

use super::{Hub, state::Details};
use crate::{
    access::{
        gate::{self, Denied, Operation, shortened},
        pairing::MAX_WINDOW,
        trust::Hold,
    },
    effect::Answer,
    event::EventKind,
    input::{AccountChange, Actor, Command, Members, Selector, StoreState, UpdateWish, Wish},
    inventory::export::rfc3339,
    persist,
};
use protocol::{
    cbor,
    definition::Risk,
    id::{ComponentId, Label},
    message::{CloudAsk, TrustState},
    refusal::Refusal,
};
use serde_json::json;

impl Hub {
    pub(super) fn command(&mut self, by: &Actor, command: Command) {
        let words = describe(&command);
        let about = match &command {
            Command::Approve(Selector::One(id))
            | Command::Quarantine(id, _)
            | Command::Revoke(id, _)
            | Command::Retire(id, _)
            | Command::Rename(id, _)
            | Command::Trial(id, _)
            | Command::Configure(Members::One(id), _)
            | Command::Restore(Members::One(id))
            | Command::Give { id, .. }
            | Command::Notices(id, _)
            | Command::PullLog(id)
            | Command::Regroup { id, .. } => Some(*id),
            Command::Approve(Selector::AllPending)
            | Command::OpenPairing { .. }
            | Command::ClosePairing
            | Command::Reset
            | Command::Configure(..)
            | Command::Restore(_)
            | Command::Account(..)
            | Command::Logout(_)
            | Command::Campaign(..)
            | Command::Incident { .. }
            // Else who wanted it would be erased with the component's records.
            | Command::Dispose(_)
            | Command::Define(_) => None,
        };
        match self.obey(by, command) {
            Ok(Answer::NotDefined(error)) => {
                self.definition_refused(&format!("{by}: {error}"));
                self.out.answer = Answer::NotDefined(error);
            }
            Ok(answer) => {
                let text = format!("{by}: {words}");
                let details = Details::by(&by.to_string()).and_on(&words);
                self.event_with(EventKind::CommandIssued, about, None, text, details);
                self.out.answer = answer;
            }
            Err(Denied { refusal, detail }) => {
                self.count(refusal.slug());
                let why = if detail.is_empty() { String::new() } else { format!(": {detail}") };
                let text = shortened(&format!("{by}: {words}{why}"));
                let details = Details::by(&by.to_string()).and_on(&words);
                self.event_with(EventKind::CommandRefused, about, Some(refusal), text, details);
                self.out.answer = Answer::Refused { why: refusal, detail, retry_after: None };
            }
        }
    }

    /// The cloud asks; a number that came before is a replay, also after a restart.
    pub(super) fn cloud_asks(&mut self, ask: CloudAsk) {
        if self.store == StoreState::Unavailable {
            self.count(Refusal::StoreUnavailable.slug());
            let text = format!("the cloud: ask {} cannot be made durable", ask.seq);
            let why = Some(Refusal::StoreUnavailable);
            self.event(EventKind::CommandRefused, Some(ask.component), why, text);
            self.refuse(Refusal::StoreUnavailable, None);
            return;
        }
        if ask.seq <= self.counters.cloud_asks {
            self.count(Refusal::Replayed.slug());
            let text = format!("the cloud: ask {} came before", ask.seq);
            self.event(EventKind::CommandRefused, None, Some(Refusal::Replayed), text);
            self.refuse(Refusal::Replayed, None);
            return;
        }
        self.counters.cloud_asks = ask.seq;
        self.write(persist::put_counters(&self.counters));
        let id = ask.component;
        let arguments =
            ask.arguments.map_or_else(|| Ok(json!({})), |bytes| cbor::to_json(&bytes.0));
        let command = match (ask.settings, ask.command, arguments) {
            (Some(settings), None, _) => {
                let wishes = settings.values().iter();
                let wishes = wishes.map(|(name, value)| (name.clone(), Wish::Value(value.clone())));
                Command::Configure(Members::One(id), wishes.collect())
            }
            (None, Some(name), Ok(arguments)) => Command::Give { id, name, arguments },
            _ => {
                self.count(Refusal::BadRequest.slug());
                let text = format!("the cloud: ask {} is neither settings nor a command", ask.seq);
                self.event(EventKind::CommandRefused, Some(id), Some(Refusal::BadRequest), text);
                self.refuse(Refusal::BadRequest, None);
                return;
            }
        };
        self.command(&Actor::Cloud, command);
    }

    /// A person whose account went or whose role changed while the request came in does nothing any more.
    fn still_is(&self, by: &Actor) -> Result<(), Denied> {
        let Actor::Person { name, role, .. } = by else { return Ok(()) };
        if self.accounts.get(name).is_some_and(|account| account.role == *role) {
            return Ok(());
        }
        let detail = format!("the account {name} was changed meanwhile");
        Err(Denied { refusal: Refusal::NotPermitted, detail })
    }

    fn obey(&mut self, by: &Actor, command: Command) -> Result<Answer, Denied> {
        self.still_is(by)?;
        if self.store == StoreState::Unavailable && !takes_power(&command) {
            return Err(Refusal::StoreUnavailable.into());
        }
        let operation = operation(by, &command);
        gate::authorize_operation(by.role(), operation)?;
        if gives_power(operation, &command) {
            gate::step_up(by, Risk::High, operation.words())?;
        }
        let done = match command {
            Command::Reset => self.reset(by),
            Command::Account(name, change) => self.change_account(&name, change),
            Command::Logout(token) => self.logout(&token),
            Command::Configure(members, wishes) => return self.configure(by, &members, &wishes),
            Command::Give { id, name, arguments } => {
                return self.give(by, id, &name, &arguments);
            }
            Command::Restore(members) => return self.restore_default(by, &members),
            Command::Regroup { id, group, joins } => self.regroup(by, id, &group, joins),
            Command::Approve(Selector::One(id)) => {
                return self.approve(id, by).map(|()| Answer::Changed(1));
            }
            Command::Approve(Selector::AllPending) => Ok(self.approve_all(by)),
            Command::Quarantine(id, reason) => {
                let reason = format!("{by}: {reason}");
                self.must_go(id, TrustState::Quarantined, Some(Hold::Owner), &reason)
            }
            Command::Revoke(id, reason) => self.revoke(id, &format!("{by}: {reason}")),
            Command::Retire(id, reason) => {
                self.must_know(id).map_err(Denied::from)?;
                let left = self.leave(id, &format!("{by}: {reason}"));
                if left { Ok(Answer::Changed(1)) } else { Err(Refusal::WrongState) }
            }
            Command::Rename(id, name) => self.rename(id, name),
            Command::Trial(id, on) => self.trial(by, id, on),
            Command::OpenPairing { codes, duration, approve } => {
                let until = self.now.wall.plus(duration.min(MAX_WINDOW));
                self.pairing.open(codes, approve, until);
                Ok(Answer::PairingOpen(until))
            }
            Command::Campaign(model, wish) => self.wish_of_campaign(by, &model, wish),
            Command::Notices(id, on) => self.set_notices(by, id, on),
            Command::Define(envelope) => Ok(self.define(&envelope)),
            Command::Dispose(what) => {
                self.dispose(&what);
                Ok(Answer::Changed(1))
            }
            Command::PullLog(id) => self.pull_log(id).map(|()| Answer::Changed(1)),
            Command::Incident { number, reason, closes } => {
                return self.act_on_incident(by, number, &reason, closes);
            }
            Command::ClosePairing => {
                let was_open = self.pairing.close();
                if was_open { Ok(Answer::Changed(1)) } else { Err(Refusal::WrongState) }
            }
        };
        done.map_err(Denied::from)
    }

    fn must_know(&self, id: ComponentId) -> Result<(), Refusal> {
        self.inventory.get(id).map(|_| ()).ok_or(Refusal::Unknown)
    }

    fn must_go(
        &mut self,
        id: ComponentId,
        state: TrustState,
        hold: Option<Hold>,
        reason: &str,
    ) -> Result<Answer, Refusal> {
        self.must_know(id)?;
        if self.set_trust(id, state, hold, reason) {
            Ok(Answer::Changed(1))
        } else {
            Err(Refusal::WrongState)
        }
    }

    fn approve_all(&mut self, by: &Actor) -> Answer {
        let waits = |record: &&crate::inventory::record::Record| {
            record.request.as_ref().is_some_and(|r| !r.approved)
        };
        let waiting: Vec<_> = self.inventory.all().filter(waits).map(|record| record.id).collect();
        let approved = waiting.into_iter().filter(|id| self.approve(*id, by).is_ok()).count();
        Answer::Changed(approved)
    }

    /// Approves a request, lifts a quarantine that a person may lift, or confirms that a component is what it
    /// says.
    fn approve(&mut self, id: ComponentId, by: &Actor) -> Result<(), Denied> {
        let now = self.now.wall;
        let hold = self.inventory.get(id).ok_or(Refusal::Unknown)?.trust.hold;
        if hold == Some(Hold::RolledBack) {
            // Older firmware than it had: only its owner may take that.
            gate::authorize_operation(by.role(), Operation::Own)?;
            gate::step_up(by, Risk::High, "older firmware than it had")?;
        }
        let record = self.inventory.get_mut(id).ok_or(Refusal::Unknown)?;
        if let Some(request) = record.request.as_mut().filter(|request| !request.approved) {
            request.approved = true;
            record.note(now, "approved", "", by);
            self.save(id);
            return Ok(());
        }
        let (is_known, was_proved) = (record.facts.is_some(), record.is_proved());
        record.confirmed = is_known;
        match record.trust.hold {
            Some(Hold::Owner | Hold::Incident) if is_known => {
                record.boots.forget();
                self.settle(id, &format!("{by}: approved"));
            }
            Some(Hold::Recovered | Hold::Cloned | Hold::RolledBack) if is_known => {
                record.boots.forget();
                // What it said before the trouble proves nothing now.
                self.distrust_report(id);
                if hold == Some(Hold::RolledBack) {
                    self.forget_security(id, by);
                }
                self.settle(id, &format!("{by}: approved"));
                self.tell_if_needed(id);
            }
            Some(
                Hold::Owner | Hold::Recovered | Hold::Cloned | Hold::RolledBack | Hold::Incident,
            ) => {
                let reason = "has not said yet what it is";
                self.set_trust(id, TrustState::Quarantined, Some(Hold::NotAnnounced), reason);
            }
            Some(Hold::NotAnnounced | Hold::UnknownKind | Hold::Baseline) | None
                if is_known && !was_proved =>
            {
                record.note(now, "confirmed", "", format_args!("it is what it says, by {by}"));
                self.seat(id);
                self.save(id);
            }
            Some(Hold::NotAnnounced | Hold::UnknownKind | Hold::Baseline) | None => {
                return Err(Refusal::WrongState.into());
            }
        }
        Ok(())
    }

    fn revoke(&mut self, id: ComponentId, reason: &str) -> Result<Answer, Refusal> {
        let now = self.now.wall;
        let record = self.inventory.get_mut(id).ok_or(Refusal::Unknown)?;
        if !crate::access::trust::may_go(record.trust.state, TrustState::Revoked) {
            return Err(Refusal::WrongState);
        }
        record.credentials.revoke(now, false);
        record.request = None;
        self.set_trust(id, TrustState::Revoked, None, reason);
        self.event(EventKind::ComponentRemoved, Some(id), None, reason);
        self.cut(id, Refusal::Revoked);
        Ok(Answer::Changed(1))
    }

    fn trial(&mut self, by: &Actor, id: ComponentId, on: bool) -> Result<Answer, Refusal> {
        let now = self.now.wall;
        let record = self.inventory.get_mut(id).ok_or(Refusal::Unknown)?;
        if std::mem::replace(&mut record.on_trial, on) == on {
            return Err(Refusal::WrongState);
        }
        let word = if on { "begins" } else { "ends" };
        record.note(now, "trial", "", format_args!("{word}, by {by}"));
        self.save(id);
        Ok(Answer::Changed(1))
    }

    fn rename(&mut self, id: ComponentId, name: Label) -> Result<Answer, Refusal> {
        let taken =
            self.inventory.all().any(|other| other.id != id && other.name.as_ref() == Some(&name));
        let now = self.now.wall;
        let record = self.inventory.get_mut(id).ok_or(Refusal::Unknown)?;
        if taken {
            return Err(Refusal::IdInUse);
        }
        let old = record.name.replace(name.clone()).map(|old| old.to_string()).unwrap_or_default();
        record.note(now, "name", old, name);
        self.save(id);
        Ok(Answer::Changed(1))
    }
}

/// What a command is to the gate. Settings and commands of components are judged by their definitions.
fn operation(by: &Actor, command: &Command) -> Operation {
    match command {
        Command::Configure(..) | Command::Give { .. } | Command::Logout(_) => Operation::Look,
        Command::Approve(_)
        | Command::Quarantine(..)
        | Command::Rename(..)
        | Command::Regroup { .. }
        | Command::OpenPairing { .. }
        | Command::ClosePairing
        | Command::Campaign(..)
        | Command::Notices(..)
        | Command::Incident { .. } => Operation::Install,
        Command::PullLog(_) => Operation::Audit,
        Command::Restore(_) => Operation::Restore,
        Command::Revoke(..)
        | Command::Retire(..)
        | Command::Dispose(_)
        | Command::Define(_)
        | Command::Trial(..)
        | Command::Reset => Operation::Own,
        // Everybody may change the own password.
        Command::Account(name, AccountChange::Password(_)) if by.is(name) => Operation::Look,
        Command::Account(..) => Operation::Accounts,
    }
}

/// Whether a command can give somebody power or take it from somebody: a screen left open must not do that.
fn gives_power(operation: Operation, command: &Command) -> bool {
    matches!(operation, Operation::Own | Operation::Accounts)
        || matches!(command, Command::Account(..))
}

/// Whether a command only takes something from somebody: that may go ahead while nothing can be made
/// durable. Anything else would be refused now and come into force once there is room again.
fn takes_power(command: &Command) -> bool {
    matches!(
        command,
        Command::Quarantine(..)
            | Command::Revoke(..)
            | Command::ClosePairing
            | Command::Logout(_)
            | Command::Account(_, AccountChange::Remove)
            | Command::Campaign(_, UpdateWish::Pause | UpdateWish::Cancel)
    )
}

/// A command in words, without its secrets.
fn describe(command: &Command) -> String {
    match command {
        Command::Approve(Selector::One(_)) => "approve".into(),
        Command::Approve(Selector::AllPending) => "approve all that wait".into(),
        Command::Quarantine(_, reason) => format!("quarantine: {reason}"),
        Command::Revoke(_, reason) => format!("revoke: {reason}"),
        Command::Retire(_, reason) => format!("retire: {reason}"),
        Command::Trial(_, true) => "only report what its definition would refuse".into(),
        Command::Trial(_, false) => "enforce its definition".into(),
        Command::Rename(_, name) => format!("rename to {name}"),
        Command::OpenPairing { codes, duration, approve } => {
            let advance = if *approve { ", approved in advance" } else { "" };
            format!("open pairing with {} codes for {} s{advance}", codes.len(), duration.as_secs())
        }
        Command::Configure(members, wishes) => {
            let words = wishes.iter().map(|(name, wish)| match wish {
                Wish::Value(value) => format!("{name} to {value}"),
                Wish::Default => format!("{name} to its secure default"),
            });
            let words = words.collect::<Vec<_>>().join(", ");
            match members {
                Members::One(_) => format!("set {words}"),
                Members::Kind(_) | Members::Group(_) | Members::All => {
                    format!("set {words} of those {members}")
                }
            }
        }
        Command::Account(name, AccountChange::Add { role, .. }) => {
            format!("make the account {name} ({role})")
        }
        Command::Account(name, AccountChange::Password(_)) => {
            format!("change the password of {name}")
        }
        Command::Account(name, AccountChange::Remove) => format!("remove the account {name}"),
        Command::Reset => "reset the hub to its secure default".into(),
        Command::Logout(_) => "log out".into(),
        Command::Give { name, .. } => format!("give the command {name}"),
        Command::Restore(Members::One(_)) => "restore the secure default".into(),
        Command::Restore(members) => format!("restore the secure default of those {members}"),
        Command::Regroup { group, joins: true, .. } => format!("put into group {group}"),
        Command::Regroup { group, joins: false, .. } => format!("take out of group {group}"),
        Command::ClosePairing => "close pairing".into(),
        Command::Define(_) => "put a definition in force".into(),
        Command::Campaign(model, wish) => match wish {
            UpdateWish::Approve => format!("approve the release of {model}"),
            UpdateWish::Postpone(until) => {
                format!("postpone the release of {model} to {}", rfc3339(*until))
            }
            UpdateWish::Pause => format!("pause the release of {model}"),
            UpdateWish::Cancel => format!("cancel the release of {model}"),
            UpdateWish::Retry => format!("try the release of {model} again"),
        },
        Command::Notices(_, true) => "tell me of its updates".into(),
        Command::Notices(_, false) => "do not tell me of its updates".into(),
        Command::Dispose(what) => format!("erase {what}"),
        Command::PullLog(_) => "send its newest records".into(),
        Command::Incident { number, closes: true, .. } => format!("close incident {number}"),
        Command::Incident { number, .. } => format!("acknowledge incident {number}"),
    }
}
