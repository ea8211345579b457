//! Sound into parts of a fixed number of frames.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::aac::AudioConfig;
use media::{CodecConfig, Frame, Rate, Timestamp, TrackInfo};

use crate::fragments::Fragments;
use crate::muxer::{Cut, PushError};
use crate::targets::{Targets, frames_a_part};
use crate::wallclock::Anchor;
use crate::window::Window;

/// How long a time without sound is filled with silence; after a longer one, time jumps.
const MOST_SILENCE: Duration = Duration::from_secs(2);
/// A silent frame of one channel (ISO/IEC 14496-3 §4.4.2.1): a single_channel_element whose `max_sfb` is 0, ID_END.
const SILENT_MONO: &[u8] = &[0, 0, 0, 0b111];
/// A silent frame of two: a channel_pair_element with a common window whose `max_sfb` is 0, ID_END.
const SILENT_STEREO: &[u8] = &[0b0010_0001, 0, 0, 0, 0, 0b0001_1100];
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
        anchor: &Anchor,
        silence: bool,
    ) -> Result<Option<Cut>, PushError> {
        let CodecConfig::Aac(config) = &track.config else { return Err(PushError::Codec(track.codec())) };
        let shape = Shape::of(config, &self.targets);
        let at = frame.pts.to_rate(shape.rate).ticks();
        if let State::Waiting(window) = &mut self.state {
            if let Some(window) = window.take() {
                self.state = State::Running(Fragments::new(window, Arc::clone(track), frame.pts, anchor)?);
                self.next = at;
            }
            self.append(frame, shape)?;
            return Ok(None);
        }
        let mut began = self.reconfigure(track, anchor, shape)?;
        if at < self.next - shape.tolerance() {
            return Ok(began);
        }
        if at > self.next + shape.tolerance() {
            let missing = Timestamp::new(at - self.next, shape.rate).to_duration().unwrap_or_default();
            match silent(config).filter(|_| !silence && missing < MOST_SILENCE) {
                Some(payload) => self.fill(at, &Frame { payload, ..frame.clone() }, anchor, shape)?,
                None => began = self.jump(at, anchor, shape)?.or(began),
            }
        }
        self.cut(anchor, shape)?;
        self.append(frame, shape)?;
        Ok(began)
    }

    /// Goes on with other parameters, if they are others.
    fn reconfigure(
        &mut self,
        track: &Arc<TrackInfo>,
        anchor: &Anchor,
        shape: Shape,
    ) -> Result<Option<Cut>, PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(None) };
        if fragments.track().config == track.config {
            return Ok(None);
        }
        fragments.close(self.next)?;
        let at = Timestamp::new(self.next, fragments.rate());
        fragments.reconfigure(Arc::clone(track), anchor)?;
        self.next = at.to_rate(shape.rate).ticks();
        Ok(self.tell_unless_followed(at))
    }

    /// Goes on at `at`, after a time without sound.
    fn jump(&mut self, at: i64, anchor: &Anchor, shape: Shape) -> Result<Option<Cut>, PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(None) };
        fragments.close(self.next)?;
        fragments.jump(at, anchor);
        self.next = at;
        Ok(self.tell_unless_followed(Timestamp::new(at, shape.rate)))
    }

    /// A discontinuity has been made: where the video has jumped already, it is the one that follows; else the video is to
    /// follow this one.
    fn tell_unless_followed(&mut self, at: Timestamp) -> Option<Cut> {
        let known = self.cuts.len();
        self.cuts.retain(|cut| !cut.discontinuity);
        (self.cuts.len() == known).then_some(Cut { at, discontinuity: true })
    }

    /// Puts silence up to `at`.
    fn fill(&mut self, at: i64, silence: &Frame, anchor: &Anchor, shape: Shape) -> Result<(), PushError> {
        while at - self.next >= shape.samples / 2 {
            self.cut(anchor, shape)?;
            self.append(silence, shape)?;
        }
        Ok(())
    }

    /// Begins a new segment before the next frame, if one is to begin.
    fn cut(&mut self, anchor: &Anchor, shape: Shape) -> Result<(), PushError> {
        let State::Running(fragments) = &mut self.state else { return Ok(()) };
        let middle = Timestamp::new(self.next + shape.samples / 2, shape.rate);
        let (mut follows, mut discontinuity) = (false, false);
        while let Some(cut) = self.cuts.pop_front_if(|cut| cut.at <= middle) {
            follows = true;
            discontinuity |= cut.discontinuity;
        }
        if follows {
            fragments.close(self.next)?;
        }
        let first = fragments.window.complete_segments().next().is_none();
        let enough = match self.follows_video {
            true => first && self.hastens && !fragments.segment().is_zero(),
            false => fragments.segment() >= self.targets.segment,
        };
        let (part, bound) = (self.targets.audio_part, self.targets.bound);
        let full = !fragments.has_room(part, bound, self.segment_max_bytes);
        if follows || (fragments.len() == 0 && (enough || full)) {
            fragments.begin_segment(anchor, discontinuity);
        }
        Ok(())
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

/// A frame without sound, for configurations of one and two channels. Decoders of HE-AAC take it for one whose extension
/// was lost.
fn silent(config: &AudioConfig) -> Option<Bytes> {
    match config.channel_configuration() {
        1 => Some(Bytes::from_static(SILENT_MONO)),
        2 => Some(Bytes::from_static(SILENT_STEREO)),
        _ => None,
    }
}
