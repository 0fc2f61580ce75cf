//! The endpoint over real sockets and real certificates, with a gate that records what it is asked.

mod certificates;
mod commits;
mod delivery;
mod harness;
mod identity;
mod limits;
