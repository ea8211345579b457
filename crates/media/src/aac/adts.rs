//! The ADTS header in front of an AAC frame (ISO/IEC 14496-3 §1.A.3.2): RTP over old cameras, MPEG-TS, HLS.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::config::{AscError, AudioConfig, RATES};
use crate::bits::{BitError, BitReader, BitWriter};

/// Why bytes are no ADTS header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdtsError {
    /// Fewer than 7 bytes, or than 9 where the header has a checksum.
    #[error("the ADTS header is cut off")]
    Truncated,
    /// No `syncword`, or a layer other than 0.
    #[error("no ADTS syncword")]
    Sync,
    /// A reserved sampling rate, or channels in a program config element inside the frame.
    #[error("the ADTS header describes an unsupported stream: {0}")]
    Config(#[from] AscError),
    /// `aac_frame_length` is shorter than the header.
    #[error("an ADTS frame of {0} bytes is shorter than its header")]
    Length(u16),
    /// A configuration that the header's fields cannot tell: only Main, LC, SSR and LTP with 1,024 samples a frame, a
    /// listed rate and one of the channel configurations 1 to 7.
    #[error(
        "ADTS cannot carry this AAC configuration; LC with a standard rate and 1 to 6 or 8 channels can be"
    )]
    NotCarried,
    /// More than 13 bits can count.
    #[error("an AAC frame of {0} bytes; 8184 are the most that ADTS carries")]
    TooLong(usize),
}

impl From<BitError> for AdtsError {
    fn from(_: BitError) -> Self {
        Self::Truncated
    }
}

/// One ADTS header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdtsHeader {
    /// The same facts as an AudioSpecificConfig.
    pub config: AudioConfig,
    /// Bytes of the header, 7 or, with a checksum, 9: where the first raw data block begins.
    pub header_len: u8,
    /// Bytes of header and payload together, up to 8,191.
    pub frame_len: u16,
    /// Raw data blocks in the frame, 1 to 4; nearly always 1.
    pub blocks: u8,
}

/// Reads the header at the beginning of `bytes`; what follows need not be there yet.
///
/// # Errors
/// [`AdtsError`] says what is missing.
pub fn parse_header(bytes: &[u8]) -> Result<AdtsHeader, AdtsError> {
    const SYNCWORD: u32 = 0xfff;
    let reader = &mut BitReader::new(bytes);
    if reader.remaining() < 56 {
        return Err(AdtsError::Truncated);
    }
    if reader.bits(12)? != SYNCWORD {
        return Err(AdtsError::Sync);
    }
    reader.skip(1)?; // ID: MPEG-4 or MPEG-2, the same bits
    if reader.bits(2)? != 0 {
        return Err(AdtsError::Sync);
    }
    let header_len: u8 = if reader.flag()? { 7 } else { 9 };
    let object_type = reader.bits(2)?.saturating_add(1);
    let rate_index = reader.bits(4)?;
    reader.skip(1)?; // private_bit
    let channel_config = reader.bits(3)?;
    reader.skip(4)?; // original, home, copyright
    let frame_len = u16::try_from(reader.bits(13)?).unwrap_or(u16::MAX);
    reader.skip(11)?; // adts_buffer_fullness
    let blocks = reader.small(2)?.saturating_add(1);
    if frame_len < header_len.into() {
        return Err(AdtsError::Length(frame_len));
    }
    if bytes.len() < usize::from(header_len) {
        return Err(AdtsError::Truncated);
    }
    let config = config(object_type, rate_index, channel_config)?;
    Ok(AdtsHeader { config, header_len, frame_len, blocks })
}

/// Bytes of the header that [`write_header`] writes.
pub const HEADER_LEN: usize = 7;

/// The header in front of one raw access unit of `payload_len` bytes; without checksum. SBR and PS are not told: their
/// decoders find them in the frames (§1.6.5.3, implicit signalling), and all players of MPEG-TS look there.
///
/// # Errors
/// [`AdtsError::NotCarried`] and [`AdtsError::TooLong`].
pub fn write_header(config: &AudioConfig, payload_len: usize) -> Result<[u8; HEADER_LEN], AdtsError> {
    const MAX_FRAME: usize = 0x1fff;
    let core_samples = if config.core_rate() == config.rate() { 1_024 } else { 2_048 };
    let index = (0_u32..).zip(RATES).find(|&(_, hz)| hz == config.core_rate().hz()).map(|(index, _)| index);
    let (1..=4, 1..=7, true, Some(index)) = (
        config.object_type(),
        config.channel_configuration(),
        config.samples_per_frame() == core_samples,
        index,
    ) else {
        return Err(AdtsError::NotCarried);
    };
    let frame_len = payload_len.saturating_add(HEADER_LEN);
    let fits = u32::try_from(frame_len).ok().filter(|_| frame_len <= MAX_FRAME);
    let frame_len = fits.ok_or(AdtsError::TooLong(payload_len))?;
    let mut out = BitWriter::default();
    out.bits(0xfff, 12);
    out.bits(0b0001, 4); // MPEG-4, layer 0, no checksum
    out.bits(u32::from(config.object_type()).saturating_sub(1), 2);
    out.bits(index, 4);
    out.bits(0, 1);
    out.bits(config.channel_configuration().into(), 3);
    out.bits(0, 4);
    out.bits(frame_len, 13);
    out.bits(0x7ff, 11); // buffer fullness: variable rate
    out.bits(0, 2); // one raw data block
    Ok(out.into_bytes().first_chunk().copied().unwrap_or_default())
}

