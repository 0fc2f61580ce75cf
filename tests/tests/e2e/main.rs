//! Hub, fleet and cloud as real processes: what must hold from end to end.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first surprise and prints its counts"
)]

mod cloud;
mod command_line;
mod component_logs;
mod config;
mod definitions;
mod enrolment;
mod matrix;
mod notices;
mod outages;
mod own;
mod own_update;
mod people;
mod power;
mod product;
mod relay;
mod revocation;
mod scene;
mod state_log;
mod updates;
mod uplink;
