//! Sound into parts of a fixed number of frames.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use media::aac::AudioConfig;
use media::{CodecConfig, Frame, Rate, Timestamp, TrackInfo};

use crate::fragments::Fragments;
use crate::muxer::{Cut, PushError};
use crate::targets::{Targets, frames_a_part};
use crate::window::Window;

/// Ends of video segments that the sound has not reached.
const MOST_CUTS: usize = 16;

/// The audio track of an fMP4 variant. Its decode times count samples, so that the milliseconds to which RTMP rounds leave
/// neither gaps nor overlaps; it follows the publisher's stamps where they have gone more than a frame away.
///
/// Segments end where those of the video do, as near as a frame allows; without video they end when they are long enough.
#[derive(Debug)]
pub(crate) struct AudioLane {
    targets: Targets,
    segment_max_bytes: usize,
    follows_video: bool,
    state: State,
    /// Where the next frame belongs, in samples.
    next: i64,
    /// Ends of segments to come.
    cuts: VecDeque<Cut>,
    /// The video was a segment ahead when the sound began (a rendition begins when somebody takes it): the first
    /// segment is a short one, so that players need not wait for it.
    hastens: bool,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Window>),
    Running(Fragments),
}

/// What a track's parameters say of its frames.
#[derive(Clone, Copy)]
struct Shape {
    rate: Rate,
    /// Samples of a frame.
    samples: i64,
    /// Frames of a part.
    frames: usize,
}

impl Shape {
    fn of(config: &AudioConfig, targets: &Targets) -> Self {
        let frames = usize::try_from(frames_a_part(targets.audio_part, config)).unwrap_or(1);
        Self { rate: config.rate(), samples: i64::from(config.samples_per_frame()), frames }
    }

    /// How far stamps may be from the count of samples: a frame, and what a publisher's timer shakes.
    fn tolerance(&self) -> i64 {
        self.samples + i64::from(self.rate.hz()) / 50
    }
}

impl AudioLane {
    pub(crate) const fn new(
        window: Window,
        targets: Targets,
        segment_max_bytes: usize,
        follows_video: bool,
    ) -> Self {
        let state = State::Waiting(Some(window));
        Self {
            targets,
            segment_max_bytes,
            follows_video,
            state,
            next: 0,
            cuts: VecDeque::new(),
            hastens: false,
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

    /// The video begins a new segment, and this track with it.
    pub(crate) fn follow(&mut self, cut: Cut) {
        match self.state {
            State::Running(_) => self.cuts.push_back(cut),
            State::Waiting(_) => self.hastens = true,
        }
        if self.cuts.len() > MOST_CUTS {
            let forgotten = self.cuts.pop_front().is_some_and(|cut| cut.discontinuity);
            if let Some(next) = self.cuts.front_mut() {
                next.discontinuity |= forgotten;
            }
        }
    }

    /// Takes a frame; `silence` means that no track has had frames for a while. Tells of a discontinuity that the other
    /// track has to follow.
    pub(crate) fn push(
        &mut self,
        frame: &Frame,
        track: &Arc<TrackInfo>,
        arrived: SystemTime,
        silence: bool,
    ) -> Result<Option<Cut>, PushError> {
        let CodecConfig::Aac(config) = &track.config else { return Err(PushError::Codec(track.codec())) };
        let shape = Shape::of(config, &self.targets);
        let at = frame.pts.to_rate(shape.rate).ticks();
        if let State::Waiting(window) = &mut self.state {
            if let Some(window) = window.take() {
                self.state = State::Running(Fragments::new(window, Arc::clone(track), frame.pts, arrived)?);
                self.next = at;
            }
            self.append(frame, shape)?;
            return Ok(None);
        }
        let configured = self.fragments().is_some_and(|it| it.track().config == track.config);
        let changed = self.reconfigure(track, shape)?;
        if at < self.next - shape.tolerance() {
            return Ok(changed);
        }
        let hole = at > self.next + shape.tolerance();
        let jumped = self.cut(at, hole, silence && configured, arrived, shape)?;
        self.append(frame, shape)?;
        Ok(changed.or(jumped))
    }

    /// Goes on with other parameters, if they are others.
    fn reconfigure(&mut self, track: &Arc<TrackInfo>, shape: Shape) -> Result<Option<Cut>, PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(None) };
        if fragments.track().config == track.config {
            return Ok(None);
        }
        fragments.close(self.next)?;
        let at = Timestamp::new(self.next, fragments.rate());
        fragments.reconfigure(Arc::clone(track))?;
        self.next = at.to_rate(shape.rate).ticks();
        // Where the video has jumped already, this discontinuity is the one that follows.
        let known = self.cuts.len();
        self.cuts.retain(|cut| !cut.discontinuity);
        Ok((self.cuts.len() == known).then_some(Cut { at, discontinuity: true }))
    }

    /// Begins a new segment before the frame at `at`, if one is to begin.
    fn cut(
        &mut self,
        at: i64,
        hole: bool,
        silence: bool,
        arrived: SystemTime,
        shape: Shape,
    ) -> Result<Option<Cut>, PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(None) };
        let from = if hole { at } else { self.next };
        let middle = Timestamp::new(from + shape.samples / 2, shape.rate);
        let mut followed = None;
        while let Some(cut) = self.cuts.pop_front_if(|cut| cut.at <= middle) {
            followed = Some(Cut {
                discontinuity: cut.discontinuity || followed.is_some_and(|it: Cut| it.discontinuity),
                ..cut
            });
        }
        let discontinuity = followed.is_some_and(|cut| cut.discontinuity);
        if hole {
            fragments.close(self.next)?;
            fragments.jump(at, arrived, discontinuity || silence);
            self.next = at;
            let jumped = Cut { at: Timestamp::new(at, shape.rate), discontinuity: true };
            return Ok((silence && !discontinuity).then_some(jumped));
        }
        if followed.is_some() {
            fragments.close(self.next)?;
        }
        let part = self.targets.audio_part;
        let first = fragments.window.complete_segments().next().is_none();
        let enough = match self.follows_video {
            true => first && self.hastens && !fragments.segment().is_zero(),
            false => fragments.segment() >= self.targets.segment,
        };
        let full = !fragments.has_room(part, self.targets.bound, self.segment_max_bytes);
        if followed.is_some() || (fragments.len() == 0 && (enough || full)) {
            fragments.follow(arrived);
            fragments.begin_segment(discontinuity);
        }
        Ok(None)
    }

    fn append(&mut self, frame: &Frame, shape: Shape) -> Result<(), PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(()) };
        let at = Timestamp::new(self.next, shape.rate);
        fragments.append(&Frame { pts: at, ..frame.clone() }, self.next);
        self.next += shape.samples;
        if fragments.len() >= shape.frames {
            fragments.close(self.next)?;
        }
        Ok(())
    }

    /// Ends the stream.
    pub(crate) fn end(&mut self) -> Result<(), PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(()) };
        fragments.close(self.next)?;
        fragments.window.end();
        Ok(())
    }
}
