//! From packets in order to frames and track parameters, by payload format.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use media::aac::AudioConfig;
use media::h264::ParameterSets;
use media::h264::avcc::AccessUnit;
use media::h264::sps::Sps;
use media::{CodecConfig, Frame, Rate, Timestamp, TrackId, TrackInfo, g711, opus};

use super::order::Ordered;
use super::{Event, Format, ReceiveError, TrackConfig};
use crate::aac::{self, GenericDepacketizer, LatmDepacketizer};
use crate::h264::{DecodeTimes, Depacketizer, Popped};
use crate::packet::Packet;
use crate::timeline::{ClockTrack, StreamClock};

/// A track's place on the publisher's timeline.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: TrackId,
    pub(super) clock: ClockTrack,
    pub(super) rate: Rate,
    /// When the first packet of the last two timestamps arrived: without marker a picture ends with the next one.
    arrivals: [Option<(u32, Instant)>; 2],
    /// The last frame given out.
    last: Option<Timestamp>,
}

impl Line {
    pub(super) fn new(config: &TrackConfig, clock: &mut StreamClock) -> Self {
        let audio = !matches!(config.format, Format::H264 { .. });
        let track = clock.add_track(config.rate, audio);
        Self { id: config.id, clock: track, rate: config.rate, arrivals: [None; 2], last: None }
    }

    pub(super) fn arrived(&mut self, timestamp: u32, now: Instant) {
        if self.arrivals[0].is_none_or(|(last, _)| last != timestamp) {
            self.arrivals = [Some((timestamp, now)), self.arrivals[0]];
        }
    }

    fn arrival(&self, timestamp: u32) -> Option<Instant> {
        let mut known = self.arrivals.iter().flatten();
        known.find(|(of, _)| *of == timestamp).or(self.arrivals[0].as_ref()).map(|(_, at)| *at)
    }
}

/// Where frames go to.
pub(super) struct Sink<'a> {
    pub(super) line: &'a mut Line,
    pub(super) clock: &'a mut StreamClock,
    pub(super) events: &'a mut VecDeque<Event>,
}

impl Sink<'_> {
    fn announce(&mut self, config: CodecConfig) {
        self.events.push_back(Event::Track(TrackInfo { id: self.line.id, config }));
    }

    fn lost(&mut self) {
        self.events.push_back(Event::Lost(self.line.id));
    }

    /// Where the timeline has a packet of this timestamp; `None` for a timestamp of which none came.
    fn stamp(&mut self, timestamp: u32) -> Option<Timestamp> {
        let arrival = self.line.arrival(timestamp)?;
        Some(self.clock.stamp(self.line.clock, timestamp, arrival))
    }

    /// The frames of sound in one packet, which arrived at `arrival`, on their track's clock, each with the ticks of that
    /// clock between the packet's timestamp and its beginning. Those that do not come after the last one are left out.
    ///
    /// The packet could not leave before its last frame was there, so that one tells what the path takes.
    fn sound(&mut self, timestamp: u32, arrival: Instant, rate: Rate, frames: &[(u32, Bytes)]) {
        let Some((last, _)) = frames.last() else { return };
        // The RTP clock may be that of the core where the output of HE-AAC has twice its rate.
        let ahead = Timestamp::new(i64::from(*last), rate).to_rate(self.line.rate).ticks();
        let timestamp = timestamp.wrapping_add(ahead as u32);
        let end = self.clock.stamp(self.line.clock, timestamp, arrival).to_rate(rate);
        for (offset, payload) in frames {
            let pts = Timestamp::new(end.ticks() - i64::from(last - offset), rate);
            if self.line.last.is_none_or(|last| pts > last) {
                self.line.last = Some(pts);
                let payload = payload.clone();
                let frame = Frame { track: self.line.id, pts, dts: pts, random_access: true, payload };
                self.events.push_back(Event::Frame(frame));
            }
        }
    }

    fn aac(&mut self, timestamp: u32, arrival: Instant, units: Vec<aac::AccessUnit>, config: &AudioConfig) {
        let place = |unit: aac::AccessUnit| (unit.index * config.samples_per_frame(), unit.payload);
        let frames: Vec<_> = units.into_iter().map(place).collect();
        self.sound(timestamp, arrival, config.rate(), &frames);
    }
}

/// One track's payloads.
#[derive(Debug)]
pub(super) enum Media {
    H264(Video),
    Opus { head: opus::Head },
    AacGeneric { depacketizer: GenericDepacketizer, config: AudioConfig },
    AacLatm { depacketizer: LatmDepacketizer, announced: Option<AudioConfig> },
    G711(g711::AudioConfig),
}

