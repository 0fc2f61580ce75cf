//! Access: who may say what, who may have a certificate, and how that is proved.

pub mod channels;
pub mod credential;
pub mod flow;
pub mod gate;
pub mod pairing;
pub mod policy;
pub mod trust;
