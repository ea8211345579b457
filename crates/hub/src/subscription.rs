//! Who takes a stream: a cursor into its log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{Codec, Frame, Kind, Timestamp, TrackId, TrackInfo};
use tokio::sync::watch;

use crate::access::UserName;
use crate::directory::HubError;
use crate::fanout::{Attached, Sink, Tracks};
use crate::frame::{LiveFrame, StreamFrame};
use crate::rendition::{self, Lease, TransformFactory};
use crate::stream::{EndReason, State, Stream};

/// Frames taken from the log under one lock.
const BATCH: usize = 32;

/// The codecs that a reader can play, the best first. A track in none of them is given as a rendition in the first that
/// can be made of it, or left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wants {
    /// Codecs for pictures; empty for none.
    pub video: Vec<Codec>,
    /// Codecs for sound; empty for none.
    pub audio: Vec<Codec>,
}

/// Where a reader begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Join {
    /// With the next frame (video: the next random access point).
    Live,
    /// With the GOP that is under way, its timestamps as they were. The reader starts as late as the GOP is old.
    Gop,
    /// With the GOP that is under way, its timestamps squeezed to `spacing` apart so that its last frame carries the
    /// live time: the reader decodes the burst as fast as it can and stands at the live edge. Audio begins at the edge.
    LiveEdge {
        /// From one squeezed frame to the next: one tick of the protocol's clock.
        spacing: Timestamp,
    },
}

/// What a reader is given.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// A track's parameters: before its first frame and whenever they change.
    Track(Arc<TrackInfo>),
    /// The next frame.
    Frame(LiveFrame),
    /// Frames were dropped because the reader was too slow; video goes on with a random access point.
    Gap {
        /// How many.
        frames: u64,
    },
    /// The stream is over; nothing follows.
    End(EndReason),
}

/// One of the stream's tracks as this reader takes it.
#[derive(Debug)]
struct Choice {
    taken: TrackId,
    /// What the reader was last told of it.
    told: Option<Arc<TrackInfo>>,
    /// Keeps the rendition running.
    _rendition: Option<Arc<Lease>>,
}

/// The burst at the start of a [`Join::LiveEdge`].
#[derive(Clone, Copy, Debug)]
struct Squeeze {
    /// Position of the first frame after the burst.
    edge: u64,
    /// The decode time of the last video frame before the edge.
    live: Timestamp,
    /// From one squeezed frame to the next.
    spacing: Timestamp,
    /// Video frames still to come before the edge, without this one.
    left: i64,
    /// Mean distance of the burst's frames as they were, in ticks of `live`'s clock; at least 1.
    interval: i64,
}

/// The right to take a stream. Dropping it leaves the stream.
#[derive(Debug)]
pub struct Subscription {
    stream: Arc<Stream>,
    /// `None` for a rendition's own subscription, which takes a source track as it is.
    transforms: Option<Arc<dyn TransformFactory>>,
    user: Option<UserName>,
    wants: Wants,
    head: watch::Receiver<u64>,
    cursor: u64,
    joined: Instant,
    choices: Vec<Choice>,
    chosen_at: u64,
    awaits_random_access: bool,
    squeeze: Option<Squeeze>,
    ready: VecDeque<Delivery>,
    /// Nothing was left in the log when it was last looked at; until the head moves there is no need to look again.
    caught_up: bool,
    ended: bool,
}

impl Subscription {
    pub(crate) fn join(
        stream: Arc<Stream>,
        transforms: Arc<dyn TransformFactory>,
        user: Option<UserName>,
        wants: Wants,
        join: Join,
    ) -> Result<Self, HubError> {
        stream.reader_joined().map_err(HubError::TooManyReaders)?;
        let mut subscription = Self::new(stream, Some(transforms), wants);
        subscription.user = user;
        subscription.place(join);
        subscription.choose();
        subscription.tell_all();
        Ok(subscription)
    }

    /// A rendition's subscription to its source.
    pub(crate) fn of_track(stream: Arc<Stream>, source: &Arc<TrackInfo>) -> Self {
        let (wants, join) = rendition::wants(source);
        let mut subscription = Self::new(stream, None, wants);
        subscription.place(join);
        subscription.choose();
        if let Some(choice) = subscription.choices.first_mut() {
            choice.told = Some(Arc::clone(source));
        }
        subscription
    }

