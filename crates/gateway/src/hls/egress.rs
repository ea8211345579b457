//! The hub's frames to a muxer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use ::hls::{Cadence, Options, PushError, Pushed};
use hub::{Delivery, Join, LiveFrame, Subscription, Wants};
use media::{Codec, Kind, TrackInfo};

use super::muxer::{Muxer, instance};

/// With the GOP that is under way, its timestamps as they were: the first segment is there at once.
pub(super) const JOIN: Join = Join::Gop;

/// How long a young stream may take to tell of its other track: a playlist that names one has no other for its life.
const WAIT_FOR_TRACKS: Duration = Duration::from_millis(700);
/// How long a track may take from being told to its first frame: a rendition of sound starts when it is taken.
const WAIT_FOR_FRAMES: Duration = Duration::from_millis(1_500);
/// Frames that are kept while tracks are awaited.
const MOST_STORED: usize = 4_096;
/// How often a muxer looks whether anybody still asks for it.
const CHECK: Duration = Duration::from_millis(250);

/// iPhones, televisions and players of transport streams have no Opus.
pub(super) fn wants() -> Wants {
    Wants { video: vec![Codec::H264], audio: vec![Codec::Aac] }
}

/// Feeds `muxer` until `closes` says so. The end of the stream stays to be seen until then.
pub(super) async fn run(
    muxer: &Muxer,
    subscription: Subscription,
    options: Options,
    closes: impl Fn() -> bool,
) {
    let mut egress = Egress { muxer, subscription, options, start: Start::new() };
    let mut check = tokio::time::interval(CHECK);
    loop {
        tokio::select! {
            delivery = egress.subscription.recv(), if !muxer.is_over() => {
                if let Err(error) = egress.take(delivery) {
                    tracing::warn!(path = %muxer.entry.path, %error, "HLS: muxer ended");
                    return;
                }
            }
            _ = check.tick() => {
                if closes() {
                    tracing::info!(path = %muxer.entry.path, "HLS: muxer ended, nobody watches");
                    return;
                }
                if let Err(error) = egress.begin_if_due() {
                    tracing::warn!(path = %muxer.entry.path, %error, "HLS: no muxer");
                    return;
                }
            }
        }
    }
}

struct Egress<'a> {
    muxer: &'a Muxer,
    subscription: Subscription,
    options: Options,
    start: Start,
}

/// What is known before there is a muxer.
struct Start {
    since: Instant,
    tracks: Vec<Arc<TrackInfo>>,
    /// `None` once there is a muxer.
    stored: Option<Vec<LiveFrame>>,
    /// What came of this kind before then is of a track that has gone, and not to be found in the cache again.
    forgotten: Option<(Kind, Instant)>,
}

impl Start {
    fn new() -> Self {
        Self { since: Instant::now(), tracks: Vec::new(), stored: Some(Vec::new()), forgotten: None }
    }

    fn has_forgotten(&self, frame: &LiveFrame) -> bool {
        let (kind, arrived) = (frame.frame().track().kind(), frame.frame().arrived());
        self.forgotten.is_some_and(|(forgotten, before)| kind == forgotten && arrived < before)
    }

    /// Whether enough is known of a stream that is `age` old.
    fn is_over(&self, age: Duration) -> bool {
        let Some(stored) = &self.stored else { return false };
        let count = |kind| stored.iter().filter(|frame| frame.frame().track().kind() == kind).count();
        let (video, audio) = (count(Kind::Video), count(Kind::Audio));
        let has = |kind| self.tracks.iter().any(|track| track.kind() == kind);
        // Two pictures tell from one to the next.
        let heard = (!has(Kind::Video) || video > 1) && (!has(Kind::Audio) || audio > 0);
        let complete = has(Kind::Video) && has(Kind::Audio);
        let waited = self.since.elapsed();
        let patient = waited < WAIT_FOR_FRAMES && stored.len() < MOST_STORED;
        (video + audio > 0) && ((heard && (complete || age > WAIT_FOR_TRACKS)) || !patient)
    }
}

