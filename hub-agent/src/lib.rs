//! The hub daemon and its command line: the async shell around hub-core's decisions.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | raw texts become typed values, once |
//! | [`run`] | the one loop: inputs, group commit, events, shutdown |
//! | [`links`] | components over MQTT, enrolment, the cloud |
//! | [`pki`] | the CA, certificates, who may finish a handshake |
//! | [`est`] | the enrolment service |
//! | [`notices`] | incidents told to a webhook |
//! | [`own`] | the hub's own software: slots, launcher, trial |
//! | [`store`] | keyed state on disk |
//! | [`journal`] | the state log: records become sealed entries, in the same commit as what they tell of |
//! | [`rules`] | detection rules from files |
//! | [`updates`] | the update repository, and blocks of what it has |
//! | [`admin`] | the local API |
//! | [`cli`] | the command line |
//! | [`telemetry`] | logs |

pub mod admin;
pub mod cli;
pub mod est;
pub mod journal;
pub mod links;
pub mod notices;
pub mod own;
pub mod people;
pub mod pki;
pub mod rules;
pub mod run;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod updates;

pub use cli::main_with_args;
