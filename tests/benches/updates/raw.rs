//! What a transfer costs at least: a file over mutual TLS to whoever asks, and SHA-256 at the receiver.

use crate::wire;
use anyhow::Context as _;
use aws_lc_rs::digest::{Context, SHA256};
use device_sim::flash::Flash;
use hub_agent::pki::ca::HubCa;
use protocol::time::Timestamp;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use std::{
    ffi::OsString,
    fs,
    io::Write,
    os::unix::fs::FileExt,
    path::Path,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tests::harness::{Executable, Process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, client::TlsStream};

/// The role of its process.
pub(crate) const ROLE: &str = "raw-copy";

/// Bytes read and written at once.
const PIECE: usize = 64 * 1024;

/// A server with the hub's CA and a certificate of it.
pub(crate) struct Raw {
    pub(crate) process: Process,
    pub(crate) port: u16,
}

impl Raw {
    pub(crate) fn start(own: &Executable, hub: &Path, image: &Path) -> anyhow::Result<Self> {
        let log = hub.join("raw.log");
        let pki = hub.join("data/pki");
        let process = Process::start(own, ROLE, [pki.as_path(), image], &log)?;
        let line = process.line(Duration::from_secs(20));
        let line = line.with_context(|| fs::read_to_string(log).unwrap_or_default())?;
        Ok(Self { process, port: line.parse()? })
    }
}

/// Serves until it is killed; the arguments are the folder of the hub's keys and the file.
pub(crate) fn serve(args: &[OsString]) -> anyhow::Result<()> {
    let [pki, image] = args else { anyhow::bail!("a folder and a file") };
    let acceptor = TlsAcceptor::from(Arc::new(config(Path::new(pki))?));
    let file = Rc::new(fs::File::open(image)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", listener.local_addr()?.port())?;
        out.flush()?;
        loop {
            let (socket, _) = listener.accept().await?;
            let (acceptor, file) = (acceptor.clone(), file.clone());
            tokio::task::spawn_local(async move {
                // A client that goes away is no matter of this server's.
                let _ = send(socket, acceptor, &file).await;
            });
        }
    })
}

/// One copy for each byte that comes.
async fn send(socket: TcpStream, acceptor: TlsAcceptor, file: &fs::File) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = acceptor.accept(socket).await?;
    let mut piece = vec![0; PIECE];
    loop {
        stream.read_exact(&mut [0; 1]).await?;
        let mut at = 0;
        loop {
            let length = file.read_at(&mut piece, at)?;
            if length == 0 {
                break;
            }
            at += length as u64;
            stream.write_all(&piece[..length]).await?;
        }
        stream.flush().await?;
    }
}

fn config(pki: &Path) -> anyhow::Result<ServerConfig> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = Timestamp(u64::try_from(now.as_millis())?);
    let ca = HubCa::open(pki, now)?;
    let identity = ca.server(&["localhost".into()], now)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.certificate().to_vec()))?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let PrivateKeyDer::Pkcs8(key) = &identity.key else { anyhow::bail!("a PKCS#8 key") };
    let key = PrivateKeyDer::Pkcs8(key.clone_key());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), key)?)
}

/// Somebody who asks for copies.
pub(crate) struct Copier {
    stream: TlsStream<TcpStream>,
    piece: Vec<u8>,
}

impl Copier {
    pub(crate) async fn open(port: u16, flash: &Flash) -> anyhow::Result<Self> {
        Ok(Self { stream: wire::connect(port, flash).await?, piece: vec![0; PIECE] })
    }

    /// One copy of so many bytes, whose SHA-256 must be this.
    pub(crate) async fn copy(&mut self, size: u64, wanted: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(&[1]).await?;
        self.stream.flush().await?;
        let (mut left, mut hash) = (size, Context::new(&SHA256));
        while left > 0 {
            let most = self.piece.len().min(usize::try_from(left)?);
            let read = self.stream.read(&mut self.piece[..most]).await?;
            anyhow::ensure!(read > 0, "the copy ended early");
            hash.update(&self.piece[..read]);
            left -= read as u64;
        }
        anyhow::ensure!(hash.finish().as_ref() == wanted, "the copy has another digest");
        Ok(())
    }
}
