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

    /// The codec with its profile as `CODECS` in a playlist and `codecs=` in a MIME type name it (RFC 6381 §3.3 and §3.4);
    /// `None` for H.264 whose SPS is not known yet, and for G.711, which neither playlists nor browsers name.
    ///
    /// The first SPS speaks for all, as in the AVCDecoderConfigurationRecord. HE-AAC is named by what it signals: a player
    /// that reads `mp4a.40.2` may set up a decoder for half the rate.
    pub fn codec_string(&self) -> Option<String> {
        Some(match &self.config {
            CodecConfig::H264(sets) => {
                let [profile, constraints, level] = sets.sps.first()?.get(1..)?.first_chunk()?;
                format!("avc1.{profile:02x}{constraints:02x}{level:02x}")
            }
            CodecConfig::Aac(config) => format!("mp4a.40.{}", config.signalled_object_type()),
            CodecConfig::Opus(_) => "opus".to_owned(),
            CodecConfig::G711(_) => return None,
        })
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn named(config: CodecConfig) -> Option<String> {
        TrackInfo { id: TrackId(1), config }.codec_string()
    }

    #[test]
    fn codecs_are_named_with_their_profile() {
        let sps = Bytes::from_static(&[0x67, 0x42, 0xc0, 0x0d, 0xda]);
        let sets = h264::ParameterSets { sps: vec![sps], pps: Vec::new() };
        assert_eq!(named(CodecConfig::H264(sets)).as_deref(), Some("avc1.42c00d"));
        assert_eq!(named(CodecConfig::H264(h264::ParameterSets::default())), None);
        assert_eq!(named(CodecConfig::Opus(opus::Head { channels: 2 })).as_deref(), Some("opus"));
    }

    #[test]
    fn aac_is_named_by_what_it_signals() {
        let aac = |asc: &[u8]| named(CodecConfig::Aac(aac::AudioConfig::parse(asc).unwrap()));
        assert_eq!(aac(&[0x11, 0x90]).as_deref(), Some("mp4a.40.2"));
        assert_eq!(aac(&[0x2b, 0x92, 0x08, 0x00]).as_deref(), Some("mp4a.40.5"), "HE-AAC");
        assert_eq!(aac(&[0xeb, 0x8a, 0x08, 0x00]).as_deref(), Some("mp4a.40.29"), "HE-AAC v2");
        assert_eq!(aac(&[0xb9, 0x88, 0x00]).as_deref(), Some("mp4a.40.23"), "AAC-LD");
    }
}
