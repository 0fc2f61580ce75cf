//! Values at rest: AES-256-GCM-SIV under the store's key, bound to their table and key, so that a
//! flipped bit, a moved value and a reader without the key all fail.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};

const NONCE: usize = 12;

/// The store's key.
pub struct Seal(RandomizedNonceKey);

impl Seal {
    /// A seal with this key.
    ///
    /// # Panics
    /// Never: a key of 32 bytes fits the algorithm.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(
            RandomizedNonceKey::new(&AES_256_GCM_SIV, key)
                .expect("the key has the algorithm's length"),
        )
    }

    /// Seals a value for its key; the nonce stands first.
    pub(super) fn close(&self, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = vec![0; NONCE];
        let mut body = value.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(key), &mut body).ok()?;
        sealed.copy_from_slice(nonce.as_ref());
        sealed.extend(body);
        Some(sealed)
    }

    /// Opens a value; nothing when it is not exactly what was sealed for this key.
    pub(super) fn open(&self, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, body) = sealed.split_at_checked(NONCE)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(key), &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T1.DP.1 (positive)
    #[test]
    fn what_is_sealed_opens_only_unchanged_and_in_its_place() {
        let seal = Seal::new(&[7; 32]);
        let sealed = seal.close(b"a", b"value").expect("sealing works");
        assert_eq!(seal.open(b"a", &sealed).as_deref(), Some(&b"value"[..]));
        assert_eq!(seal.open(b"b", &sealed), None);
        assert_eq!(Seal::new(&[8; 32]).open(b"a", &sealed), None);
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(seal.open(b"a", &flipped), None, "bit {bit}");
        }
        assert!(!sealed.windows(5).any(|window| window == b"value"), "no clear marker");
    }
}
