//! Sound: a few seconds encoded once with the real codecs, then repeated.

use std::f32::consts::TAU;

use anyhow::{Context, Result};
use bytes::Bytes;
use media::aac::AudioConfig;
use media::opus::Head;
use media::{Codec, CodecConfig, Frame, Rate, Timestamp, TrackId, TrackInfo};
use transcode::codec::{EncoderSettings, backend};

/// The track of the sound.
pub const TRACK: TrackId = TrackId(2);
/// Samples a second of everything here.
const RATE: u32 = 48_000;
/// What is encoded before it repeats; a whole number of packets of either codec.
const SAMPLES: usize = 1_024 * 15 * 25;

/// What there is to hear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Syllables: a buzz of changing loudness with breath; keeps encoders busy as speech does.
    Speech,
    /// Silence with a loud tone of [`BURST`] samples every [`BURST_PERIOD`] samples, for measuring delays.
    Bursts,
}

/// Samples from one burst to the next: neither codec's frames divide it, so that bursts meet every phase of a frame.
pub const BURST_PERIOD: usize = 16_000;
/// Samples of one burst.
pub const BURST: usize = 4_800;

/// A source of sound.
#[derive(Clone, Debug)]
pub struct Sounds {
    config: CodecConfig,
    packets: Vec<Bytes>,
    samples: u32,
    next: u32,
}

impl Sounds {
    /// Sound as `codec` at `bps` bit/s.
    ///
    /// # Errors
    /// If there is no such encoder.
    pub fn new(codec: Codec, channels: u8, bps: u32, content: Content) -> Result<Self> {
        let settings = EncoderSettings { channels, bitrate: bps };
        let rate = Rate::new(RATE).context("a rate")?;
        let (config, mut encoder) = match codec {
            Codec::Aac => {
                (CodecConfig::Aac(AudioConfig::lc(rate, channels)?), backend::aac_encoder(settings)?)
            }
            Codec::Opus => (CodecConfig::Opus(Head { channels }), backend::opus_encoder(settings)?),
            Codec::H264 | Codec::G711 => anyhow::bail!("there is no encoder of {codec}"),
        };
        let samples = encoder.samples();
        let mut noise = 1_u32;
        let pcm: Vec<f32> = (0..SAMPLES)
            .flat_map(|at| std::iter::repeat_n(sample(content, at, &mut noise), channels.into()))
            .collect();
        let packets = pcm.chunks_exact(samples * usize::from(channels)).map(|chunk| encoder.encode(chunk));
        let packets = packets.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { config, packets, samples: u32::try_from(samples)?, next: 0 })
    }

    /// The parameters.
    pub fn track(&self) -> TrackInfo {
        TrackInfo { id: TRACK, config: self.config.clone() }
    }

    /// Every packet before they repeat.
    pub fn packets(&self) -> &[Bytes] {
        &self.packets
    }

    /// Microseconds from the first packet to the next one.
    pub fn due_micros(&self) -> u64 {
        u64::from(self.next) * u64::from(self.samples) * 1_000_000 / u64::from(RATE)
    }

    /// The next packet.
    pub fn make(&mut self) -> Frame {
        let payload = self.packets[self.next as usize % self.packets.len()].clone();
        let pts = Timestamp::new(i64::from(self.next) * i64::from(self.samples), Rate::OPUS);
        self.next += 1;
        Frame { track: TRACK, pts, dts: pts, random_access: true, payload }
    }
}

fn sample(content: Content, at: usize, noise: &mut u32) -> f32 {
    let time = at as f32 / RATE as f32;
    let tone = |hz: f32| (TAU * hz * time).sin();
    match content {
        Content::Bursts if at % BURST_PERIOD < BURST => 0.5 * tone(1_000.0),
        Content::Bursts => 0.0,
        Content::Speech => {
            *noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let breath = (*noise >> 16) as f32 / 32_768.0 - 1.0;
            let syllable = (TAU * 4.0 * time).sin().max(0.05);
            let buzz: f32 = (1..=12_u8).map(|n| tone(140.0 * f32::from(n)) / f32::from(n)).sum();
            syllable * (0.15 * buzz + 0.02 * breath)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_has_its_bit_rate_and_its_time() {
        for (codec, bps, step) in [(Codec::Aac, 128_000, 21_333), (Codec::Opus, 64_000, 20_000)] {
            let mut sounds = Sounds::new(codec, 1, bps, Content::Speech).unwrap();
            let bytes: usize = sounds.packets().iter().map(Bytes::len).sum();
            let seconds = SAMPLES as f64 / f64::from(RATE);
            let measured = bytes as f64 * 8.0 / seconds;
            assert!((0.5..1.2).contains(&(measured / f64::from(bps))), "{codec} {measured}");
            sounds.make();
            assert_eq!(sounds.due_micros(), step);
        }
    }
}
