//! RTMP: publish and play, as the server and as its client.

mod client;
mod ingest;
mod messages;
mod pull;
mod session;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hub::{Hub, Protocol};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Sessions;
use crate::listener::AcceptLoop;
use crate::transport::Security;

pub use client::{Client, ClientError};
pub use pull::{PullError, pull};

/// What an RTMP listener is set up with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections at a time.
    pub max_connections: usize,
    /// From the connection to the command that says publish or play.
    pub handshake_timeout: Duration,
    /// How long a publisher may send nothing at all.
    pub idle_timeout: Duration,
    /// How long a reader's socket may take nothing at all.
    pub write_timeout: Duration,
    /// The largest message accepted, in bytes.
    pub max_message: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 2_000,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            max_message: 8 << 20,
        }
    }
}

/// What every session of a listener shares.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where streams are.
    pub hub: Hub,
    /// Where sessions are counted.
    pub sessions: Sessions,
    /// The bounds.
    pub options: Options,
    /// RTMP or RTMPS.
    pub security: Security,
}

/// Serves RTMP until `shutdown`, then waits until every session has told its peer.
///
/// # Errors
/// What the operating system says of the listener; a failed connection is not an error.
pub async fn serve(listener: TcpListener, context: Context, shutdown: CancellationToken) -> io::Result<()> {
    let context = Arc::new(context);
    let accepting = AcceptLoop {
        protocol: Protocol::Rtmp,
        name: "RTMP",
        max_connections: context.options.max_connections,
        sessions: &context.sessions,
        security: &context.security,
    };
    let session = {
        let (context, shutdown) = (Arc::clone(&context), shutdown.clone());
        move |transport, peer| session::run(Arc::clone(&context), transport, peer, shutdown.clone())
    };
    accepting.serve(listener, &shutdown, session).await
}
