//! Decoders and encoders behind two traits, and the choice of the library for each.
//!
//! PCM is interleaved `f32`, full scale ±1. A *sample* here is one instant: `channels` values.
//!
//! | | `native` (default) | `pure-rust` |
//! |---|---|---|
//! | Opus both ways | libopus 1.6 (`opus`) | `opus-pure` |
//! | AAC-LC decode, 1,024 samples, mono and stereo | `symphonia-codec-aac` | `syom` |
//! | other AAC decode: SBR, PS, 960 samples, more channels | FDK | `syom` |
//! | AAC-LC encode | FDK | `syom` |
//! | G.711 decode | `audio-codec-algorithms` | `audio-codec-algorithms` |
//!
//! With both features `native` is used and both stay reachable, for comparisons.

pub mod g711;
#[cfg(feature = "native")]
pub mod native;
#[cfg(feature = "pure-rust")]
pub mod pure_rust;

#[cfg(feature = "native")]
pub use native as backend;
#[cfg(all(feature = "pure-rust", not(feature = "native")))]
pub use pure_rust as backend;

use bytes::Bytes;
use media::Rate;

use crate::CodecError;

/// Samples of 48 kHz in the longest Opus packet (120 ms, RFC 6716 §3.2.5).
pub const OPUS_MAX_SAMPLES: usize = 5_760;

/// Samples in one AAC-LC frame.
pub const AAC_SAMPLES: usize = 1_024;

/// Samples in one Opus packet that this crate makes: 20 ms of 48 kHz.
pub const OPUS_SAMPLES: usize = 960;

/// What a run of PCM is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// Samples a second.
    pub rate: Rate,
    /// Values in each sample, in WAVE order (front left, front right, centre, LFE, back left, back right, ...).
    pub channels: u8,
}

/// What an encoder shall make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EncoderSettings {
    /// 1 or 2.
    pub channels: u8,
    /// Bits a second.
    pub bitrate: u32,
}

/// Packets to PCM.
///
/// After an error the decoder takes the next packet.
pub trait Decoder: Send + std::fmt::Debug {
    /// Samples, at the rate of the last [`Format`], by which the output lags behind the packets, beyond the
    /// codec's own timeline: sample 0 of a packet's time is output sample `delay()`.
    fn delay(&self) -> usize;

    /// Decodes one packet and appends its samples to `pcm`, which is left as it was on an error.
    ///
    /// # Errors
    /// [`CodecError::Corrupt`].
    fn decode(&mut self, packet: &[u8], pcm: &mut Vec<f32>) -> Result<Format, CodecError>;

    /// Makes up `samples` in place of packets that never came and appends them; with `next`, the packet after the
    /// gap, as much of its end as that packet carries a copy of (Opus in-band FEC, RFC 6716 §2.1.7).
    ///
    /// # Errors
    /// [`CodecError::NoConcealment`] where the library has none, [`CodecError::Corrupt`] where it failed.
    fn conceal(&mut self, samples: usize, next: Option<&[u8]>, pcm: &mut Vec<f32>) -> Result<(), CodecError>;

    /// Forgets the signal so far.
    fn reset(&mut self);
}

/// PCM at 48 kHz to packets, one packet for each [`Self::samples`].
pub trait Encoder: Send + std::fmt::Debug {
    /// Samples in one packet.
    fn samples(&self) -> usize;

    /// Samples by which what a decoder returns lags behind what was put in.
    fn delay(&self) -> usize;

    /// Encodes exactly [`Self::samples`] · channels values.
    ///
    /// # Errors
    /// [`CodecError::Encode`]; the encoder has been reset and takes the next frame.
    fn encode(&mut self, pcm: &[f32]) -> Result<Bytes, CodecError>;
}

/// How the libraries get 16-bit samples: rounded, and clipped at full scale rather than wrapped.
#[cfg(feature = "native")]
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is the clipping that is wanted")]
pub(crate) fn to_i16(value: f32) -> i16 {
    (value * 32_768.0).round_ties_even() as i16
}
