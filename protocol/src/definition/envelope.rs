//! A document as it travels: COSE_Sign1 (RFC 9052), untagged and deterministic, signed with ES256.
//!
//! The protected header holds the algorithm (1: -7), the content type (3: `application/toml`) and the
//! maker's signing certificates, the signer's first (33, x5chain, RFC 9360). The payload is the document
//! as its maker wrote it. The external data of the signature is [`CONTEXT`], so that no other signature
//! can pass for this one.

use super::MAX_DOCUMENT;
use crate::cbor;
use coset::{
    CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, RegisteredLabel::Text,
    RegisteredLabelWithPrivate::Assigned, cbor::value::Value, iana,
};

/// What every signature over a definition also covers.
pub const CONTEXT: &[u8] = b"component-definition/1";

/// Largest envelope in bytes.
pub const MAX_ENVELOPE: usize = MAX_DOCUMENT + 16 * 1024;

/// Most certificates in a chain.
pub const MAX_CHAIN: usize = 4;

const CONTENT_TYPE: &str = "application/toml";
const X5CHAIN: i64 = 33;

/// Bytes that are no envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Too many bytes.
    #[error("{0} bytes, at most {MAX_ENVELOPE} are allowed")]
    TooLarge(usize),
    /// The bytes are no deterministic CBOR.
    #[error("no signed definition: {0}")]
    Cbor(#[from] cbor::DecodeError),
    /// The CBOR is no COSE_Sign1 of this kind.
    #[error("no signed definition: {0}")]
    Shape(&'static str),
}

/// A document and a signature that nobody has checked yet.
#[derive(Clone, Debug)]
pub struct Envelope {
    signed: CoseSign1,
    chain: Vec<Vec<u8>>,
    document: String,
}

impl Envelope {
    /// Reads an envelope; the signature is not checked.
    ///
    /// # Errors
    /// When the bytes are no envelope.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        use EnvelopeError::Shape;
        if bytes.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        // Before another library sees them: bounded depth, definite lengths, no duplicates.
        cbor::check(bytes)?;
        let signed =
            CoseSign1::from_slice(bytes).map_err(|_| Shape("not a COSE_Sign1 structure"))?;
        cbor::check(signed.protected.original_data.as_deref().unwrap_or_default())?;
        let header = &signed.protected.header;
        if header.alg != Some(Assigned(iana::Algorithm::ES256)) {
            return Err(Shape("the algorithm must be ES256"));
        }
        if header.content_type != Some(Text(CONTENT_TYPE.into())) {
            return Err(Shape("the content type must be application/toml"));
        }
        let chain = match &header.rest[..] {
            [(label, value)] if *label == coset::Label::Int(X5CHAIN) => chain(value),
            _ => None,
        };
        let chain = chain.ok_or(Shape(
            "the protected header must hold the signer's certificates and nothing else",
        ))?;
        if !signed.unprotected.is_empty() {
            return Err(Shape("the unprotected header must be empty"));
        }
        let document = signed.payload.clone().and_then(|payload| String::from_utf8(payload).ok());
        let document = document.ok_or(Shape("the payload must be a text"))?;
        Ok(Self { signed, chain, document })
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
        let certificates: Vec<_> = chain.iter().cloned().map(Value::Bytes).collect();
        let header = HeaderBuilder::new()
            .algorithm(iana::Algorithm::ES256)
            .content_type(CONTENT_TYPE.into())
            .value(X5CHAIN, Value::Array(certificates))
            .build();
        let signed = CoseSign1Builder::new()
            .protected(header)
            .payload(document.as_bytes().to_vec())
            .try_create_signature(CONTEXT, sign)?
            .build();
        Ok(signed.to_vec().expect("byte strings and small maps have no failing cases"))
    }

    /// The signer's certificate and those between it and a root, DER.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
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
        self.signed.verify_signature(CONTEXT, check)
    }
}

/// x5chain as this contract wants it: always a list.
fn chain(value: &Value) -> Option<Vec<Vec<u8>>> {
    let items = value.as_array().filter(|items| (1..=MAX_CHAIN).contains(&items.len()))?;
    items.iter().map(|item| item.as_bytes().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn sealed() -> Vec<u8> {
        let sign = |covered: &[u8]| Ok::<_, Infallible>(vec![covered.len() as u8; 64]);
        Envelope::seal("format = 1", &[vec![0x30, 0x00]], sign).unwrap()
    }

    #[test]
    fn an_envelope_reads_as_it_was_sealed_and_its_signature_covers_header_and_document() {
        let envelope = Envelope::parse(&sealed()).unwrap();
        assert_eq!(
            (envelope.document(), envelope.chain()),
            ("format = 1", &[vec![0x30, 0x00]][..])
        );
        envelope
            .verify(|signature, covered| {
                assert_eq!(signature.len(), 64);
                for part in [&b"Signature1"[..], CONTEXT, b"format = 1", b"application/toml"] {
                    assert!(covered.windows(part.len()).any(|window| window == part));
                }
                Ok::<_, Infallible>(())
            })
            .unwrap();
    }

    /// Criterion: T3.LA.1b (negative)
    #[test]
    fn refuses_what_is_no_envelope() {
        let good = sealed();
        assert!(matches!(
            Envelope::parse(&vec![0; MAX_ENVELOPE + 1]),
            Err(EnvelopeError::TooLarge(_))
        ));
        for cut in 0..good.len() {
            assert!(Envelope::parse(&good[..cut]).is_err(), "{cut}");
        }
        let trailing = [&good[..], &[0]].concat();
        assert!(matches!(Envelope::parse(&trailing), Err(EnvelopeError::Cbor(_))));
        // The first bytes: an array of 4, a byte string with the header {1: -7, 3: …, 33: […]}.
        let other_algorithm: Vec<u8> =
            good.iter().enumerate().map(|(at, byte)| if at == 5 { 0x27 } else { *byte }).collect();
        assert_eq!(good[5], 0x26, "ES256");
        let shape = |bytes: &[u8]| match Envelope::parse(bytes) {
            Err(EnvelopeError::Shape(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(shape(&other_algorithm).contains("ES256"));
        let tagged = [&[0xd2][..], &good].concat();
        assert!(matches!(Envelope::parse(&tagged), Err(EnvelopeError::Cbor(_))));
    }
}
