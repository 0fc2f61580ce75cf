//! When a component is told again what it shall be. A component that is away costs nothing: it is told
//! once it is back and has said what it is.

use protocol::id::ComponentId;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Wait before the second telling; it doubles with each.
const FIRST: Duration = Duration::from_secs(4);

/// Longest wait between two tellings.
const LONGEST: Duration = Duration::from_secs(300);

/// Tellings without the wanted answer after which a component counts as unwilling.
pub(crate) const GIVE_UP: u32 = 5;

/// What is still to be told or proved; at most one entry per component.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    open: BTreeMap<ComponentId, Open>,
    due: BTreeSet<(Duration, ComponentId)>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    at: Duration,
    told: u32,
}

impl Deliveries {
    /// The component is told now. The answer is how often it was told since it was last as it shall be.
    pub(crate) fn told(&mut self, id: ComponentId, mono: Duration) -> u32 {
        let told = self.open.get(&id).map_or(0, |open| open.told).saturating_add(1);
        let wait = FIRST.saturating_mul(1 << (told - 1).min(16)).min(LONGEST);
        self.reschedule(id, Open { at: mono + wait, told });
        told
    }

    /// Something new is wanted of it: the count of tellings starts again.
    pub(crate) fn renew(&mut self, id: ComponentId) {
        self.settled(id);
    }

    /// It is what it shall be, or it is away.
    pub(crate) fn settled(&mut self, id: ComponentId) {
        if let Some(open) = self.open.remove(&id) {
            self.due.remove(&(open.at, id));
        }
    }

    /// Whether it was told and has not answered as wanted.
    pub(crate) fn is_open(&self, id: ComponentId) -> bool {
        self.open.contains_key(&id)
    }

    /// Components to be told again, at most this many.
    pub(crate) fn overdue(&mut self, mono: Duration, most: usize) -> Vec<ComponentId> {
        self.due.iter().take_while(|(at, _)| *at <= mono).take(most).map(|(_, id)| *id).collect()
    }

    /// When somebody is to be told again.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    fn reschedule(&mut self, id: ComponentId, open: Open) {
        if let Some(former) = self.open.insert(id, open) {
            self.due.remove(&(former.at, id));
        }
        self.due.insert((open.at, id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::id::Digest;

    #[test]
    fn tellings_come_ever_more_rarely_and_end_with_the_answer() {
        let id = ComponentId::from_key_digest(&Digest([1; 32]));
        let (mut deliveries, mut mono, mut waits) =
            (Deliveries::default(), Duration::ZERO, Vec::new());
        assert_eq!(deliveries.overdue(Duration::MAX, 9), []);
        for told in 1..=12 {
            assert_eq!(deliveries.told(id, mono), told);
            let next = deliveries.next().unwrap();
            assert_eq!(deliveries.overdue(next - Duration::from_millis(1), 9), []);
            assert_eq!(deliveries.overdue(next, 9), [id]);
            waits.push((next - mono).as_secs());
            mono = next;
        }
        assert_eq!(waits[..8], [4, 8, 16, 32, 64, 128, 256, 300]);
        assert!(waits[8..].iter().all(|wait| *wait == 300));
        deliveries.settled(id);
        assert_eq!((deliveries.next(), deliveries.is_open(id)), (None, false));
        assert_eq!(deliveries.told(id, mono), 1);
    }
}
