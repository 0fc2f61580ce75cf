//! The key that vouches for what the hub relays. It lives in memory only: each start makes a new one, and
//! so does each two thirds of its certificate's life.

use super::PkiError;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use protocol::{
    cbor,
    message::{Assertion, assertion::FORM},
    signed::Sealer,
    time::Timestamp,
};

/// Signs assertions.
pub struct Signer {
    key: EcdsaKeyPair,
    sealer: Sealer,
    random: SystemRandom,
    renew_at: Timestamp,
}

impl Signer {
    /// A signer with this key (PKCS#8) and the certificate over it.
    ///
    /// # Errors
    /// When the key is unusable.
    pub fn new(key: &[u8], certificate: Vec<u8>, renew_at: Timestamp) -> Result<Self, PkiError> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key)
            .map_err(|rejected| PkiError::Signing(rejected.to_string()))?;
        Ok(Self {
            key,
            sealer: Sealer::new(FORM, &[certificate]),
            random: SystemRandom::new(),
            renew_at,
        })
    }

    /// Whether it is time for another.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        now >= self.renew_at
    }

    /// Vouches for an assertion.
    ///
    /// # Errors
    /// When the signing fails.
    pub fn sign(&self, assertion: &Assertion) -> Result<Vec<u8>, PkiError> {
        let sign = |covered: &[u8]| {
            let made = self.key.sign(&self.random, covered);
            made.map(|made| made.as_ref().to_vec())
                .map_err(|_| PkiError::Signing("no signature".into()))
        };
        self.sealer.seal(&cbor::encode(assertion), sign)
    }
}