    fn new(stream: Arc<Stream>, transforms: Option<Arc<dyn TransformFactory>>, wants: Wants) -> Self {
        let head = stream.watch_head();
        Self {
            stream,
            transforms,
            user: None,
            wants,
            head,
            cursor: 0,
            joined: Instant::now(),
            choices: Vec::new(),
            chosen_at: u64::MAX,
            awaits_random_access: true,
            squeeze: None,
            ready: VecDeque::new(),
            caught_up: false,
            ended: false,
        }
    }

    /// Waits for what comes next. Cancel-safe. After [`Delivery::End`] it returns the same again.
    pub async fn recv(&mut self) -> Delivery {
        loop {
            if let Some(delivery) = self.try_recv() {
                return delivery;
            }
            if self.head.changed().await.is_err() {
                return Delivery::End(EndReason::ServerClosing);
            }
            self.caught_up = false;
        }
    }

    /// What is there without waiting.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        if self.ready.is_empty() && (!self.caught_up || self.head.has_changed().unwrap_or(true)) {
            self.head.mark_unchanged();
            self.fill();
        }
        self.ready.pop_front()
    }

    /// Lets the stream hand the frames from here on to `sink`, together with those of other readers, until
    /// [`Attached::dismissed`]. [`Self::detach`] it before anything else is asked of this.
    ///
    /// # Errors
    /// The sink, if the reader has not caught up: something is there for it to take, or its first picture is still to come.
    pub fn attach<S: Sink>(&mut self, sink: S) -> Result<Attached<S>, S> {
        let stream = Arc::clone(&self.stream);
        let mut state = stream.lock();
        match self.tracks_at_edge(&state) {
            Some(tracks) => Ok(Attached::new(&stream, &mut state, tracks, sink)),
            None => Err(sink),
        }
    }

    /// The tracks of which it takes every frame that comes next, if it has caught up and nothing is left to tell.
    fn tracks_at_edge(&self, state: &State) -> Option<Tracks> {
        let caught_up = self.ready.is_empty() && self.cursor == state.log.end() && state.ended.is_none();
        if !caught_up || self.chosen_at != state.tracks_version {
            return None;
        }
        let mut tracks = Tracks::default();
        for (at, choice) in self.choices.iter().enumerate() {
            let is_video = choice.told.as_ref()?.kind() == Kind::Video;
            if is_video && self.awaits_random_access {
                return None;
            }
            *tracks.get_mut(at)? = Some(choice.taken);
        }
        Some(tracks)
    }

    /// Takes back the sink that was attached, and goes on behind the last frame that it took.
    ///
    /// # Panics
    /// As the sink did, if it did.
    pub fn detach<S: Sink>(&mut self, attached: Attached<S>) -> S {
        let (cursor, sink) = attached.release();
        self.cursor = cursor;
        self.squeeze = None;
        self.caught_up = false;
        sink
    }

    /// The tracks that this reader gets, as far as they are known.
    pub fn tracks(&self) -> Vec<TrackInfo> {
        self.choices.iter().filter_map(|choice| choice.told.as_deref().cloned()).collect()
    }

    /// As whom the authorizer knows the reader, if it asked for credentials.
    pub const fn user(&self) -> Option<&UserName> {
        self.user.as_ref()
    }

    /// How long the stream has been there: a young one may get its other track in a moment.
    pub fn stream_age(&self) -> Duration {
        self.stream.age()
    }

    /// From one random access point of the pictures to the next: the longest of the last few, once there were some.
    pub fn gop(&self) -> Option<Duration> {
        self.stream.lock().log.gop()
    }

    /// Asks the publisher for a random access point: this reader cannot go on without, or not well. Throttled for the
    /// stream as a whole; a publisher that cannot be asked (RTMP) is not.
    pub fn request_keyframe(&self) {
        self.stream.keyframes().request();
    }

    /// Begins anew where `join` says, as if it had just joined: a WebRTC reader is admitted by its offer and can take
    /// frames only a handshake later. Tracks are told again.
    pub fn rejoin(&mut self, join: Join) {
        self.ready.clear();
        self.joined = Instant::now();
        self.awaits_random_access = true;
        self.squeeze = None;
        for choice in &mut self.choices {
            choice.told = None;
        }
        self.place(join);
        self.tell_all();
    }

    /// Puts the cursor where `join` says.
    fn place(&mut self, join: Join) {
        self.caught_up = false;
        let state = self.stream.lock();
        let start = if self.wants.video.is_empty() { None } else { state.log.random_access() };
        let (Some(start), true) = (start, join != Join::Live) else {
            self.cursor = state.log.end();
            let has_video = state.source_tracks().any(|track| track.kind() == Kind::Video);
            drop(state);
            if has_video && self.transforms.is_some() {
                self.request_keyframe();
            }
            return;
        };
        self.cursor = start;
        if let Join::LiveEdge { spacing } = join {
            self.squeeze = squeeze(&state, start, spacing);
        }
        let gop_age =
            state.log.get(start).map(|frame| self.joined.saturating_duration_since(frame.arrived()));
        drop(state);
        // The burst shows a picture at once; a fresh random access point from a publisher that can be asked spares
        // the next reader and this one's decoder the length of it.
        if gop_age.is_some_and(|age| age > self.stream.options().keyframe_throttle) {
            self.request_keyframe();
        }
    }

    /// Picks, for every track of the publisher, the form in which this reader takes it.
    fn choose(&mut self) {
        let (sources, version) = {
            let state = self.stream.lock();
            (state.source_tracks().map(Arc::clone).collect::<Vec<_>>(), state.tracks_version)
        };
        let previous = std::mem::take(&mut self.choices);
        for source in sources {
            let wanted = if source.kind() == Kind::Video { &self.wants.video } else { &self.wants.audio };
            let mut choice = if wanted.contains(&source.codec()) {
                Some(Choice { taken: source.id, told: None, _rendition: None })
            } else {
                self.derive(&source, wanted)
            };
            if let Some(choice) = &mut choice {
                let before = previous.iter().find(|before| before.taken == choice.taken);
                choice.told = before.and_then(|before| before.told.clone());
            }
            self.choices.extend(choice);
        }
        self.chosen_at = version;
        drop(previous);
    }

    /// Takes a share in the rendition of `source` in the first of the `wanted` codecs that can be made.
    fn derive(&self, source: &Arc<TrackInfo>, wanted: &[Codec]) -> Option<Choice> {
        let transforms = self.transforms.as_ref()?;
        let codec = *wanted.iter().find(|&&codec| transforms.supports(source.codec(), codec))?;
        let lease = match self.stream.rendition(source.id, codec) {
            Some(lease) => lease,
            None => self.start_rendition(transforms.as_ref(), source, codec)?,
        };
        Some(Choice { taken: lease.id(), told: None, _rendition: Some(lease) })
    }

    fn start_rendition(
        &self,
        transforms: &dyn TransformFactory,
        source: &Arc<TrackInfo>,
        codec: Codec,
    ) -> Option<Arc<Lease>> {
        let id = self.stream.next_rendition_id();
        match transforms.create(source, codec, id) {
            Ok(transform) => {
                let output = transform.output();
                let lease = rendition::start(&self.stream, source, transform, codec);
                self.stream.add_rendition(&lease, output);
                Some(lease)
            }
            Err(error) => {
                tracing::warn!(path = %self.stream.path(), %error, "reader goes without this track");
                None
            }
        }
    }

    /// Tells the reader of the tracks that it will get, before their first frame.
    fn tell_all(&mut self) {
        let state = self.stream.lock();
        for choice in &mut self.choices {
            if choice.told.is_none()
                && let Some(track) = state.track(choice.taken)
            {
                choice.told = Some(Arc::clone(track));
                self.ready.push_back(Delivery::Track(Arc::clone(track)));
            }
        }
    }

    /// Moves frames from the log to `ready`, at most [`BATCH`].
    fn fill(&mut self) {
        if self.ended {
            self.ready.push_back(Delivery::End(self.stream.lock().ended.unwrap_or(EndReason::ServerClosing)));
            return;
        }
        let stream = Arc::clone(&self.stream);
        let mut state = stream.lock();
        if state.tracks_version != self.chosen_at {
            drop(state);
            self.choose();
            self.tell_all();
            state = stream.lock();
        }
        self.skip_if_late(&state);
        self.caught_up = false;
        let mut bytes = 0;
        while self.ready.len() < BATCH {
            let Some(frame) = state.log.get(self.cursor) else {
                self.caught_up = state.ended.is_none();
                break;
            };
            let frame = Arc::clone(frame);
            bytes += self.take(frame);
            self.cursor += 1;
        }
        // A rendition is no reader.
        if bytes > 0 && self.transforms.is_some() {
            stream.count_out(bytes as u64);
        }
        if let (true, Some(reason)) = (self.ready.is_empty(), state.ended) {
            self.ended = true;
            self.ready.push_back(Delivery::End(reason));
        }
    }

    /// Moves a cursor that is too far behind to the newest random access point, or to the end of the log if that is
    /// too old as well; audio goes on from there, video with its random access point.
    fn skip_if_late(&mut self, state: &State) {
        let Some(newest) = state.log.last().map(|frame| frame.arrived()) else {
            return;
        };
        let queue = self.stream.options().queue;
        let is_late = |arrived: Instant| newest.saturating_duration_since(arrived.max(self.joined)) > queue;
        let overtaken = self.cursor < state.log.first();
        if !overtaken && !state.log.get(self.cursor).is_some_and(|frame| is_late(frame.arrived())) {
            return;
        }
        let fresh =
            |&at: &u64| at > self.cursor && state.log.get(at).is_some_and(|frame| !is_late(frame.arrived()));
        let target = state.log.random_access().filter(fresh).unwrap_or_else(|| state.log.end());
        let frames = target - self.cursor;
        self.cursor = target;
        self.awaits_random_access = true;
        self.squeeze = None;
        self.stream.count_dropped(frames);
        self.ready.push_back(Delivery::Gap { frames });
        if target == state.log.end() {
            self.request_keyframe();
        }
    }

    /// Hands one frame of the log to the reader, if it is one of its tracks and can be decoded. Tells how many bytes of
    /// payload that were.
    fn take(&mut self, frame: Arc<StreamFrame>) -> usize {
        let in_burst = self.squeeze.is_some_and(|squeeze| self.cursor < squeeze.edge);
        if !in_burst {
            self.squeeze = None;
        }
        let Some(choice) = self.choices.iter_mut().find(|choice| choice.taken == frame.frame().track) else {
            return 0;
        };
        let squeezed = if frame.track().kind() == Kind::Video {
            if self.awaits_random_access && !frame.frame().random_access {
                return 0;
            }
            self.awaits_random_access = false;
            self.squeeze.as_mut().map(|squeeze| squeeze.next(frame.frame()))
        } else if in_burst {
            return 0;
        } else {
            None
        };
        if choice.told.as_ref().is_none_or(|told| !Arc::ptr_eq(told, frame.track()) && told != frame.track())
        {
            self.ready.push_back(Delivery::Track(Arc::clone(frame.track())));
        }
        choice.told = Some(Arc::clone(frame.track()));
        let bytes = frame.frame().payload.len();
        self.ready.push_back(Delivery::Frame(LiveFrame::new(frame, squeezed)));
        bytes
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if self.transforms.is_some() {
            self.stream.reader_left();
        }
    }
}

