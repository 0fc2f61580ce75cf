//! Keys and certificates of the simulated cloud, in one folder.

use anyhow::Context;
use mqtt_endpoint::tls;
use protocol::id::{ComponentId, Digest};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PublicKeyData,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

/// The name in the cloud's certificate.
pub const SERVER_NAME: &str = "localhost";

/// Makes the cloud's folder: `ca.pem`, `server.pem`, `server.key`, and `hub.pem` with `hub.key` for one
/// hub.
///
/// # Errors
/// When the signing fails or the system refuses.
pub fn create(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Simulated Cloud CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate()?;
    let ca = params.self_signed(&key)?;
    let issuer = Issuer::new(params, key);
    fs::write(folder.join("ca.pem"), ca.pem())?;
    leaf(folder, "server", &issuer, ExtendedKeyUsagePurpose::ServerAuth)?;
    leaf(folder, "hub", &issuer, ExtendedKeyUsagePurpose::ClientAuth)
}

fn leaf(
    folder: &Path,
    name: &str,
    issuer: &Issuer<'_, KeyPair>,
    usage: ExtendedKeyUsagePurpose,
) -> anyhow::Result<()> {
    let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate()?;
    fs::write(folder.join(format!("{name}.pem")), params.signed_by(&key, issuer)?.pem())?;
    let path = folder.join(format!("{name}.key"));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(key.serialize_pem().as_bytes()).with_context(|| path.display().to_string())
}

/// The server's TLS configuration and the cloud's logical id.
///
/// # Errors
/// When a file is missing or not what it should be.
pub fn server(folder: &Path) -> anyhow::Result<(Arc<ServerConfig>, ComponentId)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).context("ca.pem")?)?;
    let chain =
        vec![CertificateDer::from_pem_file(folder.join("server.pem")).context("server.pem")?];
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).context("server.key")?;
    let pair = KeyPair::try_from(&key)?;
    let id = ComponentId::from_key_digest(&sha256(&pair.subject_public_key_info()));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build()?;
    Ok((Arc::new(tls::server_config(chain, key, verifier)?), id))
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    Digest(digest)
}
