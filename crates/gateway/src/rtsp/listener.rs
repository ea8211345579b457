//! Accepts RTSP connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hub::Protocol;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Context, session};
use crate::sessions::count;

/// Serves RTSP until `shutdown`, then waits until every session has told its peer.
///
/// # Errors
/// What the operating system says of the listener; a failed connection is not an error.
pub async fn serve(listener: TcpListener, context: Context, shutdown: CancellationToken) -> io::Result<()> {
    let slots = Arc::new(Semaphore::new(context.options.max_connections));
    let tasks = TaskTracker::new();
    let context = Arc::new(context);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, or gone before it was accepted: the listener itself is well.
                tracing::warn!(%error, "RTSP: no connection accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            count(&context.sessions.counters().refused, 1);
            tracing::warn!(
                limit = context.options.max_connections,
                "RTSP: too many connections; refused one"
            );
            continue;
        };
        let session = session::run(Arc::clone(&context), stream, peer, shutdown.clone());
        let sessions = context.sessions.clone();
        tasks.spawn(async move {
            sessions.contain(Protocol::Rtsp, session).await;
            drop(slot);
        });
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}