/// Plans the squeeze of the video frames from `start` to the end of the log.
fn squeeze(state: &State, start: u64, spacing: Timestamp) -> Option<Squeeze> {
    let edge = state.log.end();
    let video = |at: u64| state.log.get(at).filter(|frame| frame.track().kind() == Kind::Video);
    let first = video(start)?.frame().dts;
    let live = (start..edge).rev().find_map(video)?.frame().dts;
    let count = i64::try_from((start..edge).filter_map(video).count()).ok()?;
    let interval = live.minus(first).ticks().checked_div(count - 1).unwrap_or(1).max(1);
    Some(Squeeze { edge, live, spacing: spacing.to_rate(live.rate()), left: count - 1, interval })
}

impl Squeeze {
    /// The (pts, dts) of the burst's next frame. Composition offsets shrink in proportion, so that the order of
    /// presentation stays.
    fn next(&mut self, frame: &Frame) -> (Timestamp, Timestamp) {
        let step = self.spacing.ticks().min(self.interval);
        let behind = Timestamp::new(step.saturating_mul(self.left), self.live.rate());
        self.left = (self.left - 1).max(0);
        let dts = self.live.minus(behind);
        let composition = frame.pts.minus(frame.dts).to_rate(self.live.rate()).ticks();
        let composition = composition.saturating_mul(step) / self.interval;
        (dts.plus(Timestamp::new(composition, self.live.rate())), dts)
    }
}
