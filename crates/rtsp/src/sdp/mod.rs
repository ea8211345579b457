//! Session descriptions (RFC 8866) of tracks that Medley carries.

mod read;
mod write;

pub use read::{Ignored, MAX_LEN, MAX_MEDIA, Presentation, Reason, SdpError, read};
pub use write::write;

use bytes::Bytes;
use media::aac::AudioConfig;
use media::h264::ParameterSets;
use media::{Kind, Rate, g711};

/// One `m=` section that can be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Media {
    /// The payload type of its RTP packets.
    pub payload_type: u8,
    /// What they carry.
    pub format: Format,
    /// The track's URL, absolute or relative to the presentation's (C.1.1); empty if the description has none.
    pub control: String,
}

/// What RTP packets carry, with what the description says of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Format {
    /// RFC 6184, packetization-mode 0 or 1.
    H264 {
        /// `sprop-parameter-sets`; may be empty or lack one kind, and come in the stream instead.
        sets: ParameterSets,
    },
    /// RFC 3640, modes AAC-hbr and AAC-lbr.
    Mpeg4Generic {
        /// `config`.
        config: AudioConfig,
        /// Bits of the fields of an AU header: `sizelength`, `indexlength`, `indexdeltalength`.
        lengths: AuHeaderLengths,
    },
    /// RFC 3016 and RFC 6416: AAC in LATM, which GStreamer's rtspclientsink publishes.
    Mp4aLatm {
        /// `config`, a StreamMuxConfig; `None` where it comes in the stream (`cpresent=1`).
        config: Option<Bytes>,
        /// The clock of the RTP timestamps.
        rate: Rate,
    },
    /// RFC 7587.
    Opus {
        /// 2 with `sprop-stereo=1`, else 1.
        channels: u8,
    },
    /// PCMA and PCMU (RFC 3551 §4.5.14).
    G711(g711::AudioConfig),
}

/// Bits of the fields of an AU header (RFC 3640 §4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AuHeaderLengths {
    /// `sizelength`.
    pub size: u8,
    /// `indexlength`.
    pub index: u8,
    /// `indexdeltalength`.
    pub index_delta: u8,
}

impl AuHeaderLengths {
    /// AAC-hbr (RFC 3640 §3.3.6).
    pub const HBR: Self = Self { size: 13, index: 3, index_delta: 3 };
    /// AAC-lbr (RFC 3640 §3.3.5).
    pub const LBR: Self = Self { size: 6, index: 2, index_delta: 2 };
}

impl Format {
    /// Picture or sound.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::H264 { .. } => Kind::Video,
            _ => Kind::Audio,
        }
    }

    /// The clock of the RTP timestamps.
    pub const fn rate(&self) -> Rate {
        match self {
            Self::H264 { .. } => Rate::VIDEO,
            Self::Mpeg4Generic { config, .. } => config.rate(),
            Self::Mp4aLatm { rate, .. } => *rate,
            Self::G711(config) => config.rate(),
            Self::Opus { .. } => Rate::OPUS,
        }
    }
}
