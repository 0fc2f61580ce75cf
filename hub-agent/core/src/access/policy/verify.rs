//! From bytes to a definition whose maker is proved.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use protocol::{
    definition::{Definition, Mistakes, envelope::Envelope},
    id::Label,
    signed::SignedError,
    time::Timestamp,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

/// id-kp-codeSigning, 1.3.6.1.5.5.7.3.3 (RFC 5280 section 4.2.1.12).
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// Roots that the owner trusts to speak for makers.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// Its name in the settings.
    pub name: Label,
    /// Root certificates, DER.
    pub roots: Vec<Vec<u8>>,
}

/// Something whose origin was proved. Only the verifiers of this crate make one.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    anchor: Label,
}

impl<T> Verified<T> {
    /// Name of the roots that vouch for it.
    #[must_use]
    pub fn anchor(&self) -> &Label {
        &self.anchor
    }

    /// The thing itself.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    pub(super) fn into_parts(self) -> (T, Label) {
        (self.value, self.anchor)
    }
}

/// Why a definition is not put in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// The bytes are no envelope.
    #[error(transparent)]
    Envelope(#[from] SignedError),
    /// The signer's certificate is unreadable.
    #[error("the signer's certificate is unreadable; sign with an X.509 certificate")]
    Certificate,
    /// No trusted root vouches for the signer.
    #[error(
        "no trusted maker's root vouches for the signer as of now: {0}; add its root under [[makers]]"
    )]
    Untrusted(String),
    /// The signature does not fit.
    #[error("the signature does not fit: the document was changed, or another key signed it")]
    Signature,
    /// The signer may not speak for this maker.
    #[error(
        "the signer is {signer:?}, but the document says it is by {maker}; the certificate's organisation must be the maker"
    )]
    OtherMaker {
        /// Organisation in the certificate.
        signer: String,
        /// Maker in the document.
        maker: Label,
    },
    /// The document has mistakes.
    #[error("the document has mistakes:\n{0}")]
    Document(#[from] Mistakes),
    /// Another root vouched for the one in force.
    #[error("the definition in force is vouched for by {known}; remove that maker's trust first")]
    OtherRoot {
        /// Name of that root.
        known: Label,
    },
    /// A newer one, or another of the same revision, is in force.
    #[error("revision {known} is in force, this is {given}; its maker must count on")]
    Older {
        /// Revision in force.
        known: u32,
        /// Revision given.
        given: u32,
    },
    /// Too many kinds.
    #[error("{} kinds are in force, more are not allowed", super::MAX_KINDS)]
    Full,
}

/// A document and what it says.
#[derive(Clone, Debug)]
pub struct Authored {
    pub(super) document: String,
    pub(super) definition: Definition,
}

impl Authored {
    /// What the document says.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }
}

/// Proves who made a definition: a chain from a trusted root, for code signing, to a certificate whose
/// organisation is the document's maker and whose key made the signature.
///
/// # Errors
/// When a step fails; nothing of the document is used then.
pub fn verify(
    envelope: &[u8],
    anchors: &[Anchor],
    now: Timestamp,
) -> Result<Verified<Authored>, DefinitionError> {
    let envelope = Envelope::parse(envelope)?;
    let chain: Vec<_> =
        envelope.chain().iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let (signer, between) = chain.split_first().ok_or(DefinitionError::Certificate)?;
    let certificate = EndEntityCert::try_from(signer).map_err(|_| DefinitionError::Certificate)?;
    let anchor = vouches(&certificate, between, anchors, now)?;
    let key = certificate.subject_public_key_info();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_ref());
    envelope
        .verify(|signature, covered| key.verify(covered, signature))
        .map_err(|_| DefinitionError::Signature)?;
    let document = envelope.document().to_owned();
    let definition = Definition::parse(&document)?;
    let signer = organisation(signer).ok_or(DefinitionError::Certificate)?;
    if signer != definition.maker.as_str() {
        return Err(DefinitionError::OtherMaker { signer, maker: definition.maker });
    }
    Ok(Verified { value: Authored { document, definition }, anchor })
}

/// Which trusted root vouches for a signer.
fn vouches(
    certificate: &EndEntityCert<'_>,
    between: &[CertificateDer<'_>],
    anchors: &[Anchor],
    now: Timestamp,
) -> Result<Label, DefinitionError> {
    let time = UnixTime::since_unix_epoch(Duration::from_secs(now.seconds()));
    let mut why = "no maker is trusted".to_owned();
    for anchor in anchors {
        let roots: Vec<_> =
            anchor.roots.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let roots: Vec<_> =
            roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
        let usage = KeyUsage::required(CODE_SIGNING);
        let verified = certificate.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &roots,
            between,
            time,
            usage,
            None,
            None,
        );
        match verified {
            Ok(_) => return Ok(anchor.name.clone()),
            Err(error) => why = error.to_string(),
        }
    }
    Err(DefinitionError::Untrusted(why))
}

fn organisation(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let organisation = certificate.subject().iter_organization().next()?;
    organisation.as_str().ok().map(str::to_owned)
}
