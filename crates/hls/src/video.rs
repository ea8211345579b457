//! Pictures into parts of one length, whatever the pictures' distances are.

use std::sync::Arc;
use std::time::Duration;

use media::{Frame, Rate, Timestamp, TrackInfo};

use crate::fragments::Fragments;
use crate::muxer::{Cut, PushError};
use crate::targets::Targets;
use crate::wallclock::Anchor;
use crate::window::Window;

/// Intervals that tell when the next picture comes.
const REMEMBERED: usize = 8;
/// How long a time without pictures is filled with later ones; after a longer one, time jumps.
const MOST_BEHIND: Duration = Duration::from_secs(2);
/// How long the first segment waits for a random access point to end at. One that follows a cut inside a GOP begins without,
/// and hls.js, which starts there, shows nothing until the next: it appends the segment behind its own first part again,
/// and Chromium drops what is not decoded in order (hls.js 1.7).
const FIRST_END: Duration = Duration::from_secs(2);

/// The video track of an fMP4 variant.
///
/// Parts lie on a grid: each spans exactly the part target from where the one before ended, and has the frames that are
/// decoded in this span. The first sample of a part is decoded where the part begins, and shown when the publisher said.
/// A part ends as soon as no further frame is expected in it, and at the latest when a frame comes that is beyond it. A
/// frame that comes against expectation is decoded, and if need be shown, a few milliseconds late, in the next part. Where
/// no frame came for whole parts (a lost picture, and with it all up to the next random access point), each of them is
/// given one of the next frames, to be decoded long before it is shown.
#[derive(Debug)]
pub(crate) struct VideoLane {
    targets: Targets,
    segment_max_bytes: usize,
    /// The length of a part in ticks.
    part: i64,
    state: State,
    distances: Distances,
    /// Time or parameters have jumped; the next random access point begins with a discontinuity.
    discontinuity_due: bool,
    /// The other track has had its discontinuity already.
    owed: bool,
    /// Once frames come as they are made, and not from a store: when the first segment no longer waits for a random access
    /// point to end at, since it began.
    live: Option<Duration>,
    /// Time has jumped: what refers to pictures before cannot be decoded.
    awaits_random_access: bool,
}

#[derive(Debug)]
enum State {
    /// No random access point has come.
    Waiting(Option<Window>),
    Running(Fragments),
}

impl VideoLane {
    pub(crate) fn new(window: Window, targets: Targets, segment_max_bytes: usize) -> Self {
        Self {
            targets,
            segment_max_bytes,
            part: Timestamp::from_duration(targets.video_part, Rate::VIDEO).ticks(),
            state: State::Waiting(Some(window)),
            distances: Distances::default(),
            discontinuity_due: false,
            owed: false,
            live: None,
            awaits_random_access: false,
        }
    }

    pub(crate) const fn fragments(&self) -> Option<&Fragments> {
        match &self.state {
            State::Running(fragments) => Some(fragments),
            State::Waiting(_) => None,
        }
    }

    pub(crate) fn window(&self) -> Option<&Window> {
        self.fragments().map(|fragments| &fragments.window)
    }

    /// What was stored has been pushed.
    pub(crate) fn go_live(&mut self) {
        let stored = self.fragments().map_or(Duration::ZERO, Fragments::segment);
        self.live = Some(stored + FIRST_END);
    }

    /// Whether a random access point would end the first segment, without which nobody can begin.
    pub(crate) fn awaits_first_end(&self) -> bool {
        self.live.is_some() && self.window().is_some_and(|window| window.complete_segments().next().is_none())
    }

    /// Another track begins anew: this one follows at its next random access point.
    pub(crate) const fn owe_discontinuity(&mut self) {
        self.discontinuity_due = true;
        self.owed = true;
    }

    pub(crate) const fn owes_discontinuity(&self) -> bool {
        self.discontinuity_due
    }

    /// Takes a frame; `silence` means that no track has had frames for a while. Tells of a new segment.
    pub(crate) fn push(
        &mut self,
        frame: &Frame,
        track: &Arc<TrackInfo>,
        anchor: &Anchor,
        silence: bool,
    ) -> Result<Option<Cut>, PushError> {
        let at = frame.dts.to_rate(Rate::VIDEO).ticks();
        self.distances.note(at);
        if let State::Waiting(window) = &mut self.state {
            if let (true, Some(window)) = (frame.random_access, window.take()) {
                let fragments = Fragments::new(window, Arc::clone(track), frame.dts, anchor)?;
                self.state = State::Running(fragments);
                self.append(frame, at)?;
            }
            return Ok(None);
        }
        let cut = self.cut(frame, at, track, anchor, silence)?;
        if !self.awaits_random_access {
            self.append(frame, at)?;
        }
        Ok(cut)
    }

