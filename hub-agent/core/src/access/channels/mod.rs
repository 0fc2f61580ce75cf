//! Network channels as the definitions declare them, for the network around the hub.

mod mud;

pub use mud::mud;
