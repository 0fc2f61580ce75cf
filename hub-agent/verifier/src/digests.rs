//! The digests that metadata lists for a target. SHA-256 is what the hub's components know; a repository
//! that lists SHA-512 only is followed as well.

use crate::floors::hex;
use aws_lc_rs::digest::{Context, SHA256, SHA512};
use std::collections::BTreeMap;

/// What a target's bytes must hash to; at least one of the two is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) sha256: Option<[u8; 32]>,
    sha512: Option<[u8; 64]>,
}

impl Digests {
    /// Reads what a role lists; nothing when no digest is usable or one that we know is malformed.
    pub(crate) fn parse(listed: &BTreeMap<String, String>) -> Option<Self> {
        let sha256 = listed.get("sha256").map(|hex| parse(hex));
        let sha512 = listed.get("sha512").map(|hex| parse(hex));
        if matches!(sha256, Some(None)) || matches!(sha512, Some(None)) {
            return None;
        }
        let digests = Self { sha256: sha256.flatten(), sha512: sha512.flatten() };
        (digests.sha256.is_some() || digests.sha512.is_some()).then_some(digests)
    }

    /// The digest that names the file, in the repository and in the cache.
    pub(crate) fn name(&self) -> String {
        match (&self.sha256, &self.sha512) {
            (Some(sha256), _) => hex(sha256),
            (None, Some(sha512)) => hex(sha512),
            (None, None) => String::new(),
        }
    }

    /// A hasher for such bytes.
    pub(crate) fn hasher(&self) -> Hasher {
        let sha512 = self.sha512.map(|_| Context::new(&SHA512));
        Hasher { sha256: Context::new(&SHA256), sha512 }
    }

    /// The SHA-256 of the bytes when all that is listed fits them.
    pub(crate) fn check(&self, hasher: Hasher) -> Option<[u8; 32]> {
        let found: [u8; 32] = hasher.sha256.finish().as_ref().try_into().ok()?;
        if self.sha256.is_some_and(|listed| listed != found) {
            return None;
        }
        if let Some(listed) = self.sha512
            && hasher.sha512?.finish().as_ref() != listed
        {
            return None;
        }
        (self.sha256.is_some() || self.sha512.is_some()).then_some(found)
    }
}

/// Hashes while bytes pass.
pub(crate) struct Hasher {
    sha256: Context,
    sha512: Option<Context>,
}

impl Hasher {
    /// Takes more bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
    }
}

fn parse<const N: usize>(hex: &str) -> Option<[u8; N]> {
    if hex.len() != N * 2 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; N];
    for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, hex)| ((*name).to_owned(), (*hex).to_owned())).collect()
    }

    #[test]
    fn a_target_needs_a_digest_that_is_known_and_well_formed() {
        let good = "ab".repeat(32);
        assert!(Digests::parse(&listed(&[("sha256", &good)])).is_some());
        assert!(Digests::parse(&listed(&[("sha512", &"CD".repeat(64))])).is_some());
        for bad in ["", "ab", &"zz".repeat(32), &"ab".repeat(33), &"é".repeat(32)] {
            assert_eq!(Digests::parse(&listed(&[("sha256", bad)])), None, "{bad}");
            let both = [("sha256", bad), ("sha512", &"cd".repeat(64))];
            assert_eq!(Digests::parse(&listed(&both)), None, "{bad}");
        }
        assert_eq!(Digests::parse(&listed(&[("md5", "00")])), None);
        assert_eq!(Digests::parse(&listed(&[])), None);
    }

    #[test]
    fn all_that_is_listed_must_fit() {
        let (sha256, sha512) = (
            hex(aws_lc_rs::digest::digest(&SHA256, b"bytes").as_ref()),
            hex(aws_lc_rs::digest::digest(&SHA512, b"bytes").as_ref()),
        );
        let check = |pairs: &[(&str, &str)]| {
            let digests = Digests::parse(&listed(pairs)).expect("digests");
            let mut hasher = digests.hasher();
            hasher.update(b"by");
            hasher.update(b"tes");
            digests.check(hasher).is_some()
        };
        let (other, other512) = ("00".repeat(32), "00".repeat(64));
        assert!(check(&[("sha256", &sha256), ("sha512", &sha512)]));
        assert!(check(&[("sha512", &sha512)]));
        assert!(!check(&[("sha256", &sha256), ("sha512", &other512)]));
        assert!(!check(&[("sha256", &other), ("sha512", &sha512)]));
    }
}
