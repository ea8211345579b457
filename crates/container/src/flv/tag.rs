//! What all tags share: their kinds, the names of codecs, and reading of a body's header fields.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fmt;

use bytes::{Buf, Bytes};

use super::FlvError;
use crate::FourCc;

/// The kind of a tag (§E.4.1); RTMP's message types have the same numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TagKind {
    /// 8.
    Audio,
    /// 9.
    Video,
    /// 18: AMF0 data, `onMetaData`.
    Script,
}

impl TagKind {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Audio => 8,
            Self::Video => 9,
            Self::Script => 18,
        }
    }

    /// The kind of a number, `None` for one that FLV does not define.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            8 => Some(Self::Audio),
            9 => Some(Self::Video),
            18 => Some(Self::Script),
            _ => None,
        }
    }
}

/// A codec that a publisher chose and that Medley does not carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ForeignCodec {
    /// `CodecID` of a legacy video tag (§E.4.3.1); 12 and 13 are what Chinese CDNs use for HEVC and AV1.
    Video(u8),
    /// `SoundFormat` of a legacy audio tag (§E.4.2.1); 13 is what Chinese CDNs use for Opus.
    Audio(u8),
    /// Of an enhanced tag.
    FourCc(FourCc),
}

impl fmt::Display for ForeignCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, number) = match *self {
            Self::Video(id) => (legacy_video_name(id), id),
            Self::Audio(id) => (legacy_audio_name(id), id),
            Self::FourCc(code) => return write!(f, "the codec {code}"),
        };
        write!(f, "{name} (FLV codec {number})")
    }
}

const fn legacy_video_name(id: u8) -> &'static str {
    match id {
        2 => "Sorenson H.263 video",
        3 | 6 => "Screen video",
        4 | 5 => "VP6 video",
        12 => "HEVC video outside of enhanced RTMP",
        13 => "AV1 video outside of enhanced RTMP",
        _ => "the video codec",
    }
}

const fn legacy_audio_name(id: u8) -> &'static str {
    match id {
        0 | 3 => "PCM audio",
        1 => "ADPCM audio",
        2 | 14 => "MP3 audio",
        4..=6 => "Nellymoser audio",
        11 => "Speex audio",
        13 => "Opus audio outside of enhanced RTMP",
        _ => "the audio codec",
    }
}

/// The most `ModEx` packets that are skipped in front of a packet: one exists (a timestamp offset in nanoseconds).
const MAX_MODIFIERS: usize = 8;

/// The header fields of a tag body, read in order.
pub(super) struct Fields {
    rest: Bytes,
    len: usize,
}

impl Fields {
    pub(super) fn new(body: &Bytes) -> Self {
        Self { rest: body.clone(), len: body.len() }
    }

    fn need(&self, bytes: usize) -> Result<(), FlvError> {
        if self.rest.len() < bytes {
            return Err(FlvError::Truncated { at: self.len.saturating_sub(self.rest.len()) });
        }
        Ok(())
    }

    pub(super) fn u8(&mut self) -> Result<u8, FlvError> {
        self.need(1)?;
        Ok(self.rest.get_u8())
    }

    /// `SI24`: composition times.
    pub(super) fn i24(&mut self) -> Result<i32, FlvError> {
        self.need(3)?;
        Ok(i32::try_from(self.rest.get_int(3)).unwrap_or_default())
    }

    pub(super) fn four_cc(&mut self) -> Result<FourCc, FlvError> {
        self.need(4)?;
        Ok(FourCc(self.rest.get_u32().to_be_bytes()))
    }

    /// Everything behind the fields read so far, shared with the body.
    pub(super) fn rest(self) -> Bytes {
        self.rest
    }

    /// The packet type behind any `ModEx` packets (Enhanced RTMP v2, ExVideoTagHeader and ExAudioTagHeader). The only
    /// modifier in existence shifts timestamps by less than a millisecond; all are skipped.
    pub(super) fn skip_modifiers(&mut self, mut packet_type: u8) -> Result<u8, FlvError> {
        const MOD_EX: u8 = 7;
        for _ in 0..MAX_MODIFIERS {
            if packet_type != MOD_EX {
                return Ok(packet_type);
            }
            let mut len = usize::from(self.u8()?).saturating_add(1);
            if len == 256 {
                self.need(2)?;
                len = usize::from(self.rest.get_u16()).saturating_add(1);
            }
            self.need(len)?;
            self.rest.advance(len);
            packet_type = self.u8()? & 0x0f;
        }
        if packet_type == MOD_EX { Err(FlvError::Modifiers) } else { Ok(packet_type) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "the test's own numbers; a panic is a failure"
    )]

    use super::*;

    #[test]
    fn a_foreign_code_is_named_without_raw_bytes() {
        let name = |code: &[u8; 4]| ForeignCodec::FourCc(FourCc(*code)).to_string();
        assert_eq!(name(b"hvc1"), "the codec hvc1");
        assert_eq!(name(b"\n\xff\0a"), "the codec \\n\\xff\\x00a");
        assert_eq!(ForeignCodec::Video(12).to_string(), "HEVC video outside of enhanced RTMP (FLV codec 12)");
        assert_eq!(
            FlvError::Codec(ForeignCodec::Audio(2)).to_string(),
            "MP3 audio (FLV codec 2) is not supported; publish H.264 video with AAC, Opus or G.711 audio"
        );
    }

    #[test]
    fn modifiers_of_both_lengths_are_skipped() {
        let skip = |bytes: &[u8]| Fields::new(&Bytes::copy_from_slice(bytes)).skip_modifiers(7);
        assert_eq!(skip(&[2, 0, 0, 9, 0x01]), Ok(1), "a nanosecond offset");
        let long = [&[255, 0x01, 0x00][..], &[0; 257], &[0x03]].concat();
        assert_eq!(skip(&long), Ok(3));
        assert_eq!(skip(&[0, 0, 0x07].repeat(7).into_iter().chain([0, 0, 1]).collect::<Vec<_>>()), Ok(1));
        assert_eq!(skip(&[0, 0, 0x07].repeat(8)), Err(FlvError::Modifiers));
        assert_eq!(skip(&[9, 0, 0]), Err(FlvError::Truncated { at: 1 }));
    }
}
