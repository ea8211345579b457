//! One live stream: its tracks, its log, its publisher and its readers.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use media::{Codec, CodecConfig, Frame, Kind, StreamPath, Timestamp, TrackId, TrackInfo};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};

use crate::clock::StreamClock;
use crate::directory::Options;
use crate::fanout::Group;
use crate::frame::StreamFrame;
use crate::log::{Bounds, Log};
use crate::rendition::Lease;

/// The names of a publisher's own tracks; renditions are numbered from [`FIRST_RENDITION`] on.
const VIDEO: TrackId = TrackId(1);
const AUDIO: TrackId = TrackId(2);
const FIRST_RENDITION: u32 = 16;

/// Why a stream ended for a reader or a publisher.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EndReason {
    /// The publisher left and nobody took over in time.
    PublisherLeft,
    /// Another publisher took the path over (for publishers only; readers stay).
    Replaced,
    /// The server is closing.
    ServerClosing,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PublisherLeft => "the publisher left",
            Self::Replaced => "another publisher took the path over",
            Self::ServerClosing => "the server is closing",
        })
    }
}

/// A track as metrics and API show it.
#[derive(Clone, Debug)]
pub struct TrackSnapshot {
    /// Codec and parameters.
    pub info: Arc<TrackInfo>,
    /// Whether it is derived from another track.
    pub rendition: bool,
}

/// A stream as metrics and API show it; taken without stopping it.
#[derive(Clone, Debug)]
pub struct StreamSnapshot {
    /// The stream's name.
    pub path: StreamPath,
    /// Since when it can be read; `None`: it has had no track yet.
    pub available_since: Option<SystemTime>,
    /// Since when the publisher that it has feeds it; `None`: it waits for one to come back.
    pub published_since: Option<SystemTime>,
    /// Its tracks now.
    pub tracks: Vec<TrackSnapshot>,
    /// How many subscriptions there are.
    pub readers: usize,
    /// Since the stream began.
    pub totals: TotalsSnapshot,
}

/// What has been counted so far.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TotalsSnapshot {
    /// Payload bytes that publishers gave.
    pub bytes_in: u64,
    /// Payload bytes that readers were given, each reader's counted.
    pub bytes_out: u64,
    /// Frames that publishers gave.
    pub frames_in: u64,
    /// Frames of publishers that came broken or not at all, as far as their protocol tells.
    pub frames_broken: u64,
    /// Frames that slow readers were not given.
    pub frames_dropped: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Totals {
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    frames_in: AtomicU64,
    frames_broken: AtomicU64,
    frames_dropped: AtomicU64,
}

impl Totals {
    pub(crate) fn read(&self) -> TotalsSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TotalsSnapshot {
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            frames_in: read(&self.frames_in),
            frames_broken: read(&self.frames_broken),
            frames_dropped: read(&self.frames_dropped),
        }
    }
}

/// Requests for a random access point, merged and throttled.
#[derive(Debug)]
pub(crate) struct KeyframeRequests {
    throttle: Duration,
    wake: Notify,
    last: Mutex<Option<Instant>>,
}

impl KeyframeRequests {
    pub(crate) fn request(&self) {
        self.wake.notify_one();
    }

    /// Waits for a request; one that comes within the throttle of the last is held back, not lost.
    pub(crate) async fn requested(&self) {
        self.wake.notified().await;
        let since = self.last.lock().map(|last| last.elapsed());
        if let Some(wait) = since.and_then(|since| self.throttle.checked_sub(since)) {
            tokio::time::sleep(wait).await;
        }
        *self.last.lock() = Some(Instant::now());
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) log: Log,
    tracks: Vec<Track>,
    /// Counts changes of `tracks`, so that a reader notices without comparing.
    pub(crate) tracks_version: u64,
    clock: StreamClock,
    renditions: Vec<Weak<Lease>>,
    next_rendition: u32,
    /// The readers that are served together.
    pub(crate) groups: Vec<Group>,
    generation: u64,
    publisher: Option<Feeder>,
    /// Since when it has had a track.
    available: Option<SystemTime>,
    pub(crate) ended: Option<EndReason>,
    asked_for_keyframe: Option<Instant>,
}

