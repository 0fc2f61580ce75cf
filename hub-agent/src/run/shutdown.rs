//! Signals, and what systemd is told.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ends when the daemon is asked to stop.
///
/// # Errors
/// When signals cannot be listened to.
pub(super) fn asked() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Asks to read the settings again.
///
/// # Errors
/// When signals cannot be listened to.
pub(super) fn hang_ups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Tells systemd that the daemon is ready. Without systemd nothing happens.
pub(super) fn ready() {
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd's watchdog that the loop turns.
pub(super) fn alive() {
    notify(&[sd_notify::NotifyState::Watchdog]);
}

/// Tells systemd that the daemon is ending.
pub(super) fn stopping() {
    notify(&[sd_notify::NotifyState::Stopping]);
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("systemd was not told: {error}");
    }
}
