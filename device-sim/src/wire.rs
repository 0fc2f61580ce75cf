//! TLS for simulated devices.

use crate::{flash::Credentials, identity::Identity};
use anyhow::Context;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::sync::{Arc, LazyLock};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The identity that credentials give.
#[must_use]
pub fn identity(credentials: &Credentials) -> Identity {
    Identity {
        chain: vec![CertificateDer::from(credentials.certificate.clone())],
        key: credentials.key.clone(),
    }
}

/// A client that trusts this CA and shows this identity.
///
/// # Errors
/// When a certificate or key is unusable.
pub fn client_config(
    ca: &CertificateDer<'_>,
    identity: Option<&Identity>,
) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone().into_owned())?;
    let builder = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots);
    Ok(Arc::new(match identity {
        Some(identity) => {
            builder.with_client_auth_cert(identity.chain.clone(), identity.private_key())?
        }
        None => builder.with_no_client_auth(),
    }))
}

/// A client that believes any server: only for fetching what is then compared with a fingerprint.
#[must_use]
pub fn unverified() -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider knows TLS 1.3");
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone));
    Arc::new(builder.with_no_client_auth())
}

/// Opens a TLS connection.
///
/// # Errors
/// When there is none.
pub async fn connect(
    tls: Arc<ClientConfig>,
    host: &str,
    port: u16,
) -> anyhow::Result<TlsStream<TcpStream>> {
    let socket =
        TcpStream::connect((host, port)).await.with_context(|| format!("{host}:{port}"))?;
    socket.set_nodelay(true)?;
    let name = ServerName::try_from(host.to_owned())?;
    Ok(TlsConnector::from(tls).connect(name, socket).await?)
}

#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("only TLS 1.3 is spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &PROVIDER.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}
