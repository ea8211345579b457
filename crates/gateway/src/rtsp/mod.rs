//! RTSP: publish and read as the server, over TCP and UDP; and streams taken from cameras.

mod access;
mod egress;
pub mod formats;
mod ingest;
mod pull;
mod session;
mod udp;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hub::{Hub, Protocol};
use rtsp::auth::Nonces;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Sessions;
use crate::listener::AcceptLoop;
use crate::transport::Security;

pub use pull::{PullError, Way, pull};
pub use udp::Udp;

/// What an RTSP listener is set up with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections at a time.
    pub max_connections: usize,
    /// From the connection to PLAY or RECORD.
    pub handshake_timeout: Duration,
    /// How long a reader on UDP may give no sign of life; it is told so.
    pub session_timeout: Duration,
    /// How long a publisher may send no packet.
    pub idle_timeout: Duration,
    /// How long a reader's socket may take nothing at all.
    pub write_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 2_000,
            handshake_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
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
    /// The ports for packets of connections in the open; `None`: over TCP only.
    pub udp: Option<Arc<Udp>>,
    /// How connections are secured.
    pub security: Security,
    nonces: Nonces,
}

impl Context {
    /// What sessions need.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(
        hub: Hub,
        sessions: Sessions,
        options: Options,
        udp: Option<Arc<Udp>>,
        security: Security,
    ) -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self { hub, sessions, options, udp, security, nonces: Nonces::new(&key, Instant::now()) })
    }
}

/// Serves RTSP until `shutdown`, then waits until every session has told its peer.
///
/// # Errors
/// What the operating system says of the listener; a failed connection is not an error.
pub async fn serve(listener: TcpListener, context: Context, shutdown: CancellationToken) -> io::Result<()> {
    let context = Arc::new(context);
    let accepting = AcceptLoop {
        protocol: Protocol::Rtsp,
        name: "RTSP",
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
