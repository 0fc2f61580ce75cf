//! Component definitions as makers write them: good ones read as they mean, and every mistake is found
//! on its line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod mistakes;
mod simulated;
