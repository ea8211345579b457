//! The tracks of a stream.

use std::fmt;

use crate::{Rate, aac, g711, h264, opus};

/// Names a track inside its stream. Renditions are tracks of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TrackId(pub u32);

/// Picture or sound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// A codec that Medley carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Codec {
    /// H.264 / AVC (ITU-T H.264).
    H264,
    /// AAC (ISO/IEC 14496-3), any profile.
    Aac,
    /// Opus (RFC 6716).
    Opus,
    /// G.711 (ITU-T G.711), either law: what IP cameras send.
    G711,
}

impl Codec {
    /// Whether it codes pictures or sound.
    pub const fn kind(self) -> Kind {
        match self {
            Self::H264 => Kind::Video,
            Self::Aac | Self::Opus | Self::G711 => Kind::Audio,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H264",
            Self::Aac => "AAC",
            Self::Opus => "Opus",
            Self::G711 => "G711",
        })
    }
}

/// What a decoder must know before the first frame.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CodecConfig {
    /// The picture parameters.
    H264(h264::ParameterSets),
    /// The sound parameters.
    Aac(aac::AudioConfig),
    /// The sound parameters.
    Opus(opus::Head),
    /// The sound parameters.
    G711(g711::AudioConfig),
}

/// A track: which codec, with which parameters, on which clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackInfo {
    /// The track's name in its stream.
    pub id: TrackId,
    /// Codec and parameters.
    pub config: CodecConfig,
}

impl TrackInfo {
    /// The codec of the track.
    pub const fn codec(&self) -> Codec {
        match self.config {
            CodecConfig::H264(_) => Codec::H264,
            CodecConfig::Aac(_) => Codec::Aac,
            CodecConfig::Opus(_) => Codec::Opus,
            CodecConfig::G711(_) => Codec::G711,
        }
    }

    /// Picture or sound.
    pub const fn kind(&self) -> Kind {
        self.codec().kind()
    }

    /// The clock on which the hub stamps the track's frames: 90 kHz for video, 48 kHz for Opus, the output sampling
    /// rate for AAC, the sampling rate for G.711.
    pub fn rate(&self) -> Rate {
        match &self.config {
            CodecConfig::H264(_) => Rate::VIDEO,
            CodecConfig::Aac(config) => config.rate(),
            CodecConfig::Opus(_) => Rate::OPUS,
            CodecConfig::G711(config) => config.rate(),
        }
    }
}
