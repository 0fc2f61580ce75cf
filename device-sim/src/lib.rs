//! Simulated components: what makers test their hubs with.
//!
//! | module | holds |
//! |---|---|
//! | [`device`] | one component's decisions, sans-IO: the same code in simulation and on the wire |
//! | [`assertion`] | what it believes of what others tell it |
//! | [`flaky`] | what goes wrong with one that means well |
//! | [`profile`] | the kinds there are, and the ground truth of each device |
//! | [`flash`] | what survives a power cut |
//! | [`identity`] | keys, makers' certificates, signing requests |
//! | [`est`] | enrolment over HTTPS |
//! | [`link`] | a device on the wire, with rumqttc |
//! | [`log`] | what it records of itself, and how that is abused |
//! | [`update`] | updates: what it believes, pulls, tries and keeps |
//! | [`hostile`] | what attackers try, and how it ended |
//! | [`fleet`] | many devices in one process |

pub mod assertion;
pub mod cli;
pub mod device;
pub mod est;
pub mod flaky;
pub mod flash;
pub mod fleet;
pub mod hostile;
pub mod identity;
pub mod link;
pub mod log;
pub mod profile;
pub mod update;
pub mod wire;

pub use cli::main_with_args;
