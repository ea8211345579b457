//! Frames to RTMP messages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use container::flv::{self, Format, mux};
use hub::{Delivery, EndReason, Join, LiveFrame, Subscription, Wants};
use media::{Codec, Frame, Kind, Timestamp, TrackInfo};
use rtmp::{Capabilities, MediaKind, wire};

use super::announce;
use super::outbox::Outbox;

/// ffmpeg's probe takes what it sees first for all there is, and a FLV player opened before the sound came stays silent
/// (SRS #3849): the reader of a stream this young waits so long for the other track.
const WAIT_FOR_TRACKS: Duration = Duration::from_millis(700);

/// One tick of RTMP's clock: the distance of squeezed frames.
const SPACING: Timestamp = Timestamp::from_millis(1);

/// The whole message of a frame in chunks, as every reader with the same format gets it.
struct LegacyMessage(Option<Bytes>);
struct EnhancedMessage(Option<Bytes>);

/// A reader's way out of the hub.
#[derive(Debug)]
pub(super) struct Egress {
    subscription: Subscription,
    formats: Formats,
    tracks: Vec<Arc<TrackInfo>>,
    /// Until then frames wait for the announcement of the tracks; `None` once it is made.
    announce_at: Option<Instant>,
    held: Vec<LiveFrame>,
    video: bool,
    audio: bool,
    paused: bool,
}

/// The form in which a reader takes each codec: FourCC where it asked for that.
#[derive(Clone, Copy, Debug)]
struct Formats {
    h264: Format,
    aac: Format,
}

impl Formats {
    fn of(capabilities: &Capabilities) -> Self {
        let format = |codec: flv::FourCc| match capabilities.supports(&codec.0) {
            true => Format::Enhanced,
            false => Format::Legacy,
        };
        Self { h264: format(flv::FourCc::AVC), aac: format(flv::FourCc::AAC) }
    }

    /// Opus has no other form than FourCC.
    const fn of_codec(self, codec: Codec) -> Format {
        match codec {
            Codec::H264 => self.h264,
            Codec::Aac => self.aac,
            Codec::Opus => Format::Enhanced,
        }
    }
}

/// What the session has to do for the reader, beside writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Written,
    Dropped(u64),
    Ended(EndReason),
}

impl Egress {
    /// The codecs that a client with `capabilities` can play: by default what live-player can (H.264, AAC).
    pub(super) fn wants(capabilities: &Capabilities) -> Wants {
        let mut audio = vec![Codec::Aac];
        if capabilities.supports(&flv::FourCc::OPUS.0) {
            audio.push(Codec::Opus);
        }
        Wants { video: vec![Codec::H264], audio }
    }

    /// At the live edge, and at once: live-player plays a cached GOP from its beginning and stays that late.
    pub(super) const JOIN: Join = Join::LiveEdge { spacing: SPACING };

    pub(super) fn new(subscription: Subscription, capabilities: &Capabilities) -> Self {
        let wait = WAIT_FOR_TRACKS.saturating_sub(subscription.stream_age());
        Self {
            subscription,
            formats: Formats::of(capabilities),
            tracks: Vec::new(),
            announce_at: Some(Instant::now() + wait),
            held: Vec::new(),
            video: true,
            audio: true,
            paused: false,
        }
    }

    /// Waits for what comes next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        let Some(deadline) = self.announce_at else { return Some(self.subscription.recv().await) };
        tokio::time::timeout_at(deadline.into(), self.subscription.recv()).await.ok()
    }

    /// What is there without waiting.
    pub(super) fn try_next(&mut self) -> Option<Delivery> {
        self.subscription.try_recv()
    }

    /// Writes a delivery to the outbox; `None` means that the wait for tracks is over.
    pub(super) fn write(&mut self, delivery: Option<Delivery>, out: &mut Outbox) -> Step {
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

    pub(super) fn pause(&mut self, paused: bool) {
        if self.paused && !paused {
            self.subscription.rejoin(Self::JOIN);
        }
        self.paused = paused;
    }

    pub(super) const fn receive(&mut self, kind: Kind, wanted: bool) {
        match kind {
            Kind::Video => self.video = wanted,
            Kind::Audio => self.audio = wanted,
        }
    }

    fn track(&mut self, track: Arc<TrackInfo>, out: &mut Outbox) {
        if self.announce_at.is_none() {
            self.config(&track, 0, out);
        }
        match self.tracks.iter_mut().find(|known| known.kind() == track.kind()) {
            Some(known) => *known = track,
            None => self.tracks.push(track),
        }
    }

    fn frame(&mut self, frame: LiveFrame, out: &mut Outbox) {
        let kind = frame.frame().track().kind();
        let wanted = if kind == Kind::Video { self.video } else { self.audio };
        if !wanted || self.paused {
            return;
        }
        if self.announce_at.is_some() {
            self.held.push(frame);
            return;
        }
        if let Some(message) = self.message(&frame) {
            out.push(message);
        }
    }

    /// `onMetaData`, both sequence headers, then what waited.
    fn announce(&mut self, out: &mut Outbox) {
        self.announce_at = None;
        let tracks = std::mem::take(&mut self.tracks);
        let metadata = announce::metadata(tracks.iter().map(|track| &**track));
        self.push(MediaKind::Data, 0, &metadata.write(), out);
        for track in &tracks {
            self.config(track, 0, out);
        }
        self.tracks = tracks;
        for frame in std::mem::take(&mut self.held) {
            if let Some(message) = self.message(&frame) {
                out.push(message);
            }
        }
    }

    fn config(&self, track: &TrackInfo, timestamp: u32, out: &mut Outbox) {
        match announce::config(track, self.formats.of_codec(track.codec())) {
            Ok((kind, body)) => self.push(kind, timestamp, &body, out),
            Err(error) => tracing::warn!(%error, "RTMP: reader goes without a track"),
        }
    }

    fn push(&self, kind: MediaKind, timestamp: u32, body: &Bytes, out: &mut Outbox) {
        if let Ok(message) = wire::message(kind, timestamp, body.clone()) {
            out.push(message);
        }
    }

    fn message(&self, frame: &LiveFrame) -> Option<Bytes> {
        let shared = frame.frame();
        let format = self.formats.of_codec(shared.track().codec());
        if frame.is_restamped() {
            return chunks(&frame.to_frame(), shared.track(), format);
        }
        match format {
            Format::Legacy => {
                shared.wire_form(|frame, track| LegacyMessage(chunks(frame, track, format))).0.clone()
            }
            Format::Enhanced => {
                shared.wire_form(|frame, track| EnhancedMessage(chunks(frame, track, format))).0.clone()
            }
        }
    }
}

/// One frame as a message; `None` if no message can carry it.
fn chunks(frame: &Frame, track: &TrackInfo, format: Format) -> Option<Bytes> {
    let (kind, prefix) = match track.kind() {
        Kind::Video => (MediaKind::Video, mux::video_prefix(frame, format)),
        Kind::Audio => (MediaKind::Audio, mux::audio_prefix(track.codec(), format).ok()?),
    };
    wire::message(kind, flv::timestamp_ms(frame.dts), (&*prefix).chain(&*frame.payload)).ok()
}
