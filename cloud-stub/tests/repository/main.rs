//! The maker's repository, judged by a TUF client of others (sigstore-tuf) and by the checks that hubs and components
//! make of anchors and manifests.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "a test stops at the first surprise"
)]

mod faults;
mod process;
mod releases;
mod rotation;
mod server;
mod web;
mod world;
