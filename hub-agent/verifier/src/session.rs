//! One refresh and what is looked up after it: what was verified but is not durable yet, which floors it
//! would raise, and why fetching stopped. It knows versions, not TUF's files; `tuf` reads those.

use crate::{
    Mirrors, Refused,
    floors::{Floors, LONGEST_ROLE, Versions},
    source::Ask,
    vault::Changes,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Delegated roles whose metadata is kept; others are fetched again when they are needed.
const MOST_KEPT: usize = 64;

/// Bytes of metadata that one session takes.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

/// The four files that every repository has.
const TOP: [&str; 4] = ["root.json", "timestamp.json", "snapshot.json", "targets.json"];

/// What the library's transport and store share.
pub(crate) struct Session {
    mirrors: Arc<Mirrors>,
    at: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    /// As committed.
    stored: BTreeMap<String, Bytes>,
    /// Verified since, by name; nothing for what goes.
    staged: BTreeMap<String, Option<Bytes>>,
    floors: Floors,
    committed: Floors,
    /// The last root that was verified.
    root: u64,
    /// Why nothing more is fetched.
    refused: Option<Refused>,
    /// The last name that the mirror does not have.
    missing: Option<String>,
    /// Kept files of delegated roles that the snapshot still pins, by the name they would be fetched under.
    kept: BTreeMap<String, Bytes>,
    fetched: u64,
}

impl Session {
    /// A session that asks the mirror at this place first.
    pub(crate) fn new(
        mirrors: Arc<Mirrors>,
        at: usize,
        stored: BTreeMap<String, Bytes>,
        floors: Floors,
    ) -> Self {
        let state = State {
            stored,
            staged: BTreeMap::new(),
            committed: floors.clone(),
            floors,
            root: 0,
            refused: None,
            missing: None,
            kept: BTreeMap::new(),
            fetched: 0,
        };
        Self { mirrors, at: AtomicUsize::new(at), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which mirror is asked.
    pub(crate) fn at(&self) -> usize {
        self.at.load(Ordering::Relaxed)
    }

    /// Goes on with the next mirror.
    pub(crate) fn next_mirror(&self) {
        self.at.fetch_add(1, Ordering::Relaxed);
    }

    /// How many mirrors there are.
    pub(crate) fn mirrors(&self) -> usize {
        self.mirrors.count()
    }

    /// Fetches a file for the library; `None` inside when there is none. An error is remembered here.
    pub(crate) async fn fetch(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, ()> {
        if let Some(kept) = self.before_fetch(name)? {
            return Ok(Some(kept));
        }
        let read = self.mirrors.at(self.at()).metadata.read(&Ask::metadata(name, most)).await;
        let mut state = self.state();
        match read {
            Ok(None) => {
                state.missing = Some(name.to_owned());
                Ok(None)
            }
            Ok(Some(bytes)) => {
                state.fetched += bytes.len() as u64;
                if state.fetched > MOST_BYTES {
                    let what = format!("more than {MOST_BYTES} bytes of metadata");
                    state.refused = Some(Refused::TooLarge(what));
                    return Err(());
                }
                Ok(Some(bytes))
            }
            Err(error) => {
                state.refused = Some(error.into());
                Err(())
            }
        }
    }

    /// Stops when something was refused, and answers from what is kept.
    fn before_fetch(&self, name: &str) -> Result<Option<Vec<u8>>, ()> {
        let mut state = self.state();
        // The chain of roots has ended: only now it must have reached its floor.
        if name == "timestamp.json" && state.root < state.floors.root {
            let (offered, floor) = (state.root, state.floors.root);
            let back = Refused::Rollback { role: "root".to_owned(), offered, floor };
            state.refused.get_or_insert(back);
        }
        if state.refused.is_some() {
            return Err(());
        }
        Ok(state.kept.get(name).map(|bytes| bytes.to_vec()))
    }

    /// What was stored under a name. Timestamp and snapshot count only while they have a floor: a change of
    /// keys takes it away, and what those keys signed is then forgotten.
    pub(crate) fn load(&self, name: &str) -> Option<Bytes> {
        let state = self.state();
        let forgotten = match name {
            "timestamp.json" => state.floors.timestamp.is_none(),
            "snapshot.json" => state.floors.timestamp.is_none() || state.floors.snapshot.is_none(),
            _ => false,
        };
        if forgotten {
            return None;
        }
        match state.staged.get(name) {
            Some(staged) => staged.clone(),
            None => state.stored.get(name).cloned(),
        }
    }

    /// Whether a stored file is new enough to count.
    pub(crate) fn admits(&self, file: &Versions) -> bool {
        self.state().floors.admit(file).is_ok()
    }

    /// Takes a file that the library has just verified, or notes why it is refused all the same.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8], file: &Versions) {
        let mut state = self.state();
        if state.refused.is_some() {
            return;
        }
        match file {
            // An old stored root is only where the chain begins.
            Versions::Root { version, .. } => {
                state.root = *version;
                if *version < state.floors.root {
                    return;
                }
            }
            Versions::Timestamp { .. } | Versions::Snapshot { .. } | Versions::Targets { .. } => {
                if let Err(refused) = state.floors.admit(file) {
                    state.refused = Some(refused);
                    return;
                }
            }
        }
        if state.floors.raise(file) {
            tracing::info!(
                "a new root changed the keys of timestamp or snapshot: their versions begin anew"
            );
        }
        state.stage(name, bytes, file);
    }

    /// Checks everything that is about to be used, whether it came from the mirror or from the vault.
    pub(crate) fn admit_all(&self, files: &[Versions]) -> Result<(), Refused> {
        let mut state = self.state();
        for file in files {
            state.floors.admit(file)?;
            state.floors.raise(file);
        }
        Ok(())
    }

    /// Sets the time floor: a refresh succeeded as a whole.
    pub(crate) fn succeeded(&self, time: i64) {
        let mut state = self.state();
        state.floors.time = state.floors.time.max(time);
    }

    /// Offers kept files of delegated roles instead of fetching them.
    pub(crate) fn offer(&self, kept: BTreeMap<String, Bytes>) {
        self.state().kept = kept;
    }

    /// Fetches everything from now on; says whether something was kept.
    pub(crate) fn offer_nothing(&self) -> bool {
        let mut state = self.state();
        let had = !state.kept.is_empty();
        state.kept.clear();
        had
    }

    /// Why fetching stopped, once.
    pub(crate) fn take_refused(&self) -> Option<Refused> {
        self.state().refused.take()
    }

    /// The last name that was not found, once.
    pub(crate) fn take_missing(&self) -> Option<String> {
        self.state().missing.take()
    }

    /// What became verified since the last commit; nothing when nothing did.
    pub(crate) fn changes(&self) -> Option<Changes> {
        let mut state = self.state();
        if state.staged.is_empty() && state.floors == state.committed {
            return None;
        }
        let commits = state.committed.commits.saturating_add(1);
        state.floors.commits = commits;
        Some(Changes { metadata: state.staged.clone(), floors: state.floors.bytes(), commits })
    }

    /// The changes are durable: this is what is stored now.
    pub(crate) fn committed(&self) -> (BTreeMap<String, Bytes>, Floors) {
        let mut state = self.state();
        for (name, bytes) in std::mem::take(&mut state.staged) {
            match bytes {
                Some(bytes) => state.stored.insert(name, bytes),
                None => state.stored.remove(&name),
            };
        }
        state.committed = state.floors.clone();
        (state.stored.clone(), state.floors.clone())
    }
}

impl State {
    fn stage(&mut self, name: &str, bytes: &[u8], file: &Versions) {
        if let Versions::Snapshot { targets, .. } = file {
            self.drop_unlisted(targets);
        }
        if self.stored.get(name).is_some_and(|stored| stored == bytes) {
            self.staged.remove(name);
            return;
        }
        if TOP.contains(&name) || self.has_room(name) {
            self.staged.insert(name.to_owned(), Some(Bytes::copy_from_slice(bytes)));
        }
    }

    /// Delegated roles that the snapshot does not list any more are kept no longer.
    fn drop_unlisted(&mut self, pins: &BTreeMap<String, u64>) {
        let listed: BTreeSet<_> = pins.keys().map(|role| file_name(role)).collect();
        let known = self.stored.keys().filter(|name| !TOP.contains(&name.as_str()));
        let gone: Vec<_> = known.filter(|name| !listed.contains(*name)).cloned().collect();
        self.staged.extend(gone.into_iter().map(|name| (name, None)));
    }

    fn has_room(&self, name: &str) -> bool {
        let names: BTreeSet<_> = self.stored.keys().chain(self.staged.keys()).collect();
        let known = names.iter().any(|known| known.as_str() == name);
        name.len() <= LONGEST_ROLE && (known || names.len() < MOST_KEPT + TOP.len())
    }
}

/// The name under which a role's metadata is kept.
pub(crate) fn file_name(role: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    let mut name = String::with_capacity(role.len() + 5);
    for byte in role.as_bytes() {
        if plain(byte) {
            name.push(char::from(*byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name + ".json"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mirror, Pace, Source, floors::RoleKeys};

    /// Criterion: T3.SU.1a (negative)
    #[test]
    fn what_is_about_to_be_used_is_checked_wherever_it_came_from() {
        let source = || Source::parse("dir:///nowhere", None, Pace::default()).expect("an address");
        let mirror = Mirror { metadata: source(), targets: source() };
        let mirrors = Arc::new(Mirrors::new(vec![mirror]).expect("one mirror"));
        let keys = RoleKeys::new(1, Vec::new());
        let mut floors = Floors::pinned(1, keys.clone(), keys);
        floors.raise(&Versions::Timestamp { version: 2, snapshot: 2 });
        let session = Session::new(mirrors, 0, BTreeMap::new(), floors);
        session
            .admit_all(&[Versions::Timestamp { version: 2, snapshot: 2 }])
            .expect("as high as before");
        let refused = session.admit_all(&[Versions::Timestamp { version: 1, snapshot: 2 }]);
        assert!(matches!(refused, Err(Refused::Rollback { .. })));
    }
}
