//! mqtt-endpoint
pub mod codec;
