//! Passwords: how good they must be, and how they are kept. Only argon2id hashes are ever stored.

use crate::pki::certificate::sha256;
use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{Salt, SaltString},
};
use protocol::id::Digest;

/// Fewest characters (NIST SP 800-63B-4 section 3.1.1.2, for a password alone).
const FEWEST: usize = 15;

/// Most characters; a longer one would only cost time.
const MOST: usize = 128;

/// Fewest different characters.
const DIFFERENT: usize = 8;

/// Beginnings and wholes of what attackers try first, among passwords long enough.
const KNOWN: &[&str] = &[
    "passwordpassword",
    "password12345",
    "qwertyuiopasdf",
    "1234567890",
    "abcdefghijklm",
    "correcthorsebatterystaple",
    "administrator",
    "changemechangeme",
    "letmeinletmein",
];

/// A password that may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short or too long.
    #[error("a password has {FEWEST} to {MOST} characters; leave it empty to be given one")]
    Length,
    /// Too few different characters, or a text repeated.
    #[error("the password repeats itself: it needs at least {DIFFERENT} different characters")]
    Monotonous,
    /// It holds the account's name or what attackers try first.
    #[error("the password holds the account's name, or is among those that attackers try first")]
    Known,
}

/// Whether a password may be used for an account.
///
/// # Errors
/// Why not.
pub fn check(password: &str, account: &str) -> Result<(), WeakPassword> {
    let letters: Vec<char> = password.chars().collect();
    if !(FEWEST..=MOST).contains(&letters.len()) {
        return Err(WeakPassword::Length);
    }
    let different: std::collections::BTreeSet<_> = letters.iter().collect();
    let repeats = (1..=letters.len() / 2).any(|period| {
        letters.iter().zip(letters.iter().skip(period)).all(|(one, other)| one == other)
    });
    if different.len() < DIFFERENT || repeats {
        return Err(WeakPassword::Monotonous);
    }
    let lower = password.to_lowercase();
    let named = account.len() > 2 && lower.contains(account);
    if named || KNOWN.iter().any(|known| lower.starts_with(known)) {
        return Err(WeakPassword::Known);
    }
    Ok(())
}

/// The hash to keep; takes some 19 MiB and 20 to 50 ms (argon2id with the crate's defaults, which
/// are OWASP's).
///
/// # Errors
/// When the system gives no randomness.
pub fn hash(password: &str) -> anyhow::Result<String> {
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt)?;
    let salt = SaltString::encode_b64(&salt).map_err(|e| anyhow::anyhow!("{e}"))?;
    let hash = Argon2::default().hash_password(password.as_bytes(), Salt::from(&salt));
    Ok(hash.map_err(|e| anyhow::anyhow!("{e}"))?.to_string())
}

/// A hash of nothing anybody knows, to be compared with where nobody has the account.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$lpD6cB7AqhMDKL4HHpMSFHmLHM9KXDrYbYWFVMNZ8ZA";

/// Whether this is the password; takes as long for an account that nobody has.
#[must_use]
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    let known = PasswordHash::new(hash.unwrap_or(NOBODY));
    let right = known
        .is_ok_and(|known| Argon2::default().verify_password(password.as_bytes(), &known).is_ok());
    right && hash.is_some()
}

/// A fresh token, and the digest that the hub keeps of it.
///
/// # Errors
/// When the system gives no randomness.
pub fn token() -> anyhow::Result<(String, Digest)> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)?;
    let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let digest = sha256(text.as_bytes());
    Ok((text, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T1.LA.5b (negative)
    #[test]
    fn weak_and_known_passwords_are_refused() {
        use WeakPassword::{Known, Length, Monotonous};
        let cases = [
            ("", Err(Length)),
            ("hunter2", Err(Length)),
            ("fourteen chars", Err(Length)),
            (&"x".repeat(129), Err(Length)),
            ("aaaaaaaaaaaaaaaaaa", Err(Monotonous)),
            ("abcabcabcabcabcabc", Err(Monotonous)),
            ("abcdefghabcdefgh", Err(Monotonous)),
            ("password12345678", Err(Known)),
            ("CorrectHorseBatteryStaple", Err(Known)),
            ("my name is ada, hello", Err(Known)),
            ("seven green kettles sing", Ok(())),
            ("Ünïcödé wörks fïne", Ok(())),
        ];
        for (password, verdict) in cases {
            assert_eq!(check(password, "ada"), verdict, "{password}");
        }
    }

    /// Criterion: T1.LA.4 (positive)
    #[test]
    fn only_the_right_password_fits_its_hash_and_nothing_fits_nobody() {
        let (one, two) =
            (hash("seven green kettles").unwrap(), hash("seven green kettles").unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != two, "{one}");
        assert!(verify("seven green kettles", Some(&one)));
        assert!(!verify("seven green kettleS", Some(&one)));
        assert!(
            !verify("", Some(&one)) && !verify("", Some("")) && !verify("x", Some("$argon2id$"))
        );
        assert!(!verify("seven green kettles", None));
        let (nobody, real) = (PasswordHash::new(NOBODY), PasswordHash::new(&one));
        let (nobody, real) = (nobody.expect("a hash to compare with"), real.expect("a hash"));
        assert_eq!(
            (nobody.algorithm, &nobody.params),
            (real.algorithm, &real.params),
            "costs as much"
        );
    }
}
