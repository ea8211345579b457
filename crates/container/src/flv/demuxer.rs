//! Tag bodies with timestamps -> tracks and frames.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::VecDeque;
use std::mem::{Discriminant, discriminant};

use bytes::Bytes;
use media::aac::AudioConfig;
use media::h264::ParameterSets;
use media::h264::avcc::{self, DecoderConfiguration};
use media::opus::{Head, packet};
use media::{CodecConfig, Frame, Kind, Rate, Timestamp, TrackId, TrackInfo};

use super::FlvError;
use super::audio::{self, AudioCodec, AudioPacket};
use super::milliseconds::{SampleGrid, Unwrapper};
use super::video::{self, VideoPacket};

/// The name of the video track in a demuxer's events.
pub const VIDEO: TrackId = TrackId(1);
/// The name of the audio track in a demuxer's events.
pub const AUDIO: TrackId = TrackId(2);

/// Which tracks a publisher has said that it will send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Announced {
    /// `videocodecid` in `onMetaData`, bit 0 of the flags in a file header.
    pub video: bool,
    /// `audiocodecid` in `onMetaData`, bit 2 of the flags in a file header.
    pub audio: bool,
}

/// What came out of the tags.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A track's parameters, before its first frame and whenever a byte of them changes; repeated sequence headers
    /// are silent (each would be a discontinuity in HLS, SRS #4695).
    Track(TrackInfo),
    /// One frame in the hub's form. Timestamps are the publisher's own: they may begin anywhere, step back, repeat.
    Frame(Frame),
    /// A tag that was dropped. Told for its first, second, fourth, eighth ... time, so that a broken publisher does not
    /// flood the log.
    Warning {
        /// What was dropped and why.
        warning: Warning,
        /// How often this has happened.
        count: u64,
    },
}

/// Why a tag was dropped; never a reason to end the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// A frame before its track's sequence header.
    #[error("a {0:?} frame came before its sequence header")]
    BeforeConfig(Kind),
    /// A body that cannot be read. [`FlvError::Codec`] and [`FlvError::Multitrack`] will not get better.
    #[error("a {kind:?} tag was dropped: {error}")]
    Tag {
        /// Picture or sound.
        kind: Kind,
        /// What is wrong with it.
        error: FlvError,
    },
}

/// Reads the tags of one publisher. Sans-IO: each `push_*` is followed by [`Self::poll_event`] until it gives `None`;
/// a push makes at most three events.
///
/// Repairs instead of failing: parameter sets inside the stream are merged into the configuration, also where no
/// sequence header ever comes; random access points are recognised by their NAL units; stamps wrap after 49.7 days;
/// audio stamps get back the samples that milliseconds lost.
#[derive(Debug, Default)]
pub struct Demuxer {
    announced: Announced,
    unwrapper: Unwrapper,
    video: Video,
    audio: Audio,
    tally: Tally,
    events: VecDeque<Event>,
}

impl Demuxer {
    /// A demuxer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what the publisher's metadata say; later metadata replace earlier ones. Announced tracks need not come,
    /// others may: WeChat announces its audio seconds late (ZLMediaKit #1874).
    pub const fn push_metadata(&mut self, announced: Announced) {
        self.announced = announced;
    }

    /// Which announced tracks have no parameters yet. A reader that is served before is told of them later.
    pub const fn pending(&self) -> Announced {
        Announced {
            video: self.announced.video && !self.video.sets.is_complete(),
            audio: self.announced.audio && self.audio.config.is_none(),
        }
    }

    /// Takes the body of a video tag or message and its timestamp.
    pub fn push_video(&mut self, timestamp_ms: u32, body: &Bytes) {
        if let Err(warning) = self.video_packet(timestamp_ms, body) {
            self.warn(warning);
        }
    }

    /// Takes the body of an audio tag or message and its timestamp.
    pub fn push_audio(&mut self, timestamp_ms: u32, body: &Bytes) {
        if let Err(warning) = self.audio_packet(timestamp_ms, body) {
            self.warn(warning);
        }
    }

