//! What goes into the log and what comes out.

use crate::error::Refusal;

/// The most bytes of a body, and of personal data.
pub const MAX_PART: usize = 64 * 1024;

/// The most bytes that may wait for a commit.
pub const MAX_PENDING: usize = 8 * 1024 * 1024;

/// The most records that may wait for a commit.
pub const MAX_BATCH: usize = 16 * 1024;

/// Whose data a record is: the id of a component or of a person.
pub type Subject = [u8; 16];

/// A record before it is appended. What its body says is the caller's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Milliseconds since 1970. Not sealed: retention works by it after a key is gone.
    pub at: u64,
    /// Whose key seals it; without one, the hub's own.
    pub subject: Option<Subject>,
    /// The kind of record.
    pub kind: u16,
    /// How bad it is.
    pub severity: u8,
    /// The retention class. Not sealed, as the time.
    pub class: u8,
    /// What happened.
    pub body: Vec<u8>,
    /// Personal data, which has a key of its own and can be erased alone.
    pub personal: Option<Personal>,
    /// Not sealed: anybody with a copy of the log can read it.
    pub open: bool,
}

/// Personal data of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Personal {
    /// The person or component it is about.
    pub subject: Subject,
    /// What it says.
    pub bytes: Vec<u8>,
}

impl Entry {
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let personal = self.personal.as_ref().map_or(0, |personal| personal.bytes.len());
        let longest = self.body.len().max(personal);
        if longest > MAX_PART { Err(Refusal::TooLong(longest)) } else { Ok(()) }
    }
}

/// A record as it is read back. Whatever it says was checked first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number in the log.
    pub index: u64,
    /// Milliseconds since 1970.
    pub at: u64,
    /// The retention class.
    pub class: u8,
    /// What it says.
    pub content: Content,
    /// Its personal data.
    pub personal: Part,
}

/// What a record says, when it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// It is readable.
    Readable {
        /// Whose it is; nothing for the hub's own and for open ones.
        subject: Option<Subject>,
        /// The kind of record.
        kind: u16,
        /// How bad it is.
        severity: u8,
        /// What happened.
        body: Vec<u8>,
    },
    /// An act of the log itself: retention, deletion or erasure.
    Act(crate::act::Act),
    /// Its key was erased: nobody can read it.
    Erased,
}

/// Personal data of a record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It has none.
    None,
    /// Here it is.
    Readable(Personal),
    /// Its key was erased.
    Erased,
}
