//! Who is there to hear: members that are active and connected, by kind.

use protocol::id::{ComponentId, Slug};
use std::collections::{BTreeMap, BTreeSet};

/// At most one entry per connection.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    seats: BTreeMap<ComponentId, Slug>,
    by_kind: BTreeMap<Slug, BTreeSet<ComponentId>>,
}

impl Audience {
    /// A component is there as one of this kind, or not any more.
    pub(crate) fn seat(&mut self, id: ComponentId, kind: Option<Slug>) {
        let former = self.seats.get(&id);
        if former == kind.as_ref() {
            return;
        }
        if let Some(former) = self.seats.remove(&id)
            && let Some(peers) = self.by_kind.get_mut(&former)
        {
            peers.remove(&id);
            if peers.is_empty() {
                self.by_kind.remove(&former);
            }
        }
        if let Some(kind) = kind {
            self.by_kind.entry(kind.clone()).or_default().insert(id);
            self.seats.insert(id, kind);
        }
    }

    /// Those of a kind that are there.
    pub(crate) fn of(&self, kind: &Slug) -> impl Iterator<Item = ComponentId> {
        self.by_kind.get(kind).into_iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::id::Digest;

    #[test]
    fn a_seat_is_taken_changed_and_left() {
        let id = |n| ComponentId::from_key_digest(&Digest([n; 32]));
        let kind = |text| Slug::new(text).unwrap();
        let mut audience = Audience::default();
        audience.seat(id(1), Some(kind("lamp")));
        audience.seat(id(2), Some(kind("lamp")));
        audience.seat(id(2), Some(kind("lamp")));
        audience.seat(id(1), Some(kind("lock")));
        let of = |audience: &Audience, text| audience.of(&kind(text)).collect::<Vec<_>>();
        assert_eq!((of(&audience, "lamp"), of(&audience, "lock")), (vec![id(2)], vec![id(1)]));
        audience.seat(id(2), None);
        audience.seat(id(1), None);
        assert!(audience.by_kind.is_empty() && audience.seats.is_empty());
    }
}
