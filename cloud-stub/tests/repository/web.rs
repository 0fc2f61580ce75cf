//! A client of the repository's server, with the certificate of a hub.

use crate::world::World;
use bytes::Bytes;
use cloud_stub::{
    identity,
    repository::server::{Limits, serve},
};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::HeaderMap,
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use sigstore_tuf::transport::FetchFuture;
use std::{io, net::SocketAddr, path::Path, sync::Arc};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// What came back.
pub(crate) struct Came {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as it must.
    pub(crate) whole: bool,
}

impl Came {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// One with the hub's certificate.
    pub(crate) fn of_hub(folder: &Path, address: SocketAddr) -> Self {
        let chain = vec![CertificateDer::from_pem_file(folder.join("hub.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(folder.join("hub.key")).unwrap();
        let tls = tls(folder).with_client_auth_cert(chain, key).unwrap();
        Self { address, tls: Arc::new(tls) }
    }

    /// One without a certificate.
    pub(crate) fn of_nobody(folder: &Path, address: SocketAddr) -> Self {
        Self { address, tls: Arc::new(tls(folder).with_no_client_auth()) }
    }

    pub(crate) async fn connect(&self) -> io::Result<SendRequest<Empty<Bytes>>> {
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(identity::SERVER_NAME).unwrap();
        let stream = TlsConnector::from(self.tls.clone()).connect(name, socket).await?;
        let (send, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(send)
    }

    /// One request on a connection of its own; reads at most so many bytes.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        most: u64,
    ) -> io::Result<Came> {
        let mut connection = self.connect().await?;
        let answer = connection.send_request(request(method, path, headers)).await;
        Ok(read(answer.map_err(io::Error::other)?, most).await)
    }

    pub(crate) async fn get(&self, path: &str) -> io::Result<Came> {
        self.ask(Method::GET, path, &[], u64::MAX).await
    }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Request<Empty<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

pub(crate) async fn read(answer: Response<Incoming>, most: u64) -> Came {
    let (head, mut incoming) = answer.into_parts();
    let (mut body, mut whole) = (Vec::new(), true);
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => body.extend_from_slice(frame.data_ref().unwrap()),
            Err(_) => whole = false,
        }
        if !whole || body.len() as u64 > most {
            break;
        }
    }
    Came { status: head.status, headers: head.headers, body, whole }
}

fn tls(folder: &Path) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap()).unwrap();
    ClientConfig::builder_with_provider(mqtt_endpoint::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

/// A server on a thread of its own, and its address; it ends with the test.
pub(crate) fn started(world: &World, limits: Limits) -> SocketAddr {
    let folder = world.path().to_owned();
    if !folder.join("ca.pem").exists() {
        identity::create(&folder).unwrap();
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let (tls, _) = identity::server(&folder).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            serve(listener, tls, &folder, limits).await;
        });
    });
    address
}

/// The server as a TUF client of others sees it.
impl sigstore_tuf::Repository for Client {
    fn fetch_metadata<'a>(&'a self, name: &'a str, most: u64) -> FetchFuture<'a> {
        Box::pin(async move { fetch(self, &format!("/metadata/{name}"), most).await })
    }

    fn fetch_target<'a>(&'a self, path: &'a str, most: u64) -> FetchFuture<'a> {
        Box::pin(async move { fetch(self, &format!("/targets/{path}"), most).await })
    }
}

async fn fetch(
    client: &Client,
    path: &str,
    most: u64,
) -> Result<Option<Vec<u8>>, sigstore_tuf::Error> {
    let failed = |why: &str| sigstore_tuf::Error::transport(format!("{path}: {why}"));
    let came =
        client.ask(Method::GET, path, &[], most).await.map_err(|e| failed(&e.to_string()))?;
    match came.status {
        StatusCode::NOT_FOUND => Ok(None),
        _ if came.body.len() as u64 > most => Err(failed("too long")),
        StatusCode::OK if came.whole => Ok(Some(came.body)),
        StatusCode::OK => Err(failed("it ended too early")),
        status => Err(failed(status.as_str())),
    }
}
