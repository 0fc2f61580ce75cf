//! Network channels as the definitions declare them, for the network around the hub.

mod mud;
mod nftables;

pub use mud::mud;
pub use nftables::{Place, nftables};
