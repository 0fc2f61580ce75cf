//! Verifies the repository that updates come from. It follows TUF, keeps version floors of its own that
//! outlive damaged metadata, fetches from mirrors or a folder, and streams what it verified into a cache.
//!
//! The library knows no component and no policy: it says what the repository's keys vouch for, and what
//! an attack looks like. It reads no clock; its caller says what time it is. Verified metadata and floors
//! are made durable through the caller's [`Vault`] before anything is used.

mod digests;
mod download;
mod floors;
mod refused;
mod session;
pub mod source;
mod tuf;
mod vault;
mod verifier;
mod witness;

pub use download::{Cache, Fetched};
pub use refused::{Attack, Refused};
pub use source::{BadSource, Mirror, Mirrors, Pace, Source};
pub use vault::{Changes, Stored, Vault, VaultFailed};
pub use verifier::{Target, Verifier};
pub use witness::Witness;
