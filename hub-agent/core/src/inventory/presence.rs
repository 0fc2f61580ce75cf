//! Signs of life: who was heard when, and whose silence is too long. Times are the monotonic clock's,
//! so a jump of the wall clock makes nobody stale.

use protocol::id::ComponentId;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Who is watched; at most one entry per component.
#[derive(Default)]
pub struct Presence {
    heard: BTreeMap<ComponentId, Watched>,
    due: BTreeSet<(Duration, ComponentId)>,
}

struct Watched {
    last: Duration,
    allowed: Duration,
}

impl Presence {
    /// Watches a component that was heard now and may be silent for so long.
    pub fn watch(&mut self, id: ComponentId, allowed: Duration, mono: Duration) {
        self.forget(id);
        self.heard.insert(id, Watched { last: mono, allowed });
        self.due.insert((mono + allowed, id));
    }

    /// A sign of life. Cheap: the deadline moves only when it comes up.
    pub fn heard(&mut self, id: ComponentId, mono: Duration) {
        if let Some(watched) = self.heard.get_mut(&id) {
            watched.last = mono;
        }
    }

    /// Watches a component no more.
    pub fn forget(&mut self, id: ComponentId) {
        if self.heard.remove(&id).is_some() {
            self.due.retain(|(_, other)| *other != id);
        }
    }

    /// Those whose silence is too long; they are not watched any more.
    pub fn overdue(&mut self, mono: Duration) -> Vec<ComponentId> {
        let mut silent = Vec::new();
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= mono) {
            self.due.remove(&(at, id));
            let Some(watched) = self.heard.get(&id) else { continue };
            let deadline = watched.last + watched.allowed;
            if deadline <= mono {
                self.heard.remove(&id);
                silent.push(id);
            } else {
                self.due.insert((deadline, id));
            }
        }
        silent
    }

    /// When somebody may become overdue.
    #[must_use]
    pub fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::id::Digest;

    #[test]
    fn only_those_who_stay_silent_are_overdue() {
        let id = |n| ComponentId::from_key_digest(&Digest([n; 32]));
        let at = Duration::from_secs;
        let mut presence = Presence::default();
        presence.watch(id(1), at(90), at(0));
        presence.watch(id(2), at(90), at(0));
        presence.heard(id(2), at(60));
        assert_eq!(presence.overdue(at(89)), []);
        assert_eq!(presence.overdue(at(90)), [id(1)]);
        assert_eq!(presence.next(), Some(at(150)));
        assert_eq!(presence.overdue(at(200)), [id(2)]);
        assert_eq!((presence.next(), presence.overdue(at(999))), (None, vec![]));
    }
}
