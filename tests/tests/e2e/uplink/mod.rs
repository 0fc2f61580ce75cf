//! The state log at the maker's cloud: nothing is lost or doubled by outages and kills, what was erased goes there too,
//! and a log that was set back or forked is found.

mod outages;
mod witness;
mod world;