/// The AudioSpecificConfig with the header's fields. An index of 15 is forbidden in ADTS and would promise 24 more bits.
fn config(object_type: u32, rate_index: u32, channel_config: u32) -> Result<AudioConfig, AscError> {
    if rate_index == 15 {
        return Err(AscError::RateIndex(15));
    }
    if channel_config == 0 {
        return Err(AscError::Channels(0));
    }
    let mut asc = BitWriter::default();
    asc.bits(object_type, 5);
    asc.bits(rate_index, 4);
    asc.bits(channel_config, 4);
    asc.bits(0, 3);
    AudioConfig::parse(&asc.into_bytes())
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

    /// As ffmpeg's ADTS muxer writes it: AAC-LC, 48 kHz stereo, 371 bytes.
    const STEREO: [u8; 7] = [0xff, 0xf1, 0x4c, 0x80, 0x2e, 0x7f, 0xfc];

    #[test]
    fn the_header_of_a_real_stream() {
        let header = parse_header(&STEREO).unwrap();
        assert_eq!((header.header_len, header.frame_len, header.blocks), (7, 371, 1));
        assert_eq!(header.config.bytes()[..], [0x11, 0x90]);
    }

    #[test]
    fn refusals() {
        let changed = |at: usize, value: u8| {
            let mut header = STEREO;
            header[at] = value;
            parse_header(&header)
        };
        assert_eq!(parse_header(&STEREO[..6]), Err(AdtsError::Truncated));
        assert_eq!(changed(0, 0xfe), Err(AdtsError::Sync));
        assert_eq!(changed(1, 0xf3), Err(AdtsError::Sync));
        assert_eq!(changed(1, 0xf0), Err(AdtsError::Truncated), "the checksum is missing");
        assert_eq!(changed(2, 0x7c), Err(AdtsError::Config(AscError::RateIndex(15))));
        assert_eq!(changed(3, 0x00), Err(AdtsError::Config(AscError::Channels(0))));
        assert_eq!(changed(4, 0x00), Err(AdtsError::Length(3)));
    }

    #[test]
    fn what_the_header_cannot_tell_is_refused() {
        let carried = |asc: &[u8], len| write_header(&AudioConfig::parse(asc).unwrap(), len);
        assert_eq!(carried(&[0x11, 0x90], 371 - 7), Ok(STEREO));
        assert!(carried(&[0x2b, 0x92, 0x08, 0x00], 100).is_ok(), "HE-AAC, as its core");
        assert_eq!(carried(&[0x11, 0x90], 8_185), Err(AdtsError::TooLong(8_185)));
        assert_eq!(carried(&[0x11, 0x94], 100), Err(AdtsError::NotCarried), "960 samples");
        assert_eq!(carried(&[0xb9, 0x88, 0x00], 100), Err(AdtsError::NotCarried), "AAC-LD");
        let odd = AudioConfig::lc(crate::Rate::new(44_056).unwrap(), 1).unwrap();
        assert_eq!(write_header(&odd, 100), Err(AdtsError::NotCarried), "an explicit rate");
    }

    proptest! {
        #[test]
        fn written_headers_are_read(hz in prop::sample::select(&RATES[..]), channels in prop::sample::select(&[1_u8, 2, 3, 4, 5, 6, 8][..]), len in 0..8_185_usize) {
            let config = AudioConfig::lc(crate::Rate::new(hz).unwrap(), channels).unwrap();
            let header = parse_header(&write_header(&config, len).unwrap()).unwrap();
            prop_assert_eq!((usize::from(header.frame_len), header.header_len, header.blocks), (len + 7, 7, 1));
            prop_assert_eq!(header.config, config);
        }

        #[test]
        fn every_frame_length_is_read(len in 7..8_192_u16, index in 0..13_u8, channels in 1..8_u8) {
            let bytes = [
                0xff,
                0xf1,
                0x40 | (index << 2) | (channels >> 2),
                (channels << 6) | (len >> 11) as u8,
                (len >> 3) as u8,
                ((len & 7) << 5) as u8 | 0x1f,
                0xfc,
            ];
            let header = parse_header(&bytes).unwrap();
            prop_assert_eq!(header.frame_len, len);
            prop_assert_eq!(header.config.rate().hz(), [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350][usize::from(index)]);
        }

        #[test]
        fn any_bytes_do_not_panic(tail in prop::collection::vec(any::<u8>(), 0..12)) {
            let _ = parse_header(&[&[0xff, 0xf1], &tail[..]].concat());
        }
    }
}
