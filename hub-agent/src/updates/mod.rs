//! Updates: the repository is watched and verified, images are kept in a cache, and components are served
//! blocks of them. What goes to whom, hub-core decides.
//!
//! | module | holds |
//! |---|---|
//! | `watch` | asks the repository from time to time, and what an answer means |
//! | `release` | one release: its files fetched, and everything compared with everything |
//! | `vault` | verified metadata and their floors in the hub's store |
//! | `blocks` | serves blocks out of the cache, one component after the other |

mod blocks;
mod release;
mod vault;
mod watch;

pub use blocks::BlockServer;
pub use watch::{Repository, RepositoryError};
