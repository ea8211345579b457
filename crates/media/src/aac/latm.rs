//! LATM, the Low-overhead MPEG-4 Audio Transport Multiplex (ISO/IEC 14496-3 §1.7.3), as far as RTP carries it
//! (RFC 6416 §6): one program of one layer.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::Bytes;

use super::config::{AscError, AudioConfig, copy_bits};
use crate::bits::{BitError, BitReader};

/// Why LATM was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LatmError {
    /// The data end inside a field or an access unit.
    #[error("the LATM data end in the field at bit {bit}")]
    Truncated {
        /// Where the field starts.
        bit: usize,
    },
    /// The AudioSpecificConfig in a StreamMuxConfig.
    #[error("in the StreamMuxConfig: {0}")]
    Config(#[from] AscError),
    /// A multiplex of more than one program with one layer, or one of later versions.
    #[error("{field} has the value {value}, which is not supported")]
    Unsupported {
        /// The syntax element's name in the standard.
        field: &'static str,
        /// Its value.
        value: u32,
    },
    /// An element that repeats a StreamMuxConfig that nobody has seen (§1.7.3.2, useSameStreamMux).
    #[error("the StreamMuxConfig is not known yet")]
    NoConfig,
}

impl From<BitError> for LatmError {
    fn from(error: BitError) -> Self {
        match error {
            BitError::End { bit } | BitError::ExpGolomb { bit } => Self::Truncated { bit },
        }
    }
}

/// How an access unit says how long it is (`frameLengthType`, table 1.48).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FrameLength {
    /// Bytes that add up, the last one below 255.
    Counted,
    /// All of as many bytes.
    Fixed(usize),
}

/// `StreamMuxConfig()` (§1.7.3.1, table 1.42): the `config` of an SDP line with MP4A-LATM, or inside the elements.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamMuxConfig {
    config: AudioConfig,
    /// Access units in each element, 1 to 64.
    units: u8,
    length: FrameLength,
    other_data_bits: u32,
}

impl StreamMuxConfig {
    /// Reads a StreamMuxConfig; what follows it is padding.
    ///
    /// # Errors
    /// [`LatmError`] says which field is missing or not supported.
    pub fn parse(bytes: &[u8]) -> Result<Self, LatmError> {
        Self::read(&mut BitReader::new(bytes))
    }

    /// The AudioSpecificConfig in it.
    pub const fn config(&self) -> &AudioConfig {
        &self.config
    }

    fn read(reader: &mut BitReader<'_>) -> Result<Self, LatmError> {
        let version = reader.flag()?;
        if version {
            expect("audioMuxVersionA", reader.bits(1)?, 0)?;
            latm_value(reader)?; // taraBufferFullness
        }
        expect("allStreamsSameTimeFraming", reader.bits(1)?, 1)?;
        let units = reader.small(6)?.saturating_add(1);
        expect("numProgram", reader.bits(4)?, 0)?;
        expect("numLayer", reader.bits(3)?, 0)?;
        let config = if version { sized_config(reader)? } else { AudioConfig::parse_embedded(reader)? };
        if is_over(*reader) {
            return Ok(Self { config, units, length: FrameLength::Counted, other_data_bits: 0 });
        }
        let length = match reader.bits(3)? {
            0 => {
                reader.skip(8)?; // latmBufferFullness
                FrameLength::Counted
            }
            1 => FrameLength::Fixed(usize::try_from(reader.bits(9)?).unwrap_or(0).saturating_add(20)),
            value => return Err(LatmError::Unsupported { field: "frameLengthType", value }),
        };
        let other_data_bits = if reader.flag()? { other_data_bits(reader, version)? } else { 0 };
        if reader.flag()? {
            reader.skip(8)?; // crcCheckSum
        }
        Ok(Self { config, units, length, other_data_bits })
    }

    /// The access units of one `AudioMuxElement` without StreamMuxConfig (`cpresent=0`): slices of `element`.
    ///
    /// # Errors
    /// [`LatmError::Truncated`] where a unit is longer than what is there; half an element is not given out.
    pub fn access_units(&self, element: &Bytes) -> Result<Vec<Bytes>, LatmError> {
        self.read_units(&mut BitReader::new(element), element)
    }

