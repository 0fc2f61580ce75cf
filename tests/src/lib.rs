//! What the end-to-end tests and the demo share.
//!
//! | module | holds |
//! |---|---|
//! | [`roles`] | one executable that can be hub, fleet or cloud |
//! | [`harness`] | hub, fleet and cloud as real processes |
//! | [`power_loss`] | a file system that forgets what was not synced |
//! | [`demo`] | the demo: claims, each checked before it is printed |
//! | [`scenario`] | whole days of a product on a simulated clock, and what must be found in them |

pub mod demo;
pub mod harness;
pub mod power_loss;
pub mod roles;
pub mod scenario;
