//! A server endpoint for MQTT 3.1.1 and 5.0 over mutual TLS 1.3.
//!
//! It terminates connections, keeps sessions and delivers messages. It knows no policy: who a peer
//! is and what it may do it asks a [`Gate`], once per connection, publish and subscription. An
//! answer may be "after commit N"; the acknowledgement then waits until [`Handle::committed`].
//!
//! | module | holds |
//! |---|---|
//! | [`codec`] | bytes to packets and back, strictly |
//! | [`session`] | the session state machine, without I/O |
//! | `registry` | sessions by client id, subscriptions, retained messages, wills |
//! | [`gate`] | what the endpoint asks, and the answers |
//! | [`handle`] | what the rest of the program may do to sessions |
//! | [`server`] | sockets, TLS, one task per connection |
//! | [`limits`], [`stats`] | every bound, every counter |
//!
//! Everything runs on one thread inside a tokio `LocalSet`.

pub mod codec;
#[doc(hidden)]
pub mod fuzz;
pub mod gate;
pub mod handle;
pub mod limits;
mod rate;
mod registry;
pub mod server;
pub mod session;
pub mod stats;
pub mod tls;

pub use codec::{
    ReasonCode,
    packet::{Qos, Version},
};
pub use gate::{
    Answer, Closed, CommitId, ConnectRequest, Connected, EndpointRefusal, Gate, Inbound, LinkId,
    Peer, Refused, TakenOver,
};
pub use handle::Handle;
pub use limits::Limits;
pub use server::Endpoint;
