//! Notices are signed as Standard Webhooks 1.0 are: HMAC-SHA256 over the number, the time and the body.

use crate::pki::{PkiError, files};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::path::Path;

/// Bytes of a secret, from and to, as the specification has them.
const SECRET: std::ops::RangeInclusive<usize> = 24..=64;

/// What the receiver knows too.
pub struct Secret(hmac::Key);

impl Secret {
    /// Reads a file with `whsec_` and the secret in base64.
    ///
    /// # Errors
    /// When the file is exposed, unreadable, or holds no such secret.
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        let content = |why: &str| PkiError::Content {
            path: path.display().to_string(),
            what: "a webhook's secret",
            why: why.to_owned(),
        };
        let text = files::read_secret(path)?.ok_or_else(|| content("there is no such file"))?;
        let text = String::from_utf8(text).map_err(|_| content("it is no text"))?;
        Self::parse(text.trim())
            .ok_or_else(|| content("it must be `whsec_` and 24 to 64 random bytes in base64"))
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
        SECRET.contains(&bytes.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, seconds: u64, body: &str) -> String {
        let tag = hmac::sign(&self.0, format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    ///
    /// Criterion: T3.CSA.2 (positive)
    #[test]
    fn signatures_are_those_that_receivers_compute() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let signature = secret.sign(id, 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_is_none() {
        for wrong in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_!"] {
            assert!(Secret::parse(wrong).is_none(), "{wrong}");
        }
    }
}
