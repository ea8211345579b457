//! Accepts the connections of RTMP and RTSP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hub::Protocol;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::sessions::{Sessions, count};

/// What the loop that accepts connections of one protocol needs.
#[derive(Debug)]
pub(crate) struct AcceptLoop<'a> {
    pub(crate) protocol: Protocol,
    /// Of the protocol, for the log.
    pub(crate) name: &'static str,
    /// Connections at a time.
    pub(crate) max_connections: usize,
    pub(crate) sessions: &'a Sessions,
}

impl AcceptLoop<'_> {
    /// Runs `session` for each connection until `shutdown`, then waits until every session has told its peer.
    pub(crate) async fn serve<S: Future<Output = ()> + Send + 'static>(
        &self,
        listener: TcpListener,
        shutdown: &CancellationToken,
        session: impl Fn(TcpStream, SocketAddr) -> S,
    ) -> io::Result<()> {
        let Self { protocol, name, max_connections, sessions } = *self;
        let slots = Arc::new(Semaphore::new(max_connections));
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, or gone before it was accepted: the listener itself is well.
                    tracing::warn!(%error, "{name}: no connection accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                count(&sessions.counters().refused, 1);
                tracing::warn!(limit = max_connections, "{name}: too many connections; refused one");
                continue;
            };
            let (session, sessions) = (session(stream, peer), sessions.clone());
            tasks.spawn(async move {
                sessions.contain(protocol, session).await;
                drop(slot);
            });
        }
        tasks.close();
        tasks.wait().await;
        Ok(())
    }
}
