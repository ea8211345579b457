//! AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::Bytes;

use crate::Rate;
use crate::bits::{BitError, BitReader, BitWriter};

/// `audioObjectType` of AAC-LC (ISO/IEC 14496-3 table 1.17).
pub const LC: u8 = 2;
const SBR: u8 = 5;
const ER_LD: u8 = 23;
const PS: u8 = 29;

/// `samplingFrequencyIndex` 0 to 12 (table 1.18).
pub(super) const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
const EXPLICIT_RATE: u8 = 15;
/// Rates outside of this are a damaged configuration: AAC ends at 96 kHz, resamplers need a few kHz.
const ACCEPTED_RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// Why an AudioSpecificConfig was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AscError {
    /// The data end inside a field.
    #[error("the AudioSpecificConfig ends in the field at bit {bit}")]
    Truncated {
        /// Where the field starts.
        bit: usize,
    },
    /// Longer than [`AudioConfig::MAX_LEN`].
    #[error("the AudioSpecificConfig has {0} bytes; at most 512 are accepted")]
    TooLong(usize),
    /// Not one of the AAC object types that are coded in `raw_data_block`s of fixed length (Main, LC, SSR, LTP, ER LC,
    /// LD, each with SBR and PS).
    #[error("audio object type {0} is not supported; accepted are 1 to 5, 17, 23 and 29")]
    ObjectType(u8),
    /// A reserved `samplingFrequencyIndex`.
    #[error("sampling frequency index {0} is reserved")]
    RateIndex(u8),
    /// A rate that no AAC stream has.
    #[error("a sampling rate of {0} Hz; 4000 to 192000 are accepted")]
    Rate(u32),
    /// SBR that neither keeps nor doubles the rate (§4.6.18.2).
    #[error(
        "spectral band replication from {core} to {output} Hz; the output rate must be once or twice the core's"
    )]
    SbrRate {
        /// Hz.
        core: u32,
        /// Hz.
        output: u32,
    },
    /// A reserved `channelConfiguration`, or a program config element without channels, or a count without
    /// configuration.
    #[error("channel configuration {0} is not supported")]
    Channels(u8),
}

impl From<BitError> for AscError {
    fn from(error: BitError) -> Self {
        match error {
            BitError::End { bit } | BitError::ExpGolomb { bit } => Self::Truncated { bit },
        }
    }
}

/// A parsed AudioSpecificConfig. Equal only if the bytes are.
///
/// HE-AAC that signals SBR only inside the frames (implicit signalling, §1.6.5.3) looks like its LC core here; its
/// decoder gives twice the rate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioConfig {
    bytes: Bytes,
    object_type: u8,
    core_rate: Rate,
    rate: Rate,
    channel_config: u8,
    channels: u8,
    core_samples: u32,
    sbr: bool,
    ps: bool,
}

impl AudioConfig {
    /// The most bytes accepted: a program config element with the longest comment has fewer.
    pub const MAX_LEN: usize = 512;

    /// Reads an AudioSpecificConfig: an FLV sequence header, the `config` of an SDP line, the descriptor in an `esds`
    /// box. Explicit signalling of SBR and PS is read in both forms, hierarchical (object types 5 and 29) and
    /// backward compatible (sync extensions 0x2b7 and 0x548).
    ///
    /// # Errors
    /// [`AscError`] says which field is missing or what is not supported.
    pub fn parse(asc: &[u8]) -> Result<Self, AscError> {
        if asc.len() > Self::MAX_LEN {
            return Err(AscError::TooLong(asc.len()));
        }
        let reader = &mut BitReader::new(asc);
        let Fields { object_type, core, channel_config, sbr, ps, output, specific } = Fields::parse(reader)?;
        let (mut sbr, mut ps, mut output) = (sbr, ps, output);
        if !sbr && let Some(Extension { rate: Some(rate), ps: extended }) = Extension::parse(reader) {
            (sbr, ps, output) = (true, extended, rate);
        }
        Ok(Self {
            bytes: Bytes::copy_from_slice(asc),
            object_type,
            core_rate: checked_rate(core)?,
            rate: if sbr { sbr_rate(core, output)? } else { checked_rate(core)? },
            channel_config,
            channels: if ps && specific.channels == 1 { 2 } else { specific.channels },
            core_samples: specific.frame_samples,
            sbr,
            ps,
        })
    }

