//! WHEP: shared RTP payloads to one reader.

use std::time::Instant;

use media::{Kind, Rate, Timestamp};
use rtp::Payloads;
use str0m::Rtc;
use str0m::bwe::BweKind;
use str0m::media::{MediaKind, Mid, Pt};
use str0m::rtp::{RtpWrite, SeqNo};

use super::sender_clock::{NANOS, SenderClock, Sent};
use super::{Context, Driver, Event};
use crate::config::Retransmission;

/// How much of what is sent may be retransmission. Past that, str0m forgets what it was asked for: a line that loses
/// more is overloaded, and more packets make it worse.
const RETRANSMISSION_SHARE: f32 = 0.25;

/// One frame for a reader.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Which of the reader's tracks it belongs to.
    pub kind: Kind,
    /// Its RTP payloads, shared by all readers.
    pub payloads: &'a Payloads,
    /// When to show or play it (not when to decode it: RTP carries presentation times, RFC 6184 §5.1).
    pub pts: Timestamp,
    /// Decodable alone. A reader's picture begins with such a frame.
    pub random_access: bool,
}

/// The peer reads: [`crate::Peer::send`] gives it frames; it asks for random access points.
#[derive(Debug)]
pub struct Subscriber {
    clock: SenderClock,
    seed: u64,
    video: Option<Line>,
    audio: Option<Line>,
}

#[derive(Debug)]
struct Line {
    mid: Mid,
    pt: Pt,
    rate: Rate,
    sequence: u64,
    /// Where RTP timestamps start.
    offset: u32,
    last: Option<Sent>,
    started: bool,
}

impl Subscriber {
    pub(crate) fn new(seed: u64) -> Self {
        Self { clock: SenderClock::default(), seed, video: None, audio: None }
    }

    pub(crate) const fn rebase(&mut self) {
        self.clock.rebase();
    }

    /// Takes over what was negotiated: the first section of each kind.
    pub(crate) fn set_up(&mut self, rtc: &mut Rtc, keep: Retransmission, mids: impl Iterator<Item = Mid>) {
        for mid in mids {
            let Some(media) = rtc.media(mid).filter(|media| media.direction().is_sending()) else { continue };
            let (kind, accepted) = (media.kind(), media.remote_pts().to_vec());
            let codecs = rtc.codec_config().params().iter();
            let of_kind = |video: bool| video == (kind == MediaKind::Video);
            let mut usable =
                codecs.filter(|p| of_kind(p.spec().codec.is_video()) && accepted.contains(&p.pt()));
            let Some(pt) = usable.next().map(|codec| codec.pt()) else { continue };
            let line = Line::new(mid, pt, kind, self.seed);
            match kind {
                MediaKind::Video => self.video = self.video.take().or(Some(line)),
                MediaKind::Audio => self.audio = self.audio.take().or(Some(line)),
            }
            if let Some(stream) = rtc.direct_api().stream_tx_by_mid(mid, None) {
                stream.set_rtx_cache(keep.packets, keep.age, Some(RETRANSMISSION_SHARE));
            }
        }
    }

    /// Queues the packets of a frame; false if it is left out.
    pub(crate) fn write(&mut self, rtc: &mut Rtc, frame: Outgoing<'_>, now: Instant) -> bool {
        let line = match frame.kind {
            Kind::Video => self.video.as_mut(),
            Kind::Audio => self.audio.as_mut(),
        };
        let Some(line) = line.filter(|line| line.started || frame.random_access) else { return false };
        let mut api = rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(line.mid, None) else { return false };
        line.started = true;
        let position = self.clock.position(frame.pts, line.last, now);
        let wallclock = self.clock.wallclock(position, now);
        line.last = Some((position, now));
        let time = line.timestamp(position);
        let video = frame.kind == Kind::Video;
        let last = frame.payloads.len().saturating_sub(1);
        for (index, payload) in frame.payloads.iter().enumerate() {
            let packet = RtpWrite::new(line.pt, SeqNo::from(line.sequence), time, wallclock, payload.clone())
                // Opus: the marker is the start of a talk spurt (RFC 7587 §4.1), which nobody knows here.
                .marker(video && index == last)
                .nackable(video);
            line.sequence += 1;
            stream.write_rtp(packet);
        }
        true
    }
}

impl Line {
    fn new(mid: Mid, pt: Pt, kind: MediaKind, seed: u64) -> Self {
        let (rate, salt) = match kind {
            MediaKind::Video => (Rate::VIDEO, 1),
            MediaKind::Audio => (Rate::OPUS, 2),
        };
        let random = mix(seed ^ salt);
        // Sequence numbers start in the lower half, so that the first packets cannot wrap while the receiver still
        // guesses the rollover counter (RFC 3711 §3.3.1).
        let sequence = 1 + (random >> 32) % 0x7fff;
        Self { mid, pt, rate, sequence, offset: random as u32, last: None, started: kind == MediaKind::Audio }
    }

    fn timestamp(&self, position: i64) -> u32 {
        let ticks = Timestamp::new(position, NANOS).to_rate(self.rate).ticks();
        self.offset.wrapping_add(ticks as u32)
    }
}

/// SplitMix64: one given random number becomes several.
const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Driver for Subscriber {
    fn on_event(&mut self, context: Context<'_>, event: str0m::Event) {
        match event {
            str0m::Event::KeyframeRequest(_) => context.events.push_back(Event::KeyframeRequest),
            str0m::Event::EgressBitrateEstimate(
                BweKind::Twcc { estimate, .. } | BweKind::Remb { estimate, .. },
            ) => {
                context.events.push_back(Event::Estimate { bps: estimate.as_u64() });
            }
            _ => {}
        }
    }

    fn on_broken_frame(&mut self, _: Context<'_>) {}

    fn on_drained(&mut self, _: Context<'_>) -> bool {
        false
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
