//! Signed things as they travel: COSE_Sign1 (RFC 9052), untagged and deterministic, signed with ES256.
//!
//! The protected header holds the algorithm (1: -7), the content type (3) and the signer's certificates,
//! its own first (33, x5chain, RFC 9360), and nothing else; the unprotected header is empty. Each kind of
//! thing has a [`Form`] with external data of its own, so that no signature can pass for another's.

use crate::cbor;
use coset::{
    CborSerializable, CoseSign1, HeaderBuilder, ProtectedHeader, RegisteredLabel::Text,
    RegisteredLabelWithPrivate::Assigned, cbor::value::Value, iana,
};

/// Most certificates in a chain.
pub const MAX_CHAIN: usize = 4;

const X5CHAIN: i64 = 33;

/// What is particular to one kind of signed thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// What it is, for errors.
    pub what: &'static str,
    /// External data: what every signature of this kind also covers.
    pub context: &'static [u8],
    /// Content type of the payload.
    pub content_type: &'static str,
    /// Largest whole in bytes.
    pub max_bytes: usize,
}

/// Bytes that are no signed thing of the form wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// Too many bytes.
    #[error("{found} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Bytes received.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes are no deterministic CBOR.
    #[error("no signed {what}: {error}")]
    Cbor {
        /// What was wanted.
        what: &'static str,
        /// What is wrong.
        error: cbor::DecodeError,
    },
    /// The CBOR is no COSE_Sign1 of this form.
    #[error("no signed {what}: {why}")]
    Shape {
        /// What was wanted.
        what: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}

/// A payload and a signature that nobody has checked yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    form: Form,
    signed: CoseSign1,
    chain: Vec<Vec<u8>>,
    payload: Vec<u8>,
}

impl Signed {
    /// Reads a signed thing; the signature is not checked.
    ///
    /// # Errors
    /// When the bytes are none of this form.
    pub fn parse(form: Form, bytes: &[u8]) -> Result<Self, SignedError> {
        let shape = |why| SignedError::Shape { what: form.what, why };
        if bytes.len() > form.max_bytes {
            return Err(SignedError::TooLarge { found: bytes.len(), limit: form.max_bytes });
        }
        // Before another library sees them: bounded depth, definite lengths, no duplicates.
        let check = |bytes: &[u8]| {
            cbor::check(bytes).map_err(|error| SignedError::Cbor { what: form.what, error })
        };
        check(bytes)?;
        let signed =
            CoseSign1::from_slice(bytes).map_err(|_| shape("not a COSE_Sign1 structure"))?;
        check(signed.protected.original_data.as_deref().unwrap_or_default())?;
        let header = &signed.protected.header;
        if header.alg != Some(Assigned(iana::Algorithm::ES256)) {
            return Err(shape("the algorithm must be ES256"));
        }
        if header.content_type != Some(Text(form.content_type.into())) {
            return Err(shape("the content type is another"));
        }
        // What COSE itself has labels for does not stand in `rest`.
        let nothing_else = header.crit.is_empty()
            && header.key_id.is_empty()
            && header.iv.is_empty()
            && header.partial_iv.is_empty()
            && header.counter_signatures.is_empty();
        let chain = match &header.rest[..] {
            [(label, value)] if nothing_else && *label == coset::Label::Int(X5CHAIN) => {
                chain(value)
            }
            _ => None,
        };
        let chain = chain.ok_or(shape(
            "the protected header must hold the signer's certificates and nothing else",
        ))?;
        if !signed.unprotected.is_empty() {
            return Err(shape("the unprotected header must be empty"));
        }
        let payload = signed.payload.clone().ok_or(shape("it has no payload"))?;
        Ok(Self { form, signed, chain, payload })
    }

    /// Makes a signed thing; `sign` makes an ES256 signature, 64 bytes.
    ///
    /// # Errors
    /// When signing fails.
    ///
    /// # Panics
    /// Never: byte strings and small maps have no failing cases.
    pub fn seal<E>(
        form: Form,
        payload: &[u8],
        chain: &[Vec<u8>],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        Sealer::new(form, chain).seal(payload, sign)
    }

