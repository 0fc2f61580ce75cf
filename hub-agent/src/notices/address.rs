//! Where notices go.

use hyper::Uri;
use std::{fmt, net::IpAddr, str::FromStr};

/// What an address must be.
pub const RULE: &str = "https://host[:port]/path, or http:// on this machine itself; without a name, query or fragment";

/// A receiver of notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as they were given.
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) is_secure: bool,
}

impl Address {
    /// Whether TLS protects what is sent there.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| RULE)?;
        let (authority, host) = uri.authority().zip(uri.host()).ok_or(RULE)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_here(&host) => false,
            _ => return Err(RULE),
        };
        if uri.query().is_some() || text.contains(['#', '@', ' ']) || host.is_empty() {
            return Err(RULE);
        }
        Ok(Self {
            port: authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            authority: authority.to_string(),
            path: uri.path().to_owned(),
            host,
            is_secure,
        })
    }
}

/// What is said without TLS must not leave the machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Criterion: T3.CSA.2 (negative)
    #[test]
    fn incidents_leave_the_machine_over_tls_only() {
        let parsed = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        for good in [
            "https://alarm.example/in",
            "https://alarm.example:8443/a/b",
            "http://127.0.0.1:9/x",
            "http://[::1]:8080/",
            "http://localhost/hook",
        ] {
            assert_eq!(parsed(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "alarm.example",
            "ftp://alarm.example/",
            "http://alarm.example/in",
            "http://127.0.0.1.alarm.example/in",
            "https://ada:secret@alarm.example/in",
            "https://alarm.example/in?token=1",
            "https://alarm.example/in#a",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
