//! Who feeds a stream.

use std::sync::Arc;
use std::time::Instant;

use media::{CodecConfig, Frame, StreamPath, TrackId};
use tokio::sync::watch;

use crate::stream::{EndReason, Stream};

/// The right to feed a stream. Dropping it ends the stream, after the grace in which another publisher may take over.
#[derive(Debug)]
pub struct Publisher {
    stream: Arc<Stream>,
    /// Which of the path's publishers this is; a later one makes this one's writes void.
    generation: u64,
    evicted: watch::Receiver<Option<EndReason>>,
}

impl Publisher {
    pub(crate) const fn new(
        stream: Arc<Stream>,
        generation: u64,
        evicted: watch::Receiver<Option<EndReason>>,
    ) -> Self {
        Self { stream, generation, evicted }
    }

    /// The stream's name.
    pub fn path(&self) -> &StreamPath {
        self.stream.path()
    }

    /// Adds a track, at any time: a WeChat pusher announces its audio seconds after its video (ZLMediaKit #1874). A
    /// track of the same kind from an earlier publisher of the path, or from this one, is replaced under the same name,
    /// so that readers stay.
    pub fn add_track(&self, config: CodecConfig) -> TrackWriter {
        let track = self.stream.put_source_track(self.generation, config);
        TrackWriter { stream: Arc::clone(&self.stream), generation: self.generation, track }
    }

    /// Counts frames that came broken or not at all.
    pub fn count_broken(&self, frames: u64) {
        self.stream.count_broken(frames);
    }

    /// Waits until a reader needs a random access point; at most once in [`crate::Options::keyframe_throttle`].
    /// Cancel-safe.
    pub async fn keyframe_requested(&self) {
        self.stream.keyframes().requested().await;
    }

    /// Waits until this publisher loses the stream: to another publisher of the same path, or because the hub closes.
    /// Cancel-safe.
    pub async fn evicted(&self) -> EndReason {
        match self.evicted.clone().wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(EndReason::ServerClosing),
            Err(_stream_dropped) => EndReason::ServerClosing,
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stream.publisher_left(self.generation);
    }
}

/// Writes the frames of one track.
#[derive(Clone, Debug)]
pub struct TrackWriter {
    stream: Arc<Stream>,
    generation: u64,
    track: TrackId,
}

impl TrackWriter {
    /// The track's name.
    pub const fn track(&self) -> TrackId {
        self.track
    }

    /// Takes the track's parameters as they are from the next frame on.
    pub fn set_config(&self, config: CodecConfig) {
        self.stream.put_source_track(self.generation, config);
    }

    /// Gives a frame to every reader. Never blocks, never awaits. `frame.track` is set here; timestamps are the
    /// publisher's own, with one origin for its tracks. After eviction the frame is dropped.
    pub fn write(&self, frame: Frame) {
        debug_assert!(!frame.payload.is_empty(), "a frame has a payload");
        self.stream.append_source(self.generation, self.track, frame, Instant::now());
    }
}
