//! Logs: to people, as JSON, or to the journal.
//!
//! Contract of levels: ERROR the hub cannot do its work; WARN something the owner should look at;
//! INFO state changes, never one line per packet; DEBUG what helps to find a fault, personal data only
//! here; TRACE everything.

use crate::settings::{LogFormat, Settings};
use hub_core::{Severity, StateEvent};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging; the answer is an error when another subscriber is there already or the level or
/// the journal cannot be used.
///
/// # Errors
/// See above.
pub fn start(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log_level)?;
    let registry = tracing_subscriber::registry().with(filter);
    match settings.log_format {
        LogFormat::Text => {
            let layer =
                tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
            registry.with(layer.with_ansi(false)).try_init()?;
        }
        LogFormat::Json => {
            registry
                .with(tracing_subscriber::fmt::layer().json().with_writer(std::io::stderr))
                .try_init()?;
        }
        LogFormat::Journal => registry.with(tracing_journald::layer()?).try_init()?,
    }
    Ok(())
}

/// Writes a state event as a log line.
pub fn log(event: &StateEvent) {
    let component = event.component.map(|id| id.to_string()).unwrap_or_default();
    let refusal = event.refusal.map(|why| why.slug()).unwrap_or_default();
    let (kind, text, times) = (event.kind.word(), &event.text, event.times);
    match event.severity {
        Severity::Info => tracing::info!(kind, component, refusal, times, "{text}"),
        Severity::Low => tracing::info!(kind, component, refusal, times, "{text}"),
        Severity::Medium | Severity::High | Severity::Critical => {
            tracing::warn!(kind, component, refusal, times, "{text}")
        }
    }
}
