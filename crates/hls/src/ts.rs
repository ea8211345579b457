//! Sound and pictures into segments of MPEG-TS.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use container::mpegts;
use media::{Frame, Kind, Timestamp, TrackInfo};

use crate::muxer::PushError;
use crate::targets::Targets;
use crate::wallclock::Anchor;
use crate::window::{Part, Window};

/// Both tracks in one; segments have no parts.
#[derive(Debug)]
pub(crate) struct TsLane {
    targets: Targets,
    segment_max_bytes: usize,
    tracks: Vec<Arc<TrackInfo>>,
    muxer: mpegts::Muxer,
    window: Window,
    growing: Option<Growing>,
    /// Time or parameters have jumped; the next random access point begins with a discontinuity.
    discontinuity_due: bool,
    /// Frames come as they are made, and not from a store.
    live: bool,
}

/// The segment that grows.
#[derive(Debug)]
struct Growing {
    start: Timestamp,
    /// Of the track that decides where segments end: the video's, if there is one.
    newest: Timestamp,
    /// From one of its frames to the next.
    interval: Duration,
    independent: bool,
    bytes: BytesMut,
}

fn muxer(tracks: &[Arc<TrackInfo>]) -> Result<mpegts::Muxer, PushError> {
    let infos: Vec<&TrackInfo> = tracks.iter().map(|track| &**track).collect();
    Ok(mpegts::Muxer::new(&infos)?)
}

impl TsLane {
    pub(crate) fn new(
        window: Window,
        targets: Targets,
        segment_max_bytes: usize,
        tracks: &[Arc<TrackInfo>],
    ) -> Result<Self, PushError> {
        let (muxer, tracks) = (muxer(tracks)?, tracks.to_vec());
        let discontinuity_due = false;
        Ok(Self {
            targets,
            segment_max_bytes,
            tracks,
            muxer,
            window,
            growing: None,
            discontinuity_due,
            live: false,
        })
    }

    pub(crate) const fn window(&self) -> &Window {
        &self.window
    }

    pub(crate) fn tracks(&self) -> &[Arc<TrackInfo>] {
        &self.tracks
    }

    pub(crate) fn carries(&self, kind: Kind) -> bool {
        self.tracks.iter().any(|track| track.kind() == kind)
    }

    /// The kind of the track that decides where segments end.
    fn leading(&self) -> Kind {
        if self.carries(Kind::Video) { Kind::Video } else { Kind::Audio }
    }

    /// What was stored has been pushed.
    pub(crate) const fn go_live(&mut self) {
        self.live = true;
    }

    /// Whether it waits for a random access point to go on with other parameters.
    pub(crate) const fn owes_discontinuity(&self) -> bool {
        self.discontinuity_due
    }

    /// Takes a frame; `silence` means that no track has had frames for a while.
    pub(crate) fn push(
        &mut self,
        frame: &Frame,
        track: &Arc<TrackInfo>,
        anchor: &Anchor,
        silence: bool,
    ) -> Result<(), PushError> {
        self.note_parameters(track);
        self.discontinuity_due |= silence && self.growing.is_some();
        if track.kind() == self.leading() {
            self.lead(frame, anchor)?;
        }
        let Some(growing) = &mut self.growing else { return Ok(()) };
        // What is announced by the tables of the segment to come is not in the one that grows.
        if !self.discontinuity_due {
            self.muxer.frame(frame, track, &mut growing.bytes)?;
        }
        Ok(())
    }

    /// Begins and ends segments before a frame of the leading track.
    fn lead(&mut self, frame: &Frame, anchor: &Anchor) -> Result<(), PushError> {
        if self.growing.is_none() {
            if frame.random_access {
                self.begin(frame, anchor);
            }
        } else if self.ends(frame) {
            self.finish(frame.dts);
            if self.discontinuity_due {
                self.muxer = muxer(&self.tracks)?;
            }
            self.begin(frame, anchor);
        } else if let Some(growing) = &mut self.growing {
            growing.interval = frame.dts.minus(growing.newest).to_duration().unwrap_or(growing.interval);
            growing.newest = frame.dts;
        }
        Ok(())
    }

    fn note_parameters(&mut self, track: &Arc<TrackInfo>) {
        let known = self.tracks.iter_mut().find(|known| known.kind() == track.kind());
        if let Some(changed) = known.filter(|known| *known != track) {
            *changed = Arc::clone(track);
            self.discontinuity_due = true;
        }
    }

    fn ends(&self, frame: &Frame) -> bool {
        let Some(growing) = &self.growing else { return false };
        if self.discontinuity_due {
            return frame.random_access;
        }
        let elapsed = frame.dts.minus(growing.start).to_duration().unwrap_or_default();
        let full = growing.bytes.len() >= self.segment_max_bytes;
        let first = self.window.complete_segments().next().is_none();
        // Its last frame ends about when this one begins; the next one would be too late.
        let too_long = elapsed + growing.interval > self.targets.bound;
        let enough = if frame.random_access && self.leading() == Kind::Video {
            first || !growing.independent || self.targets.ends_at_random_access(elapsed)
        } else {
            ((first && self.live) || self.leading() == Kind::Audio) && elapsed >= self.targets.segment
        };
        !elapsed.is_zero() && (enough || full || too_long)
    }

    fn begin(&mut self, frame: &Frame, anchor: &Anchor) {
        let discontinuity = std::mem::take(&mut self.discontinuity_due);
        self.window.begin_segment(anchor.at(frame.dts), None, discontinuity);
        let mut bytes = BytesMut::new();
        self.muxer.tables(&mut bytes);
        let interval = self.growing.as_ref().map_or(Duration::ZERO, |growing| growing.interval);
        let (start, independent) = (frame.dts, frame.random_access);
        self.growing = Some(Growing { start, newest: start, interval, independent, bytes });
    }

    /// Puts the segment that grows, which ends at `end`, into the window.
    fn finish(&mut self, end: Timestamp) {
        let Some(growing) = &mut self.growing else { return };
        let duration = end.minus(growing.start).to_duration().unwrap_or_default().min(self.targets.bound);
        let bytes = std::mem::take(&mut growing.bytes).freeze();
        self.window.push(Part { duration, independent: growing.independent, bytes });
    }

    /// Ends the stream.
    pub(crate) fn end(&mut self) -> Result<(), PushError> {
        if let Some(growing) = &self.growing {
            let end = growing.newest.plus(Timestamp::from_duration(growing.interval, growing.newest.rate()));
            self.finish(end);
        }
        self.growing = None;
        self.window.end();
        Ok(())
    }
}
