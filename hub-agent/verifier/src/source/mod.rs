//! Where a repository's files come from: a web server, or a folder such as a USB stick's. No source is trusted.
//!
//! What a source sends is bounded while it is read, in bytes and in time. "Not found" is an answer; all
//! else that is not the file is an error.

mod folder;
mod http;
mod pace;

pub use folder::Folder;
pub use http::Http;
pub use pace::Pace;

use bytes::Bytes;
use pace::Meter;
use rustls::ClientConfig;
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio::time::timeout_at;

/// Mirrors that one repository may have.
pub const MOST_MIRRORS: usize = 8;

/// A source that cannot be used at all, by its settings.
#[derive(Debug, thiserror::Error)]
pub enum BadSource {
    /// No scheme of ours.
    #[error("{0}: an address begins with http://, https:// or dir:///")]
    Scheme(String),
    /// No host, or a part that has no place in a base address.
    #[error("{0}: an address is a host, perhaps a port, and a path; nothing after it")]
    Form(String),
    /// https without TLS settings.
    #[error("{0}: https:// needs TLS settings")]
    NoTls(String),
    /// None, or too many.
    #[error("{0} mirrors; a repository has 1 to {MOST_MIRRORS}")]
    Mirrors(usize),
}

/// Why a source did not give a file.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No connection, no answer, an answer that is no file, or its end before its time.
    #[error("{0}")]
    Unreachable(String),
    /// More than was allowed.
    #[error("{0}")]
    TooLarge(String),
    /// Less than the least rate, or past the deadline.
    #[error("{0}")]
    Slow(String),
    /// A name that leads out of the repository.
    #[error("{0}")]
    Forbidden(String),
}

/// One place to get files from.
#[derive(Debug)]
pub enum Source {
    /// A web server.
    Http(Http),
    /// A folder.
    Folder(Folder),
}

impl Source {
    /// Reads an address: `http://…`, `https://…` with the given TLS settings, or `dir:///…`.
    ///
    /// # Errors
    /// When it is no such address, or https has no settings.
    pub fn parse(
        address: &str,
        tls: Option<Arc<ClientConfig>>,
        pace: Pace,
    ) -> Result<Self, BadSource> {
        if let Some(path) = address.strip_prefix("dir://") {
            return Folder::new(path, pace).map(Self::Folder);
        }
        Http::new(address, tls, pace).map(Self::Http)
    }

    /// Opens a file at an offset; nothing when there is no such file.
    pub(crate) async fn open(&self, ask: &Ask<'_>) -> Result<Option<Opened>, SourceError> {
        match self {
            Self::Http(http) => http.open(ask).await,
            Self::Folder(folder) => folder.open(ask).await,
        }
    }

    /// Reads a whole small file; nothing when there is no such file.
    pub(crate) async fn read(&self, ask: &Ask<'_>) -> Result<Option<Vec<u8>>, SourceError> {
        let Some(mut opened) = self.open(ask).await? else { return Ok(None) };
        let mut whole = Vec::new();
        while let Some(piece) = opened.next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(Some(whole))
    }
}

/// What is asked of a source.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    /// The file's name in a folder.
    pub(crate) path: &'a str,
    /// The file's name in an address.
    pub(crate) encoded: Cow<'a, str>,
    /// The first byte wanted.
    pub(crate) from: u64,
    /// Bytes that the whole file may have.
    pub(crate) most: u64,
    /// Whether its length is known, so that a long file gets more time.
    pub(crate) sized: bool,
}

impl<'a> Ask<'a> {
    /// A metadata file; TUF's names are encoded already.
    pub(crate) fn metadata(name: &'a str, most: u64) -> Self {
        Self { path: name, encoded: Cow::Borrowed(name), from: 0, most, sized: false }
    }

    /// A target of known length.
    pub(crate) fn target(path: &'a str, from: u64, length: u64) -> Self {
        Self { path, encoded: Cow::Owned(encode(path)), from, most: length, sized: true }
    }

    fn deadline(&self, pace: &Pace) -> Duration {
        if self.sized { pace.for_length(self.most) } else { pace.whole }
    }
}

