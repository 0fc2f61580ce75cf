//! A panic ends one connection, not the program.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

/// A mistake inside the program was caught.
pub(super) struct Panicked;

/// Runs a future; a panic inside becomes an error. The connection's state is dropped with it, and
/// what it shares with others is only changed between two calls that cannot panic.
pub(super) async fn catch(mut task: Pin<Box<impl Future<Output = ()>>>) -> Result<(), Panicked> {
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}
