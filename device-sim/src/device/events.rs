//! What happens to a device, and what it wants done.

use crate::{assertion::Disbelief, flash::Credentials, log::Draft};
use protocol::{
    message::{Assertion, UpdateReport},
    topic::Down,
};

/// What happens to a device.
#[derive(Debug)]
pub enum Input {
    /// Power.
    Start,
    /// A first or new certificate.
    Enrolled(Credentials),
    /// The hub wants it to wait, in seconds.
    EnrolLater(u64),
    /// Enrolment or renewal failed; it is tried again.
    EnrolFailed,
    /// The session is there.
    Connected,
    /// The session is gone.
    Disconnected,
    /// A message was acknowledged, or refused.
    Answered(Token, bool),
    /// One of its subscriptions was taken, or refused.
    Subscribed(bool),
    /// A message on a topic it subscribed to.
    Received(Down, Vec<u8>),
    /// How the self-test of new software came out.
    SelfTested(bool),
    /// It restarted as it wanted.
    Restarted,
    /// Its deadline has come.
    Timer,
}

/// Which message an acknowledgement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Token {
    /// The announcement with this number.
    Announcement(u64),
    /// The report of the configuration with this revision.
    Report(u32),
    /// The command with this number.
    Command(u64),
    /// The value with this number, of the stream with this index.
    Stream(usize, u64),
    /// The status of an update with this number.
    Status(u64),
    /// The batch of its log that ends with this record.
    Log(u64),
    /// Nothing that matters.
    Other,
}

/// What a device wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask for a first certificate.
    Enrol,
    /// Ask for a new one.
    Reenrol,
    /// Connect.
    Connect,
    /// Drop the connection without a word.
    HangUp,
    /// Subscribe to one of its topics.
    Subscribe(String),
    /// Publish.
    Publish {
        /// For the acknowledgement.
        token: Token,
        /// Where.
        topic: String,
        /// What.
        payload: Vec<u8>,
        /// Quality of service.
        qos: u8,
    },
    /// Keep the flash: it changed.
    Save,
    /// A command was obeyed.
    Obeyed(Box<Assertion>),
    /// A value of another was heard.
    Heard(Box<Assertion>),
    /// A relayed message was not believed.
    Disbelieved(Disbelief),
    /// Sign what it runs with its key, and publish that.
    Report(Box<UpdateReport>),
    /// Sign the head of this batch of its log with its key, and publish the batch.
    Log(Box<Draft>),
    /// Restart: the connection is gone, then comes [`Input::Restarted`].
    Reboot,
    /// Test the new software; it comes out like this, and then comes [`Input::SelfTested`].
    SelfTest(bool),
}
