//! WHIP: from str0m's frames to canonical frames on one timeline.

use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Bytes;
use media::h264::{ParameterSets, annexb, avcc};
use media::{CodecConfig, Frame, Kind, Rate, Timestamp, TrackId, TrackInfo, opus};
use rtp::timeline::{ClockTrack, SenderReport, StreamClock};
use str0m::media::{KeyframeRequestKind, MediaData, MediaKind, Mid, Rid, SenderFeedback};
use str0m::stats::MediaIngressStats;
use str0m::{Input, Rtc};

use super::{AUDIO_TRACK, Context, Driver, Event, VIDEO_TRACK};

/// At least this long between two requests for a random access point (rule: no storm, and no wait of seconds either;
/// each one costs the publisher a frame five to ten times as large).
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);

/// The peer publishes: what arrives comes out as [`Event::Track`], [`Event::Frame`] and [`Event::Lost`].
#[derive(Debug)]
pub struct Publisher {
    clock: StreamClock,
    video: Option<Video>,
    audio: Option<Audio>,
    request: KeyframeRequestKind,
    wanted: bool,
    requested: Option<Instant>,
}

#[derive(Debug)]
struct Line {
    mid: Mid,
    track: TrackId,
    clock: ClockTrack,
    last: Option<Timestamp>,
    /// RFC 3550 §6.4.1, in ticks of the line's clock.
    jitter: Option<u32>,
}

#[derive(Debug)]
struct Video {
    line: Line,
    /// The simulcast layer that is taken: the first one that appears.
    layer: Option<Option<Rid>>,
    sets: ParameterSets,
    announced: bool,
    /// Nothing is given out before the next random access point.
    waiting: bool,
}

#[derive(Debug)]
struct Audio {
    line: Line,
    head: Option<opus::Head>,
}

impl Line {
    fn new(clock: &mut StreamClock, mid: Mid, kind: Kind) -> Self {
        let (track, rate) = match kind {
            Kind::Video => (VIDEO_TRACK, Rate::VIDEO),
            Kind::Audio => (AUDIO_TRACK, Rate::OPUS),
        };
        Self { mid, track, clock: clock.add_track(rate, kind == Kind::Audio), last: None, jitter: None }
    }

    fn stamp(&self, clock: &mut StreamClock, data: &MediaData) -> Timestamp {
        clock.stamp(self.clock, data.time.numer() as u32, data.network_time)
    }
}

impl Publisher {
    pub(crate) fn new(pli: bool) -> Self {
        Self {
            clock: StreamClock::new(),
            video: None,
            audio: None,
            request: if pli { KeyframeRequestKind::Pli } else { KeyframeRequestKind::Fir },
            wanted: false,
            requested: None,
        }
    }

    pub(crate) const fn request_keyframe(&mut self) {
        self.wanted = true;
    }

    pub(crate) fn on_media(&mut self, mid: Mid, kind: MediaKind) {
        if kind == MediaKind::Video && self.video.is_none() {
            let line = Line::new(&mut self.clock, mid, Kind::Video);
            let (sets, announced, waiting) = (ParameterSets::default(), false, true);
            self.video = Some(Video { line, layer: None, sets, announced, waiting });
        } else if kind == MediaKind::Audio && self.audio.is_none() {
            self.audio = Some(Audio { line: Line::new(&mut self.clock, mid, Kind::Audio), head: None });
        }
    }

    fn on_data(&mut self, context: &mut Context<'_>, data: &MediaData) {
        let Self { clock, video, audio, .. } = self;
        if let Some(video) = video.as_mut().filter(|video| video.line.mid == data.mid) {
            self.wanted |= video.on_data(clock, context, data);
        } else if let Some(audio) = audio.as_mut().filter(|audio| audio.line.mid == data.mid) {
            audio.on_data(clock, context, data);
        }
    }

    fn on_report(&mut self, feedback: &SenderFeedback) {
        let Self { clock, video, audio, .. } = self;
        for line in lines(video, audio).filter(|line| line.mid == feedback.mid) {
            let since = feedback.sender_info.ntp_time.duration_since(UNIX_EPOCH).unwrap_or_default();
            let ntp_nanos = i64::try_from(since.as_nanos()).unwrap_or(0);
            let rtp = feedback.sender_info.rtp_time.numer() as u32;
            clock.sender_report(line.clock, SenderReport { ntp_nanos, rtp });
        }
    }

    fn on_stats(&mut self, context: &mut Context<'_>, stats: &MediaIngressStats) {
        let Self { video, audio, .. } = self;
        let (mut sum, mut known) = (0, 0);
        for line in lines(video, audio) {
            if line.mid == stats.mid {
                line.jitter = Some(stats.jitter);
            }
            if let Some(jitter) = line.jitter {
                (sum, known) = (sum + u64::from(jitter), known + 1);
            }
        }
        let ticks = sum.checked_div(known).and_then(|mean| u32::try_from(mean).ok());
        context.events.extend(ticks.map(|ticks| Event::Jitter { ticks }));
    }

