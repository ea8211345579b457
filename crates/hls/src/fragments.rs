//! Samples of one track on their way into parts.

use std::sync::Arc;
use std::time::Duration;

use container::fmp4;
use media::{Frame, Rate, Timestamp, TrackInfo};

use crate::muxer::PushError;
use crate::wallclock::Anchor;
use crate::window::{Part, Window};

/// The part that grows, and the window that it goes into. Its decode times have no holes: each part begins where the one
/// before ended.
#[derive(Debug)]
pub(crate) struct Fragments {
    pub(crate) window: Window,
    track: Arc<TrackInfo>,
    map: u32,
    sequence: u32,
    /// Where the part that grows begins, in ticks of the track's rate.
    start: i64,
    /// Frames of the part that grows; their decode times strictly increase from `start` on.
    samples: Vec<Frame>,
}

impl Fragments {
    /// Begins with a segment at `start`.
    pub(crate) fn new(
        mut window: Window,
        track: Arc<TrackInfo>,
        start: Timestamp,
        anchor: &Anchor,
    ) -> Result<Self, PushError> {
        let map = window.add_init(fmp4::init_segment(&[&track])?);
        let start = start.to_rate(track.rate());
        window.begin_segment(anchor.at(start), Some(map), false);
        Ok(Self { window, track, map, sequence: 0, start: start.ticks(), samples: Vec::new() })
    }

    pub(crate) const fn track(&self) -> &Arc<TrackInfo> {
        &self.track
    }

    pub(crate) fn rate(&self) -> Rate {
        self.track.rate()
    }

    /// Where the part that grows begins.
    pub(crate) const fn start(&self) -> i64 {
        self.start
    }

    /// Frames of the part that grows.
    pub(crate) const fn len(&self) -> usize {
        self.samples.len()
    }

    /// The decode time of the newest frame of the part that grows.
    pub(crate) fn last(&self) -> Option<i64> {
        self.samples.last().map(|frame| frame.dts.ticks())
    }

    /// How long the segment that grows is, without its part that grows.
    pub(crate) fn segment(&self) -> Duration {
        self.window.growing().map_or(Duration::ZERO, |segment| segment.duration())
    }

    /// Whether the segment that grows may take another part of `part`.
    pub(crate) fn has_room(&self, part: Duration, bound: Duration, bytes: usize) -> bool {
        let growing: usize = self.samples.iter().map(|frame| frame.payload.len()).sum();
        let full = self.window.growing().is_some_and(|segment| segment.bytes() + growing >= bytes);
        self.segment() + part <= bound && !full
    }

    /// Adds a frame that is decoded at `dts`; it is shown no earlier.
    pub(crate) fn append(&mut self, frame: &Frame, dts: i64) {
        let dts = Timestamp::new(dts, self.rate());
        let pts = frame.pts.to_rate(self.rate()).max(dts);
        self.samples.push(Frame { dts, pts, ..frame.clone() });
    }

    /// Ends the part that grows at `end`, if it has any frame; the next begins there.
    pub(crate) fn close(&mut self, end: i64) -> Result<(), PushError> {
        let Some(last) = self.last() else { return Ok(()) };
        debug_assert!(end > last, "every sample has a duration");
        let frames = std::mem::take(&mut self.samples);
        let independent = frames.first().is_some_and(|frame| frame.random_access);
        let ends: Vec<_> = frames.iter().skip(1).map(|frame| frame.dts.ticks()).chain([end]).collect();
        let samples: Vec<_> = frames
            .iter()
            .zip(ends)
            .map(|(frame, end)| {
                let duration = u32::try_from(end.saturating_sub(frame.dts.ticks())).unwrap_or(u32::MAX);
                fmp4::Sample { frame, duration }
            })
            .collect();
        let run = fmp4::Run {
            track: 1,
            rate: self.rate(),
            base_decode_time: u64::try_from(self.start).unwrap_or_default(),
            samples: &samples,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = fmp4::fragment(self.sequence, &[run])?;
        let span = Timestamp::new(end.saturating_sub(self.start), self.rate());
        let duration = span.to_duration().unwrap_or_default();
        self.window.push(Part { duration, independent, bytes });
        self.start = end;
        Ok(())
    }

    /// Begins a segment where the part that grows begins, which has no frame yet.
    pub(crate) fn begin_segment(&mut self, anchor: &Anchor, discontinuity: bool) {
        debug_assert!(self.samples.is_empty(), "a segment begins with a part");
        let began = anchor.at(Timestamp::new(self.start, self.rate()));
        self.window.begin_segment(began, Some(self.map), discontinuity);
    }

    /// Goes on at `start`, after a time without frames; the segment that begins there is a discontinuity.
    pub(crate) fn jump(&mut self, start: i64, anchor: &Anchor) {
        self.start = start;
        self.begin_segment(anchor, true);
    }

    /// Begins a segment with other parameters.
    pub(crate) fn reconfigure(&mut self, track: Arc<TrackInfo>, anchor: &Anchor) -> Result<(), PushError> {
        self.map = self.window.add_init(fmp4::init_segment(&[&track])?);
        self.start = Timestamp::new(self.start, self.rate()).to_rate(track.rate()).ticks();
        self.track = track;
        self.begin_segment(anchor, true);
        Ok(())
    }
}
