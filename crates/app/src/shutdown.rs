//! The end of the process: SIGTERM and SIGINT stop it in good order, a second one at once.

use std::io;
use std::process;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell expects of a process that a signal ended: 128 and the signal's number.
const ENDED_BY_SIGINT: i32 = 130;

/// A token that is cancelled by the first SIGTERM or SIGINT; the second ends the process.
///
/// # Errors
/// When the operating system refuses the handlers.
pub fn on_signals() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first {
                tracing::info!("stopping; a second signal ends at once");
                cancelled.cancel();
            }
        }
        process::exit(ENDED_BY_SIGINT);
    });
    Ok(token)
}
