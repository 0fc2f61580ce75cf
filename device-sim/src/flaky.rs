//! What goes wrong with a component that means well: a bad radio and a loose plug. It hangs up and
//! restarts without a word, says things twice and loses some. The same seed gives the same troubles.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// One trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// The connection breaks.
    HangsUp,
    /// The power goes and comes back: a new life.
    Restarts,
    /// A message is sent twice.
    Repeats,
    /// A message is never sent.
    Loses,
}

/// Draws the troubles of one component.
#[derive(Debug)]
pub struct Flaky {
    random: ChaCha8Rng,
    count: u64,
}

impl Flaky {
    /// Troubles of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Another stream than the device's own draws, which flaws must not shift.
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(1);
        Self { random, count: 0 }
    }

    /// How often something went wrong so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// At a heartbeat: one in eight breaks the connection, one in sixteen restarts.
    pub fn at_heartbeat(&mut self) -> Option<Flaw> {
        let flaw = match self.random.next_u32() % 16 {
            0 | 1 => Flaw::HangsUp,
            2 => Flaw::Restarts,
            _ => return None,
        };
        Some(self.counted(flaw))
    }

    /// At a message: one in eight is said twice, one in eight is lost.
    pub fn at_message(&mut self) -> Option<Flaw> {
        let flaw = match self.random.next_u32() % 8 {
            0 => Flaw::Repeats,
            1 => Flaw::Loses,
            _ => return None,
        };
        Some(self.counted(flaw))
    }

    /// At a block of an update: one in 16 is lost, one in 256 comes as the power goes.
    pub fn at_block(&mut self) -> Option<Flaw> {
        let flaw = match self.random.next_u32() % 256 {
            0 => Flaw::Restarts,
            1..=16 => Flaw::Loses,
            _ => return None,
        };
        Some(self.counted(flaw))
    }

    /// Whether a request for blocks is sent twice: one in 16.
    pub fn repeats_request(&mut self) -> bool {
        let twice = self.random.next_u32().is_multiple_of(16);
        self.count += u64::from(twice);
        twice
    }

    fn counted(&mut self, flaw: Flaw) -> Flaw {
        self.count += 1;
        flaw
    }
}