    /// Begins a new segment before the frame, if one is to begin.
    fn cut(
        &mut self,
        frame: &Frame,
        at: i64,
        track: &Arc<TrackInfo>,
        anchor: &Anchor,
        silence: bool,
    ) -> Result<Option<Cut>, PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(None) };
        if at >= fragments.start() + self.part {
            fragments.close(fragments.start() + self.part)?;
        }
        let behind = Timestamp::new(at - fragments.start(), Rate::VIDEO).to_duration().unwrap_or_default();
        let jumps =
            fragments.len() == 0 && behind >= self.targets.video_part && (silence || behind >= MOST_BEHIND);
        let changed = fragments.track().config != track.config;
        self.discontinuity_due |= changed || jumps;
        self.awaits_random_access = (self.awaits_random_access || changed || jumps) && !frame.random_access;
        let discontinuity = self.discontinuity_due && frame.random_access;
        if self.awaits_random_access || !(discontinuity || self.ends(frame, at)) {
            return Ok(None);
        }
        let State::Running(fragments) = &mut self.state else { return Ok(None) };
        if let Some(last) = fragments.last() {
            fragments.close(at.max(last + 1))?;
        }
        match jumps {
            true => fragments.jump(at, anchor),
            false => fragments.begin_segment(anchor, discontinuity),
        }
        if changed {
            fragments.reconfigure(Arc::clone(track), anchor)?;
        }
        self.discontinuity_due &= !discontinuity;
        let at = Timestamp::new(fragments.start(), Rate::VIDEO);
        let to_follow = discontinuity && !std::mem::replace(&mut self.owed, self.discontinuity_due);
        Ok(Some(Cut { at, discontinuity: to_follow }))
    }

    /// Whether the segment ends before `frame`.
    fn ends(&self, frame: &Frame, at: i64) -> bool {
        let Some(fragments) = self.fragments() else { return false };
        let first = fragments.window.complete_segments().next().is_none();
        if frame.random_access {
            let growing = if fragments.len() == 0 { 0 } else { at.saturating_sub(fragments.start()) };
            let growing = Timestamp::new(growing, Rate::VIDEO).to_duration().unwrap_or_default();
            let elapsed = fragments.segment() + growing;
            let independent = fragments
                .window
                .growing()
                .is_none_or(|segment| segment.parts.is_empty() || segment.is_independent());
            return !elapsed.is_zero()
                && (!independent
                    || (first && elapsed >= self.targets.video_part)
                    || self.targets.ends_at_random_access(elapsed));
        }
        // A player needs one whole segment to begin (hls.js 1.7: "No Segments found in Playlist"); the first one does
        // not wait for the end of a long GOP.
        let patient = self.live.is_none_or(|patience| fragments.segment() < patience);
        let enough = !patient && first && fragments.segment() >= self.targets.segment;
        fragments.len() == 0
            && (enough
                || !fragments.has_room(self.targets.video_part, self.targets.bound, self.segment_max_bytes))
    }

    fn append(&mut self, frame: &Frame, at: i64) -> Result<(), PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(()) };
        let mut dts = fragments.last().map_or(fragments.start(), |last| at.max(last + 1));
        if dts >= fragments.start() + self.part {
            fragments.close(fragments.start() + self.part)?;
            dts = fragments.start();
        }
        fragments.append(frame, dts);
        let end = fragments.start() + self.part;
        let shortest = self.distances.shortest().unwrap_or(0);
        if at + shortest + shortest / 4 >= end {
            fragments.close(end)?;
        }
        Ok(())
    }

    /// Ends the stream.
    pub(crate) fn end(&mut self) -> Result<(), PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(()) };
        let frame = self.distances.shortest().unwrap_or(1).max(1);
        let end = fragments.last().map_or(0, |last| (last + frame).min(fragments.start() + self.part));
        fragments.close(end)?;
        fragments.window.end();
        Ok(())
    }
}

/// The last distances of pictures in decoding order, in ticks.
#[derive(Debug, Default)]
struct Distances {
    newest: Option<i64>,
    ring: [i64; REMEMBERED],
    count: usize,
}

impl Distances {
    fn note(&mut self, at: i64) {
        if let Some(newest) = self.newest.replace(at) {
            self.ring[self.count % REMEMBERED] = at.saturating_sub(newest);
            self.count += 1;
        }
    }

    /// The next picture comes no sooner than after this, presumably.
    fn shortest(&self) -> Option<i64> {
        self.ring.iter().take(self.count).min().copied()
    }
}
