//! One sound track into another codec: decode, conceal, mix, resample, follow the clock, encode.

mod clock;
mod patch;
mod sink;

use media::aac::{self, AudioConfig};
use media::{Codec, CodecConfig, Frame, Rate, Timestamp, TrackId, TrackInfo, g711, opus};

use self::clock::{Arrival, Clock, GapRule};
use self::patch::Patch;
use self::sink::Sink;
use crate::Error;
use crate::codec::{self, Decoder, Encoder, EncoderSettings, Format};
use crate::mix::remix;
use crate::resample::{Resampler, Stretch};

/// Bit rates that every encoder here takes at 48 kHz.
const BITRATES: std::ops::RangeInclusive<u32> = 16_000..=256_000;

/// Timestamps beyond ±95,000 years are clamped, so that no sum of them overflows.
const FARTHEST: i64 = 1 << 57;

/// Samples of 48 kHz of which Opus packets and their concealment are multiples: 2.5 ms.
const OPUS_STEP: usize = 120;

/// What to make of a track.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// [`Codec::Opus`], or [`Codec::Aac`] for AAC-LC; both at 48 kHz.
    pub codec: Codec,
    /// 1 or 2. `None`: one for Opus, whose declaration always says two (RFC 7587 §7) whatever is sent, and which is
    /// speech in a consultation; otherwise as many as the input has, two at most.
    pub channels: Option<u8>,
    /// Bits a second, 16,000 to 256,000. `None`: 64,000 for one channel, 96,000 for two.
    pub bitrate: Option<u32>,
}

impl Target {
    /// `codec` with its defaults.
    pub const fn new(codec: Codec) -> Self {
        Self { codec, channels: None, bitrate: None }
    }

    /// What the encoder is to be told for `input`.
    fn settings(self, input: &TrackInfo) -> Result<EncoderSettings, Error> {
        let channels = match (self.channels, &input.config) {
            (Some(channels), _) => channels,
            (None, CodecConfig::Aac(config)) => config.channels().clamp(1, 2),
            (None, CodecConfig::G711(config)) => config.channels(),
            (None, _) => 1,
        };
        if !(1..=2).contains(&channels) {
            return Err(Error::Channels(channels));
        }
        let bitrate = self.bitrate.unwrap_or(if channels == 1 { 64_000 } else { 96_000 });
        if !BITRATES.contains(&bitrate) {
            return Err(Error::Bitrate(bitrate));
        }
        Ok(EncoderSettings { channels, bitrate })
    }
}

/// The output's timeline was cut: what follows is not `to - from` later in the sound. The caller can move the stream's
/// other tracks alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reanchor {
    /// When the output would have gone on.
    pub from: Timestamp,
    /// When it goes on. Before `from` only if the input's timestamps ran backwards, which breaks the order of
    /// [`Frame::dts`] in the input too, or lie ten seconds behind the silence that was asked for.
    pub to: Timestamp,
}

/// Counts since the pipeline was built.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// Frames pushed.
    pub frames_in: u64,
    /// Frames made.
    pub frames_out: u64,
    /// Frames that did not decode and were concealed.
    pub corrupt: u64,
    /// Frames that came when their time had been filled, and were left out in whole or part.
    pub late: u64,
    /// Samples (48 kHz) made up in place of missing frames: recovered, concealed or silent.
    pub filled: u64,
    /// Samples (48 kHz) added, or if negative taken away, to follow the input's clock.
    pub stretched: i64,
    /// Cuts of the timeline.
    pub reanchored: u64,
    /// Frames lost because the encoder failed.
    pub encoder_failures: u64,
}

