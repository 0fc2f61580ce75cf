//! A server that is nothing but rustls: it shakes hands with a client certificate, answers the first
//! bytes with a CONNACK and keeps the connection. What a hub can reach at best.

use anyhow::Context;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{ffi::OsString, path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// Serves until it is killed; the arguments are a port and the folder of the certificates.
pub(crate) fn serve(args: &[OsString]) -> anyhow::Result<()> {
    let port = args.first().and_then(|port| port.to_str()?.parse().ok()).context("a port")?;
    let acceptor =
        TlsAcceptor::from(Arc::new(config(Path::new(args.get(1).context("a folder")?))?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        loop {
            let (socket, _) = listener.accept().await?;
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that goes away is no matter of this server's.
                let _ = keep(socket, acceptor).await;
            });
        }
    })
}

async fn keep(socket: TcpStream, acceptor: TlsAcceptor) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = acceptor.accept(socket).await?;
    let mut buffer = [0; 512];
    if stream.read(&mut buffer).await? > 0 {
        stream.write_all(&[0x20, 2, 0, 0]).await?;
        stream.flush().await?;
    }
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

fn config(folder: &Path) -> anyhow::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem"))?)?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let chain = vec![CertificateDer::from_pem_file(folder.join("server.pem"))?];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key"))?;
    Ok(ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?)
}
