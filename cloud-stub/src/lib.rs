//! The maker's cloud, simulated: an identity and a mutual-TLS MQTT endpoint for hubs.
//!
//! | module | holds |
//! |---|---|
//! | [`identity`] | the cloud's CA, its server certificate, certificates for hubs |
//! | [`gate`] | what a hub may say to the cloud and hear from it |
//! | [`orders`] | what it is told to want of components |
//! | [`cli`] | the command line |

pub mod cli;
pub mod gate;
pub mod identity;
pub mod orders;

pub use cli::main_with_args;
