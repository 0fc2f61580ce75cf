//! TLS for endpoints: version 1.3 only, one provider, resumption that cannot skip the gate.

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::{ServerSessionMemoryCache, danger::ClientCertVerifier},
    version::TLS13,
};
use std::sync::Arc;

/// Resumable TLS sessions remembered; older ones need a full handshake.
const RESUMABLE: usize = 4096;

/// The one crypto provider.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A server configuration with client certificates checked by `verifier`.
///
/// Resumption stays on, from a bounded memory cache: a resumed session carries the certificate of
/// its first handshake, and the endpoint asks the gate about it each time. Early data stays off.
///
/// # Errors
/// When the key does not fit the certificate.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.session_storage = ServerSessionMemoryCache::new(RESUMABLE);
    config.send_tls13_tickets = 1;
    config.max_early_data_size = 0;
    Ok(config)
}
