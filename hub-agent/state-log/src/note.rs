//! Checkpoints as signed notes, and the cosignatures of witnesses, in the formats of C2SP (tlog-checkpoint,
//! signed-note, tlog-cosignature). Ed25519 only.

use crate::hash::{Hash, sha256};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The most bytes of a note.
pub const MAX_NOTE: usize = 4096;

/// The most bytes of an origin or of a witness's name.
pub const MAX_NAME: usize = 128;

const LOG_KEY: u8 = 1;
const WITNESS_KEY: u8 = 4;

/// Signs checkpoints with the hub's Ed25519 key, wherever that is.
pub trait Signer {
    /// The signature of a message.
    ///
    /// # Errors
    /// In words for an operator.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String>;
    /// The public half of the key.
    fn public_key(&self) -> [u8; 32];
}

/// Why a note is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It has not the form of a checkpoint.
    #[error("this is no checkpoint in the form of a signed note; who sent it is at fault")]
    Malformed,
    /// It is of another log.
    #[error("the checkpoint is of another log: compare the origins")]
    OtherOrigin,
    /// No signature of the wanted key is on it.
    #[error("the checkpoint has no signature by this key: compare the keys and names")]
    Unsigned,
    /// The signature is wrong.
    #[error(
        "the signature on the checkpoint is wrong: it was changed, or its signer is not who it says"
    )]
    BadSignature,
}

/// A name and a key: of a log, whose name is its origin, or of a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    key: [u8; 32],
    kind: u8,
}

impl Verifier {
    /// Of a log.
    ///
    /// # Errors
    /// When the origin has no place in a note: empty, too long, with spaces, plus signs or line ends.
    pub fn log(origin: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        Self::new(origin, key, LOG_KEY)
    }

    /// Of a witness.
    ///
    /// # Errors
    /// As for a log.
    pub fn witness(name: &str, key: [u8; 32]) -> Result<Self, NoteError> {
        Self::new(name, key, WITNESS_KEY)
    }

    fn new(name: &str, key: [u8; 32], kind: u8) -> Result<Self, NoteError> {
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.len() > MAX_NAME || name.contains(odd) {
            return Err(NoteError::Malformed);
        }
        Ok(Self { name: name.to_owned(), key, kind })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    fn id(&self) -> [u8; 4] {
        let named = [self.name.as_bytes(), b"\n", &[self.kind], &self.key].concat();
        let digest = sha256(&named);
        [digest[0], digest[1], digest[2], digest[3]]
    }

    fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), NoteError> {
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        key.verify(message, signature).map_err(|_| NoteError::BadSignature)
    }

    /// A signature line of this name.
    fn line(&self, signature: &[u8]) -> String {
        let bytes = [&self.id()[..], signature].concat();
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(bytes))
    }

    /// What a note's line of this name holds.
    fn find(&self, lines: &str) -> Result<Vec<u8>, NoteError> {
        let start = format!("\u{2014} {} ", self.name);
        let signatures = lines.lines().filter_map(|line| line.strip_prefix(&start));
        let decoded = signatures.filter_map(|text| STANDARD.decode(text).ok());
        let own = decoded.filter_map(|bytes| Some(bytes.strip_prefix(&self.id())?.to_vec()));
        own.into_iter().next().ok_or(NoteError::Unsigned)
    }
}

/// How many records a log has and what they are, signed by the log's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// Records in the log.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// The log's signature line, as it stands in the note.
    line: String,
}

/// The text that is signed.
pub(crate) fn text(origin: &str, size: u64, root: &Hash) -> String {
    format!("{origin}\n{size}\n{}\n", STANDARD.encode(root))
}

impl Checkpoint {
    pub(crate) fn assemble(log: &Verifier, size: u64, root: Hash, signature: &[u8; 64]) -> Self {
        Self { origin: log.name.clone(), size, root, line: log.line(signature) }
    }

    /// Reads a note and believes it when the log signed it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(note: &str, log: &Verifier) -> Result<Self, NoteError> {
        let (body, signatures) = halves(note)?;
        let mut lines = body.lines();
        let (origin, size, root) = (lines.next(), lines.next(), lines.next());
        let number = size.and_then(|text| text.parse::<u64>().ok()).ok_or(NoteError::Malformed)?;
        let root: Hash = root
            .and_then(|text| STANDARD.decode(text).ok()?.try_into().ok())
            .ok_or(NoteError::Malformed)?;
        let origin = origin.ok_or(NoteError::Malformed)?;
        // One spelling only: what is signed is what we would have written ourselves.
        if text(origin, number, &root) != body {
            return Err(NoteError::Malformed);
        }
        if origin != log.name {
            return Err(NoteError::OtherOrigin);
        }
        let signature = log.find(signatures)?;
        log.check(body.as_bytes(), &signature)?;
        let line = log.line(&signature);
        Ok(Self { origin: origin.to_owned(), size: number, root, line })
    }

    /// The signed note.
    #[must_use]
    pub fn note(&self) -> String {
        format!("{}\n{}", self.text(), self.line)
    }

    pub(crate) fn text(&self) -> String {
        text(&self.origin, self.size, &self.root)
    }
}

/// A checkpoint and a witness's word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// What was cosigned.
    pub checkpoint: Checkpoint,
    /// Seconds since 1970 at which the witness signed.
    pub time: u64,
    line: String,
}

impl Cosigned {
    /// A witness signs. It must have checked consistency first: [`crate::witness`] does both.
    pub(crate) fn sign(
        checkpoint: Checkpoint,
        witness: &Verifier,
        signer: &dyn Signer,
        time: u64,
    ) -> Result<Self, String> {
        let signature = signer.sign(cosigned_text(&checkpoint, time).as_bytes())?;
        let line = witness.line(&[&time.to_be_bytes()[..], &signature].concat());
        Ok(Self { checkpoint, time, line })
    }

    /// Reads a note that carries the log's signature and the witness's.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(note: &str, log: &Verifier, witness: &Verifier) -> Result<Self, NoteError> {
        let checkpoint = Checkpoint::parse(note, log)?;
        let (_, signatures) = halves(note)?;
        let bytes = witness.find(signatures)?;
        let (time, signature) = bytes.split_at_checked(8).ok_or(NoteError::Malformed)?;
        let time = u64::from_be_bytes(time.try_into().map_err(|_| NoteError::Malformed)?);
        witness.check(cosigned_text(&checkpoint, time).as_bytes(), signature)?;
        let line = witness.line(&bytes);
        Ok(Self { checkpoint, time, line })
    }

    /// The note with both signatures.
    #[must_use]
    pub fn note(&self) -> String {
        format!("{}{}", self.checkpoint.note(), self.line)
    }
}

fn cosigned_text(checkpoint: &Checkpoint, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{}", checkpoint.text())
}

/// A note's body with its last line end, and its signature lines.
fn halves(note: &str) -> Result<(&str, &str), NoteError> {
    if note.len() > MAX_NOTE || !note.ends_with('\n') {
        return Err(NoteError::Malformed);
    }
    let at = note.find("\n\n").ok_or(NoteError::Malformed)?;
    Ok((&note[..=at], &note[at + 2..]))
}
