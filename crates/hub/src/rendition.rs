//! Tracks derived from other tracks while somebody takes them: Opus as AAC, AAC as Opus, G.711 as either.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use media::{Codec, Frame, Timestamp, TrackId, TrackInfo};
use tokio::task::AbortHandle;

use crate::stream::Stream;
use crate::subscription::{Delivery, Join, Subscription, Wants};

/// How long a source may be silent before its rendition is filled with silence: longer than the jitter of a mobile
/// publisher, shorter than what a player buffers (WeChat's live-player reconnects without media).
const SILENCE_AFTER: Duration = Duration::from_millis(250);

/// Why a rendition could not be made or carried on.
#[derive(Debug, thiserror::Error)]
#[error("no rendition from {from} to {to}: {reason}")]
pub struct TransformError {
    /// The codec that the source has.
    pub from: Codec,
    /// The codec that was wanted.
    pub to: Codec,
    /// What the codec said.
    pub reason: String,
}

/// Makes the frames of one rendition from the frames of its source track.
pub trait Transform: Send {
    /// The rendition's parameters; known before its first frame.
    fn output(&self) -> TrackInfo;

    /// Takes the source's new parameters, also in the middle of the stream.
    ///
    /// # Errors
    /// [`TransformError`] if the rendition cannot go on with them; it ends.
    fn reconfigure(&mut self, input: &TrackInfo) -> Result<(), TransformError>;

    /// Takes one frame of the source and appends what is ready to `out`. A frame that cannot be decoded is concealed.
    fn push(&mut self, frame: &Frame, out: &mut Vec<Frame>);

    /// Appends silence up to `until`, on the stream's timeline: the source has sent nothing for a while.
    fn silence_until(&mut self, until: Timestamp, out: &mut Vec<Frame>);
}

/// Knows which renditions can be made. `app` implements it over `transcode`.
pub trait TransformFactory: Send + Sync + fmt::Debug {
    /// Whether a track of codec `from` can be given as `to`.
    fn supports(&self, from: Codec, to: Codec) -> bool;

    /// Starts a rendition of `input` as `to`, whose track is called `id`.
    ///
    /// # Errors
    /// [`TransformError`] if the codec refuses the parameters.
    fn create(&self, input: &TrackInfo, to: Codec, id: TrackId)
    -> Result<Box<dyn Transform>, TransformError>;
}

/// A share in a running rendition; dropping the last one stops it.
pub(crate) struct Lease {
    source: TrackId,
    codec: Codec,
    id: TrackId,
    stream: Weak<Stream>,
    task: AbortHandle,
}

impl Lease {
    pub(crate) const fn id(&self) -> TrackId {
        self.id
    }

    pub(crate) const fn codec(&self) -> Codec {
        self.codec
    }

    pub(crate) const fn source(&self) -> TrackId {
        self.source
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(stream) = self.stream.upgrade() {
            stream.forget_rendition(self.id);
        }
        tracing::debug!(rendition = %self.codec, "stopped: nobody takes it");
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({:?} as {})", self.source, self.codec)
    }
}

/// Starts a rendition of `source` and returns the share that keeps it running.
pub(crate) fn start(
    stream: &Arc<Stream>,
    source: &Arc<TrackInfo>,
    transform: Box<dyn Transform>,
    codec: Codec,
) -> Arc<Lease> {
    let id = transform.output().id;
    let input = Subscription::of_track(Arc::clone(stream), source);
    let task = tokio::spawn(run(Arc::clone(stream), input, transform)).abort_handle();
    tracing::debug!(path = %stream.path(), from = %source.codec(), to = %codec, "rendition started");
    Arc::new(Lease { source: source.id, codec, id, stream: Arc::downgrade(stream), task })
}

/// Reader, transform, writer, until the lease is dropped or the stream ends.
async fn run(stream: Arc<Stream>, mut input: Subscription, mut transform: Box<dyn Transform>) {
    let mut out = Vec::new();
    let mut last_heard = Instant::now();
    loop {
        match tokio::time::timeout(SILENCE_AFTER / 5, input.recv()).await {
            Ok(Delivery::Frame(frame)) => {
                last_heard = frame.frame().arrived();
                transform.push(frame.frame().frame(), &mut out);
            }
            Ok(Delivery::Track(track)) => {
                if let Err(error) = transform.reconfigure(&track) {
                    tracing::warn!(path = %stream.path(), %error, "rendition ended");
                    return;
                }
                stream.put_rendition_track(transform.output());
            }
            Ok(Delivery::Gap { .. }) => {}
            Ok(Delivery::End(_)) => return,
            Err(_nothing_came) => {
                let now = Instant::now();
                let quiet = now.saturating_duration_since(last_heard) > SILENCE_AFTER;
                if let (true, Some(time)) = (quiet, stream.time_at(now - SILENCE_AFTER / 2)) {
                    transform.silence_until(time, &mut out);
                }
            }
        }
        stream.append_rendition(transform.output().id, out.drain(..));
    }
}

/// The wants of a rendition: its source as it is.
pub(crate) fn wants(source: &TrackInfo) -> (Wants, Join) {
    (Wants { video: vec![], audio: vec![source.codec()] }, Join::Live)
}
