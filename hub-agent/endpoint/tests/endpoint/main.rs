//! The endpoint over real sockets and real certificates, with a gate that records what it is asked.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first surprise and prints its counts"
)]

mod certificates;
mod commits;
mod delivery;
mod harness;
mod identity;
mod limits;
