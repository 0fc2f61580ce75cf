//! The log as its callers and its attackers meet it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test stops at the first surprise and prints its counts"
)]

mod attacks;
mod copies;
mod crashes;
mod erasure;
mod flips;
mod life;
mod proofs;
mod retention;
mod world;
