//! Keys and certificates: the hub's CA, what it signs, and what it believes.

/// Verifiers of ours judge whom a certificate names; signatures stay with the library's verifier `inner`.
macro_rules! signatures_of_inner {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &rustls::pki_types::CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            self.inner.verify_tls12_signature(message, certificate, signed)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &rustls::pki_types::CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            self.inner.verify_tls13_signature(message, certificate, signed)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.inner.supported_verify_schemes()
        }
    };
}
pub(crate) use signatures_of_inner;

pub mod ca;
pub mod certificate;
pub mod files;
pub mod maker;
pub mod request;
pub mod signer;
pub mod verify;

/// What can go wrong with keys and certificates, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A key file that others may read.
    #[error("{path} may be read by others; run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: String,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        why: String,
    },
    /// A file that does not hold what it should.
    #[error("{path} does not hold {what}: {why}")]
    Content {
        /// The file.
        path: String,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The signing failed.
    #[error("a certificate cannot be signed: {0}")]
    Signing(String),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
}
