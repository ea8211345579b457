//! Log lines on standard error: for people, or JSON for collectors. Standard output belongs to the commands.

use std::io::{self, IsTerminal};

use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};

/// Starts logging for the whole process.
///
/// # Errors
/// When it was started before.
pub fn start(log: &Log) -> Result<(), TryInitError> {
    let registry = tracing_subscriber::registry().with(log.level.clone());
    match log.format {
        LogFormat::Pretty => {
            // NO_COLOR: no-color.org.
            let colours = io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            registry
                .with(fmt::layer().with_writer(io::stderr).with_ansi(colours).with_target(false))
                .try_init()
        }
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
            registry.with(layer.with_writer(io::stderr)).try_init()
        }
    }
}
