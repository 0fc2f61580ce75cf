//! The hub's decisions in a small world with its own clock.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first surprise and prints its counts"
)]

mod config;
#[path = "../../../../protocol/tests/damage/mod.rs"]
mod damage;
mod definitions;
mod enrolment;
mod gate;
mod incidents;
mod inventory;
mod journal;
mod life;
mod logs;
mod logs_abused;
mod maker;
mod mutants;
mod own;
mod people;
mod policy;
mod relay;
mod replay;
mod updates;
mod vendor;
mod world;