/// Percent-encodes all that has no plain place in a path; slashes stay.
fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':'
            | b'@' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A path without parts that lead elsewhere.
fn is_plain(path: &str) -> bool {
    !path.contains('\0') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// A file while it is read.
pub(crate) struct Opened {
    /// The offset of the first byte; 0 although another was asked for means that it begins anew.
    pub(crate) from: u64,
    name: String,
    left: u64,
    meter: Meter,
    body: Body,
}

enum Body {
    Http(http::Reading),
    File(folder::Reading),
}

impl Opened {
    fn new(ask: &Ask<'_>, pace: &Pace, from: u64, body: Body) -> Self {
        Self {
            from,
            name: ask.path.to_owned(),
            left: ask.most.saturating_sub(from),
            meter: Meter::start(pace, ask.deadline(pace)),
            body,
        }
    }

    /// The next bytes, some 64 KiB at most; nothing at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        loop {
            let read = timeout_at(self.meter.wake(), self.body.next()).await;
            let count = match &read {
                Ok(Ok(Some(piece))) => piece.len() as u64,
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(why)) => {
                    return Err(SourceError::Unreachable(format!("{}: {why}", self.name)));
                }
                Err(_) => 0,
            };
            if count > self.left {
                return Err(SourceError::TooLarge(format!("{} is longer than allowed", self.name)));
            }
            self.left -= count;
            if !self.meter.count(count) {
                return Err(SourceError::Slow(self.name.clone()));
            }
            if let (Ok(Ok(Some(piece))), true) = (read, count > 0) {
                return Ok(Some(piece));
            }
        }
    }
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Self::Http(reading) => reading.next().await,
            Self::File(reading) => reading.next().await,
        }
    }
}

/// One copy of the repository.
#[derive(Debug)]
pub struct Mirror {
    /// Where its metadata is.
    pub metadata: Source,
    /// Where its targets are.
    pub targets: Source,
}

/// The copies of one repository, in the order in which they are asked.
#[derive(Debug)]
pub struct Mirrors(Vec<Mirror>);

impl Mirrors {
    /// Mirrors in their order.
    ///
    /// # Errors
    /// When there are none or more than [`MOST_MIRRORS`].
    pub fn new(mirrors: Vec<Mirror>) -> Result<Self, BadSource> {
        if mirrors.is_empty() || mirrors.len() > MOST_MIRRORS {
            return Err(BadSource::Mirrors(mirrors.len()));
        }
        Ok(Self(mirrors))
    }

    /// All of them.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Mirror> {
        self.0.iter()
    }

    /// How many there are; at least one.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The one at this place.
    pub(crate) fn at(&self, index: usize) -> &Mirror {
        &self.0[index % self.0.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_an_address() {
        assert_eq!(encode("c/a b/1%/é?#image"), "c/a%20b/1%25/%C3%A9%3F%23image");
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_not_plain() {
        for path in ["", "/etc", "a/../b", "..", "a//b", "a/", "./a", "a\0b"] {
            assert!(!is_plain(path), "{path:?}");
        }
        assert!(is_plain("c/lamp.1/2/..image"));
    }

    #[test]
    fn an_address_says_what_is_wrong_with_it() {
        let parse = |address: &str| Source::parse(address, None, Pace::default()).map(|_| ());
        assert!(matches!(parse("ftp://host/"), Err(BadSource::Scheme(_))));
        assert!(matches!(parse("http://host/path?query"), Err(BadSource::Form(_))));
        assert!(matches!(parse("http:///path"), Err(BadSource::Scheme(_) | BadSource::Form(_))));
        assert!(matches!(parse("https://host/"), Err(BadSource::NoTls(_))));
        assert!(matches!(parse("dir://relative"), Err(BadSource::Form(_))));
        assert!(parse("http://host:80/tuf").is_ok() && parse("dir:///media/stick").is_ok());
        assert!(matches!(Mirrors::new(Vec::new()), Err(BadSource::Mirrors(0))));
    }
}