impl Egress<'_> {
    fn take(&mut self, delivery: Delivery) -> Result<(), PushError> {
        self.note(delivery)?;
        loop {
            // What is cached comes all at once, and is looked at as a whole.
            while self.start.stored.is_some()
                && !self.muxer.is_over()
                && let Some(delivery) = self.subscription.try_recv()
            {
                self.note(delivery)?;
            }
            // Tracks that changed on the way make it begin anew, behind the frame where they did.
            if !self.begin_if_due()? || self.start.stored.is_none() {
                return Ok(());
            }
        }
    }

    fn note(&mut self, delivery: Delivery) -> Result<(), PushError> {
        match delivery {
            Delivery::Track(track) => {
                self.start.tracks.retain(|known| known.kind() != track.kind());
                self.start.tracks.push(track);
            }
            Delivery::Frame(frame) if self.start.has_forgotten(&frame) => {}
            Delivery::Frame(frame) => match &mut self.start.stored {
                Some(stored) => stored.push(frame),
                None => self.push(&frame)?,
            },
            Delivery::Gap { frames } => {
                self.muxer.entry.frames_dropped.fetch_add(frames, Ordering::Relaxed);
                tracing::info!(path = %self.muxer.entry.path, frames, "HLS: muxer too slow; skipped to a random access point");
            }
            Delivery::End(reason) => {
                self.muxer.change(::hls::Muxer::end).transpose()?;
                self.muxer.finish();
                tracing::info!(path = %self.muxer.entry.path, %reason, "HLS: stream ended");
            }
        }
        Ok(())
    }

    /// Makes the muxer once enough is known; says whether it did.
    fn begin_if_due(&mut self) -> Result<bool, PushError> {
        if !self.start.is_over(self.subscription.stream_age()) {
            return Ok(false);
        }
        let stored = self.start.stored.take().unwrap_or_default();
        let sounds = |kind| stored.iter().any(|frame| frame.frame().track().kind() == kind);
        let tracks: Vec<_> =
            self.start.tracks.iter().filter(|track| sounds(track.kind())).map(Arc::clone).collect();
        let cadence = cadence(&stored, self.subscription.gop());
        self.muxer.replace(::hls::Muxer::new(instance(), self.options, cadence, &tracks)?);
        tracing::info!(path = %self.muxer.entry.path, variant = ?self.options.variant, tracks = tracks.len(), "HLS: muxer started");
        for frame in &stored {
            self.push(frame)?;
            if self.start.stored.is_some() {
                return Ok(true);
            }
        }
        self.muxer.change(::hls::Muxer::go_live);
        Ok(true)
    }

    fn push(&mut self, frame: &LiveFrame) -> Result<(), PushError> {
        let shared = frame.frame();
        let arrived = SystemTime::now() - shared.arrived().elapsed();
        let pushed =
            self.muxer.change(|muxer| muxer.push(shared.frame(), shared.track(), arrived)).transpose()?;
        let Pushed { news, keyframe_wanted, outdated } = pushed.unwrap_or_default();
        if news {
            self.muxer.tell();
        }
        if keyframe_wanted {
            self.subscription.request_keyframe();
        }
        if let Some(kind) = outdated {
            tracing::info!(path = %self.muxer.entry.path, ?kind, "HLS: other tracks; begins anew");
            let tracks = std::mem::take(&mut self.start.tracks);
            let forgotten = Some((kind, shared.arrived()));
            self.start = Start { tracks, forgotten, ..Start::new() };
            self.subscription.rejoin(JOIN);
        }
        Ok(())
    }
}

/// How the publisher sends, by what is cached of it.
fn cadence(stored: &[LiveFrame], gop: Option<Duration>) -> Cadence {
    let stamps = || {
        let pictures = stored.iter().filter(|frame| frame.frame().track().kind() == Kind::Video);
        pictures.map(LiveFrame::dts)
    };
    let span = stamps().next().zip(stamps().next_back());
    let span = span.and_then(|(first, last)| last.minus(first).to_duration());
    let intervals = u32::try_from(stamps().count().saturating_sub(1)).unwrap_or(u32::MAX);
    let frame_interval =
        span.and_then(|span| span.checked_div(intervals)).filter(|interval| !interval.is_zero());
    // The GOP under way may be longer already than those before.
    Cadence { frame_interval, gop: gop.map(|gop| gop.max(span.unwrap_or_default())) }
}
