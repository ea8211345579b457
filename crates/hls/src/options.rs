//! What a muxer is set up with.

use std::time::Duration;

/// Which kind of HLS.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Variant {
    /// fMP4 with parts, blocking playlist reload and delta updates (HLS2 Appendix B): a second behind live and less.
    #[default]
    LowLatency,
    /// fMP4 in whole segments.
    Fmp4,
    /// MPEG-TS in whole segments, sound and picture in one: televisions and old players.
    MpegTs,
}

/// The lengths that are aimed at, and the bounds.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Which kind of HLS.
    pub variant: Variant,
    /// The least length of a segment; it ends at the next random access point.
    pub segment: Duration,
    /// The length of a part.
    pub part: Duration,
    /// Segments in a playlist, at least; as many more as the draft demands (three target durations).
    pub segments: usize,
    /// Bytes of one segment; one that would have more ends before.
    pub segment_max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            variant: Variant::LowLatency,
            segment: Duration::from_secs(1),
            part: Duration::from_millis(200),
            segments: 7,
            segment_max_bytes: 50 << 20,
        }
    }
}

/// How the publisher has sent so far, as far as that is known when a muxer starts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cadence {
    /// From one picture to the next.
    pub frame_interval: Option<Duration>,
    /// From one random access point to the next.
    pub gop: Option<Duration>,
}
