//! A document as it travels, signed by its maker: [`crate::signed`] with the document as its maker wrote it.

use super::MAX_DOCUMENT;
use crate::signed::{Form, Signed, SignedError};

/// Largest envelope in bytes.
pub const MAX_ENVELOPE: usize = MAX_DOCUMENT + 16 * 1024;

/// The form of signed definitions.
pub const FORM: Form = Form {
    what: "definition",
    context: b"component-definition/1",
    content_type: "application/toml",
    max_bytes: MAX_ENVELOPE,
};

/// A document and a signature that nobody has checked yet.
#[derive(Clone, Debug)]
pub struct Envelope {
    signed: Signed,
    document: String,
}

impl Envelope {
    /// Reads an envelope; the signature is not checked.
    ///
    /// # Errors
    /// When the bytes are no envelope.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignedError> {
        let signed = Signed::parse(FORM, bytes)?;
        let document = String::from_utf8(signed.payload().to_vec());
        let why = "the payload must be a text";
        let document = document.map_err(|_| SignedError::Shape { what: FORM.what, why })?;
        Ok(Self { signed, document })
    }

    /// Makes a signed envelope; `sign` makes an ES256 signature, 64 bytes.
    ///
    /// # Errors
    /// When signing fails.
    pub fn seal<E>(
        document: &str,
        chain: &[Vec<u8>],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        Signed::seal(FORM, document.as_bytes(), chain, sign)
    }

    /// The signer's certificate and those between it and a root, DER.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        self.signed.chain()
    }

    /// The document, which anybody may have written until [`Envelope::verify`] agreed.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.document
    }

    /// Checks the signature; `check` gets the signature (64 bytes, r and s) and the bytes it covers.
    ///
    /// # Errors
    /// What `check` says.
    pub fn verify<E>(&self, check: impl FnOnce(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        self.signed.verify(check)
    }
}