    /// Reads an AudioSpecificConfig that stands between other fields and does not say how long it is (LATM, §1.7.3.1),
    /// with the backward compatible signalling behind it, if there is one: RFC 6416 §7.4 has it there, and a
    /// `frameLengthType` that begins as it does is reserved. Leaves `reader` behind it.
    pub(super) fn parse_embedded(reader: &mut BitReader<'_>) -> Result<Self, AscError> {
        // A program config element counts its alignment from the beginning of the configuration.
        let ahead = copy_bits(&mut reader.clone(), reader.remaining().min(Self::MAX_LEN << 3))?;
        let mut fields = BitReader::new(&ahead);
        if !Fields::parse(&mut fields)?.sbr {
            Extension::parse(&mut fields);
        }
        let asc = copy_bits(reader, fields.position())?;
        Self::parse(&asc)
    }

    /// AAC-LC with 1,024 samples a frame, what every decoder plays: `channels` 1 to 6 or 8.
    ///
    /// # Errors
    /// [`AscError::Channels`] for a count that has no configuration, [`AscError::Rate`] for a rate that no AAC has.
    pub fn lc(rate: Rate, channels: u8) -> Result<Self, AscError> {
        let channel_config = match channels {
            1..=6 => channels,
            8 => 7,
            _ => return Err(AscError::Channels(channels)),
        };
        checked_rate(rate.hz())?;
        let mut out = BitWriter::default();
        out.bits(LC.into(), 5);
        match (0..).zip(RATES).find(|&(_, hz)| hz == rate.hz()) {
            Some((index, _)) => out.bits(index, 4),
            None => {
                out.bits(EXPLICIT_RATE.into(), 4);
                out.bits(rate.hz(), 24);
            }
        }
        out.bits(channel_config.into(), 4);
        out.bits(0, 3); // 1,024 samples, no core coder, no extension
        Self::parse(&out.into_bytes())
    }

    /// The AudioSpecificConfig itself.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// `audioObjectType` of the core: 2 for LC, also where SBR (5) or PS (29) extend it.
    pub const fn object_type(&self) -> u8 {
        self.object_type
    }

    /// `audioObjectType` with what extends the core: 29 with parametric stereo, 5 with SBR, else the core's own.
    pub const fn signalled_object_type(&self) -> u8 {
        match (self.ps, self.sbr) {
            (true, _) => PS,
            (false, true) => SBR,
            (false, false) => self.object_type,
        }
    }

    /// Output sampling rate: with SBR that of the extension. The track's clock.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Sampling rate of the core, what a decoder without SBR gives out.
    pub const fn core_rate(&self) -> Rate {
        self.core_rate
    }

    /// `channelConfiguration` of the core (table 1.19); 0 where a program config element lists the channels.
    pub const fn channel_configuration(&self) -> u8 {
        self.channel_config
    }

    /// Output channels, 1 to 48: with parametric stereo 2, though only one is coded.
    pub const fn channels(&self) -> u8 {
        self.channels
    }

    /// Samples of each channel in one frame at [`Self::rate`]: 1,024 or 960 (512 or 480 for AAC-LD), doubled where SBR
    /// doubles the rate.
    pub const fn samples_per_frame(&self) -> u32 {
        if self.rate.hz() == self.core_rate.hz() { self.core_samples } else { self.core_samples << 1 }
    }

    /// SBR is signalled: HE-AAC.
    pub const fn has_sbr(&self) -> bool {
        self.sbr
    }

    /// Parametric stereo is signalled: HE-AAC v2.
    pub const fn has_ps(&self) -> bool {
        self.ps
    }
}

/// `count` bits as bytes of their own, the last one filled up with zeros.
pub(super) fn copy_bits(reader: &mut BitReader<'_>, count: usize) -> Result<Vec<u8>, BitError> {
    let mut out = BitWriter::default();
    for _ in 0..count >> 3 {
        out.bits(reader.bits(8)?, 8);
    }
    for _ in 0..count & 7 {
        out.bits(reader.bits(1)?, 1);
    }
    Ok(out.into_bytes())
}

