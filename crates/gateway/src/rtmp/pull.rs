//! A stream taken from another RTMP server.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use container::flv::Event;
use hub::{EndReason, Hub, HubError};
use media::{Pii, StreamPath};

use super::client::{Client, ClientError};
use super::ingest::Ingest;
use crate::trust::Fingerprint;

/// How long the other server may give nothing: what MediaMTX allows its sources.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a stream can no longer be taken from another server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// What the connection came to.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The other server has given nothing for 10 s.
    #[error("the server gives nothing")]
    Idle,
    /// The hub does not take the stream.
    #[error("{0}")]
    Hub(#[from] HubError),
    /// The hub has taken the path away.
    #[error("{0}")]
    Evicted(EndReason),
}

/// Feeds `path` with the stream that `url` names (`rtmp://host[:port]/app/key?query`, or `rtmps://`), until it ends. The
/// path has a publisher from the stream's first track on. In TLS the server must show the certificate with `fingerprint`,
/// without one a certificate that the system trusts. Cancel-safe: dropping it lets go of both ends.
///
/// # Errors
/// [`PullError`] says what ended it; nothing else does.
pub async fn pull(
    hub: &Hub,
    path: &StreamPath,
    url: &Pii<String>,
    fingerprint: Option<Fingerprint>,
) -> Result<Infallible, PullError> {
    let mut client = Client::play_url(url.reveal(), fingerprint).await?;
    let mut ingest: Option<Ingest> = None;
    loop {
        let evicted = async {
            match &ingest {
                Some(ingest) => ingest.evicted().await,
                None => pending().await,
            }
        };
        let event = tokio::select! {
            event = tokio::time::timeout(IDLE_TIMEOUT, client.next()) => event.map_err(|_| PullError::Idle)??,
            reason = evicted => return Err(PullError::Evicted(reason)),
        };
        if ingest.is_none() && matches!(event, Event::Track(_)) {
            tracing::info!(%path, "RTMP: the source gives its stream");
            ingest = Some(Ingest::new(hub.feed(path)?));
        }
        if let Some(ingest) = &mut ingest {
            ingest.event(event);
        }
    }
}
