//! The local API: HTTP and JSON over a Unix socket, for the daemon's own user, and for those who log in.

mod config;
mod definitions;
mod log;
mod metrics;
mod people;
mod routes;
mod updates;

use crate::{run::HubCell, settings::SocketAccess};
use anyhow::Context;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};

/// Connections of the daemon's own user and root at once; further ones wait.
const CONNECTIONS: usize = 16;

/// Connections of all other local users at once; further ones are closed, so that nobody keeps the owner out.
const OTHERS: usize = 8;

/// Longest time for a request's header.
const HEADER: Duration = Duration::from_secs(5);

/// Longest life of a connection, so that a client that waits for events cannot keep its place.
const CONNECTION: Duration = Duration::from_secs(60);

/// Makes the socket, for its owner only or for all local users, who must log in then.
///
/// # Errors
/// When another daemon serves it, or the system refuses.
pub fn bind(path: &Path, access: SocketAccess) -> anyhow::Result<UnixListener> {
    let shown = path.display();
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        anyhow::bail!("another hub-agent serves {shown}; stop that one first");
    }
    // What a daemon left that was killed; nobody serves it.
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("the socket {shown}"))?;
    let mode = match access {
        SocketAccess::Owner => 0o600,
        SocketAccess::Everyone => 0o666,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Serves until it is dropped.
pub async fn serve(listener: UnixListener, cell: Rc<HubCell>) {
    let (places, others) =
        (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Semaphore::new(OTHERS)));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let place = if people::is_own(stream.peer_cred().map(|cred| cred.uid()).ok()) {
            Arc::clone(&places).acquire_owned().await.ok()
        } else {
            Arc::clone(&others).try_acquire_owned().ok()
        };
        let Some(place) = place else { continue };
        let cell = cell.clone();
        tokio::task::spawn_local(async move {
            // A client that stays too long is dropped; it may come back.
            let _ = tokio::time::timeout(CONNECTION, connection(stream, cell)).await;
            drop(place);
        });
    }
}

async fn connection(stream: UnixStream, cell: Rc<HubCell>) {
    let uid = stream.peer_cred().map(|cred| cred.uid()).ok();
    let service = service_fn(|request| {
        let cell = cell.clone();
        async move { Ok::<_, Infallible>(routes::answer(&cell, uid, request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(16 * 1024);
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}
