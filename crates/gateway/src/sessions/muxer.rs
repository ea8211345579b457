//! What makes HLS of a stream, as metrics and API show it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use media::StreamPath;

/// One HLS muxer. All who watch a path by HLS share one; it is a single reader of its stream.
#[derive(Debug)]
pub struct HlsMuxer {
    /// The stream that it reads.
    pub path: StreamPath,
    /// Since when.
    pub created: SystemTime,
    /// Bytes of playlists, segments and parts that it was asked for.
    pub bytes_out: AtomicU64,
    /// Frames that it was too slow to take.
    pub frames_dropped: AtomicU64,
    /// Milliseconds since 1970.
    last_request: AtomicU64,
}

impl HlsMuxer {
    pub(super) fn new(path: StreamPath) -> Self {
        let muxer = Self {
            path,
            created: SystemTime::now(),
            bytes_out: AtomicU64::new(0),
            frames_dropped: AtomicU64::new(0),
            last_request: AtomicU64::new(0),
        };
        muxer.requested();
        muxer
    }

    /// When somebody last asked it for something.
    pub fn last_request(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.last_request.load(Ordering::Relaxed))
    }

    /// Notes that somebody asks it for something.
    pub fn requested(&self) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_request.store(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