/// Transcodes one track.
///
/// Call order: [`Self::push`] for each frame of the input in the order of `dts`; [`Self::silence_until`] whenever none
/// has come for a while; [`Self::reconfigure`] when the input's [`TrackInfo`] changes, before the first frame that has
/// it. None of them fails on what is in a frame. Frames come out when their last sample is in: nothing is held back.
///
/// The output's first frame may be stamped up to [`Encoder::delay`] before the input's first: that much of it is the
/// encoder's run-up.
#[derive(Debug)]
pub struct Pipeline {
    output: TrackInfo,
    channels: u8,
    source: Source,
    resampler: Resampler,
    stretch: Stretch,
    sink: Sink,
    /// `None` until something says what time it is.
    clock: Option<Clock>,
    stats: Stats,
    /// PCM at the input's rate on its way to the resampler, and at 48 kHz on its way to the stretch.
    pcm: Vec<f32>,
    even: Vec<f32>,
}

impl Pipeline {
    /// A pipeline from `input` to `target`; the track that it makes is called `id`.
    ///
    /// # Errors
    /// [`Error`] if the input's parameters or the target's cannot be served.
    pub fn new(input: &TrackInfo, target: Target, id: TrackId) -> Result<Self, Error> {
        let settings = target.settings(input)?;
        let encoder = match target.codec {
            Codec::Aac => codec::backend::aac_encoder(settings)?,
            Codec::Opus => codec::backend::opus_encoder(settings)?,
            Codec::H264 | Codec::G711 => return Err(Error::Codec(target.codec)),
        };
        let decoder = decoder(input, settings.channels)?;
        Self::with_codecs(input, target, id, decoder, encoder)
    }

    /// Like [`Self::new`] with other codecs than the built-in ones: `decoder` for what `input` declares, `encoder` for
    /// what `target` asks.
    ///
    /// # Errors
    /// [`Error`] if the input's parameters or the target's cannot be served.
    pub fn with_codecs(
        input: &TrackInfo,
        target: Target,
        id: TrackId,
        decoder: Box<dyn Decoder>,
        encoder: Box<dyn Encoder>,
    ) -> Result<Self, Error> {
        let channels = target.settings(input)?.channels;
        let config = match target.codec {
            Codec::Aac => CodecConfig::Aac(
                AudioConfig::lc(Rate::OPUS, channels).map_err(|_| Error::Channels(channels))?,
            ),
            Codec::Opus => CodecConfig::Opus(opus::Head { channels }),
            Codec::H264 | Codec::G711 => return Err(Error::Codec(target.codec)),
        };
        let source = Source::new(input, channels, decoder)?;
        Ok(Self {
            output: TrackInfo { id, config },
            channels,
            resampler: Resampler::new(source.format.rate, channels)?,
            stretch: Stretch::new(channels)?,
            sink: Sink::new(id, encoder, channels),
            source,
            clock: None,
            stats: Stats::default(),
            pcm: Vec::new(),
            even: Vec::new(),
        })
    }

    /// The track that comes out. Never changes.
    pub const fn output(&self) -> &TrackInfo {
        &self.output
    }

    /// What has happened so far.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// The input goes on with the parameters of `input`: a new AudioSpecificConfig in the middle of an RTMP stream, a
    /// publisher that reconnected. Output and timeline stay.
    ///
    /// # Errors
    /// [`Error`] if the new parameters cannot be served; the pipeline is as it was.
    pub fn reconfigure(&mut self, input: &TrackInfo) -> Result<(), Error> {
        let decoder = decoder(input, self.channels)?;
        let mut source = Source::new(input, self.channels, decoder)?;
        let resampler = Resampler::new(source.format.rate, self.channels)?;
        self.exchange(resampler);
        source.patch = self.source.patch.continued_at(source.format.rate.hz());
        self.source = source;
        if let Some(clock) = &mut self.clock {
            clock.set_rate(self.source.format.rate.hz());
        }
        Ok(())
    }

