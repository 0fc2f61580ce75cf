//! Bodies of answers: files in pieces of 64 KiB, as fast as the reader takes them, or as a fault wants them.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::mpsc;

/// Largest piece in bytes.
const PIECE: u64 = 64 * 1024;

/// Pieces a slow body sends in a second, if it has as many bytes.
const TICKS: u64 = 10;

/// What is read.
#[derive(Clone)]
pub(super) enum Source {
    /// A file.
    File(Arc<File>),
    /// Bytes in memory.
    Bytes(Bytes),
}

impl Source {
    fn read(&self, at: u64, length: u64) -> io::Result<Vec<u8>> {
        // Pieces are small.
        let mut piece = vec![0; usize::try_from(length).unwrap_or(0)];
        match self {
            Self::File(file) => file.read_exact_at(&mut piece, at)?,
            Self::Bytes(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let slice = bytes.get(from..).and_then(|rest| rest.get(..piece.len()));
                piece.copy_from_slice(slice.ok_or(io::ErrorKind::UnexpectedEof)?);
            }
        }
        Ok(piece)
    }
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With its last byte.
    Whole,
    /// With the connection, before its last byte.
    Torn,
    /// Never.
    Endless,
}

/// What is sent, and how.
pub(super) struct Plan {
    pub(super) source: Source,
    pub(super) range: Range<u64>,
    /// The byte of which one bit is another.
    pub(super) flip: Option<u64>,
    /// Bytes a second.
    pub(super) rate: Option<u64>,
    pub(super) end: End,
}

/// The body of an answer.
pub(super) enum Answer {
    /// A short text.
    Text(Option<Bytes>),
    /// Pieces that somebody reads meanwhile.
    Pieces(mpsc::Receiver<io::Result<Bytes>>),
}

impl Answer {
    /// A short text.
    pub(super) fn text(text: String) -> Self {
        Self::Text((!text.is_empty()).then(|| text.into()))
    }

    /// Starts to send; at most two pieces are in memory.
    pub(super) fn start(plan: Plan) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(send(plan, sender));
        Self::Pieces(receiver)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Pieces(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

/// Ends early when the reader is gone.
async fn send(plan: Plan, to: mpsc::Sender<io::Result<Bytes>>) {
    let (mut at, stop) = match plan.end {
        End::Torn => (plan.range.start, plan.range.start.midpoint(plan.range.end)),
        End::Whole | End::Endless => (plan.range.start, plan.range.end),
    };
    let most = plan.rate.map_or(PIECE, |rate| (rate / TICKS).clamp(1, PIECE));
    while at < stop {
        let length = most.min(stop - at);
        let piece = read(&plan, at, length).await;
        let broken = piece.is_err();
        pause(&plan, length).await;
        if to.send(piece).await.is_err() || broken {
            return;
        }
        at += length;
    }
    match plan.end {
        End::Whole => {}
        End::Torn => {
            let _ = to.send(Err(io::ErrorKind::ConnectionAborted.into())).await;
        }
        End::Endless => {
            let zeros = Bytes::from(vec![0; usize::try_from(most).unwrap_or(1)]);
            while to.send(Ok(zeros.clone())).await.is_ok() {
                pause(&plan, most).await;
            }
        }
    }
}

async fn read(plan: &Plan, at: u64, length: u64) -> io::Result<Bytes> {
    let source = plan.source.clone();
    let read = tokio::task::spawn_blocking(move || source.read(at, length)).await;
    let mut piece = read.map_err(io::Error::other)??;
    let flip = plan.flip.and_then(|flip| usize::try_from(flip.checked_sub(at)?).ok());
    if let Some(byte) = flip.and_then(|flip| piece.get_mut(flip)) {
        *byte ^= 1;
    }
    Ok(piece.into())
}

async fn pause(plan: &Plan, bytes: u64) {
    if let Some(rate) = plan.rate {
        let micros = bytes.saturating_mul(1_000_000) / rate.max(1);
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }
}