    /// The signer's certificate and those between it and a root, DER.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The payload, which anybody may have written until [`Signed::verify`] agreed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Checks the signature; `check` gets the signature (64 bytes, r and s) and the bytes it covers.
    ///
    /// # Errors
    /// What `check` says.
    pub fn verify<E>(&self, check: impl FnOnce(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        self.signed.verify_signature(self.form.context, check)
    }
}

/// Makes many signed things with the same certificates: their header is encoded once.
#[derive(Clone, Debug)]
pub struct Sealer {
    form: Form,
    protected: ProtectedHeader,
}

impl Sealer {
    /// A sealer for this form and these certificates, the signer's first.
    ///
    /// # Panics
    /// Never: byte strings and small maps have no failing cases.
    #[must_use]
    pub fn new(form: Form, chain: &[Vec<u8>]) -> Self {
        let certificates: Vec<_> = chain.iter().cloned().map(Value::Bytes).collect();
        let header = HeaderBuilder::new()
            .algorithm(iana::Algorithm::ES256)
            .content_type(form.content_type.into())
            .value(X5CHAIN, Value::Array(certificates))
            .build();
        let encoded = header.to_vec().expect("byte strings and small maps have no failing cases");
        let protected = ProtectedHeader { original_data: Some(encoded), ..Default::default() };
        Self { form, protected }
    }

    /// Makes a signed thing; `sign` makes an ES256 signature, 64 bytes.
    ///
    /// # Errors
    /// When signing fails.
    ///
    /// # Panics
    /// Never: byte strings and small maps have no failing cases.
    pub fn seal<E>(
        &self,
        payload: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Vec<u8>, E> {
        let mut signed = CoseSign1 {
            protected: self.protected.clone(),
            payload: Some(payload.to_vec()),
            ..CoseSign1::default()
        };
        signed.signature = sign(&signed.tbs_data(self.form.context))?;
        Ok(signed.to_vec().expect("byte strings and small maps have no failing cases"))
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

    const FORM: Form =
        Form { what: "note", context: b"note/1", content_type: "text/plain", max_bytes: 256 };

    fn sealed() -> Vec<u8> {
        let sign = |covered: &[u8]| Ok::<_, Infallible>(vec![covered.len() as u8; 64]);
        Signed::seal(FORM, b"format = 1", &[vec![0x30, 0x00]], sign).unwrap()
    }

    #[test]
    fn it_reads_as_it_was_sealed_and_its_signature_covers_header_and_payload() {
        let signed = Signed::parse(FORM, &sealed()).unwrap();
        assert_eq!(
            (signed.payload(), signed.chain()),
            (&b"format = 1"[..], &[vec![0x30, 0x00]][..])
        );
        signed
            .verify(|signature, covered| {
                assert_eq!(signature.len(), 64);
                for part in [&b"Signature1"[..], FORM.context, b"format = 1", b"text/plain"] {
                    assert!(covered.windows(part.len()).any(|window| window == part));
                }
                Ok::<_, Infallible>(())
            })
            .unwrap();
    }

    /// Criterion: T3.LA.1b (negative)
    #[test]
    fn refuses_what_is_none() {
        let good = sealed();
        let large = Signed::parse(FORM, &[0; 257]).unwrap_err();
        assert_eq!(large, SignedError::TooLarge { found: 257, limit: 256 });
        for cut in 0..good.len() {
            assert!(Signed::parse(FORM, &good[..cut]).is_err(), "{cut}");
        }
        let trailing = [&good[..], &[0]].concat();
        assert!(matches!(Signed::parse(FORM, &trailing), Err(SignedError::Cbor { .. })));
        // The first bytes: an array of 4, a byte string with the header {1: -7, 3: …, 33: […]}.
        let other_algorithm: Vec<u8> =
            good.iter().enumerate().map(|(at, byte)| if at == 4 { 0x27 } else { *byte }).collect();
        assert_eq!(good[4], 0x26, "ES256");
        let shape = |form: Form, bytes: &[u8]| match Signed::parse(form, bytes) {
            Err(SignedError::Shape { why, .. }) => why,
            other => panic!("{other:?}"),
        };
        assert!(shape(FORM, &other_algorithm).contains("ES256"));
        assert!(shape(Form { content_type: "a/b", ..FORM }, &good).contains("content type"));
        // The header with one more entry: a kid (4), and what the reader would have to understand (crit, 2).
        for (at, entry) in [(17, [0x04, 0x41, 0x00]), (5, [0x02, 0x81, 0x03])] {
            let head = [0x84, 0x58, 24, 0xa4];
            let bytes = [&head[..], &good[3..at], &entry, &good[at..]].concat();
            assert!(shape(FORM, &bytes).contains("nothing else"), "{entry:?}");
        }
        let tagged = [&[0xd2][..], &good].concat();
        assert!(matches!(Signed::parse(FORM, &tagged), Err(SignedError::Cbor { .. })));
    }
}
