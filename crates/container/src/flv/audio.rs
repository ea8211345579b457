//! The body of an audio tag: legacy `AUDIODATA` (§E.4.2) and `ExAudioTagHeader` (Enhanced RTMP v2, "Enhanced Audio").
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::Bytes;
use media::Rate;
use media::g711::{AudioConfig, Law};

use super::FlvError;
use super::tag::{Fields, ForeignCodec};
use crate::FourCc;

const LEGACY_A_LAW: u8 = 7;
const LEGACY_MU_LAW: u8 = 8;
const LEGACY_AAC: u8 = 10;
const ENHANCED: u8 = 9;

/// An audio codec that FLV carries for Medley behind a sequence header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AudioCodec {
    /// AAC, legacy or `mp4a`.
    Aac,
    /// Opus, only enhanced.
    Opus,
}

/// What one audio tag holds.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum AudioPacket {
    /// An AudioSpecificConfig or an OpusHead. The rate, size and channel bits of a legacy tag are not looked at: for
    /// AAC they are constant (§E.4.2.1), WeChat's differ from the sound (`audio-quality`), only the configuration
    /// counts.
    Config(AudioCodec, Bytes),
    /// One frame: a raw AAC access unit or an Opus packet; may be empty.
    Frame(AudioCodec, Bytes),
    /// G.711 samples and, in place of a sequence header, what the tag says of them; may be empty.
    G711(AudioConfig, Bytes),
    /// The publisher ends the sequence.
    End,
    /// Nothing for a decoder: the order of channels.
    Nothing,
}

/// Reads the body of an audio tag.
///
/// # Errors
/// [`FlvError`]: another codec, several tracks, or a body that ends too early.
pub fn parse(body: &Bytes) -> Result<AudioPacket, FlvError> {
    let mut fields = Fields::new(body);
    let first = fields.u8()?;
    match first >> 4 {
        ENHANCED => enhanced(first, fields),
        LEGACY_AAC => match fields.u8()? {
            0 => Ok(AudioPacket::Config(AudioCodec::Aac, fields.rest())),
            1 => Ok(AudioPacket::Frame(AudioCodec::Aac, fields.rest())),
            other => Err(FlvError::PacketType(other)),
        },
        LEGACY_A_LAW => g711(Law::A, first, fields),
        LEGACY_MU_LAW => g711(Law::Mu, first, fields),
        format => Err(FlvError::Codec(ForeignCodec::Audio(format))),
    }
}

/// §E.4.2.1 reserves both formats; ffmpeg and cameras with RTMP use them for 8 kHz, which has no number among the rates,
/// so that those bits say anything. The lowest bit is the second channel.
fn g711(law: Law, first: u8, fields: Fields) -> Result<AudioPacket, FlvError> {
    let channels = 1_u8.saturating_add(first & 1);
    Ok(AudioPacket::G711(AudioConfig::new(law, Rate::TELEPHONE, channels)?, fields.rest()))
}

fn enhanced(first: u8, mut fields: Fields) -> Result<AudioPacket, FlvError> {
    const MULTITRACK: u8 = 5;
    let packet_type = fields.skip_modifiers(first & 0x0f)?;
    if packet_type == MULTITRACK {
        return Err(FlvError::Multitrack);
    }
    let codec = match fields.four_cc()? {
        FourCc::AAC => AudioCodec::Aac,
        FourCc::OPUS => AudioCodec::Opus,
        other => return Err(FlvError::Codec(ForeignCodec::FourCc(other))),
    };
    match packet_type {
        0 => Ok(AudioPacket::Config(codec, fields.rest())),
        1 => Ok(AudioPacket::Frame(codec, fields.rest())),
        2 => Ok(AudioPacket::End),
        4 => Ok(AudioPacket::Nothing), // MultichannelConfig
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

    fn parsed(body: &[u8]) -> Result<AudioPacket, FlvError> {
        parse(&Bytes::copy_from_slice(body))
    }

    #[test]
    fn bodies_of_both_forms() {
        let asc = Bytes::from_static(&[0x11, 0x90]);
        assert_eq!(parsed(&[0xaf, 0, 0x11, 0x90]), Ok(AudioPacket::Config(AudioCodec::Aac, asc.clone())));
        assert_eq!(
            parsed(&[0xa2, 0, 0x11, 0x90]),
            Ok(AudioPacket::Config(AudioCodec::Aac, asc.clone())),
            "other rate bits"
        );
        assert_eq!(parsed(b"\x90mp4a\x11\x90"), Ok(AudioPacket::Config(AudioCodec::Aac, asc)));
        assert_eq!(parsed(&[0xaf, 1]), Ok(AudioPacket::Frame(AudioCodec::Aac, Bytes::new())));
        assert_eq!(parsed(b"\x91Opusx"), Ok(AudioPacket::Frame(AudioCodec::Opus, Bytes::from_static(b"x"))));
        assert_eq!(
            parsed(b"\x97\x02\x00\x00\x09\x01Opusx"),
            Ok(AudioPacket::Frame(AudioCodec::Opus, Bytes::from_static(b"x")))
        );
        let telephone = AudioConfig::telephone(Law::A);
        assert_eq!(parsed(&[0x72, 0xd5]), Ok(AudioPacket::G711(telephone, Bytes::from_static(&[0xd5]))));
        let stereo = AudioConfig::new(Law::Mu, Rate::TELEPHONE, 2).unwrap();
        assert_eq!(parsed(&[0x8f]), Ok(AudioPacket::G711(stereo, Bytes::new())));
        assert_eq!(parsed(b"\x92Opus"), Ok(AudioPacket::End));
        assert_eq!(parsed(b"\x94Opus\x01\x02"), Ok(AudioPacket::Nothing));
    }

    #[test]
    fn refusals_name_their_reason() {
        assert_eq!(parsed(&[0x2f, 0]), Err(FlvError::Codec(ForeignCodec::Audio(2))));
        assert_eq!(parsed(b"\x90.mp3"), Err(FlvError::Codec(ForeignCodec::FourCc(FourCc(*b".mp3")))));
        assert_eq!(parsed(b"\x95\x00Opus\x00"), Err(FlvError::Multitrack));
        assert_eq!(parsed(b"\x9fOpus"), Err(FlvError::PacketType(15)));
        assert_eq!(parsed(&[0xaf, 2]), Err(FlvError::PacketType(2)));
        assert_eq!(parsed(&[]), Err(FlvError::Truncated { at: 0 }));
        assert_eq!(parsed(&[0xaf]), Err(FlvError::Truncated { at: 1 }));
    }

    proptest! {
        #[test]
        fn any_bytes_do_not_panic(first in prop_oneof![Just(0xaf_u8), 0x90..0xa0_u8], tail in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parsed(&[&[first], &tail[..]].concat());
        }
    }
}