    fn read_units(&self, reader: &mut BitReader<'_>, element: &Bytes) -> Result<Vec<Bytes>, LatmError> {
        let mut units = Vec::with_capacity(self.units.into());
        for _ in 0..self.units {
            let len = match self.length {
                FrameLength::Counted => counted(reader)?,
                FrameLength::Fixed(len) => len,
            };
            units.push(take(reader, element, len)?);
        }
        reader.skip(usize::try_from(self.other_data_bits).unwrap_or(usize::MAX))?;
        units.retain(|unit| !unit.is_empty());
        Ok(units)
    }
}

/// The access units of one `AudioMuxElement` that may bring its StreamMuxConfig (`cpresent=1`), which becomes `known`.
///
/// # Errors
/// [`LatmError`] for an element that ends too early, is not supported, or comes before any StreamMuxConfig.
pub fn access_units(known: &mut Option<StreamMuxConfig>, element: &Bytes) -> Result<Vec<Bytes>, LatmError> {
    let reader = &mut BitReader::new(element);
    if !reader.flag()? {
        *known = Some(StreamMuxConfig::read(reader)?);
    }
    known.as_ref().ok_or(LatmError::NoConfig)?.read_units(reader, element)
}

/// Whether only padding follows the AudioSpecificConfig: GStreamer's rtpmp4apay leaves out all that stands behind it
/// (`tests/vectors/gstreamer-1.22`), which has at least 13 bits.
fn is_over(reader: BitReader<'_>) -> bool {
    let (mut rest, left) = (reader, reader.remaining());
    left < 13 && rest.bits(left) == Ok(0)
}

fn expect(field: &'static str, value: u32, wanted: u32) -> Result<(), LatmError> {
    if value == wanted { Ok(()) } else { Err(LatmError::Unsupported { field, value }) }
}

/// `LatmGetValue()` (table 1.43): up to four bytes.
fn latm_value(reader: &mut BitReader<'_>) -> Result<u32, BitError> {
    let bytes = reader.small(2)?.saturating_add(1);
    reader.bits(usize::from(bytes) << 3)
}

/// The AudioSpecificConfig of version 1, behind its length and with what follows its fields.
fn sized_config(reader: &mut BitReader<'_>) -> Result<AudioConfig, LatmError> {
    let bits = usize::try_from(latm_value(reader)?).unwrap_or(usize::MAX);
    if bits > AudioConfig::MAX_LEN << 3 {
        return Err(AscError::TooLong(bits >> 3).into());
    }
    Ok(AudioConfig::parse(&copy_bits(reader, bits)?)?)
}

fn other_data_bits(reader: &mut BitReader<'_>, version: bool) -> Result<u32, BitError> {
    if version {
        return latm_value(reader);
    }
    let mut bits = 0_u32;
    loop {
        let more = reader.flag()?;
        bits = bits.saturating_mul(256).saturating_add(reader.bits(8)?);
        if !more {
            return Ok(bits);
        }
    }
}

/// `PayloadLengthInfo()` (table 1.44).
fn counted(reader: &mut BitReader<'_>) -> Result<usize, BitError> {
    let mut len = 0_usize;
    loop {
        let byte = reader.small(8)?;
        len = len.saturating_add(byte.into());
        if byte != u8::MAX {
            return Ok(len);
        }
    }
}

