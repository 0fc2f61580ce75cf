//! Windows by group. Who is known has places of their own; everybody else shares a table of fixed size, so
//! that inventing identities costs the inventor's windows and nobody else's.

use super::{
    seed::{Chance, Seed},
    window::{Mark, Window},
};
use std::collections::{BTreeMap, HashMap};

/// Windows of unknown groups, for each correlation.
pub const GUESTS: usize = 256;

/// Unknown windows looked at before one makes room: of these the one that is least far.
const LOOKED_AT: usize = 4;

/// Whose window it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// Of one that is known, by its slot; or of the whole product.
    Known(u16),
    /// Of anybody else, by a hash.
    Guest(u64),
}

/// The slot of the whole product, and of nobody.
pub(crate) const PRODUCT: u16 = u16::MAX;

#[derive(Debug, Default)]
struct Guests {
    place: Option<HashMap<u64, usize, Seed>>,
    windows: Vec<(u64, Window)>,
}

/// All windows of all correlations.
#[derive(Debug)]
pub(crate) struct Groups {
    known: HashMap<(u16, u16), Window, Seed>,
    /// Kept in order, because all that are over tell of it at the same time.
    absences: BTreeMap<(u16, u16), Window>,
    guests: Vec<Guests>,
    chance: Chance,
    seed: Seed,
    /// Windows of guests that made room before they were over.
    evicted: u64,
}

impl Groups {
    pub(crate) fn new(correlations: usize, seed: u64) -> Self {
        Self {
            known: HashMap::with_hasher(Seed(seed)),
            absences: BTreeMap::new(),
            guests: (0..correlations).map(|_| Guests::default()).collect(),
            chance: Chance(seed ^ 0x5bd1_e995),
            seed: Seed(seed),
            evicted: 0,
        }
    }

    /// The window of a group, made where there is none.
    pub(crate) fn window(
        &mut self,
        correlation: u16,
        group: Group,
        new: impl FnOnce() -> Window,
        is_over: impl Fn(&Window) -> bool,
    ) -> &mut Window {
        match group {
            Group::Known(slot) => self.known.entry((correlation, slot)).or_insert_with(new),
            Group::Guest(key) => {
                let guests = &mut self.guests[usize::from(correlation)];
                guests.window(key, new, is_over, &mut self.chance, self.seed, &mut self.evicted)
            }
        }
    }

    /// Watches for the absence of what came in just now.
    pub(crate) fn present(&mut self, correlation: u16, slot: u16, mark: Mark) {
        let window = Window::Absence { last: mark, told: false };
        self.absences.insert((correlation, slot), window);
    }

    /// The absences that became true: correlation, slot and last mark.
    pub(crate) fn absent(&mut self, now: u64, span: impl Fn(u16) -> u64) -> Vec<(u16, u16, Mark)> {
        let mut absent = Vec::new();
        for ((correlation, slot), window) in &mut self.absences {
            if let Window::Absence { last, told } = window
                && !*told
                && now.saturating_sub(last.at) >= span(*correlation)
            {
                *told = true;
                absent.push((*correlation, *slot, *last));
            }
        }
        absent
    }

    /// Forgets what does not matter any more.
    pub(crate) fn sweep(&mut self, now: u64, span: impl Fn(u16) -> u64) {
        self.known.retain(|(correlation, _), window| !window.is_over(now, span(*correlation)));
        for (correlation, guests) in self.guests.iter_mut().enumerate() {
            guests.sweep(now, span(correlation as u16));
        }
    }

    /// Forgets one that is no longer known.
    pub(crate) fn forget(&mut self, slot: u16) {
        self.known.retain(|(_, of), _| *of != slot);
        self.absences.retain(|(_, of), _| *of != slot);
    }

    /// How many windows of guests made room too early since this was asked last.
    pub(crate) fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Bytes of all windows.
    pub(crate) fn bytes(&self) -> usize {
        let entry = size_of::<((u16, u16), Window)>() + 1;
        let known: usize = self.known.values().map(Window::heap).sum();
        let guests: usize = self.guests.iter().map(Guests::bytes).sum();
        self.known.capacity() * entry + known + guests + self.absences.len() * entry
    }
}

impl Guests {
    fn window(
        &mut self,
        key: u64,
        new: impl FnOnce() -> Window,
        is_over: impl Fn(&Window) -> bool,
        chance: &mut Chance,
        seed: Seed,
        evicted: &mut u64,
    ) -> &mut Window {
        let place = self.place.get_or_insert_with(|| HashMap::with_hasher(seed));
        if let Some(at) = place.get(&key) {
            return &mut self.windows[*at].1;
        }
        let at = if self.windows.len() < GUESTS {
            self.windows.push((key, new()));
            self.windows.len() - 1
        } else {
            let looked_at = [(); LOOKED_AT].map(|()| chance.below(GUESTS));
            let far = |at: &usize| {
                let window = &self.windows[*at].1;
                if is_over(window) { 0 } else { window.progress() }
            };
            let at = looked_at.into_iter().min_by_key(far).unwrap_or(0);
            *evicted += u64::from(!is_over(&self.windows[at].1));
            place.remove(&self.windows[at].0);
            self.windows[at] = (key, new());
            at
        };
        place.insert(key, at);
        &mut self.windows[at].1
    }

    fn sweep(&mut self, now: u64, span: u64) {
        if self.windows.iter().any(|(_, window)| window.is_over(now, span)) {
            self.windows.retain(|(_, window)| !window.is_over(now, span));
            if let Some(place) = &mut self.place {
                place.clear();
                place.extend(self.windows.iter().enumerate().map(|(at, (key, _))| (*key, at)));
            }
        }
    }

    fn bytes(&self) -> usize {
        let heap: usize = self.windows.iter().map(|(_, window)| window.heap()).sum();
        let place = self.place.as_ref().map_or(0, |place| place.capacity() * 17);
        heap + place + self.windows.capacity() * size_of::<(u64, Window)>()
    }
}
