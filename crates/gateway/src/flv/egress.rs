//! A reader's way out of the hub, for the two protocols that carry FLV tags: RTMP and HTTP-FLV.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub::{Attached, Delivery, EndReason, Join, LiveFrame, Sink, Subscription};
use media::{Kind, Timestamp, TrackInfo};

use crate::line::Line;
use crate::outbox::Outbox;

/// ffmpeg's probe takes what it sees first for all there is, and a FLV player opened before the sound came stays silent
/// (SRS #3849): the reader of a stream this young waits so long for the other track.
const WAIT_FOR_TRACKS: Duration = Duration::from_millis(700);

/// One tick of FLV's clock: the distance of squeezed frames.
const SPACING: Timestamp = Timestamp::from_millis(1);

/// At the live edge, and at once: live-player plays a cached GOP from its beginning and stays that late.
pub(crate) const JOIN: Join = Join::LiveEdge { spacing: SPACING };

/// How a protocol writes tags. `None` is what it cannot carry.
pub(crate) trait Framing: Clone + Send + 'static {
    /// `onMetaData` of all tracks.
    fn metadata(&self, tracks: &[Arc<TrackInfo>]) -> Option<Bytes>;

    /// A track's sequence header, at `at` of the stream.
    fn config(&self, track: &TrackInfo, at: Timestamp) -> Option<Bytes>;

    /// One frame; what is the same for every reader is built once.
    fn frame(&self, frame: &LiveFrame) -> Option<Bytes>;
}

/// A reader's way out of the hub.
#[derive(Debug)]
pub(crate) struct Egress<F> {
    subscription: Subscription,
    /// While the hub writes the frames.
    attached: Option<Attached<Edge<F>>>,
    framing: F,
    tracks: Vec<Arc<TrackInfo>>,
    /// Until then frames wait for the announcement of the tracks; `None` once it is made.
    announce_at: Option<Instant>,
    held: Vec<LiveFrame>,
    /// The decode time of the newest frame.
    now: Timestamp,
    wanted: Wanted,
    paused: bool,
}

/// What the reader wants to have.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    video: bool,
    audio: bool,
}

/// A reader at the live edge: each frame goes straight to its connection.
struct Edge<F> {
    framing: F,
    wanted: Wanted,
    now: Timestamp,
    line: Line,
}

/// What the session has to do for the reader, beside writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Written,
    Dropped(u64),
    Ended(EndReason),
}

impl<F: Framing> Egress<F> {
    pub(crate) fn new(subscription: Subscription, framing: F) -> Self {
        let wait = WAIT_FOR_TRACKS.saturating_sub(subscription.stream_age());
        Self {
            subscription,
            attached: None,
            framing,
            tracks: Vec::new(),
            announce_at: Some(Instant::now() + wait),
            held: Vec::new(),
            now: Timestamp::from_millis(0),
            wanted: Wanted { video: true, audio: true },
            paused: false,
        }
    }

    pub(crate) const fn framing(&self) -> &F {
        &self.framing
    }

    /// Lets the hub write to `line`, if nothing is left to do that takes more than that. Before anything else is asked of
    /// this, [`Self::detach`].
    pub(crate) fn attach(&mut self, line: Line) {
        if self.announce_at.is_none() && !self.paused {
            let edge = Edge { framing: self.framing.clone(), wanted: self.wanted, now: self.now, line };
            self.attached = self.subscription.attach(edge).ok();
        }
    }

    /// Takes the connection back, if the hub has it; what it has not written yet goes to `outbox`.
    pub(crate) fn detach(&mut self, outbox: &mut Outbox) {
        if let Some(attached) = self.attached.take() {
            let edge = self.subscription.detach(attached);
            self.now = edge.now;
            edge.line.give_back(outbox);
        }
    }

    /// Waits for what comes next; `None`: for the moment when there is something else to do. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        if let Some(attached) = &self.attached {
            attached.dismissed().await;
            return None;
        }
        let Some(deadline) = self.announce_at else { return Some(self.subscription.recv().await) };
        tokio::time::timeout_at(deadline.into(), self.subscription.recv()).await.ok()
    }

    /// What is there without waiting.
    pub(crate) fn try_next(&mut self) -> Option<Delivery> {
        self.subscription.try_recv()
    }

    /// Writes a delivery to `out`; after `None`, what the wait for tracks has held back.
    pub(crate) fn write(&mut self, delivery: Option<Delivery>, out: &mut impl Extend<Bytes>) -> Step {
        match delivery {
            Some(Delivery::Track(track)) => self.track(track, out),
            Some(Delivery::Frame(frame)) => self.frame(frame, out),
            Some(Delivery::Gap { frames }) => return Step::Dropped(frames),
            Some(Delivery::End(reason)) => return Step::Ended(reason),
            None => {}
        }
        let complete = self.tracks.len() >= 2;
        if self.announce_at.is_some_and(|at| complete || Instant::now() >= at) && !self.tracks.is_empty() {
            self.announce(out);
        }
        Step::Written
    }

    pub(crate) fn pause(&mut self, paused: bool) {
        if self.paused && !paused {
            self.subscription.rejoin(JOIN);
        }
        self.paused = paused;
    }

    pub(crate) const fn receive(&mut self, kind: Kind, wanted: bool) {
        match kind {
            Kind::Video => self.wanted.video = wanted,
            Kind::Audio => self.wanted.audio = wanted,
        }
    }

    fn track(&mut self, track: Arc<TrackInfo>, out: &mut impl Extend<Bytes>) {
        if self.announce_at.is_none() {
            out.extend(self.framing.config(&track, self.now));
        }
        match self.tracks.iter_mut().find(|known| known.kind() == track.kind()) {
            Some(known) => *known = track,
            None => self.tracks.push(track),
        }
    }

    fn frame(&mut self, frame: LiveFrame, out: &mut impl Extend<Bytes>) {
        if !self.wanted.has(&frame) || self.paused {
            return;
        }
        if self.announce_at.is_some() {
            self.held.push(frame);
            return;
        }
        self.now = frame.dts();
        out.extend(self.framing.frame(&frame));
    }

    /// `onMetaData`, both sequence headers, then what waited.
    fn announce(&mut self, out: &mut impl Extend<Bytes>) {
        self.announce_at = None;
        let held = std::mem::take(&mut self.held);
        let begin = held.first().map_or(self.now, LiveFrame::dts);
        out.extend(self.framing.metadata(&self.tracks));
        out.extend(self.tracks.iter().filter_map(|track| self.framing.config(track, begin)));
        for frame in held {
            self.frame(frame, out);
        }
    }
}

impl Wanted {
    fn has(self, frame: &LiveFrame) -> bool {
        match frame.frame().track().kind() {
            Kind::Video => self.video,
            Kind::Audio => self.audio,
        }
    }
}

impl<F: Framing> Sink for Edge<F> {
    fn take(&mut self, frame: &LiveFrame) -> bool {
        if !self.wanted.has(frame) {
            return true;
        }
        self.now = frame.dts();
        let now = frame.frame().arrived();
        if self.line.is_time_to_count(now) {
            self.line.count(now);
        }
        self.framing.frame(frame).is_none_or(|bytes| self.line.write(&bytes))
    }
}