/// `len` bytes of `element` at the reader's place, copied only where that is inside a byte.
fn take(reader: &mut BitReader<'_>, element: &Bytes, len: usize) -> Result<Bytes, LatmError> {
    let (at, bits) = (reader.position(), len.saturating_mul(8));
    if at & 7 != 0 {
        if bits > reader.remaining() {
            return Err(LatmError::Truncated { bit: at });
        }
        return Ok(copy_bits(reader, bits)?.into());
    }
    reader.skip(bits)?;
    let start = at >> 3;
    Ok(element.slice(start..start.saturating_add(len)))
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
    use crate::Rate;
    use crate::bits::BitWriter;

    /// AAC-LC at 48 kHz in stereo.
    const LC: [u8; 6] = [0x40, 0x00, 0x23, 0x20, 0x3f, 0xc0];

    fn lc() -> AudioConfig {
        AudioConfig::lc(Rate::OPUS, 2).unwrap()
    }

    /// A StreamMuxConfig of version 0 with `units` access units in an element.
    fn write_config(out: &mut BitWriter, units: u32, fixed: Option<u32>, other: Option<u32>) {
        out.bits(0, 1);
        out.bits(1, 1);
        out.bits(units - 1, 6);
        out.bits(0, 7);
        out.bits(0x1190 >> 3, 13);
        out.bits(0, 3); // GASpecificConfig
        match fixed {
            Some(len) => {
                out.bits(1, 3);
                out.bits(len - 20, 9);
            }
            None => out.bits(0xff, 11),
        }
        match other {
            Some(bits) => {
                out.bits(0b11, 2);
                out.bits(bits >> 8, 8);
                out.bits(0, 1);
                out.bits(bits, 8);
            }
            None => out.bits(0, 1),
        }
        out.bits(0, 1); // crcCheckPresent
    }

    fn write_units(out: &mut BitWriter, units: &[Vec<u8>], counted: bool) {
        for unit in units {
            if counted {
                (0..unit.len() / 255).for_each(|_| out.bits(255, 8));
                out.bits(unit.len() as u32 % 255, 8);
            }
            unit.iter().for_each(|&byte| out.bits(byte.into(), 8));
        }
    }

    fn units(lens: &[usize]) -> Vec<Vec<u8>> {
        lens.iter().map(|&len| (0..len).map(|i| (i * 7 + len) as u8).collect()).collect()
    }

    #[test]
    fn the_configurations_of_gstreamer_end_early() {
        // Of voaacenc, and of libav's encoder, whose AudioSpecificConfig says aloud that there is no SBR.
        let cut = [(&[0x40, 0x00, 0x23, 0x20][..], &[0x11, 0x90][..])];
        let libav = (&[0x40, 0x00, 0x23, 0x20, 0xad, 0xca, 0x00][..], &[0x11, 0x90, 0x56, 0xe5, 0x00][..]);
        for (config, asc) in cut.into_iter().chain([libav]) {
            let mux = StreamMuxConfig::parse(config).unwrap();
            assert_eq!((mux.config().rate(), mux.config().channels()), (Rate::OPUS, 2));
            assert_eq!(mux.config().bytes()[..], *asc);
            assert_eq!((mux.units, mux.length), (1, FrameLength::Counted));
        }
        let whole = StreamMuxConfig::parse(&LC).unwrap();
        assert_eq!(whole, StreamMuxConfig::parse(&LC[..4]).unwrap());
    }

    #[test]
    fn the_configurations_of_rfc_6416() {
        // RFC 6416 §7.4: AAC-LC, and HE-AAC with explicit hierarchical signalling.
        let lc = StreamMuxConfig::parse(&[0x40, 0x00, 0x26, 0x20, 0x3f, 0xc0]).unwrap();
        assert_eq!((lc.config().rate().hz(), lc.config().channels()), (24_000, 2));
        let he = StreamMuxConfig::parse(&[0x40, 0x00, 0x56, 0x23, 0x10, 0x1f, 0xe0]).unwrap();
        assert_eq!((he.config().core_rate().hz(), he.config().rate().hz()), (24_000, 48_000));
        assert!(he.config().has_sbr());
    }

    #[test]
    fn backward_compatible_signalling_is_part_of_the_configuration() {
        // LC at 24 kHz, then SBR to 48 kHz, and parametric stereo behind that; the fields of the multiplex follow.
        for (ps, asc) in [
            (false, &[0x13, 0x10, 0x56, 0xe5, 0x98][..]),
            (true, &[0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80][..]),
        ] {
            let mut out = BitWriter::default();
            out.bits(0x4000 >> 1, 15);
            let bits = if ps { 16 + 16 + 5 + 12 } else { 16 + 16 + 5 };
            for bit in 0..bits {
                out.bits(u32::from(asc[bit >> 3] >> (7 - (bit & 7))), 1);
            }
            out.bits(1, 3); // frameLengthType
            out.bits(20, 9);
            out.bits(0, 2);
            let mux = StreamMuxConfig::parse(&out.into_bytes()).unwrap();
            let config = mux.config();
            assert_eq!((config.core_rate().hz(), config.rate().hz()), (24_000, 48_000));
            assert_eq!((config.has_sbr(), config.has_ps(), config.channels()), (true, ps, 2));
            assert_eq!((&config.bytes()[..], mux.length), (asc, FrameLength::Fixed(40)));
        }
    }

    #[test]
    fn access_units_of_one_element() {
        for (lens, fixed) in [(&[371][..], None), (&[10, 0, 255, 256, 600], None), (&[40, 40], Some(40))] {
            let (mut config, mut element) = (BitWriter::default(), BitWriter::default());
            write_config(&mut config, lens.len() as u32, fixed, None);
            let mux = StreamMuxConfig::parse(&config.into_bytes()).unwrap();
            let written = units(lens);
            write_units(&mut element, &written, fixed.is_none());
            let element = Bytes::from(element.into_bytes());
            let read = mux.access_units(&element).unwrap();
            assert!(written.iter().filter(|unit| !unit.is_empty()).eq(&read));
            assert!(element.as_ptr_range().contains(&read[0].as_ptr()), "copied");
            assert!(mux.access_units(&element.slice(..element.len() - 1)).is_err());
        }
    }

    #[test]
    fn elements_with_their_configuration_inside() {
        let mut known = None;
        let same = |units: &[Vec<u8>], other: u32| {
            let mut out = BitWriter::default();
            out.bits(1, 1);
            write_units(&mut out, units, true);
            (0..other).for_each(|_| out.bits(1, 1));
            Bytes::from(out.into_bytes())
        };
        let written = units(&[300, 5]);
        assert_eq!(access_units(&mut known, &same(&written, 0)), Err(LatmError::NoConfig));
        let mut first = BitWriter::default();
        first.bits(0, 1);
        write_config(&mut first, 2, None, Some(260));
        write_units(&mut first, &written, true);
        (0..260).for_each(|_| first.bits(0, 1));
        assert_eq!(access_units(&mut known, &first.into_bytes().into()).unwrap(), written);
        assert_eq!(known.as_ref().unwrap().config().bytes()[..], lc().bytes()[..]);
        assert_eq!(access_units(&mut known, &same(&written, 260)).unwrap(), written);
        assert!(access_units(&mut known, &same(&written, 0)).is_err(), "without the other data");
    }

    #[test]
    fn version_1_says_how_long_the_configuration_is() {
        // HE-AAC in backward compatible signalling: LC at 22.05 kHz, and behind it SBR to 44.1 kHz.
        let asc = [0x13, 0x90, 0x56, 0xe5, 0xa0];
        let mut out = BitWriter::default();
        out.bits(0b10, 2);
        out.bits(0, 2);
        out.bits(0xff, 8); // taraBufferFullness
        out.bits(1, 1);
        out.bits(0, 13);
        out.bits(0, 2);
        out.bits(asc.len() as u32 * 8, 8);
        asc.iter().for_each(|&byte| out.bits(byte.into(), 8));
        out.bits(0xff, 11);
        out.bits(0, 2);
        let mux = StreamMuxConfig::parse(&out.into_bytes()).unwrap();
        assert_eq!(mux.config().bytes()[..], asc);
        assert_eq!((mux.config().rate().hz(), mux.config().has_sbr()), (44_100, true));
    }

    #[test]
    fn refusals() {
        let unsupported = |field, value| Err(LatmError::Unsupported { field, value });
        assert_eq!(StreamMuxConfig::parse(&[0xc0]), unsupported("audioMuxVersionA", 1));
        assert_eq!(StreamMuxConfig::parse(&[0x00]), unsupported("allStreamsSameTimeFraming", 0));
        assert_eq!(StreamMuxConfig::parse(&[0x40, 0x80]), unsupported("numProgram", 8));
        assert_eq!(StreamMuxConfig::parse(&[0x40, 0x02]), unsupported("numLayer", 1));
        let celp = [0x40, 0x00, 0x23, 0x20, 0xc0];
        assert_eq!(StreamMuxConfig::parse(&celp), unsupported("frameLengthType", 3));
        for len in (0..LC.len() - 1).filter(|&len| len != 4) {
            assert!(StreamMuxConfig::parse(&LC[..len]).is_err(), "{len} bytes");
        }
        assert!(matches!(StreamMuxConfig::parse(&[0x40, 0, 0xff, 0xff, 0xff]), Err(LatmError::Config(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), head in 0..3_usize) {
            let head: &[u8] = [&LC[..], &[0x20, 0x00, 0x11, 0x90, 0x1f, 0xe0], &[]][head];
            let bytes = Bytes::from([head, &bytes].concat());
            let _ = StreamMuxConfig::parse(&bytes);
            let mut known = None;
            let _ = access_units(&mut known, &bytes);
            let _ = access_units(&mut known, &bytes.slice(bytes.len() / 2..));
            if let Ok(units) = StreamMuxConfig::parse(&LC).unwrap().access_units(&bytes) {
                prop_assert!(units.iter().map(Bytes::len).sum::<usize>() <= bytes.len());
            }
        }
    }
}