/// What stands in front of the backward compatible signalling.
struct Fields {
    object_type: u8,
    core: u32,
    channel_config: u8,
    sbr: bool,
    ps: bool,
    output: u32,
    specific: GaSpecific,
}

impl Fields {
    fn parse(reader: &mut BitReader<'_>) -> Result<Self, AscError> {
        let mut object_type = object_type_field(reader)?;
        let core = rate_field(reader)?;
        let channel_config = reader.small(4)?;
        let (mut sbr, mut ps, mut output) = (false, false, core);
        if matches!(object_type, SBR | PS) {
            (sbr, ps) = (true, object_type == PS);
            output = rate_field(reader)?;
            object_type = object_type_field(reader)?;
        }
        let specific = GaSpecific::parse(reader, object_type, channel_config)?;
        Ok(Self { object_type, core, channel_config, sbr, ps, output, specific })
    }
}

/// `GetAudioObjectType()` (table 1.16): 31 escapes to six more bits.
fn object_type_field(reader: &mut BitReader<'_>) -> Result<u8, AscError> {
    match reader.small(5)? {
        31 => Ok(reader.small(6)?.saturating_add(32)),
        object_type => Ok(object_type),
    }
}

/// `samplingFrequencyIndex` and, where it is 15, the 24 bits of `samplingFrequency`; in Hz, not yet checked.
fn rate_field(reader: &mut BitReader<'_>) -> Result<u32, AscError> {
    match reader.small(4)? {
        EXPLICIT_RATE => Ok(reader.bits(24)?),
        index => RATES.get(usize::from(index)).copied().ok_or(AscError::RateIndex(index)),
    }
}

fn checked_rate(hz: u32) -> Result<Rate, AscError> {
    Rate::new(hz).filter(|_| ACCEPTED_RATES.contains(&hz)).ok_or(AscError::Rate(hz))
}

fn sbr_rate(core: u32, output: u32) -> Result<Rate, AscError> {
    if output != core && Some(output) != core.checked_mul(2) {
        return Err(AscError::SbrRate { core, output });
    }
    checked_rate(output)
}

/// Output channels of a `channelConfiguration` (table 1.19), `None` for the reserved ones and 0.
pub(super) const fn channel_count(configuration: u8) -> Option<u8> {
    match configuration {
        1..=6 => Some(configuration),
        7 | 12 | 14 => Some(8),
        11 => Some(7),
        _ => None,
    }
}

struct GaSpecific {
    channels: u8,
    frame_samples: u32,
}

impl GaSpecific {
    /// `GASpecificConfig()` (§4.4.1) and, for the error resilient types, `epConfig`.
    fn parse(reader: &mut BitReader<'_>, object_type: u8, channel_config: u8) -> Result<Self, AscError> {
        if !matches!(object_type, 1..=4 | 17 | ER_LD) {
            return Err(AscError::ObjectType(object_type));
        }
        let short = reader.flag()?;
        if reader.flag()? {
            reader.skip(14)?; // coreCoderDelay
        }
        let extended = reader.flag()?;
        let channels = match channel_config {
            0 => program_channels(reader)?,
            other => channel_count(other).ok_or(AscError::Channels(other))?,
        };
        if extended {
            let resilience = if matches!(object_type, 17 | ER_LD) { 3 } else { 0 };
            reader.skip(resilience)?;
            reader.skip(1)?; // extensionFlag3
        }
        if matches!(object_type, 17 | ER_LD) {
            reader.skip(2)?; // epConfig
        }
        let frame_samples = match (object_type, short) {
            (ER_LD, false) => 512,
            (ER_LD, true) => 480,
            (_, false) => 1_024,
            (_, true) => 960,
        };
        Ok(Self { channels, frame_samples })
    }
}

