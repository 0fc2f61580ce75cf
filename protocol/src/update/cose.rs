//! COSE_Sign (RFC 9052 section 4.1), tag 98, with Ed25519 signatures. The body's protected header holds the
//! type (16, RFC 9596) and nothing else, so that no signature of one kind of thing can pass for another's.

use super::{Crypto, Distrust};
use crate::{cbor, id::PublicKey};
use coset::{
    CborSerializable, CoseSign, CoseSignature, Header, HeaderBuilder, ProtectedHeader,
    RegisteredLabelWithPrivate::Assigned, cbor::value::Value, iana,
};

/// Largest signed object in bytes.
pub const MAX_SIGNED: usize = 2048;

/// Most signatures of one object.
pub const MAX_SIGNERS: usize = 4;

/// The head of tag 98.
const TAG: [u8; 2] = [0xd8, 0x62];

/// Label of the header parameter typ.
const TYP: i64 = 16;

/// First bytes of the SHA-256 of a public key.
type Kid = [u8; 8];

/// A payload with signatures that nobody has checked yet.
pub(super) struct Multisigned {
    what: &'static str,
    signed: CoseSign,
    kids: Vec<Kid>,
}

impl Multisigned {
    /// Reads an object of this type; no signature is checked.
    pub(super) fn parse(what: &'static str, typ: &str, bytes: &[u8]) -> Result<Self, Distrust> {
        let wrong = |why: &str| Distrust::Malformed { what, why: why.to_owned() };
        if bytes.len() > MAX_SIGNED {
            return Err(wrong("it is longer than 2048 bytes"));
        }
        let untagged = bytes.strip_prefix(&TAG).ok_or_else(|| wrong("it has not the tag 98"))?;
        // Before another library sees them: bounded depth, definite lengths, no duplicates.
        let check = |bytes: &[u8]| cbor::check(bytes).map_err(|e| wrong(&e.to_string()));
        check(untagged)?;
        let signed = CoseSign::from_slice(untagged).map_err(|_| wrong("no COSE_Sign structure"))?;
        check(signed.protected.original_data.as_deref().unwrap_or_default())?;
        if signed.protected.header != body_header(typ) || !signed.unprotected.is_empty() {
            return Err(wrong("its header must hold its type and nothing else"));
        }
        if signed.payload.is_none() {
            return Err(wrong("its payload must be within it"));
        }
        if !(1..=MAX_SIGNERS).contains(&signed.signatures.len()) {
            return Err(wrong("it must have 1 to 4 signatures"));
        }
        let mut kids = Vec::new();
        for signature in &signed.signatures {
            check(signature.protected.original_data.as_deref().unwrap_or_default())?;
            let kid = kid(signature).ok_or_else(|| wrong("a signature has another form"))?;
            if kids.contains(&kid) {
                return Err(wrong("a key signed it twice"));
            }
            kids.push(kid);
        }
        Ok(Self { what, signed, kids })
    }

    /// The payload, which anybody may have written: only to find out which keys it claims.
    pub(super) fn unchecked_payload(&self) -> &[u8] {
        self.signed.payload.as_deref().unwrap_or_default()
    }

    /// The payload, once at least so many of these keys signed it.
    pub(super) fn payload(
        &self,
        keys: &[PublicKey],
        threshold: usize,
        crypto: &impl Crypto,
    ) -> Result<&[u8], Distrust> {
        let good = |key: &&PublicKey| {
            let kid = kid_of(key, crypto);
            let at = self.kids.iter().position(|known| *known == kid);
            at.is_some_and(|at| {
                let check = |signature: &[u8], covered: &[u8]| {
                    if crypto.ed25519(key, covered, signature) { Ok(()) } else { Err(()) }
                };
                self.signed.verify_signature(at, &[], check).is_ok()
            })
        };
        let found = keys.iter().filter(good).count();
        // A threshold of nothing would let everything through.
        if found < threshold.max(1) {
            return Err(Distrust::Signature { what: self.what, found, wanted: threshold.max(1) });
        }
        Ok(self.unchecked_payload())
    }
}

/// Somebody with a key: its public part, and what makes its signatures.
pub struct Signer<'a> {
    /// The public key.
    pub key: PublicKey,
    /// Makes an Ed25519 signature, 64 bytes.
    pub sign: &'a dyn Fn(&[u8]) -> Vec<u8>,
}

/// Makes a signed object of this type.
///
/// # Panics
/// Never: byte strings and small maps have no failing cases.
#[must_use]
pub fn seal(typ: &str, payload: &[u8], signers: &[Signer<'_>], crypto: &impl Crypto) -> Vec<u8> {
    let mut signed = CoseSign {
        protected: protected(body_header(typ)),
        payload: Some(payload.to_vec()),
        ..CoseSign::default()
    };
    for signer in signers {
        let mut signature = CoseSignature {
            protected: protected(signer_header()),
            unprotected: HeaderBuilder::new().key_id(kid_of(&signer.key, crypto).to_vec()).build(),
            ..CoseSignature::default()
        };
        signature.signature = (signer.sign)(&signed.tbs_data(&[], &signature));
        signed.signatures.push(signature);
    }
    let body = signed.to_vec().expect("byte strings and small maps have no failing cases");
    [&TAG[..], &body].concat()
}

fn protected(header: Header) -> ProtectedHeader {
    ProtectedHeader { original_data: None, header }
}

fn body_header(typ: &str) -> Header {
    HeaderBuilder::new().value(TYP, Value::Text(typ.to_owned())).build()
}

fn signer_header() -> Header {
    Header { alg: Some(Assigned(iana::Algorithm::EdDSA)), ..Header::default() }
}

fn kid_of(key: &PublicKey, crypto: &impl Crypto) -> Kid {
    let mut kid = [0; 8];
    kid.copy_from_slice(&crypto.sha256(&key.0).0[..8]);
    kid
}

/// Whose signature it says it is, if its headers are exactly as they must be.
fn kid(signature: &CoseSignature) -> Option<Kid> {
    let CoseSignature { protected, unprotected, signature } = signature;
    let kid: Kid = unprotected.key_id.as_slice().try_into().ok()?;
    let plain = Header { key_id: kid.to_vec(), ..Header::default() };
    let known = protected.header == signer_header() && *unprotected == plain;
    (known && signature.len() == 64).then_some(kid)
}