    /// Takes one frame of the input and appends what is complete to `out`.
    ///
    /// Missing frames before it are seen by its timestamp and filled. Returns where the timeline was cut, if so.
    pub fn push(&mut self, frame: &Frame, out: &mut Vec<Frame>) -> Option<Reanchor> {
        self.stats.frames_in += 1;
        let Some(duration) = self.source.duration(&frame.payload) else {
            // Nothing is known about it but its time, which the next frame will show to be missing.
            self.stats.corrupt += 1;
            return None;
        };
        let pts = ticks(frame.pts);
        let rule = self.source.gap_rule;
        let arrival = self.clock_from(pts).arrive(pts, duration, rule);
        let cut = match arrival {
            Arrival::Jump => {
                let cut = self.reanchor(pts, out);
                self.clock_from(pts).arrive(pts, duration, rule);
                Some(cut)
            }
            Arrival::AfterGap(gap) => {
                self.fill(gap, Some(&frame.payload));
                None
            }
            Arrival::Follows | Arrival::Late(_) => None,
        };
        self.play(&frame.payload, duration, if let Arrival::Late(cut) = arrival { cut } else { 0 });
        self.flow(out);
        cut
    }

    /// The input has sent nothing and the stream's time is `until`: appends silence (at first the decoder's
    /// concealment) so that readers do not starve, in steps of 10 ms.
    ///
    /// `until` should be some way behind the newest time, so that a frame that is merely late is not spoken over. What
    /// comes late all the same is left out (stale sound would stay behind for ever) and later silence waits longer.
    /// Returns where the timeline was cut, if more than a second was missing.
    pub fn silence_until(&mut self, until: Timestamp, out: &mut Vec<Frame>) -> Option<Reanchor> {
        let until = ticks(until);
        let Some(due) = self.clock_from(until).silence_due(until) else {
            let cut = self.reanchor(until, out);
            self.clock_from(until).guessed();
            return Some(cut);
        };
        if due > 0 {
            self.fill(due, None);
            self.flow(out);
        }
        None
    }

    /// Ends the track: appends what is still on its way, with the silence that it takes to fill the last frame.
    pub fn finish(mut self, out: &mut Vec<Frame>) -> Stats {
        let tail = self.source.samples(2 * OPUS_STEP);
        self.source.patch.silence(tail, &mut self.pcm);
        self.pass_on();
        if let Ok(unused) = Resampler::new(Rate::OPUS, self.channels) {
            self.exchange(unused);
        }
        self.sink.pad_delay();
        self.sink.encode(&mut self.stats, out);
        self.stats
    }

    /// The clock, started at `at` if it does not run yet.
    fn clock_from(&mut self, at: i64) -> &mut Clock {
        let (sink, rate) = (&mut self.sink, self.source.format.rate);
        self.clock.get_or_insert_with(|| {
            sink.restart(at);
            Clock::new(at, rate.hz())
        })
    }

    /// Decodes `packet`, which lasts `duration`, without its first `cut` samples (both of 48 kHz).
    fn play(&mut self, packet: &[u8], duration: i64, cut: i64) {
        if self.source.is_nothing(packet) {
            return self.fill((duration - cut).max(0), None);
        }
        let start = self.pcm.len();
        match self.source.decode(packet, &mut self.pcm) {
            Ok(format) => {
                let start = if format.rate == self.source.format.rate {
                    start
                } else {
                    self.change_rate(format, start)
                };
                self.stats.late += u64::from(cut > 0);
                let counted = self.source.settle(cut, start, &mut self.pcm);
                self.count(counted);
            }
            Err(_) => {
                self.stats.corrupt += 1;
                self.fill((duration - cut).max(0), None);
            }
        }
    }

    /// The decoder found another rate than was declared: SBR that only the frames signal (ISO/IEC 14496-3 §1.6.5.3).
    /// What came before `start` still has the old one. Returns where the rest starts.
    fn change_rate(&mut self, format: Format, start: usize) -> usize {
        let Ok(resampler) = Resampler::new(format.rate, self.channels) else {
            self.pcm.truncate(start);
            return start;
        };
        let new = self.pcm.split_off(start);
        self.pass_on();
        self.exchange(resampler);
        self.pcm = new;
        self.source.set_rate(format.rate);
        if let Some(clock) = &mut self.clock {
            clock.set_rate(format.rate.hz());
        }
        0
    }

