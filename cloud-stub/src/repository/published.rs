//! What is published: which releases there are, their share of hubs, and their end.

use super::{
    Mistake, Repository,
    check::share,
    draft::Draft,
    error::listed,
    metadata::{Head, Targets},
    release::Released,
    state::State,
};
use protocol::id::{ModelId, Slug};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where a role stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Its version.
    pub version: u64,
    /// When it must not be believed any more.
    pub expires: String,
}

impl Repository {
    /// Takes a release back: it is no target any more, and its counter never comes again.
    ///
    /// # Errors
    /// When there is no such release, or the signing fails; nothing changed then.
    pub fn revoke(&self, model: &ModelId, counter: u32, now: u64) -> Result<(), Mistake> {
        let mut draft = self.draft(now)?;
        let role = draft.release_of(model, counter)?;
        let of_it = format!("c/{model}/{counter}/");
        role.targets.retain(|path, _| !path.starts_with(&of_it));
        // Its anchors stay: a component that was away still needs them.
        draft.commit()
    }

    /// Changes how many of a hundred hubs take part in a release.
    ///
    /// # Errors
    /// When there is no such release, or the signing fails; nothing changed then.
    pub fn rollout(
        &self,
        model: &ModelId,
        counter: u32,
        percent: u8,
        now: u64,
    ) -> Result<(), Mistake> {
        share(percent)?;
        let mut draft = self.draft(now)?;
        let role = draft.release_of(model, counter)?;
        let image = role.targets.get_mut(&format!("c/{model}/{counter}/image"));
        if let Some(custom) = image.and_then(|image| image.custom.as_mut()) {
            custom["rollout"] = percent.into();
        }
        draft.commit()
    }

    /// What is published, in the order of models and counters.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn releases(&self) -> Result<Vec<Released>, Mistake> {
        let state = State::read(&self.metadata())?;
        let mut found = Vec::new();
        for target in state.vendors.values().flat_map(|role| role.targets.values()) {
            let told = target.custom.clone().and_then(|told| serde_json::from_value(told).ok());
            if let Some((about, sha256)) = told.zip(target.hashes.get("sha256").copied()) {
                found.push(Released { about, size: target.length, sha256 });
            }
        }
        found.sort_by(|a, b| {
            (&a.about.model, a.about.counter).cmp(&(&b.about.model, b.about.counter))
        });
        Ok(found)
    }
}

impl Repository {
    /// The version of each role, and when it expires.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn standing(&self) -> Result<BTreeMap<String, Standing>, Mistake> {
        let State { root, targets, vendors, snapshot, timestamp, .. } =
            State::read(&self.metadata())?;
        let roles = [("root", root.head), ("targets", targets.head)];
        let online = [("snapshot", snapshot.head), ("timestamp", timestamp.head)];
        let own = roles.into_iter().chain(online).map(|(role, head)| (role.to_owned(), head));
        let vendors = vendors.into_iter().map(|(vendor, role)| (vendor.to_string(), role.head));
        let standing = |head: Head| Standing { version: head.version, expires: head.expires };
        Ok(own.chain(vendors).map(|(role, head)| (role, standing(head))).collect())
    }
}

impl Draft<'_> {
    fn release_of(&mut self, model: &ModelId, counter: u32) -> Result<&mut Targets, Mistake> {
        let counters = counters(self.state.vendor(model.vendor())?, model);
        if !counters.contains(&counter) {
            let known = listed(counters);
            return Err(Mistake::NoRelease { model: model.clone(), counter, known });
        }
        let vendor = Slug::new(model.vendor()).map_err(|why| Mistake::Rule(why.to_string()))?;
        self.change_vendor(&vendor)
    }
}

/// Counters of the releases of a model.
pub(super) fn counters(role: &Targets, model: &ModelId) -> Vec<u32> {
    let of_model = format!("c/{model}/");
    let counter =
        |path: &String| path.strip_prefix(&of_model)?.strip_suffix("/image")?.parse().ok();
    let mut found: Vec<u32> = role.targets.keys().filter_map(counter).collect();
    found.sort_unstable();
    found
}