/// The publisher that a stream has.
#[derive(Debug)]
struct Feeder {
    since: SystemTime,
    evict: watch::Sender<Option<EndReason>>,
}

#[derive(Debug)]
struct Track {
    info: Arc<TrackInfo>,
    last_dts: Option<Timestamp>,
    rendition: bool,
}

/// One live stream. Readers and the publisher share it; it is gone when all of them are.
#[derive(Debug)]
pub(crate) struct Stream {
    path: StreamPath,
    options: Options,
    created: Instant,
    state: Mutex<State>,
    /// The end of the log; readers wait on it.
    head: watch::Sender<u64>,
    keyframes: KeyframeRequests,
    readers: AtomicUsize,
    totals: Totals,
    /// The hub's own, over all streams that ever were.
    hub_totals: Arc<Totals>,
    watcher: Box<dyn Watcher>,
}

/// Whom a stream tells what becomes of it.
pub(crate) trait Watcher: Send + Sync + fmt::Debug {
    /// It has its first track. Under the stream's lock.
    fn available(&self, path: &StreamPath);
    /// It has ended, and had a track. Under the stream's lock: another stream under the path cannot be there before.
    fn unavailable(&self, path: &StreamPath);
    /// Its last reader has left.
    fn abandoned(&self, path: &StreamPath);
    /// It has ended and belongs no longer in the directory.
    fn ended(&self, path: &StreamPath, stream: &Stream);
}

/// What becomes of somebody who wants to feed a stream.
#[derive(Debug)]
pub(crate) enum Admission {
    /// They are its publisher of this generation, and are told when they lose it.
    Granted(u64, watch::Receiver<Option<EndReason>>),
    /// Somebody else is, and keeps it.
    Taken,
    /// The stream has ended.
    Ended,
}

impl Stream {
    pub(crate) fn new(
        path: StreamPath,
        options: Options,
        hub_totals: Arc<Totals>,
        watcher: Box<dyn Watcher>,
    ) -> Self {
        let bounds = Bounds { queue: options.queue, gop: options.gop_cache, bytes: options.log_bytes };
        Self {
            path,
            options,
            created: Instant::now(),
            state: Mutex::new(State {
                log: Log::new(bounds),
                tracks: Vec::new(),
                tracks_version: 0,
                clock: StreamClock::default(),
                renditions: Vec::new(),
                next_rendition: FIRST_RENDITION,
                groups: Vec::new(),
                generation: 0,
                publisher: None,
                available: None,
                ended: None,
                asked_for_keyframe: None,
            }),
            head: watch::Sender::new(0),
            keyframes: KeyframeRequests {
                throttle: options.keyframe_throttle,
                wake: Notify::new(),
                last: Mutex::new(None),
            },
            readers: AtomicUsize::new(0),
            totals: Totals::default(),
            hub_totals,
            watcher,
        }
    }

    pub(crate) const fn path(&self) -> &StreamPath {
        &self.path
    }

