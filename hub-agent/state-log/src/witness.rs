//! What a witness does: it believes a log's new checkpoint only when the log still holds everything the witness saw
//! before, and says so with its own key. Needs nothing but the last checkpoint it cosigned.

use crate::{
    error::Error,
    hash::Hash,
    note::{Checkpoint, Cosigned, Signer, Verifier},
    proof::check_consistency,
};

/// Checks a log's new checkpoint against the last one that was cosigned, and cosigns it. Without a last one, the
/// witness begins to watch the log here.
///
/// `proof` is the log's consistency proof from the last size to the new one; `time` is in seconds since 1970.
///
/// # Errors
/// When the note is not the log's, when the log was forked, edited or rolled back, or when the signer fails.
pub fn cosign(
    last: Option<&Checkpoint>,
    note: &str,
    proof: &[Hash],
    log: &Verifier,
    (witness, signer): (&Verifier, &dyn Signer),
    time: u64,
) -> Result<Cosigned, Error> {
    let new = Checkpoint::parse(note, log)?;
    if let Some(last) = last {
        check_consistency(last.size, &last.root, new.size, &new.root, proof)?;
    }
    Cosigned::sign(new, witness, signer, time).map_err(Error::Signer)
}
