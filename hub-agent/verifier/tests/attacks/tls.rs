//! A mirror over TLS that wants to know who asks.

use crate::{
    repository::NOW,
    server::talk,
    world::{World, at, pace},
};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use update_verifier::{Mirror, Mirrors, Refused, Source};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn identity() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key);
    (certificate.unwrap().into(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

fn trusting(certificate: &CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    roots
}

/// A server that has nothing, for this one client only; what it is asked.
async fn start(
    (certificate, key): (CertificateDer<'static>, PrivateKeyDer<'static>),
    client: &CertificateDer<'static>,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let verifier = WebPkiClientVerifier::builder_with_provider(trusting(client).into(), provider());
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                talk(stream, &|_| None, &noted).await;
            }
        }
    });
    (address, asked)
}

/// Criterion: T3.SU.1a (positive)
/// Criterion: T3.SU.1a (negative)
#[tokio::test]
async fn a_mirror_over_tls_is_asked_only_when_both_sides_know_each_other() {
    let (server, hub, stranger) = (identity(), identity(), identity());
    let (server_certificate, hub_certificate) = (server.0.clone(), hub.0.clone());
    let (address, asked) = start(server, &hub_certificate).await;
    let world = World::new().await;
    let builder = |roots: &CertificateDer<'static>| {
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(trusting(roots))
    };
    let with = |(certificate, key)| {
        builder(&server_certificate).with_client_auth_cert(vec![certificate], key).unwrap()
    };
    let refresh = |config: ClientConfig| {
        let source = || Source::parse(&address, Some(Arc::new(config.clone())), pace()).unwrap();
        let mirrors = Mirrors::new(vec![Mirror { metadata: source(), targets: source() }]);
        let (mirrors, mut verifier) = (Arc::new(mirrors.unwrap()), world.restored().unwrap());
        async move { verifier.refresh(&mirrors, at(NOW)).await.expect_err("it has nothing") }
    };
    for config in [
        builder(&server_certificate).with_no_client_auth(),
        builder(&hub_certificate).with_no_client_auth(),
        with(stranger),
    ] {
        assert!(matches!(refresh(config).await, Refused::Unreachable(_)));
        assert!(asked.lock().unwrap().is_empty());
    }
    let refused = refresh(with(hub)).await;
    assert!(refused.to_string().contains("timestamp.json"), "{refused}");
    assert_eq!(*asked.lock().unwrap(), ["2.root.json", "timestamp.json"]);
}