impl Media {
    /// Announces what is known without a packet.
    pub(super) fn new(format: Format, id: TrackId, events: &mut VecDeque<Event>) -> Self {
        let (media, config) = match format {
            Format::H264 { sets } => {
                let video = Video::new(sets);
                let known = video.announced.then(|| CodecConfig::H264(video.sets.clone()));
                (Self::H264(video), known)
            }
            Format::Opus { channels } => {
                let head = opus::Head { channels: channels.clamp(1, 2) };
                (Self::Opus { head }, Some(CodecConfig::Opus(head)))
            }
            Format::AacGeneric { config, headers } => {
                let depacketizer = GenericDepacketizer::new(headers);
                let known = CodecConfig::Aac(config.clone());
                (Self::AacGeneric { depacketizer, config }, Some(known))
            }
            Format::AacLatm { config } => {
                let depacketizer = LatmDepacketizer::new(config);
                let announced = depacketizer.config().cloned();
                let known = announced.clone().map(CodecConfig::Aac);
                (Self::AacLatm { depacketizer, announced }, known)
            }
            Format::G711(config) => (Self::G711(config), Some(CodecConfig::G711(config))),
        };
        events.extend(config.map(|config| Event::Track(TrackInfo { id, config })));
        media
    }

    /// The packets that follow are those of another source.
    pub(super) fn restart(&mut self) {
        match self {
            Self::H264(video) => video.depacketizer.restart(),
            Self::AacGeneric { depacketizer, .. } => depacketizer.lose(),
            Self::AacLatm { depacketizer, .. } => depacketizer.restart(),
            Self::Opus { .. } | Self::G711(_) => {}
        }
    }

    /// Takes the next packet.
    pub(super) fn push(&mut self, ordered: &Ordered, sink: &mut Sink<'_>) -> Result<(), ReceiveError> {
        let &Ordered { ref packet, arrival, gap } = ordered;
        let (timestamp, payload) = (packet.header.timestamp, &packet.payload);
        match self {
            Self::H264(video) => return video.push(packet, sink),
            // Nothing but a header: DTX or a keep-alive.
            _ if payload.is_empty() => {}
            Self::Opus { head } => {
                // One channel until a stereo packet comes, two from then on: encoders switch with the sound.
                if head.channels == 1 && opus::packet::is_stereo(payload) == Some(true) {
                    head.channels = 2;
                    sink.announce(CodecConfig::Opus(*head));
                }
                sink.sound(timestamp, arrival, Rate::OPUS, &[(0, payload.clone())]);
            }
            Self::AacGeneric { depacketizer, config } => {
                if gap {
                    depacketizer.lose();
                }
                sink.aac(timestamp, arrival, depacketizer.push(packet)?, config);
            }
            Self::AacLatm { depacketizer, announced } => {
                if gap {
                    depacketizer.lose();
                }
                let units = depacketizer.push(packet)?;
                if let Some(config) =
                    depacketizer.config().filter(|config| announced.as_ref() != Some(config))
                {
                    let config = announced.insert(config.clone());
                    sink.announce(CodecConfig::Aac(config.clone()));
                }
                if let Some(config) = announced {
                    sink.aac(timestamp, arrival, units, config);
                }
            }
            Self::G711(config) => {
                let frames: Vec<_> = crate::g711::depacketize(*config, payload).collect();
                sink.sound(timestamp, arrival, config.rate(), &frames);
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Video {
    depacketizer: Depacketizer,
    sets: ParameterSets,
    times: DecodeTimes,
    announced: bool,
    /// Nothing is given out before the next random access point whose parameter sets are known.
    waiting: bool,
}

impl Video {
    fn new(sets: ParameterSets) -> Self {
        let mut video = Self {
            depacketizer: Depacketizer::new(),
            sets: ParameterSets::default(),
            times: DecodeTimes::default(),
            announced: false,
            waiting: true,
        };
        video.learn(&sets);
        video
    }

    /// True if the parameters that a decoder needs are others than before.
    fn learn(&mut self, found: &ParameterSets) -> bool {
        if !self.sets.merge(found) || !self.sets.is_complete() {
            return false;
        }
        self.announced = true;
        if let Some(sps) = self.sets.sps.first().and_then(|sps| Sps::parse(sps).ok()) {
            self.times.configure(&sps);
        }
        true
    }

    fn push(&mut self, packet: &Packet, sink: &mut Sink<'_>) -> Result<(), ReceiveError> {
        let taken = self.depacketizer.push(packet);
        while let Some(popped) = self.depacketizer.pop() {
            match popped {
                Popped::AccessUnit { timestamp, unit } => self.emit(timestamp, unit, sink),
                Popped::Lost => {
                    self.times.restart();
                    sink.lost();
                }
            }
        }
        Ok(taken?)
    }

    fn emit(&mut self, timestamp: u32, unit: AccessUnit, sink: &mut Sink<'_>) {
        if self.learn(&unit.sets) {
            sink.announce(CodecConfig::H264(self.sets.clone()));
        }
        self.waiting &= !(unit.random_access && self.announced);
        if self.waiting || unit.payload.is_empty() {
            return;
        }
        let Some(at) = sink.stamp(timestamp) else { return };
        let (pts, dts) = self.times.stamp(at, unit.random_access);
        let frame =
            Frame { track: sink.line.id, pts, dts, random_access: unit.random_access, payload: unit.payload };
        sink.events.push_back(Event::Frame(frame));
    }
}
