//! The hub's own secure default: what people made of it is undone. Identities, definitions, records of what
//! happened and all counters stay.

use super::Hub;
use crate::{
    access::gate::Denied,
    effect::Answer,
    event::EventKind,
    input::{Actor, Members},
    persist,
};
use aws_lc_rs::digest::{SHA256, digest};
use protocol::{id::Digest, refusal::Refusal};
use serde_json::{Value, json};

impl Hub {
    /// Undoes what people made of the hub: accounts, logins, pairing, names, groups, trials, notices that were
    /// switched off, and the settings of components, which go back to their secure default.
    pub(super) fn reset(&mut self, by: &Actor) -> Result<Answer, Refusal> {
        match self.restore_default(by, &Members::All) {
            // A product without members has nothing to restore.
            Ok(_) | Err(Denied { refusal: Refusal::Unknown, .. }) => {}
            Err(denied) => return Err(denied.refusal),
        }
        for (name, _) in self.accounts() {
            self.accounts.remove(&name);
            self.tokens.end(&name);
            self.write(persist::remove_account(&name));
        }
        self.pairing.close();
        let now = self.now.wall;
        let made: Vec<_> =
            self.inventory.all().filter(|one| is_made(one)).map(|one| one.id).collect();
        for id in made {
            let Some(record) = self.inventory.get_mut(id) else { continue };
            let name = record.name.take().map(|name| name.to_string()).unwrap_or_default();
            record.groups.clear();
            record.on_trial = false;
            record.note(now, "reset", name, format_args!("by {by}"));
            self.save(id);
        }
        for (who, id) in std::mem::take(&mut self.updates.quiet) {
            self.write(persist::put_notices(who.as_ref(), id, false));
        }
        self.event(EventKind::HubReset, None, None, format!("{by}: back to the secure default"));
        Ok(Answer::Changed(1))
    }

    /// A digest of what people made of the hub: equal at the first start and after each reset.
    #[must_use]
    pub fn made_digest(&self) -> Digest {
        let accounts: Vec<Value> = self.accounts.all().map(|account| json!(account)).collect();
        let records = self
            .inventory
            .all()
            .filter(|record| is_made(record))
            .map(|record| json!([record.id, record.name, record.groups, record.on_trial]));
        let changed = self.inventory.all().filter_map(|record| {
            let changes = &self.configs.get(record.id)?.desired.changes;
            (!changes.is_empty()).then(|| json!([record.id, changes]))
        });
        let (records, changed) = (records.collect::<Vec<_>>(), changed.collect::<Vec<_>>());
        let all = json!([accounts, records, changed, self.updates.quiet]);
        let made = digest(&SHA256, all.to_string().as_bytes());
        Digest(made.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }
}

fn is_made(record: &crate::inventory::record::Record) -> bool {
    record.name.is_some() || !record.groups.is_empty() || record.on_trial
}
