//! Every counter of the endpoint, in one place, each with its help text.

use std::cell::Cell;

macro_rules! stats {
    ($($name:ident $help:literal;)*) => {
        /// Counters since the start; single-threaded.
        #[derive(Debug, Default)]
        pub struct Stats { $(#[doc = $help] pub $name: Counter,)* }

        impl Stats {
            /// Name, help text and value of every counter.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), $help, self.$name.get()),)*]
            }
        }
    };
}

stats! {
    accepted "TCP connections accepted";
    handshakes_failed "TLS handshakes that failed or took too long";
    not_admitted "Peers the gate did not admit";
    connects "CONNECTs accepted";
    connects_refused "CONNECTs refused";
    over_limit "Connections closed at once because a limit was reached";
    takeovers "Live connections replaced by a newer one of the same client";
    published "Messages taken from clients";
    publishes_refused "Messages refused by the gate";
    delivered "Messages sent to clients";
    dropped "Messages to clients dropped at a queue's bound";
    malformed "Connections closed because of a packet the standard forbids";
    throttled "Times reading paused because a client sent too fast";
    panics "Connections ended by a mistake inside the program";
}

/// A counter.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    /// One more.
    pub fn add(&self) {
        self.0.set(self.0.get().wrapping_add(1));
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}
