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
use crate::transport::{Security, Transport};

/// What the loop that accepts connections of one protocol needs.
#[derive(Debug)]
pub(crate) struct AcceptLoop<'a> {
    pub(crate) protocol: Protocol,
    /// Of the protocol, for the log.
    pub(crate) name: &'static str,
    /// Connections at a time.
    pub(crate) max_connections: usize,
    pub(crate) sessions: &'a Sessions,
    pub(crate) security: &'a Security,
}

impl AcceptLoop<'_> {
    /// Runs `session` for each connection that is secured until `shutdown`, then waits until every session has told its peer.
    pub(crate) async fn serve<S: Future<Output = ()> + Send>(
        &self,
        listener: TcpListener,
        shutdown: &CancellationToken,
        session: impl Fn(Transport, SocketAddr) -> S + Clone + Send + Sync + 'static,
    ) -> io::Result<()> {
        let Self { protocol, name, max_connections, sessions, security } = *self;
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
            let (session, sessions) = (session.clone(), sessions.clone());
            let secured = secure(security.clone(), stream, name, shutdown.clone());
            tasks.spawn(async move {
                if let Some(transport) = secured.await {
                    sessions.contain(protocol, session(transport, peer)).await;
                }
                drop(slot);
            });
        }
        tasks.close();
        tasks.wait().await;
        Ok(())
    }
}

/// Makes a connection ready for its protocol, unless `shutdown` comes before.
async fn secure(
    security: Security,
    stream: TcpStream,
    name: &'static str,
    shutdown: CancellationToken,
) -> Option<Transport> {
    // A frame is written when it arrives: Nagle would hold the end of it for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "{name}: connection failed");
        return None;
    }
    let secured = tokio::select! {
        secured = security.secure(stream) => secured,
        () = shutdown.cancelled() => return None,
    };
    secured.inspect_err(|error| tracing::info!(%error, "{name}: connection closed")).ok()
}