    /// Makes up `gap` samples of 48 kHz, the last of them by what `next` carries of them.
    fn fill(&mut self, gap: i64, next: Option<&[u8]>) {
        let gap = usize::try_from(gap).unwrap_or(0);
        self.stats.filled += gap as u64;
        let samples = self.source.samples(gap);
        self.source.fill(samples, next, &mut self.pcm);
        self.count(samples);
    }

    fn count(&mut self, samples: usize) {
        if let Some(clock) = &mut self.clock {
            clock.count(samples);
        }
    }

    /// Moves the decoded PCM through resampler and stretch into the sink.
    fn pass_on(&mut self) {
        self.resampler.push(&self.pcm, &mut self.even);
        self.pcm.clear();
        self.stretch_even();
    }

    fn stretch_even(&mut self) {
        let correction = self.clock.as_ref().map_or(0.0, Clock::correction);
        let stretched = self.stretch.push(&self.even, correction, &mut self.sink.fifo);
        self.even.clear();
        self.stats.stretched += stretched;
        if let Some(clock) = &mut self.clock {
            clock.stretched(stretched);
        }
    }

    /// Replaces the resampler by `next` after the signal in the old one has been moved on.
    fn exchange(&mut self, next: Resampler) {
        std::mem::replace(&mut self.resampler, next).finish(&mut self.even);
        self.stretch_even();
    }

    fn flow(&mut self, out: &mut Vec<Frame>) {
        self.pass_on();
        self.sink.encode(&mut self.stats, out);
    }

    /// Ends the timeline here, with a fade, and starts another one at `at`.
    fn reanchor(&mut self, at: i64, out: &mut Vec<Frame>) -> Reanchor {
        let from = self.clock.as_ref().map_or(at, Clock::now);
        self.source.patch.silence(self.source.samples(2 * OPUS_STEP), &mut self.pcm);
        self.pass_on();
        if let Ok(resampler) = Resampler::new(self.source.format.rate, self.channels) {
            self.exchange(resampler);
        }
        self.sink.pad();
        self.sink.encode(&mut self.stats, out);
        self.sink.restart(at);
        self.source.restart();
        if let Some(clock) = &mut self.clock {
            clock.restart(at);
        }
        self.stats.reanchored += 1;
        Reanchor { from: Timestamp::new(from, Rate::OPUS), to: Timestamp::new(at, Rate::OPUS) }
    }
}

/// The decoder of a track.
fn decoder(input: &TrackInfo, channels: u8) -> Result<Box<dyn Decoder>, Error> {
    match &input.config {
        CodecConfig::Opus(_) => Ok(codec::backend::opus_decoder(channels)?),
        CodecConfig::Aac(config) if config.object_type() == aac::LC => {
            Ok(codec::backend::aac_decoder(config)?)
        }
        CodecConfig::Aac(config) => Err(Error::ObjectType(config.object_type())),
        CodecConfig::G711(config) => Ok(codec::g711::decoder(*config)),
        _ => Err(Error::Codec(input.codec())),
    }
}

fn ticks(time: Timestamp) -> i64 {
    time.to_rate(Rate::OPUS).ticks().clamp(-FARTHEST, FARTHEST)
}

/// How long a packet lasts.
#[derive(Clone, Copy, Debug)]
enum Packets {
    /// Its first bytes say it.
    Opus,
    /// All alike, in samples of 48 kHz.
    Aac(i64),
    /// As long as it is.
    G711(g711::AudioConfig),
}

/// The beginning of a pipeline: packets to PCM with the output's channels at the input's rate.
#[derive(Debug)]
struct Source {
    decoder: Box<dyn Decoder>,
    format: Format,
    channels: u8,
    packets: Packets,
    gap_rule: GapRule,
    patch: Patch,
    /// Samples at the front of the decoder's output that are its delay; known after its first packet.
    trim: Option<usize>,
    raw: Vec<f32>,
}