    fn due(&self) -> Option<Instant> {
        self.requested.map(|at| at + KEYFRAME_INTERVAL)
    }

    /// Sends the request that is wanted, if the last one is long enough ago.
    fn send_request(&mut self, rtc: &mut Rtc, now: Instant) -> bool {
        if !self.wanted || self.due().is_some_and(|due| now < due) {
            return false;
        }
        self.wanted = false;
        let Some(video) = &self.video else { return false };
        let mut api = rtc.direct_api();
        // Before its first packet a publisher has nobody to ask, and begins with a random access point anyway.
        let Some(stream) = api.stream_rx_by_mid(video.line.mid, video.layer.flatten()) else { return false };
        stream.request_keyframe(self.request);
        self.requested = Some(now);
        // A failure shows at the next poll.
        let _ = rtc.handle_input(Input::Timeout(now));
        true
    }
}

fn lines<'a>(
    video: &'a mut Option<Video>,
    audio: &'a mut Option<Audio>,
) -> impl Iterator<Item = &'a mut Line> {
    video.as_mut().map(|video| &mut video.line).into_iter().chain(audio.as_mut().map(|audio| &mut audio.line))
}

impl Video {
    /// True if a random access point is needed.
    fn on_data(&mut self, clock: &mut StreamClock, context: &mut Context<'_>, data: &MediaData) -> bool {
        if *self.layer.get_or_insert(data.rid) != data.rid {
            return false;
        }
        if !data.contiguous {
            self.lose(context);
        }
        let Some(unit) = avcc::access_unit(annexb::nals(&data.data)) else { return self.waiting };
        if (self.sets.merge(&unit.sets) || !self.announced) && self.sets.is_complete() {
            self.announced = true;
            let config = CodecConfig::H264(self.sets.clone());
            context.events.push_back(Event::Track(TrackInfo { id: self.line.track, config }));
        }
        let pts = self.line.stamp(clock, data);
        self.waiting &= !(unit.random_access && self.announced);
        if !self.waiting && !unit.payload.is_empty() {
            self.emit(context, pts, unit.random_access, unit.payload);
        }
        self.waiting
    }

    fn emit(&mut self, context: &mut Context<'_>, pts: Timestamp, random_access: bool, payload: Bytes) {
        // The order of decoding is the order of sending. No WebRTC sender reorders pictures; one that did would be
        // shown in that order rather than be stamped backwards.
        let after = self.line.last.map(|last| Timestamp::new(last.ticks() + 1, Rate::VIDEO));
        let pts = after.map_or(pts, |after| pts.max(after));
        self.line.last = Some(pts);
        let frame = Frame { track: self.line.track, pts, dts: pts, random_access, payload };
        context.events.push_back(Event::Frame(frame));
    }

    fn lose(&mut self, context: &mut Context<'_>) {
        if !self.waiting {
            self.waiting = true;
            context.events.push_back(Event::Lost(self.line.track));
        }
    }
}

impl Audio {
    fn on_data(&mut self, clock: &mut StreamClock, context: &mut Context<'_>, data: &MediaData) {
        // Nothing but a header: DTX or a probe.
        if data.data.is_empty() {
            return;
        }
        self.announce(context, &data.data);
        let pts = self.line.stamp(clock, data);
        if self.line.last.is_some_and(|last| pts <= last) {
            return;
        }
        self.line.last = Some(pts);
        let payload = Bytes::copy_from_slice(&data.data);
        let frame = Frame { track: self.line.track, pts, dts: pts, random_access: true, payload };
        context.events.push_back(Event::Frame(frame));
    }

    /// One channel until a stereo packet comes, two from then on: encoders switch back and forth with the sound.
    fn announce(&mut self, context: &mut Context<'_>, packet: &[u8]) {
        let stereo = opus::packet::is_stereo(packet).unwrap_or(false);
        let channels = self.head.map_or(1, |head| head.channels).max(1 + u8::from(stereo));
        if self.head.is_none_or(|head| head.channels != channels) {
            let head = *self.head.insert(opus::Head { channels });
            let config = CodecConfig::Opus(head);
            context.events.push_back(Event::Track(TrackInfo { id: self.line.track, config }));
        }
    }
}

impl Driver for Publisher {
    fn on_event(&mut self, mut context: Context<'_>, event: str0m::Event) {
        match event {
            str0m::Event::MediaAdded(media) => self.on_media(media.mid, media.kind),
            str0m::Event::MediaData(data) => self.on_data(&mut context, &data),
            str0m::Event::SenderFeedback(feedback) => self.on_report(&feedback),
            str0m::Event::MediaIngressStats(stats) => self.on_stats(&mut context, &stats),
            _ => {}
        }
    }

    fn on_broken_frame(&mut self, mut context: Context<'_>) {
        if let Some(video) = &mut self.video {
            video.lose(&mut context);
            self.wanted = true;
        }
    }

    fn on_drained(&mut self, context: Context<'_>) -> bool {
        self.send_request(context.rtc, context.now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.due().filter(|_| self.wanted)
    }
}
