//! The hub's crypto library: digests and signatures that components make with their certificates' keys.

use crate::input::ComponentCertificate;
use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey},
};
use protocol::{
    id::{Digest, PublicKey},
    signed::Signed,
    update::Crypto,
};
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// The hub's own crypto library, for the checks that the contract describes.
#[derive(Clone, Copy, Debug)]
pub struct AwsLc;

impl Crypto for AwsLc {
    fn sha256(&self, bytes: &[u8]) -> Digest {
        Digest(digest(&SHA256, bytes).as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    fn ed25519(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, key.0.as_slice()).verify(message, signature).is_ok()
    }
}

/// Why a component's signature is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// Its certificate is not in force for the component.
    #[error("its certificate is not one in force")]
    Certificate,
    /// Its signature does not fit.
    #[error("its signature does not fit")]
    Signature,
}

/// The payload of something that the key of one of these certificates signed.
pub(crate) fn signed_by<'a, 'b>(
    signed: &'b Signed,
    mut in_force: impl Iterator<Item = &'a ComponentCertificate>,
) -> Result<&'b [u8], SignerError> {
    let shown = signed.chain().first().ok_or(SignerError::Certificate)?;
    let der = CertificateDer::from(shown.as_slice());
    let certificate = EndEntityCert::try_from(&der).map_err(|_| SignerError::Certificate)?;
    let key = certificate.subject_public_key_info();
    let shown = AwsLc.sha256(key.as_ref());
    if !in_force.any(|known| known.key == shown) {
        return Err(SignerError::Certificate);
    }
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_ref());
    signed
        .verify(|signature, covered| key.verify(covered, signature))
        .map_err(|_| SignerError::Signature)?;
    Ok(signed.payload())
}
