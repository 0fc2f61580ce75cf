//! The attacks that TUF is for, and those on what the hub stores, each against a repository made here.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first surprise and prints its counts"
)]

mod damage;
mod downloads;
mod metadata;
mod repository;
mod server;
mod tls;
mod world;