    /// What came out, in order; `None` when everything is told.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn video_packet(&mut self, stamp: u32, body: &Bytes) -> Result<(), Warning> {
        let broken = |error| Warning::Tag { kind: Kind::Video, error };
        match video::parse(body).map_err(broken)? {
            VideoPacket::Config(record) => {
                let config = DecoderConfiguration::parse(&record).map_err(|error| broken(error.into()))?;
                if self.video.configure(config) {
                    self.tell_video_track();
                }
                Ok(())
            }
            VideoPacket::Frame { composition_ms, data } => {
                let unit =
                    avcc::canonical(&data, self.video.length_size()).map_err(|error| broken(error.into()))?;
                unit.map_or(Ok(()), |unit| self.access_unit(stamp, composition_ms, unit))
            }
            VideoPacket::End | VideoPacket::Nothing => Ok(()),
        }
    }

    fn access_unit(
        &mut self,
        stamp: u32,
        composition_ms: i32,
        unit: avcc::AccessUnit,
    ) -> Result<(), Warning> {
        if self.video.sets.merge(&unit.sets) {
            self.tell_video_track();
        }
        if unit.payload.is_empty() {
            return Ok(());
        }
        if !self.video.sets.is_complete() {
            return Err(Warning::BeforeConfig(Kind::Video));
        }
        // Only frames move the clock: sequence headers are stamped 0 in the middle of a stream.
        let dts = self.unwrapper.unwrap(stamp);
        let frame = Frame {
            track: VIDEO,
            pts: dts.plus(Timestamp::from_millis(composition_ms.into())).to_rate(Rate::VIDEO),
            dts: dts.to_rate(Rate::VIDEO),
            random_access: unit.random_access,
            payload: unit.payload,
        };
        self.events.push_back(Event::Frame(frame));
        Ok(())
    }

    fn tell_video_track(&mut self) {
        if self.video.sets.is_complete() {
            let config = CodecConfig::H264(self.video.sets.clone());
            self.events.push_back(Event::Track(TrackInfo { id: VIDEO, config }));
        }
    }

    fn audio_packet(&mut self, stamp: u32, body: &Bytes) -> Result<(), Warning> {
        let broken = |error| Warning::Tag { kind: Kind::Audio, error };
        match audio::parse(body).map_err(broken)? {
            AudioPacket::Config(codec, bytes) => {
                self.configure_audio(audio_config(codec, &bytes).map_err(broken)?);
            }
            // Encoders that have just been started send empty ones.
            AudioPacket::Frame(_, data) | AudioPacket::G711(_, data) if data.is_empty() => {}
            AudioPacket::Frame(codec, data) => {
                let samples = self.audio.samples(codec, &data).map_err(broken)?;
                let (samples, rate) = samples.ok_or(Warning::BeforeConfig(Kind::Audio))?;
                self.audio_frame(stamp, samples, rate, data);
            }
            AudioPacket::G711(config, data) => {
                self.configure_audio(CodecConfig::G711(config));
                self.audio_frame(stamp, config.samples(&data), config.rate(), data);
            }
            AudioPacket::End | AudioPacket::Nothing => {}
        }
        Ok(())
    }

    fn configure_audio(&mut self, config: CodecConfig) {
        if self.audio.config.as_ref() != Some(&config) {
            self.audio.config = Some(config.clone());
            self.events.push_back(Event::Track(TrackInfo { id: AUDIO, config }));
        }
    }

    fn audio_frame(&mut self, stamp: u32, samples: u32, rate: Rate, payload: Bytes) {
        let start = self.audio.grid.place(self.unwrapper.unwrap(stamp), samples, rate);
        let frame = Frame { track: AUDIO, pts: start, dts: start, random_access: true, payload };
        self.events.push_back(Event::Frame(frame));
    }

    fn warn(&mut self, warning: Warning) {
        let count = self.tally.count(&warning);
        if count.is_power_of_two() {
            self.events.push_back(Event::Warning { warning, count });
        }
    }
}

fn audio_config(codec: AudioCodec, bytes: &[u8]) -> Result<CodecConfig, FlvError> {
    Ok(match codec {
        AudioCodec::Aac => CodecConfig::Aac(AudioConfig::parse(bytes)?),
        AudioCodec::Opus => CodecConfig::Opus(Head::parse(bytes)?),
    })
}

#[derive(Debug, Default)]
struct Video {
    /// 0 until a sequence header has come.
    length_size: u8,
    sets: ParameterSets,
}

impl Video {
    /// What the sequence header says; without one the length that everybody uses.
    const fn length_size(&self) -> u8 {
        if self.length_size == 0 { 4 } else { self.length_size }
    }

    /// Takes a sequence header; true when it brings new bytes. A complete one then replaces everything, also sets of
    /// ids that the encoder no longer uses.
    fn configure(&mut self, config: DecoderConfiguration) -> bool {
        self.length_size = config.length_size;
        let changed = self.sets.merge(&config.sets);
        if changed && config.sets.is_complete() {
            self.sets = config.sets;
        }
        changed
    }
}

#[derive(Debug, Default)]
struct Audio {
    config: Option<CodecConfig>,
    grid: SampleGrid,
}

impl Audio {
    /// How many samples a frame holds, on which clock; `None` where the configuration for its codec is missing.
    fn samples(&self, codec: AudioCodec, data: &[u8]) -> Result<Option<(u32, Rate)>, FlvError> {
        match (codec, &self.config) {
            (AudioCodec::Aac, Some(CodecConfig::Aac(config))) => {
                Ok(Some((config.samples_per_frame(), config.rate())))
            }
            (AudioCodec::Opus, Some(CodecConfig::Opus(_))) => {
                Ok(Some((packet::duration_samples(data)?, Rate::OPUS)))
            }
            _ => Ok(None),
        }
    }
}

/// How often each kind of warning has come; bounded by the number of kinds.
#[derive(Debug, Default)]
struct Tally(Vec<(WarningKind, u64)>);

type WarningKind = (Kind, Option<Discriminant<FlvError>>);

impl Tally {
    fn count(&mut self, warning: &Warning) -> u64 {
        let kind = match warning {
            Warning::BeforeConfig(kind) => (*kind, None),
            Warning::Tag { kind, error } => (*kind, Some(discriminant(error))),
        };
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == kind) {
            *count = count.saturating_add(1);
            return *count;
        }
        self.0.push((kind, 1));
        1
    }
}

#[cfg(test)]
mod tests;
