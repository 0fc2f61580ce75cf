//! The maker's cloud, simulated: an identity, a mutual-TLS MQTT endpoint for hubs, and the maker's tool for updates.
//!
//! | module | holds |
//! |---|---|
//! | [`identity`] | the cloud's CA, its server certificate, certificates for hubs |
//! | [`gate`] | what a hub may say to the cloud and hear from it |
//! | [`logs`] | hubs' logs: a copy of each, and a witness of all |
//! | [`orders`] | what it is told to want of components |
//! | [`repository`] | the updates it publishes, and how hubs fetch them |
//! | [`cli`] | the command line |

pub mod cli;
pub mod gate;
pub mod identity;
pub mod logs;
pub mod orders;
pub mod repository;

mod updates;

pub use cli::main_with_args;
