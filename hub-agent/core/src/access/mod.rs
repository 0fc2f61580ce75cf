//! Access: who may say what, who may have a certificate, and how that is proved.
//!
//! | module | holds |
//! |---|---|
//! | [`gate`] | the one decision about a message, a subscription, a last will |
//! | [`policy`] | what each kind may do: signed definitions, verified and compiled |
//! | [`flow`] | how much a component says, in which order, and how often it is refused |
//! | `audience` | who is there to hear |
//! | [`channels`] | the same for the network around: MUD files, nftables rules |
//! | [`trust`] | trust states and the ways between them |
//! | [`credential`] | certificates in force |
//! | [`pairing`] | one-time codes |
//! | [`people`] | accounts, logins, and delays on wrong passwords |

pub(crate) mod audience;
pub mod channels;
pub mod credential;
pub mod flow;
pub mod gate;
pub mod pairing;
pub mod people;
pub mod policy;
pub mod trust;