    pub(crate) fn age(&self) -> Duration {
        self.created.elapsed()
    }

    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) const fn keyframes(&self) -> &KeyframeRequests {
        &self.keyframes
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// A place from which to wait for frames after the current end of the log.
    pub(crate) fn watch_head(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    pub(crate) fn time_at(&self, now: Instant) -> Option<Timestamp> {
        self.lock().clock.at(now)
    }

    pub(crate) fn is_published(&self) -> bool {
        self.lock().publisher.is_some()
    }

    /// Whether it can be read.
    pub(crate) fn is_available(&self) -> bool {
        let state = self.lock();
        state.available.is_some() && state.ended.is_none()
    }

    /// Admits a publisher; who published before is evicted if `evict`, as by default: the half-dead connection of a
    /// phone that changed its network must not lock its owner out ("stream busy", SRS #3180 #4173).
    pub(crate) fn admit(&self, evict: bool) -> Admission {
        let mut state = self.lock();
        if state.ended.is_some() {
            return Admission::Ended;
        }
        if state.publisher.is_some() && !evict {
            return Admission::Taken;
        }
        if let Some(previous) = state.publisher.take() {
            previous.evict.send_replace(Some(EndReason::Replaced));
        }
        state.generation += 1;
        state.clock.publisher_changed();
        let (evict, receiver) = watch::channel(None);
        state.publisher = Some(Feeder { since: SystemTime::now(), evict });
        Admission::Granted(state.generation, receiver)
    }

    /// Ends the stream once the grace has passed, unless another publisher came. Without readers there is nobody to
    /// wait for.
    pub(crate) fn publisher_left(self: &Arc<Self>, generation: u64) {
        {
            let mut state = self.lock();
            if state.generation != generation {
                return;
            }
            state.publisher = None;
        }
        let grace = if self.readers() == 0 { Duration::ZERO } else { self.options.grace };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.end(EndReason::PublisherLeft);
            return;
        };
        let stream = Arc::clone(self);
        runtime.spawn(async move {
            tokio::time::sleep(grace).await;
            let abandoned = {
                let state = stream.lock();
                state.generation == generation && state.ended.is_none()
            };
            if abandoned {
                stream.end(EndReason::PublisherLeft);
            }
        });
    }

    /// Ends the stream for everybody; readers get what is in the log, then the reason.
    pub(crate) fn end(&self, reason: EndReason) {
        {
            let mut state = self.lock();
            if state.ended.is_some() {
                return;
            }
            state.ended = Some(reason);
            if let Some(publisher) = state.publisher.take() {
                publisher.evict.send_replace(Some(reason));
            }
            if state.available.is_some() {
                self.watcher.unavailable(&self.path);
            }
        }
        self.head.send_modify(|_| {});
        self.watcher.ended(&self.path, self);
        tracing::info!(path = %self.path, %reason, "stream ended");
    }

    /// Adds or replaces the publisher's track of the config's kind.
    pub(crate) fn put_source_track(&self, generation: u64, config: CodecConfig) -> TrackId {
        let info = TrackInfo { id: VIDEO, config };
        let id = if info.kind() == Kind::Video { VIDEO } else { AUDIO };
        let info = TrackInfo { id, ..info };
        let mut state = self.lock();
        if state.generation == generation {
            tracing::debug!(path = %self.path, codec = %info.codec(), "track");
            state.put_track(info, false);
            if state.available.is_none() && state.ended.is_none() {
                state.available = Some(SystemTime::now());
                self.watcher.available(&self.path);
            }
            drop(state);
            self.head.send_modify(|_| {});
        }
        id
    }

    pub(crate) fn put_rendition_track(&self, info: TrackInfo) {
        self.lock().put_track(info, true);
    }

    /// Stamps and appends a publisher's frame.
    pub(crate) fn append_source(&self, generation: u64, track: TrackId, mut frame: Frame, now: Instant) {
        let mut state = self.lock();
        if state.generation != generation || state.ended.is_some() {
            return;
        }
        let State { tracks, clock, log, .. } = &mut *state;
        let Some(track) = tracks.iter_mut().find(|known| known.info.id == track) else {
            return;
        };
        clock.stamp(&mut frame, track.last_dts, now);
        for totals in [&self.totals, &*self.hub_totals] {
            totals.bytes_in.fetch_add(frame.payload.len() as u64, Ordering::Relaxed);
            totals.frames_in.fetch_add(1, Ordering::Relaxed);
        }
        track.append(log, frame, now);
        self.refresh_gop(&mut state, now);
        let end = state.log.end();
        drop(state);
        self.head.send_replace(end);
    }

    /// Appends a rendition's frames, which are on the stream's timeline already.
    pub(crate) fn append_rendition(&self, track: TrackId, frames: impl Iterator<Item = Frame>) {
        let mut frames = frames.peekable();
        if frames.peek().is_none() {
            return;
        }
        let now = Instant::now();
        let mut state = self.lock();
        let State { tracks, log, .. } = &mut *state;
        let Some(track) = tracks.iter_mut().find(|known| known.info.id == track) else {
            return;
        };
        for frame in frames {
            if track.last_dts.is_none_or(|last| frame.dts > last) {
                track.append(log, frame, now);
            }
        }
        let end = state.log.end();
        drop(state);
        self.head.send_replace(end);
    }

    /// Asks for a random access point when the newest is older than [`Options::keyframe_interval`]: a browser's GOP
    /// has no end, RTMP players want one every 2 s, and who joins must not wait. A stream that nobody reads is asked
    /// half as often: only so that its first reader finds a short GOP.
    fn refresh_gop(&self, state: &mut State, now: Instant) {
        let since = |at: Instant| now.saturating_duration_since(at);
        let interval = self.options.keyframe_interval * if self.readers() == 0 { 2 } else { 1 };
        let fresh =
            state.log.random_access().and_then(|at| state.log.get(at)).map(|frame| since(frame.arrived()));
        let asked = state.asked_for_keyframe.map(since);
        let has_video = state.tracks.iter().any(|track| track.info.kind() == Kind::Video);
        if has_video && fresh.is_none_or(|age| age >= interval) && asked.is_none_or(|age| age >= interval / 2)
        {
            state.asked_for_keyframe = Some(now);
            self.keyframes.request();
        }
    }

    /// The running rendition of `source` as `codec`, if there is one.
    pub(crate) fn rendition(&self, source: TrackId, codec: Codec) -> Option<Arc<Lease>> {
        // Collected before any is dropped: the drop of a last lease takes the lock.
        let running: Vec<_> = self.lock().renditions.iter().filter_map(Weak::upgrade).collect();
        running.into_iter().find(|lease| lease.source() == source && lease.codec() == codec)
    }

    /// A name for a new rendition.
    pub(crate) fn next_rendition_id(&self) -> TrackId {
        let mut state = self.lock();
        state.next_rendition += 1;
        TrackId(state.next_rendition)
    }

    pub(crate) fn add_rendition(&self, lease: &Arc<Lease>, output: TrackInfo) {
        let mut state = self.lock();
        state.renditions.retain(|lease| lease.strong_count() > 0);
        state.renditions.push(Arc::downgrade(lease));
        state.put_track(output, true);
    }

    pub(crate) fn forget_rendition(&self, id: TrackId) {
        let mut state = self.lock();
        state.tracks.retain(|track| track.info.id != id);
        state.renditions.retain(|lease| lease.strong_count() > 0);
    }

    pub(crate) fn reader_joined(&self) -> Result<(), usize> {
        let admit = |readers: usize| (readers < self.options.max_readers).then_some(readers + 1);
        self.readers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, admit).map(drop)
    }

    pub(crate) fn reader_left(&self) {
        if self.readers.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.watcher.abandoned(&self.path);
        }
    }

    pub(crate) fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    pub(crate) fn count_out(&self, bytes: u64) {
        for totals in [&self.totals, &*self.hub_totals] {
            totals.bytes_out.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_broken(&self, frames: u64) {
        for totals in [&self.totals, &*self.hub_totals] {
            totals.frames_broken.fetch_add(frames, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_dropped(&self, frames: u64) {
        for totals in [&self.totals, &*self.hub_totals] {
            totals.frames_dropped.fetch_add(frames, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> StreamSnapshot {
        let state = self.lock();
        let track =
            |track: &Track| TrackSnapshot { info: Arc::clone(&track.info), rendition: track.rendition };
        StreamSnapshot {
            path: self.path.clone(),
            available_since: state.available,
            published_since: state.publisher.as_ref().map(|publisher| publisher.since),
            tracks: state.tracks.iter().map(track).collect(),
            readers: self.readers(),
            totals: self.totals.read(),
        }
    }
}

impl State {
    /// The publisher's own tracks.
    pub(crate) fn source_tracks(&self) -> impl Iterator<Item = &Arc<TrackInfo>> {
        self.tracks.iter().filter(|track| !track.rendition).map(|track| &track.info)
    }

    pub(crate) fn track(&self, id: TrackId) -> Option<&Arc<TrackInfo>> {
        self.tracks.iter().find(|track| track.info.id == id).map(|track| &track.info)
    }

    fn put_track(&mut self, info: TrackInfo, rendition: bool) {
        match self.tracks.iter_mut().find(|track| track.info.id == info.id) {
            Some(track) if *track.info == info => return,
            Some(track) => track.info = Arc::new(info),
            None => self.tracks.push(Track { info: Arc::new(info), last_dts: None, rendition }),
        }
        self.tracks_version += 1;
    }
}

impl Track {
    fn append(&mut self, log: &mut Log, mut frame: Frame, now: Instant) {
        frame.track = self.info.id;
        self.last_dts = Some(frame.dts);
        log.push(Arc::new(StreamFrame::new(frame, Arc::clone(&self.info), now)));
    }
}