/// `program_config_element()` (§4.4.1.1): how many channels its elements hold.
fn program_channels(reader: &mut BitReader<'_>) -> Result<u8, AscError> {
    reader.skip(10)?; // tag, object type, sampling frequency index
    let mut pairs_or_singles = 0_u8;
    for _ in 0..3 {
        pairs_or_singles = pairs_or_singles.saturating_add(reader.small(4)?); // front, side, back
    }
    let low_frequency = reader.small(2)?;
    let data = reader.small(3)?;
    let coupling = reader.small(4)?;
    for mixdown_bits in [4, 4, 3] {
        if reader.flag()? {
            reader.skip(mixdown_bits)?;
        }
    }
    let mut channels = low_frequency;
    for _ in 0..pairs_or_singles {
        channels = channels.saturating_add(if reader.flag()? { 2 } else { 1 });
        reader.skip(4)?;
    }
    reader.skip(usize::from(low_frequency).saturating_mul(4))?;
    reader.skip(usize::from(data).saturating_mul(4))?;
    reader.skip(usize::from(coupling).saturating_mul(5))?;
    reader.align()?;
    let comment = reader.bits(8)?;
    reader.skip(usize::try_from(comment).unwrap_or_default().saturating_mul(8))?;
    if channels == 0 || channels > 48 {
        return Err(AscError::Channels(0));
    }
    Ok(channels)
}

/// The backward compatible signalling of SBR and PS behind the configuration (table 1.15): older decoders stop before.
struct Extension {
    /// Sampling rate with SBR; `None`: it says that there is no SBR.
    rate: Option<u32>,
    ps: bool,
}

