//! The scenario simulator: the hub's decisions and simulated components in one process, on a simulated clock and a
//! simulated network. A day of a hundred components takes seconds, and the same seed gives the same day.
//!
//! | module | holds |
//! |---|---|
//! | [`file`] | scenario files: what happens, and what must be found |
//! | `world` | the clock, and what is to be done when |
//! | `hub` | what surrounds the hub: commits, sessions, certificates |
//! | `actor` | what surrounds a component: power, an address, a clock |
//! | `network` | connections with two ends, latencies, losses |
//! | `script` | events: life, people, attackers |
//! | `pki`, `vendor` | keys made of the seed, certificates, releases |
//! | `journal` | numbers and a digest of all records |
//! | [`judge`] | what was found, and whether it is what had to be |
//! | [`run`] | runs with one and many seeds |
//! | [`report`] | tables, JSON and JUnit XML |

mod actor;
mod cli;
pub mod file;
mod hub;
mod journal;
pub mod judge;
mod network;
mod pki;
pub mod report;
pub mod run;
mod script;
mod vendor;
mod world;

pub use cli::main_with_args;
