//! Configuration: people want something of components, components say what they are, and the hub works
//! until both are the same.

use super::Hub;
use crate::{
    access::{
        gate::{self, Change, Denied, Permitted, shortened},
        policy::Kind,
        trust::{Hold, may_connect},
    },
    config::{ConfigView, Configured, Desired, GIVE_UP, Proof, Seen, view},
    effect::Answer,
    event::EventKind,
    input::{Actor, Members, StoreState, Wish},
    persist,
    record::{Record, RecordKind},
};
use protocol::{
    id::{ComponentId, Slug},
    message::{Config, ConfigPurpose, List, Reported, TrustState, V1},
    refusal::Refusal,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Components told again in one turn, so that a large fleet does not make a long one.
const TOLD_PER_TURN: usize = 64;

impl Hub {
    /// The configuration of a component.
    #[must_use]
    pub fn configured(&self, id: ComponentId) -> Option<&Configured> {
        self.configs.get(id)
    }

    /// How what a component is compares with what it shall be; nothing for one that no definition covers.
    #[must_use]
    pub fn proof(&self, id: ComponentId) -> Option<Proof> {
        let kind = self.kind_of(self.inventory.get(id)?)?;
        let definition = kind.definition();
        if Desired::is_vacuous(definition) {
            return Some(Proof::InForce);
        }
        Some(self.configs.get(id).map_or(Proof::Waiting, |one| one.proof(definition)))
    }

    /// The configuration of a component as people see it; nothing for one that no definition covers.
    #[must_use]
    pub fn configuration(&self, id: ComponentId) -> Option<ConfigView> {
        let record = self.inventory.get(id)?;
        let definition = self.kind_of(record)?.definition();
        let name = record.name.as_ref().map(ToString::to_string);
        Some(view((id, name), definition, self.configs.get(id), self.proof(id)?))
    }

    /// The configurations of all members.
    #[must_use]
    pub fn configurations(&self) -> Vec<ConfigView> {
        let members = self.inventory.all().filter(|record| may_connect(record.trust.state));
        members.filter_map(|record| self.configuration(record.id)).collect()
    }

    /// Changes settings of every member meant, or of none when one of them may not be changed so.
    pub(super) fn configure(
        &mut self,
        by: &Actor,
        members: &Members,
        wishes: &BTreeMap<Slug, Wish>,
    ) -> Result<Answer, Denied> {
        let mut changes = Vec::new();
        for (id, kind) in self.meant(members)? {
            let named = matches!(members, Members::One(_));
            let change = gate::authorize_change(by, id, &kind, wishes, named)?;
            self.next_revision(id).ok_or(Refusal::Full)?;
            changes.extend(change.map(|change| (change, kind)));
        }
        if changes.is_empty() {
            let names: Vec<_> = wishes.keys().map(Slug::as_str).collect();
            let detail = format!("none of them has the setting {}", names.join(" or "));
            return Err(Denied { refusal: Refusal::NotDeclared, detail });
        }
        let count = changes.len();
        for (change, kind) in changes {
            self.change(by, change, &kind)?;
        }
        Ok(Answer::Changed(count))
    }

    /// Brings every member meant back to its secure default.
    pub(super) fn restore_default(
        &mut self,
        by: &Actor,
        members: &Members,
    ) -> Result<Answer, Denied> {
        let changes: Vec<_> = self
            .meant(members)?
            .into_iter()
            .map(|(id, kind)| {
                self.next_revision(id).ok_or(Refusal::Full)?;
                Ok((gate::authorize_restore(by.role(), id)?, kind))
            })
            .collect::<Result<_, Denied>>()?;
        let count = changes.len();
        for (change, kind) in changes {
            self.change(by, change, &kind)?;
        }
        Ok(Answer::Changed(count))
    }

    /// Adds a component to a group, or takes it out.
    pub(super) fn regroup(
        &mut self,
        by: &Actor,
        id: ComponentId,
        group: &Slug,
        joins: bool,
    ) -> Result<Answer, Refusal> {
        let now = self.now.wall;
        let record = self.inventory.get_mut(id).ok_or(Refusal::Unknown)?;
        if joins && record.groups.len() >= crate::inventory::record::MAX_GROUPS {
            return Err(Refusal::Full);
        }
        let changed =
            if joins { record.groups.insert(group.clone()) } else { record.groups.remove(group) };
        if !changed {
            return Err(Refusal::WrongState);
        }
        let what = if joins { "joins group" } else { "leaves group" };
        record.note(now, what, "", format_args!("{group}, by {by}"));
        self.save(id);
        Ok(Answer::Changed(1))
    }

    /// The members that a command means, with their kinds.
    fn meant(&self, members: &Members) -> Result<Vec<(ComponentId, Arc<Kind>)>, Denied> {
        if let Members::One(id) = members {
            let record = self.inventory.get(*id).ok_or(Refusal::Unknown)?;
            if !may_connect(record.trust.state) {
                return Err(gate::state_refusal(record.trust.state).into());
            }
            let kind = self.kind_of(record).ok_or(Refusal::UnknownKind)?;
            return Ok(vec![(*id, kind.clone())]);
        }
        let meant: Vec<_> = self
            .inventory
            .all()
            .filter(|record| may_connect(record.trust.state))
            .filter_map(|record| Some((record, self.kind_of(record)?)))
            .filter(|(record, kind)| match members {
                Members::One(id) => record.id == *id,
                Members::Kind(name) => kind.definition().kind == *name,
                Members::Group(name) => record.groups.contains(name),
                Members::All => true,
            })
            .map(|(record, kind)| (record.id, kind.clone()))
            .collect();
        match meant.is_empty() {
            true => {
                Err(Denied { refusal: Refusal::Unknown, detail: format!("no member is {members}") })
            }
            false => Ok(meant),
        }
    }

    fn change(
        &mut self,
        by: &Actor,
        change: Permitted<Change>,
        kind: &Kind,
    ) -> Result<(), Refusal> {
        let (id, change) = change.into_parts();
        let known = self.configs.get(id).map(|one| one.desired.clone());
        let mut changes = known.as_ref().map(|desired| desired.changes.clone()).unwrap_or_default();
        let purpose = match change {
            Change::Restore => {
                changes.clear();
                ConfigPurpose::Restore
            }
            Change::Settings(wishes) => {
                for (name, wish) in wishes {
                    match wish {
                        Wish::Value(value) => drop(changes.insert(name, value)),
                        Wish::Default => drop(changes.remove(&name)),
                    }
                }
                ConfigPurpose::Set
            }
        };
        self.want(id, kind, purpose, changes, &by.to_string())
    }

    /// The number of its next configuration, unless it claims to have the last there is.
    fn next_revision(&self, id: ComponentId) -> Option<u32> {
        let facts = self.inventory.get(id)?.facts.as_ref();
        let announced = facts.map_or(0, |facts| facts.config);
        match self.configs.get(id) {
            Some(known) => known.next_revision(announced),
            None => crate::config::next_revision(0, announced),
        }
    }

    /// A new configuration is wanted of a component.
    fn want(
        &mut self,
        id: ComponentId,
        kind: &Kind,
        purpose: ConfigPurpose,
        changes: BTreeMap<Slug, protocol::definition::SettingValue>,
        by: &str,
    ) -> Result<(), Refusal> {
        let (now, definition) = (self.now.wall, kind.definition());
        let former = self.configs.get(id).cloned();
        let revision = self.next_revision(id).ok_or(Refusal::Full)?;
        let Some(record) = self.inventory.get_mut(id) else { return Err(Refusal::Unknown) };
        // A restore that is not proved yet must not turn into a mere change.
        let restoring = former.as_ref().is_some_and(|known| {
            known.desired.purpose == ConfigPurpose::Restore
                && known.proof(definition) != Proof::InForce
        });
        let purpose = if restoring { ConfigPurpose::Restore } else { purpose };
        let desired = Desired::of(definition, revision, purpose, changes, (now, by));
        let before = former.as_ref().map_or_else(BTreeMap::new, |one| one.desired.settings.clone());
        for (name, value) in &desired.settings {
            let old = before.get(name);
            if old != Some(value) {
                let old = old.map(ToString::to_string).unwrap_or_default();
                record.note(now, &format!("setting {name}"), old, format_args!("{value}, by {by}"));
            }
        }
        let text = format!("revision {revision}, {purpose}, wanted by {by}");
        let before = self.inventory.get(id).map_or(0, |record| record.security);
        let (reported, security) =
            former.map_or((None, before), |former| (former.reported, former.security));
        self.configs.put(id, Configured { desired, reported, security });
        self.configs.deliveries.renew(id);
        self.event(EventKind::ConfigChanged, Some(id), None, text);
        self.save(id);
        self.save_config(id);
        self.tell(id);
        Ok(())
    }

    /// Whether a component that a definition covers is proved to be what it shall be. One that was never
    /// wanted anything of is wanted its secure default of.
    pub(super) fn is_at_baseline(&mut self, id: ComponentId) -> bool {
        let Some(kind) = self.inventory.get(id).and_then(|record| self.kind_of(record)) else {
            return false;
        };
        let kind = kind.clone();
        if Desired::is_vacuous(kind.definition()) {
            return true;
        }
        match self.configs.get(id) {
            Some(known) => known.proof(kind.definition()) == Proof::InForce,
            None => {
                let by = format!("the secure default of {kind}");
                if self.want(id, &kind, ConfigPurpose::Restore, BTreeMap::new(), &by).is_err() {
                    self.count(Refusal::Full.slug());
                    let text = "its configuration's revision is the last there is; reset it to its factory state";
                    self.event(EventKind::ConfigUnproved, Some(id), Some(Refusal::Full), text);
                }
                false
            }
        }
    }

    /// A new revision of a definition may declare other settings and interfaces.
    pub(super) fn redefine(&mut self, id: ComponentId) {
        let Some(kind) = self.inventory.get(id).and_then(|record| self.kind_of(record)) else {
            return;
        };
        let (kind, known) = (kind.clone(), self.configs.get(id).map(|one| one.desired.clone()));
        let Some(known) = known else {
            // The revision before declared nothing that could be told.
            self.is_at_baseline(id);
            return;
        };
        let now = (self.now.wall, "");
        let changes = known.changes.clone();
        let fresh = Desired::of(kind.definition(), known.revision, known.purpose, changes, now);
        if (&fresh.settings, &fresh.open) != (&known.settings, &known.open) {
            // A revision that cannot be counted on stays; the report will show what differs.
            let by = format!("the definition of {kind}");
            let _ = self.want(id, &kind, ConfigPurpose::Set, known.changes, &by);
        }
    }

    /// A component said on this connection what it is: it is told what it shall be, unless it is.
    pub(super) fn tell_if_needed(&mut self, id: ComponentId) {
        let told = self.configs.deliveries.is_open(id);
        if !told && self.proof(id).is_some_and(|proof| proof != Proof::InForce) {
            self.tell(id);
        }
    }

    fn tell(&mut self, id: ComponentId) {
        let present = self.links.get(&id).is_some_and(|link| link.announced);
        let Some(desired) = self.configs.get(id).map(|one| &one.desired).filter(|_| present) else {
            return;
        };
        let config = Config {
            version: V1,
            revision: desired.revision,
            purpose: desired.purpose,
            settings: crate::config::on_the_wire(&desired.settings),
            open: List::new(desired.open.clone()).unwrap_or_default(),
        };
        self.out.sends.push(gate::permit_config(id, &config));
        let told = self.configs.deliveries.told(id, self.now.mono);
        if told == GIVE_UP {
            self.unwilling(id);
        }
    }

    pub(super) fn tell_again(&mut self) {
        // What is wanted may not be durable yet.
        if self.store == StoreState::Unavailable {
            return;
        }
        for id in self.configs.deliveries.overdue(self.now.mono, TOLD_PER_TURN) {
            self.tell(id);
        }
    }

    /// It was told often enough: the owner is told, and what could do harm is quarantined.
    fn unwilling(&mut self, id: ComponentId) {
        let Some(kind) = self.inventory.get(id).and_then(|record| self.kind_of(record)) else {
            return;
        };
        let harmful = self.configs.get(id).is_some_and(|one| one.may_do_harm(kind.definition()));
        let text = format!("told {GIVE_UP} times, and still not as it shall be");
        self.event(EventKind::ConfigUnproved, Some(id), None, &text);
        let member = self.inventory.get(id).is_some_and(|record| {
            matches!(record.trust.state, TrustState::Active | TrustState::Stale)
        });
        if member && harmful {
            self.set_trust(id, TrustState::Quarantined, Some(Hold::Baseline), &text);
        }
    }

    /// What a component says that it is.
    pub(super) fn reported(&mut self, id: ComponentId, reported: &Reported) {
        let Some(kind) = self.inventory.get(id).and_then(|record| self.kind_of(record)) else {
            // Of a kind that nobody declared there is nothing to compare with.
            return;
        };
        let kind = kind.clone();
        let mono = self.now.mono;
        let Some(known) = self.configs.get_mut(id) else { return };
        if reported.security < known.security {
            let text = format!("security version {}, it had {}", reported.security, known.security);
            self.rolled_back(id, &text);
            return;
        }
        // What was weaker before is told of already; what never was in force is a matter of delivery.
        let before = match known.proof(kind.definition()) {
            Proof::InForce => Some(BTreeSet::new()),
            Proof::Drifted { .. } => {
                let weaker = known.weakened(kind.definition());
                Some(weaker.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>())
            }
            Proof::Waiting | Proof::Refused { .. } => None,
        };
        let news = reported.security > known.security
            || known.reported.as_ref().is_none_or(|seen| !seen.says(reported));
        known.security = reported.security;
        if news {
            known.reported = Some(Seen::new(reported, self.now.wall));
        }
        let (told, claimed) = (known.desired.revision, reported.revision);
        let (purpose, changes) = (known.desired.purpose, known.desired.changes.clone());
        if claimed > told && self.configs.believe(id, mono) {
            let by = format!("its claim of revision {claimed}");
            if self.want(id, &kind, purpose, changes, &by).is_err() {
                self.message_refused(id, Refusal::Full, "the last revision there is");
                return;
            }
        }
        let Some(known) = self.configs.get(id) else { return };
        let proof = known.proof(kind.definition());
        if let Some(before) = before.filter(|_| proof != Proof::InForce) {
            let mut weaker = known.weakened(kind.definition());
            weaker.retain(|(name, _)| !before.contains(name));
            self.weakened(id, &weaker);
        }
        if news {
            self.save_config(id);
        }
        self.compared(id, proof, news);
    }

    /// What protects became weaker, and nobody who may want that did.
    fn weakened(&mut self, id: ComponentId, weaker: &[(Slug, String)]) {
        for (name, words) in weaker {
            let record = Record::new(self.now.wall, RecordKind::ConfigWeakened).about(id);
            self.out.records.push(record.on(name.as_str()).saying(&shortened(words)));
        }
    }

    fn compared(&mut self, id: ComponentId, proof: Proof, news: bool) {
        let open = self.configs.deliveries.is_open(id);
        match proof {
            Proof::InForce => {
                self.configs.deliveries.settled(id);
                if news {
                    self.event(
                        EventKind::ConfigInForce,
                        Some(id),
                        None,
                        "read back as it shall be",
                    );
                }
                let hold = self.inventory.get(id).and_then(|record| record.trust.hold);
                if hold == Some(Hold::Baseline) {
                    self.settle(id, "read back as it shall be");
                }
                return;
            }
            Proof::Waiting => {}
            Proof::Refused { why } if news => {
                let text = format!("it says: {}", shortened(&why));
                self.event(EventKind::ConfigRefused, Some(id), None, text);
            }
            Proof::Drifted { differs, .. } if news => {
                let text = shortened(&differs.join("; "));
                self.event(EventKind::ConfigDrift, Some(id), None, text);
            }
            Proof::Refused { .. } | Proof::Drifted { .. } => {}
        }
        if !open {
            self.tell(id);
        }
    }

    fn rolled_back(&mut self, id: ComponentId, text: &str) {
        self.message_refused(id, Refusal::RolledBack, text);
        let reason = format!("its firmware was rolled back: {text}");
        let held = self.inventory.get(id).and_then(|record| record.trust.hold);
        if held != Some(Hold::RolledBack) {
            self.set_trust(id, TrustState::Quarantined, Some(Hold::RolledBack), &reason);
        }
    }

    /// It may have been reset to its factory state: what it said before proves nothing any more.
    pub(super) fn distrust_report(&mut self, id: ComponentId) {
        if self.configs.get_mut(id).is_some_and(|known| known.reported.take().is_some()) {
            self.configs.deliveries.renew(id);
            self.save_config(id);
        }
    }

    /// Its owner takes older firmware than it had.
    pub(super) fn forget_security(&mut self, id: ComponentId, by: &Actor) {
        let now = self.now.wall;
        let known = self.configs.get_mut(id).map(|known| std::mem::take(&mut known.security));
        if let Some(record) = self.inventory.get_mut(id) {
            let former = record.security.max(known.unwrap_or(0));
            record.security = 0;
            record.note(now, "security version", former, format_args!("as it says next, by {by}"));
        }
        self.save(id);
        self.save_config(id);
    }

    /// Nothing is wanted of it any more. How new its firmware was is remembered, should it come back.
    pub(super) fn forget_config(&mut self, id: ComponentId) {
        let security = self.configs.get(id).map_or(0, |former| former.security);
        if let Some(record) = self.inventory.get_mut(id) {
            record.security = record.security.max(security);
            self.save(id);
        }
        if self.configs.remove(id) {
            self.write(persist::remove_config(id));
        }
    }

    fn save_config(&mut self, id: ComponentId) {
        if let Some(configured) = self.configs.get(id) {
            let write = persist::put_config(id, configured);
            self.write(write);
        }
    }
}
