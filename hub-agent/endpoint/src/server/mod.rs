//! Sockets and TLS: accepts, bounds, hands each connection to a task of its own.

mod connection;
mod handshake;
mod slot;
mod turn;
mod unwind;

use crate::{
    gate::{EndpointRefusal, Gate, Peer},
    handle::{Handle, Shared},
};
use rustls::ServerConfig;
use slot::Slot;
use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How often expired sessions are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Pause after a failed accept, so that a lack of descriptors is not met with a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An endpoint: a gate, a TLS configuration and the state behind its [`Handle`].
pub struct Endpoint<G: Gate> {
    handle: Handle,
    gate: Rc<G>,
    tls: TlsAcceptor,
}

impl<G: Gate> Clone for Endpoint<G> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), gate: self.gate.clone(), tls: self.tls.clone() }
    }
}

impl<G: Gate> Endpoint<G> {
    /// An endpoint that asks `gate`, which may hold a clone of the same `handle`.
    #[must_use]
    pub fn new(handle: Handle, gate: Rc<G>, tls: Arc<ServerConfig>) -> Self {
        Self { handle, gate, tls: tls.into() }
    }

    /// Accepts connections until [`Handle::drain`]; must run inside a `LocalSet`.
    pub async fn serve(&self, listener: TcpListener) {
        let shared = self.shared().clone();
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        loop {
            if shared.draining.get() {
                return;
            }
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((socket, from)) => self.accept(socket, from),
                    // Out of descriptors, or a connection that broke at once.
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                _ = housekeeping.tick() => shared.registry.borrow_mut().expire(Instant::now()),
                () = shared.drained.notified() => {}
            }
        }
    }

    fn shared(&self) -> &Rc<Shared> {
        &self.handle.0
    }

    fn accept(&self, socket: TcpStream, from: SocketAddr) {
        let stats = &self.shared().stats;
        stats.accepted.add();
        match Slot::take(self.shared(), from) {
            Ok(slot) => {
                let endpoint = self.clone();
                tokio::task::spawn_local(async move {
                    let task = Box::pin(endpoint.connection(socket, from, slot));
                    if unwind::catch(task).await.is_err() {
                        endpoint.shared().stats.panics.add();
                        endpoint.refuse(
                            None,
                            from,
                            "panic",
                            "a mistake inside the program ended this connection",
                        );
                    }
                });
            }
            Err(word) => {
                stats.over_limit.add();
                self.refuse(None, from, word, "closed at once: a limit of connections is reached");
            }
        }
    }

    async fn connection(&self, socket: TcpStream, from: SocketAddr, slot: Slot) {
        if let Some(stream) = self.handshake(socket, from).await
            && let Some(who) = self.admit(&stream, from)
            && let Some(mut connection) = self.open(stream, from, who, slot).await
        {
            connection.run().await;
        }
    }

    async fn handshake(&self, socket: TcpStream, from: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let _ = socket.set_nodelay(true);
        let limit = self.shared().limits.handshake;
        let (word, detail) = match tokio::time::timeout(limit, self.tls.accept(socket)).await {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => ("tls-handshake-failed", error.to_string()),
            Err(_) => ("tls-handshake-timeout", format!("no TLS handshake within {limit:?}")),
        };
        self.shared().stats.handshakes_failed.add();
        self.refuse(None, from, word, &detail);
        None
    }

    /// The certificate is there on a resumed session too, so nothing is remembered past revocation.
    fn admit(&self, stream: &TlsStream<TcpStream>, from: SocketAddr) -> Option<G::Principal> {
        let chain = stream.get_ref().1.peer_certificates();
        let Some(certificate) = chain.and_then(|chain| chain.first()) else {
            self.refuse(None, from, "no-certificate", "the peer showed no certificate");
            return None;
        };
        let admitted = self.gate.admit(&Peer { certificate, from });
        if admitted.is_err() {
            self.shared().stats.not_admitted.add();
        }
        admitted.ok()
    }

    fn refuse(
        &self,
        who: Option<&G::Principal>,
        from: SocketAddr,
        word: &'static str,
        detail: &str,
    ) {
        self.gate.refused(who, from, &EndpointRefusal { word, detail: detail.to_owned() });
    }
}
