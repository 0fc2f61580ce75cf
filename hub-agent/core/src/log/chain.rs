//! Whether a batch continues what there is of a component's log.

use super::{Book, PULLS};
use crate::{
    crypto::{AwsLc, SignerError, signed_by},
    input::ComponentCertificate,
};
use protocol::{
    cbor,
    id::{ComponentId, Digest},
    log::{HEAD, begin, link},
    message::{LogBatch, LogHead},
    signed::{Signed, SignedError},
};

/// Why the head of a batch is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    /// The bytes are no signed head.
    #[error("{0}")]
    Form(#[from] SignedError),
    /// Who signed it is not known, or the signature does not fit.
    #[error("{0}")]
    Signer(#[from] SignerError),
    /// The payload is no head.
    #[error("its payload is no log head")]
    Shape,
}

/// Reads a head that one of these certificates' keys signed.
pub(crate) fn read_head<'a>(
    bytes: &[u8],
    in_force: impl Iterator<Item = &'a ComponentCertificate>,
) -> Result<LogHead, HeadError> {
    let signed = Signed::parse(HEAD, bytes)?;
    let payload = signed_by(&signed, in_force)?;
    cbor::decode(payload, payload.len()).map_err(|_| HeadError::Shape)
}

/// What becomes of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything in it was taken before.
    Known,
    /// It goes on, from the record at this place in it.
    Goes {
        /// Records of it that were taken before.
        skip: usize,
        /// What is wrong before the first new one.
        broken: Option<Break>,
    },
    /// Records before it are missing, and the component has them or some.
    Missing {
        /// The first one missing.
        from: u64,
        /// How many.
        count: u64,
        /// The first one that it still has.
        pull: u64,
    },
    /// Nothing of it is taken.
    Refused(Fault),
}

/// Where a chain broke although the log goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// The component has these records no more, or does not send them.
    Gap { from: u64, count: u64, code: &'static str },
    /// The record with this number is another one than was taken, or one before it is.
    Edited { at: u64 },
}

/// Why nothing of a batch is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Its head is of another component, log or record.
    Head,
    /// Its records are not those of its head.
    Records,
    /// It does not begin as a log begins.
    Begin,
    /// It holds other records than were taken under the same numbers.
    Edited { at: u64 },
    /// It is of a log that ended.
    PastLife,
}

/// Judges a batch whose head's signature fits. `pulls`: how often the records before it were asked for in vain.
pub(crate) fn judge(
    book: Option<&Book>,
    own: ComponentId,
    batch: &LogBatch,
    head: &LogHead,
    pulls: u8,
) -> Verdict {
    if (head.component, head.life, head.last) != (own, batch.life, batch.last()) {
        return Verdict::Refused(Fault::Head);
    }
    let values = walk(batch);
    if values.last() != Some(&head.chain) {
        return Verdict::Refused(Fault::Records);
    }
    let fresh = Book::new(batch.life, begin(own, batch.life, &AwsLc));
    if batch.first == 1 && batch.before != fresh.chain {
        return Verdict::Refused(Fault::Begin);
    }
    match book {
        Some(book) if book.past.contains(&batch.life) => Verdict::Refused(Fault::PastLife),
        Some(book) if book.life == batch.life => follow(book, batch, &values, pulls),
        Some(_) | None => follow(&fresh, batch, &values, pulls),
    }
}

/// The chain's values before the first record, after it, and so on.
fn walk(batch: &LogBatch) -> Vec<Digest> {
    let mut values = vec![batch.before];
    let mut value = batch.before;
    for record in batch.records.items() {
        value = link(&value, record.bytes(), &AwsLc);
        values.push(value);
    }
    values
}

fn follow(book: &Book, batch: &LogBatch, values: &[Digest], pulls: u8) -> Verdict {
    let next = book.last + 1;
    let edited = differs(book, batch, values);
    if batch.last() <= book.last {
        return match edited {
            Some(at) => Verdict::Refused(Fault::Edited { at }),
            None => Verdict::Known,
        };
    }
    if batch.first <= next {
        let skip = usize::try_from(next - batch.first).expect("a batch has 64 records at most");
        return Verdict::Goes { skip, broken: edited.map(|at| Break::Edited { at }) };
    }
    let (from, count) = (next, batch.first - next);
    let is_gone = batch.oldest == batch.first;
    if is_gone || pulls >= PULLS {
        let code = if is_gone { "dropped" } else { "withheld" };
        return Verdict::Goes { skip: 0, broken: Some(Break::Gap { from, count, code }) };
    }
    Verdict::Missing { from, count, pull: batch.oldest.max(next) }
}

/// The first place where a batch has another value than the log had.
fn differs(book: &Book, batch: &LogBatch, values: &[Digest]) -> Option<u64> {
    let before_first = batch.first - 1;
    let known = book.heads.iter().copied().chain([(book.last, book.chain)]);
    let mut within = known.filter_map(|(at, chain)| {
        let place = usize::try_from(at.checked_sub(before_first)?).ok()?;
        (values.get(place)? != &chain).then_some(at)
    });
    within.next()
}
