//! The hub's own software: two slots on disk, a launcher that decides which one starts, a trial that ends in
//! confirmation or in the former software. Whether and when, hub-core decides.
//!
//! | module | holds |
//! |---|---|
//! | `disk` | the few things that are done to files; a test cuts the power between any two |
//! | `slots` | what the slots and the words hold, and each change of them |
//! | `launcher` | `hub-agent boot`: which executable starts, and why |
//! | `keeper` | the running hub's side: writes a release, switches, proves itself |

mod disk;
mod keeper;
mod launcher;
mod slots;
#[cfg(test)]
mod tests;

pub use keeper::Keeper;
pub use launcher::{Boot, Choice, boot, choose};
pub use slots::{Header, Pending, RolledBack, Slot, SlotState, Slots, Words};