impl Source {
    fn new(input: &TrackInfo, channels: u8, decoder: Box<dyn Decoder>) -> Result<Self, Error> {
        let (packets, gap_rule) = match &input.config {
            CodecConfig::Opus(_) => (Packets::Opus, GapRule::OPUS),
            CodecConfig::Aac(config) => {
                let samples = i64::from(config.samples_per_frame());
                (Packets::Aac(samples * 48_000 / i64::from(config.rate().hz())), GapRule::AAC)
            }
            CodecConfig::G711(config) => (Packets::G711(*config), GapRule::G711),
            _ => return Err(Error::Codec(input.codec())),
        };
        let format = Format { rate: input.rate(), channels };
        let patch = Patch::new(format.rate.hz(), channels);
        Ok(Self { decoder, format, channels, packets, gap_rule, patch, trim: None, raw: Vec::new() })
    }

    /// How many samples of 48 kHz a packet lasts, if it can be told.
    fn duration(&self, packet: &[u8]) -> Option<i64> {
        match self.packets {
            Packets::Opus => opus::packet::duration_samples(packet).ok().map(i64::from),
            Packets::Aac(samples) => Some(samples),
            Packets::G711(config) => {
                let (samples, rate) = (config.samples(packet), config.rate().hz());
                // Cameras send 20 to 200 ms; a second and more is no live sound, and would be decoded at one go.
                (1..=rate).contains(&samples).then(|| i64::from(samples) * 48_000 / i64::from(rate))
            }
        }
    }

    /// A TOC byte alone says that there is nothing to say (RFC 6716 §3.2.1: a frame of no bytes is DTX or loss). A
    /// decoder would go on with what it heard last, however long ago that was.
    fn is_nothing(&self, packet: &[u8]) -> bool {
        matches!(self.packets, Packets::Opus) && packet.len() == 1
    }

    /// `samples` of 48 kHz at the input's rate.
    fn samples(&self, samples: usize) -> usize {
        (samples as u64 * u64::from(self.format.rate.hz()) / 48_000) as usize
    }

    /// Decodes a packet and appends it with the output's channels.
    fn decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, crate::CodecError> {
        self.raw.clear();
        let format = self.decoder.decode(packet, &mut self.raw)?;
        remix(&self.raw, format.channels, self.channels, pcm);
        Ok(format)
    }

    /// Joins what was decoded into `pcm` from `start` to what was heard before, without the decoder's delay and the
    /// first `cut` samples of 48 kHz. Returns the samples to count.
    fn settle(&mut self, cut: i64, start: usize, pcm: &mut Vec<f32>) -> usize {
        let channels = usize::from(self.channels);
        let decoded = (pcm.len() - start) / channels;
        let cut = self.samples(usize::try_from(cut).unwrap_or(0)).min(decoded);
        let delay = self.decoder.delay();
        let trim = self.trim.get_or_insert(delay);
        let trimmed = (*trim).min(decoded - cut);
        *trim -= trimmed;
        pcm.drain(start..start + (cut + trimmed) * channels);
        self.patch.sound(&mut pcm[start..]);
        decoded - cut
    }

    /// Makes up samples at the input's rate and appends them.
    fn fill(&mut self, samples: usize, next: Option<&[u8]>, pcm: &mut Vec<f32>) {
        let mut concealed = self.patch.concealable().min(samples) / OPUS_STEP * OPUS_STEP;
        if concealed > 0 {
            self.raw.clear();
            let next = next.filter(|_| concealed == samples);
            match self.decoder.conceal(concealed, next, &mut self.raw) {
                Ok(()) => {
                    let start = pcm.len();
                    remix(&self.raw, self.channels, self.channels, pcm);
                    pcm.resize(start + concealed * usize::from(self.channels), 0.0);
                    self.patch.concealed(&mut pcm[start..]);
                }
                Err(_) => concealed = 0,
            }
        }
        self.patch.silence(samples - concealed, pcm);
    }

    fn set_rate(&mut self, rate: Rate) {
        self.format.rate = rate;
        self.patch = self.patch.continued_at(rate.hz());
    }

    /// Forgets the sound so far.
    fn restart(&mut self) {
        self.decoder.reset();
        self.patch = Patch::new(self.format.rate.hz(), self.channels);
    }
}
