//! Hub, fleet and cloud as real processes on free loopback ports in fresh folders.

mod attack;
mod cloud;
mod fleet;
mod hub;
mod process;
mod unit;

pub use attack::attack;
pub use cloud::Cloud;
pub use fleet::{Fleet, FleetPlan, maker};
pub use hub::{Answer, Hub, HubPlan};
pub use process::{Process, wait_until};
pub use unit::{Service, Unit};

use std::{path::PathBuf, time::Duration};

/// Longest any single step may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The executable that plays all roles.
#[derive(Clone, Debug)]
pub struct Executable(pub PathBuf);

impl Executable {
    /// The executable that runs now.
    ///
    /// # Errors
    /// When the system does not say where it is.
    pub fn own() -> std::io::Result<Self> {
        std::env::current_exe().map(Self)
    }
}
