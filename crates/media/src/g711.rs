//! G.711 facts (ITU-T G.711): which law, on which clock, and how long a run of bytes lasts. One byte is one sample of
//! one channel; there are no headers and no packets.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

use crate::Rate;

/// Lower is not telephony, higher is not G.711 but a damaged declaration.
const ACCEPTED_RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// Which of the two tables of ITU-T G.711 companded the samples.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Law {
    /// A-law (table 1), Europe and China: `PCMA`, what most IP cameras send.
    A,
    /// µ-law (table 2), North America and Japan: `PCMU`.
    Mu,
}

impl fmt::Display for Law {
    /// The encoding name of SDP (RFC 3551 §4.5.14).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "PCMA",
            Self::Mu => "PCMU",
        })
    }
}

/// Why a declaration of G.711 was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A rate that no G.711 source has.
    #[error("G.711 at {0} Hz; 8000 to 48000 are accepted")]
    Rate(u32),
    /// Neither mono nor stereo.
    #[error("{0} G.711 channels; accepted are 1 and 2")]
    Channels(u8),
}

/// How a G.711 track is declared. 8 kHz mono nearly always (RTP payload types 0 and 8 are nothing else, RFC 3551
/// table 4); Dahua cameras offer 16 kHz too, and FLV has a bit for stereo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioConfig {
    law: Law,
    rate: Rate,
    channels: u8,
}

impl AudioConfig {
    /// 8 kHz mono.
    pub const fn telephone(law: Law) -> Self {
        Self { law, rate: Rate::TELEPHONE, channels: 1 }
    }

    /// G.711 with samples of `channels` (1 or 2) interleaved bytes, `rate` of them a second.
    ///
    /// # Errors
    /// [`ConfigError`] for a rate or a channel count that no source has.
    pub fn new(law: Law, rate: Rate, channels: u8) -> Result<Self, ConfigError> {
        if !ACCEPTED_RATES.contains(&rate.hz()) {
            return Err(ConfigError::Rate(rate.hz()));
        }
        if !matches!(channels, 1 | 2) {
            return Err(ConfigError::Channels(channels));
        }
        Ok(Self { law, rate, channels })
    }

    /// Which table.
    pub const fn law(self) -> Law {
        self.law
    }

    /// Samples a second; the RTP clock too (RFC 3551 §4.5.14).
    pub const fn rate(self) -> Rate {
        self.rate
    }

    /// Interleaved bytes of each sample: 1 or 2.
    pub const fn channels(self) -> u8 {
        self.channels
    }

    /// How much sound `payload` holds, in whole samples at [`Self::rate`].
    pub fn samples(self, payload: &[u8]) -> u32 {
        let samples = payload.len().checked_div(self.channels.into()).unwrap_or(0);
        u32::try_from(samples).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cameras_declare_is_accepted_and_the_rest_named() {
        let new = |hz, channels| AudioConfig::new(Law::A, Rate::new(hz).unwrap(), channels);
        assert_eq!(new(8_000, 1), Ok(AudioConfig::telephone(Law::A)));
        assert_eq!(new(16_000, 2).map(AudioConfig::rate), Ok(Rate::new(16_000).unwrap()));
        assert_eq!(new(7_999, 1), Err(ConfigError::Rate(7_999)));
        assert_eq!(new(8_000, 0), Err(ConfigError::Channels(0)));
        assert_eq!(new(8_000, 3).unwrap_err().to_string(), "3 G.711 channels; accepted are 1 and 2");
    }

    #[test]
    fn a_byte_is_a_sample_of_a_channel() {
        let stereo = AudioConfig::new(Law::Mu, Rate::TELEPHONE, 2).unwrap();
        assert_eq!(AudioConfig::telephone(Law::Mu).samples(&[0; 160]), 160);
        assert_eq!(stereo.samples(&[0; 161]), 80);
        assert_eq!(stereo.samples(&[]), 0);
    }
}
