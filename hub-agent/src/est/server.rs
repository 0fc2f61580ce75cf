//! Accepts, bounds and serves HTTPS connections.

use super::{
    EstBackend,
    routes::{self, Peer},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::{
    cell::RefCell, collections::HashMap, convert::Infallible, net::IpAddr, rc::Rc, sync::Arc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Bounds of the service.
#[derive(Clone, Debug)]
pub struct EstLimits {
    /// Connections in total; more are closed at once.
    pub connections: u32,
    /// Connections from one address; more are closed at once.
    pub per_address: u32,
    /// Largest body in bytes; a larger one is refused.
    pub max_body: usize,
    /// Longest handshake, and longest time for a request's header.
    pub header: Duration,
    /// Longest life of a connection.
    pub connection: Duration,
}

impl Default for EstLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_address: 16,
            max_body: 16 * 1024,
            header: Duration::from_secs(10),
            connection: Duration::from_secs(30),
        }
    }
}

/// Pause after a failed accept, so that a lack of descriptors is not met with a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Open = Rc<RefCell<HashMap<IpAddr, u32>>>;

/// Serves until it is dropped; must run inside a `LocalSet`.
pub async fn serve<B: EstBackend>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    backend: Rc<B>,
    limits: EstLimits,
) {
    let (acceptor, open) = (TlsAcceptor::from(tls), Open::default());
    loop {
        let Ok((socket, from)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Some(place) = Place::take(&open, from.ip(), &limits) else { continue };
        let (acceptor, backend, limits) = (acceptor.clone(), backend.clone(), limits.clone());
        tokio::task::spawn_local(async move {
            let life = limits.connection;
            // A connection that outlives its time is dropped; its client may come back.
            let _ = tokio::time::timeout(
                life,
                connection(socket, from.ip(), &acceptor, &*backend, &limits),
            )
            .await;
            drop(place);
        });
    }
}

async fn connection<B: EstBackend>(
    socket: TcpStream,
    from: IpAddr,
    acceptor: &TlsAcceptor,
    backend: &B,
    limits: &EstLimits,
) {
    let _ = socket.set_nodelay(true);
    let Ok(Ok(stream)) = tokio::time::timeout(limits.header, acceptor.accept(socket)).await else {
        backend.refused(from, protocol::refusal::Refusal::BadCredentials);
        return;
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let peer = Peer { from, chain: chain.iter().map(|c| c.clone().into_owned()).collect() };
    let service = service_fn(|request: hyper::Request<Incoming>| async {
        Ok::<_, Infallible>(routes::answer(backend, &peer, limits.max_body, request).await)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(16 * 1024);
    // What ends a connection early concerns only its client.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

/// A connection's place under the limits.
struct Place {
    open: Open,
    from: IpAddr,
}

impl Place {
    fn take(open: &Open, from: IpAddr, limits: &EstLimits) -> Option<Self> {
        let mut counts = open.borrow_mut();
        let total: u32 = counts.values().sum();
        let own = counts.get(&from).copied().unwrap_or(0);
        if total >= limits.connections || own >= limits.per_address {
            return None;
        }
        counts.insert(from, own + 1);
        drop(counts);
        Some(Self { open: open.clone(), from })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.open.borrow_mut();
        if let Some(count) = counts.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.from);
            }
        }
    }
}
