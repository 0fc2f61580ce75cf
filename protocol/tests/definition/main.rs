//! Component definitions as makers write them: good ones read as they mean, and every mistake is found
//! on its line.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints its counts"
)]

#[path = "../damage/mod.rs"]
mod damage;
mod damaged;
mod mistakes;
mod simulated;