impl Extension {
    /// Leaves `reader` behind it; `None`, and nothing is read, where there is none, or padding.
    fn parse(reader: &mut BitReader<'_>) -> Option<Self> {
        const SYNC_SBR: u32 = 0x2b7;
        const SYNC_PS: u32 = 0x548;
        let mut ahead = *reader;
        if ahead.bits(11).ok()? != SYNC_SBR || object_type_field(&mut ahead).ok()? != SBR {
            return None;
        }
        let rate = if ahead.flag().ok()? { Some(rate_field(&mut ahead).ok()?) } else { None };
        *reader = ahead;
        let ps = rate.is_some() && ahead.bits(11) == Ok(SYNC_PS) && ahead.flag() == Ok(true);
        if ps {
            *reader = ahead;
        }
        Some(Self { rate, ps })
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "the test's own numbers; a panic is a failure"
    )]

    use proptest::prelude::*;

    use super::*;

    fn parse(hex: &[u8]) -> (u8, u32, u32, u8, u32) {
        let config = AudioConfig::parse(hex).unwrap();
        assert_eq!(config.bytes(), hex);
        let (core, rate) = (config.core_rate().hz(), config.rate().hz());
        (config.object_type(), core, rate, config.channels(), config.samples_per_frame())
    }

    /// (object type, core rate, output rate, channels, samples a frame)
    #[test]
    fn configurations_as_encoders_write_them() {
        assert_eq!(parse(&[0x11, 0x90]), (2, 48_000, 48_000, 2, 1_024));
        assert_eq!(
            parse(&[0x12, 0x08, 0x56, 0xe5, 0x00]),
            (2, 44_100, 44_100, 1, 1_024),
            "ffmpeg: no SBR, said aloud"
        );
        assert_eq!(parse(&[0x14, 0x08]), (2, 16_000, 16_000, 1, 1_024), "WeChat, audio-quality low");
        assert_eq!(parse(&[0x2b, 0x92, 0x08, 0x00]), (2, 22_050, 44_100, 2, 2_048), "HE-AAC, hierarchical");
        assert_eq!(
            parse(&[0xeb, 0x8a, 0x08, 0x00]),
            (2, 22_050, 44_100, 2, 2_048),
            "HE-AAC v2: stereo out of mono"
        );
        assert_eq!(
            parse(&[0x13, 0x90, 0x56, 0xe5, 0xa0]),
            (2, 22_050, 44_100, 2, 2_048),
            "HE-AAC, compatible"
        );
        assert_eq!(
            parse(&[0x13, 0x88, 0x56, 0xe5, 0xa5, 0x48, 0x80]),
            (2, 22_050, 44_100, 2, 2_048),
            "HE-AAC v2, compatible"
        );
    }

    #[test]
    fn frame_lengths() {
        assert_eq!(parse(&[0x11, 0x94]), (2, 48_000, 48_000, 2, 960));
        assert_eq!(parse(&[0xb9, 0x88, 0x00]), (23, 48_000, 48_000, 1, 512), "AAC-LD");
    }

    #[test]
    fn explicit_rates_and_sbr_that_keeps_the_rate() {
        let mut out = BitWriter::default();
        out.bits(2, 5);
        out.bits(15, 4);
        out.bits(44_056, 24);
        out.bits(1, 4);
        out.bits(0, 3);
        assert_eq!(parse(&out.into_bytes()), (2, 44_056, 44_056, 1, 1_024));
        assert_eq!(parse(&[0x29, 0x91, 0x88, 0x00]), (2, 48_000, 48_000, 2, 1_024), "downsampled SBR");
    }

    /// ffmpeg's configuration for 2.1: a program config element with one pair, one LFE and a comment.
    #[test]
    fn channels_of_a_program_config_element() {
        let mut out = BitWriter::default();
        out.bits(2, 5);
        out.bits(3, 4);
        out.bits(0, 4);
        out.bits(0, 3);
        out.bits(0, 4);
        out.bits(1, 2);
        out.bits(3, 4);
        [(2, 4), (0, 4), (0, 4), (1, 2), (0, 3), (1, 4), (0, 3)]
            .into_iter()
            .for_each(|(value, bits)| out.bits(value, bits));
        [(0b1_0000, 5), (0b0_0000, 5), (0, 4), (0b1_0001, 5)]
            .into_iter()
            .for_each(|(value, bits)| out.bits(value, bits));
        let mut asc = out.into_bytes();
        asc.extend_from_slice(&[3, b'L', b'a', b'v']);
        assert_eq!(parse(&asc), (2, 48_000, 48_000, 4, 1_024));
        assert!(matches!(AudioConfig::parse(&asc[..asc.len() - 1]), Err(AscError::Truncated { .. })));
    }

    #[test]
    fn refusals_name_the_field() {
        let refused = |asc: &[u8]| AudioConfig::parse(asc).unwrap_err();
        assert_eq!(refused(&[]), AscError::Truncated { bit: 0 });
        assert_eq!(refused(&[0x11]), AscError::Truncated { bit: 5 });
        assert_eq!(refused(&[0x16, 0x90]), AscError::RateIndex(13));
        assert_eq!(refused(&[0x11, 0x80 | 0x40]), AscError::Channels(8));
        assert_eq!(refused(&[0xf9, 0x46, 0x40, 0, 0]), AscError::ObjectType(42), "USAC behind the escape");
        assert_eq!(refused(&[0x2b, 0x91, 0x88, 0x00]), AscError::SbrRate { core: 22_050, output: 48_000 });
        assert_eq!(refused(&[0x17, 0x80, 0, 0x03, 0x88]), AscError::Rate(7));
        assert_eq!(refused(&[0x11; 600]), AscError::TooLong(600));
        assert_eq!(AudioConfig::lc(Rate::OPUS, 7), Err(AscError::Channels(7)));
    }

    #[test]
    fn ours_is_what_every_encoder_writes() {
        assert_eq!(AudioConfig::lc(Rate::OPUS, 1).unwrap().bytes()[..], [0x11, 0x88]);
        assert_eq!(AudioConfig::lc(Rate::new(44_100).unwrap(), 2).unwrap().bytes()[..], [0x12, 0x10]);
    }

    proptest! {
        #[test]
        fn lc_round_trips(hz in prop_oneof![prop::sample::select(&RATES[..]), ACCEPTED_RATES], channels in prop::sample::select(&[1_u8, 2, 3, 4, 5, 6, 8][..])) {
            let config = AudioConfig::lc(Rate::new(hz).unwrap(), channels).unwrap();
            prop_assert_eq!((config.rate().hz(), config.channels(), config.samples_per_frame()), (hz, channels, 1_024));
            prop_assert!(!config.has_sbr() && !config.has_ps());
            prop_assert_eq!(AudioConfig::parse(config.bytes()), Ok(config));
        }

        #[test]
        fn any_bytes_give_an_error_or_usable_numbers(asc in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(config) = AudioConfig::parse(&asc) {
                prop_assert!((1..=48).contains(&config.channels()));
                prop_assert!(ACCEPTED_RATES.contains(&config.rate().hz()));
                prop_assert!((480..=2_048).contains(&config.samples_per_frame()));
            }
        }
    }
}
