//! Every bound of the endpoint, with its default and what happens there.

use std::time::Duration;

/// Bounds of one endpoint.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest TLS handshake; then the connection is closed.
    pub handshake: Duration,
    /// Longest time from the handshake to a whole CONNECT; then the connection is closed.
    pub connect: Duration,
    /// Longest time from a packet's first byte to its last, and for one write to be taken by the
    /// peer; then the connection is closed.
    pub packet: Duration,
    /// Largest packet in bytes; a larger one is refused by its header.
    pub max_packet: usize,
    /// Connections from one address; more are closed at once.
    pub per_address: u32,
    /// Connections in total; more are closed at once.
    pub connections: u32,
    /// Connections that have not sent CONNECT yet; more are closed at once.
    pub unauthenticated: u32,
    /// Messages per second of one client, with a burst of two seconds' worth; above it reading
    /// pauses, and after `flood_patience` the connection is closed.
    pub messages_per_second: u32,
    /// Bytes per second of one client, likewise.
    pub bytes_per_second: u32,
    /// How long a client may keep sending faster than its rate.
    pub flood_patience: Duration,
    /// Unacknowledged QoS 1 and 2 messages from one client; one more closes the connection.
    pub receive_maximum: u16,
    /// The same for clients of 3.1.1, which cannot be told a number and may send ahead.
    pub receive_maximum_311: u16,
    /// Unacknowledged messages to one client; further ones wait in its queue.
    pub send_maximum: u16,
    /// Messages waiting for one client. At the bound QoS 0 messages are dropped; for others a
    /// connected client is disconnected and an absent one loses the message.
    pub queue_messages: usize,
    /// Bytes waiting for one client, likewise.
    pub queue_bytes: usize,
    /// Subscriptions of one client; further ones are refused.
    pub subscriptions: usize,
    /// Retained messages in total; further topics are not retained.
    pub retained_messages: usize,
    /// Bytes of retained messages in total, likewise.
    pub retained_bytes: usize,
    /// Sessions kept in total; the one absent for longest makes room.
    pub sessions: usize,
    /// Longest life of a session without a connection, in seconds.
    pub session_expiry: u32,
    /// Last wills that wait for their delay; further ones are published at once.
    pub delayed_wills: u32,
    /// Longest keep-alive in seconds; a client that asks for more or none is held to it.
    pub keep_alive: u16,
    /// Whether subscriptions may hold wildcards.
    pub wildcards: bool,
    /// Longest time for connections to end at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            packet: Duration::from_secs(20),
            max_packet: 128 * 1024,
            per_address: 64,
            connections: 12_000,
            unauthenticated: 256,
            messages_per_second: 200,
            bytes_per_second: 1024 * 1024,
            flood_patience: Duration::from_secs(10),
            receive_maximum: 32,
            receive_maximum_311: 1024,
            send_maximum: 32,
            queue_messages: 256,
            queue_bytes: 256 * 1024,
            subscriptions: 64,
            retained_messages: 50_000,
            retained_bytes: 32 * 1024 * 1024,
            sessions: 20_000,
            session_expiry: 7 * 24 * 3600,
            delayed_wills: 1024,
            keep_alive: 600,
            wildcards: false,
            drain: Duration::from_secs(3),
        }
    }
}
