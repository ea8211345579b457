//! The body of a video tag: legacy `VIDEODATA` (§E.4.3) and `ExVideoTagHeader` (Enhanced RTMP v2, "Enhanced Video").
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::Bytes;

use super::FlvError;
use super::tag::{Fields, ForeignCodec};
use crate::FourCc;

/// `FrameType` 5 (§E.4.3.1): no picture, a command of a seeking server.
const COMMAND_FRAME: u8 = 5;
const LEGACY_AVC: u8 = 7;

/// What one video tag of an H.264 track holds.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum VideoPacket {
    /// An AVCDecoderConfigurationRecord, for `media::h264::avcc`.
    Config(Bytes),
    /// One access unit, NAL units behind lengths.
    Frame {
        /// Presentation after decoding time, in milliseconds; negative only from broken encoders.
        composition_ms: i32,
        /// The NAL units.
        data: Bytes,
    },
    /// The publisher ends the sequence.
    End,
    /// Nothing for a decoder: a command, HDR metadata, a reserved packet of a known codec.
    Nothing,
}

/// Reads the body of a video tag. The frame type (key or inter frame) is not looked at: publishers set it on recovery
/// points too, the NAL units tell.
///
/// # Errors
/// [`FlvError`]: another codec, several tracks, or a body that ends too early.
pub fn parse(body: &Bytes) -> Result<VideoPacket, FlvError> {
    let mut fields = Fields::new(body);
    let first = fields.u8()?;
    if first & 0x80 != 0 {
        return enhanced(first, fields);
    }
    if first >> 4 == COMMAND_FRAME {
        return Ok(VideoPacket::Nothing);
    }
    match first & 0x0f {
        LEGACY_AVC => legacy_avc(fields),
        codec => Err(FlvError::Codec(ForeignCodec::Video(codec))),
    }
}

/// `AVCVIDEOPACKET` (§E.4.3.2).
fn legacy_avc(mut fields: Fields) -> Result<VideoPacket, FlvError> {
    let packet_type = fields.u8()?;
    // Some encoders end the sequence with two bytes, without the composition time that would be 0.
    if packet_type == 2 {
        return Ok(VideoPacket::End);
    }
    let composition_ms = fields.i24()?;
    match packet_type {
        0 => Ok(VideoPacket::Config(fields.rest())),
        1 => Ok(VideoPacket::Frame { composition_ms, data: fields.rest() }),
        other => Err(FlvError::PacketType(other)),
    }
}

/// `ExVideoTagHeader` and the `avc1` part of `ExVideoTagBody`.
fn enhanced(first: u8, mut fields: Fields) -> Result<VideoPacket, FlvError> {
    const MULTITRACK: u8 = 6;
    let packet_type = fields.skip_modifiers(first & 0x0f)?;
    const METADATA: u8 = 4;
    if packet_type == MULTITRACK {
        return Err(FlvError::Multitrack);
    }
    if packet_type != METADATA && (first >> 4) & 7 == COMMAND_FRAME {
        return Ok(VideoPacket::Nothing);
    }
    let codec = fields.four_cc()?;
    if codec != FourCc::AVC {
        return Err(FlvError::Codec(ForeignCodec::FourCc(codec)));
    }
    match packet_type {
        0 => Ok(VideoPacket::Config(fields.rest())),
        1 => Ok(VideoPacket::Frame { composition_ms: fields.i24()?, data: fields.rest() }),
        2 => Ok(VideoPacket::End),
        3 => Ok(VideoPacket::Frame { composition_ms: 0, data: fields.rest() }),
        METADATA => Ok(VideoPacket::Nothing),
        other => Err(FlvError::PacketType(other)),
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

    fn parsed(body: &[u8]) -> Result<VideoPacket, FlvError> {
        parse(&Bytes::copy_from_slice(body))
    }

    fn frame(composition_ms: i32, data: &'static [u8]) -> Result<VideoPacket, FlvError> {
        Ok(VideoPacket::Frame { composition_ms, data: Bytes::from_static(data) })
    }

    #[test]
    fn legacy_bodies() {
        assert_eq!(
            parsed(&[0x17, 0, 0, 0, 0, 1, 0x42]),
            Ok(VideoPacket::Config(Bytes::from_static(&[1, 0x42])))
        );
        assert_eq!(parsed(&[0x27, 1, 0, 0, 40, 9, 9]), frame(40, &[9, 9]));
        assert_eq!(parsed(&[0x27, 1, 0xff, 0xff, 0xfe, 9]), frame(-2, &[9]), "signed");
        assert_eq!(parsed(&[0x17, 2, 0, 0, 0]), Ok(VideoPacket::End));
        assert_eq!(parsed(&[0x17, 2]), Ok(VideoPacket::End));
        assert_eq!(parsed(&[0x57, 0]), Ok(VideoPacket::Nothing));
    }

    #[test]
    fn enhanced_bodies() {
        assert_eq!(parsed(b"\x90avc1\x01"), Ok(VideoPacket::Config(Bytes::from_static(&[1]))));
        assert_eq!(parsed(b"\xa1avc1\x00\x00\x21x"), frame(33, b"x"));
        assert_eq!(parsed(b"\xa3avc1x"), frame(0, b"x"));
        assert_eq!(parsed(b"\xa2avc1"), Ok(VideoPacket::End));
        assert_eq!(parsed(b"\xd4avc1\x02"), Ok(VideoPacket::Nothing), "colorInfo");
        assert_eq!(parsed(b"\xd0\x00"), Ok(VideoPacket::Nothing), "a command");
        assert_eq!(parsed(b"\xa7\x02\x00\x00\x09\x03avc1x"), frame(0, b"x"), "behind a nanosecond offset");
    }

    #[test]
    fn refusals_name_their_reason() {
        let codec = |code: &[u8; 4]| Err(FlvError::Codec(ForeignCodec::FourCc(FourCc(*code))));
        assert_eq!(parsed(b"\x90hvc1"), codec(b"hvc1"));
        assert_eq!(parsed(b"\x96\x00avc1\x00"), Err(FlvError::Multitrack));
        assert_eq!(parsed(b"\xa5avc1"), Err(FlvError::PacketType(5)));
        assert_eq!(parsed(&[0x12, 0]), Err(FlvError::Codec(ForeignCodec::Video(2))));
        assert_eq!(parsed(&[0x17, 9, 0, 0, 0]), Err(FlvError::PacketType(9)));
        assert_eq!(parsed(&[]), Err(FlvError::Truncated { at: 0 }));
        assert_eq!(parsed(&[0x17, 1, 0]), Err(FlvError::Truncated { at: 2 }));
        assert_eq!(parsed(b"\x91av"), Err(FlvError::Truncated { at: 1 }));
    }

    proptest! {
        #[test]
        fn any_bytes_do_not_panic(first in prop_oneof![Just(0x17_u8), Just(0xa7), 0x80..0xff_u8], tail in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parsed(&[&[first], &tail[..]].concat());
        }
    }
}
