//! The rooms of the shell that need no running daemon: store, keys, signing requests.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints its counts"
)]

#[path = "../../../protocol/tests/damage/mod.rs"]
mod damage;
mod journal;
mod keys;
mod store;
