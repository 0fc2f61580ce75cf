//! Updates of a device on a bench: a hub that serves, lies or says nothing, and power that goes.

mod bench;
mod cuts;
mod offers;
pub(crate) mod releases;
mod transfer;
mod trial;

use bench::Bench;
use releases::{Keys, Release, at_offer, job};
