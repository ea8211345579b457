//! Tracks, by the codec names of MediaMTX.

use media::h264::ParameterSets;
use media::h264::sps::Sps;
use media::{Codec, CodecConfig, TrackInfo, g711};
use serde::Serialize;

/// A track.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Track {
    codec: &'static str,
    /// `null` where MediaMTX knows nothing to say either.
    codec_props: Option<Properties>,
}

/// What there is to say of a codec.
#[derive(PartialEq, Eq, Serialize, Debug)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Properties {
    /// All empty before there is an SPS.
    H264 {
        width: u32,
        height: u32,
        profile: String,
        level: String,
    },
    Aac {
        sample_rate: u32,
        channel_count: u8,
    },
    Opus {
        channel_count: u8,
    },
    G711 {
        mu_law: bool,
        sample_rate: u32,
        channel_count: u8,
    },
}

/// The codec of a track.
pub(crate) const fn name(track: &TrackInfo) -> &'static str {
    match track.codec() {
        Codec::H264 => "H264",
        Codec::Aac => "MPEG-4 Audio",
        Codec::Opus => "Opus",
        Codec::G711 => "G711",
    }
}

impl Track {
    pub(crate) fn of(track: &TrackInfo) -> Self {
        Self { codec: name(track), codec_props: Properties::of(&track.config) }
    }
}

impl Properties {
    fn of(config: &CodecConfig) -> Option<Self> {
        Some(match config {
            CodecConfig::H264(sets) => Self::of_h264(sets),
            // MediaMTX tells the rate of the core, not the one that SBR doubles.
            CodecConfig::Aac(config) => {
                Self::Aac { sample_rate: config.core_rate().hz(), channel_count: config.channels() }
            }
            CodecConfig::Opus(head) => Self::Opus { channel_count: head.channels },
            CodecConfig::G711(config) => Self::G711 {
                mu_law: config.law() == g711::Law::Mu,
                sample_rate: config.rate().hz(),
                channel_count: config.channels(),
            },
            _ => return None,
        })
    }

    fn of_h264(sets: &ParameterSets) -> Self {
        let sps = sets.sps.first().and_then(|sps| Sps::parse(sps).ok());
        Self::H264 {
            width: sps.map_or(0, |sps| sps.width),
            height: sps.map_or(0, |sps| sps.height),
            profile: sps.map(|sps| profile(sps.profile_idc)).unwrap_or_default(),
            level: sps.map(|sps| level(sps.level_idc)).unwrap_or_default(),
        }
    }
}

/// The profile of a `profile_idc` (H.264 Annex A.2); the number for those that MediaMTX has no name for.
fn profile(profile_idc: u8) -> String {
    match profile_idc {
        66 => "Baseline".to_owned(),
        77 => "Main".to_owned(),
        88 => "Extended".to_owned(),
        100 => "High".to_owned(),
        110 => "High 10".to_owned(),
        122 => "High 4:2:2".to_owned(),
        244 => "High 4:4:4 Predictive".to_owned(),
        other => other.to_string(),
    }
}

/// The level of a `level_idc` (H.264 Annex A.3): 31 is 3.1, 40 is 4.
fn level(level_idc: u8) -> String {
    match (level_idc / 10, level_idc % 10) {
        (level, 0) => level.to_string(),
        (level, minor) => format!("{level}.{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::{Rate, TrackId, aac, opus};
    use serde_json::json;

    use super::*;

    fn shown(config: CodecConfig) -> serde_json::Value {
        serde_json::to_value(Track::of(&TrackInfo { id: TrackId(1), config })).unwrap()
    }

    #[test]
    fn each_codec_is_shown_as_mediamtx_shows_it() {
        // Baseline 3.1, 640x480.
        let sps = [0x67, 0x42, 0xc0, 0x1f, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0x90, 0x0f, 0x08, 0x84, 0x6a];
        let sets = ParameterSets { sps: vec![Bytes::copy_from_slice(&sps)], pps: Vec::new() };
        let expected = json!({ "width": 640, "height": 480, "profile": "Baseline", "level": "3.1" });
        assert_eq!(shown(CodecConfig::H264(sets)), json!({ "codec": "H264", "codecProps": expected }));
        let aac = aac::AudioConfig::parse(&[0x11, 0x90]).unwrap();
        let expected = json!({ "sampleRate": 48_000, "channelCount": 2 });
        assert_eq!(shown(CodecConfig::Aac(aac)), json!({ "codec": "MPEG-4 Audio", "codecProps": expected }));
        let expected = json!({ "codec": "Opus", "codecProps": { "channelCount": 1 } });
        assert_eq!(shown(CodecConfig::Opus(opus::Head { channels: 1 })), expected);
        let rate = Rate::new(16_000).unwrap();
        let dahua = g711::AudioConfig::new(g711::Law::A, rate, 1).unwrap();
        let expected = json!({ "muLaw": false, "sampleRate": 16_000, "channelCount": 1 });
        assert_eq!(shown(CodecConfig::G711(dahua)), json!({ "codec": "G711", "codecProps": expected }));
    }

    #[test]
    fn a_track_whose_parameters_are_not_known_yet_is_shown_with_empty_ones() {
        let expected = json!({ "width": 0, "height": 0, "profile": "", "level": "" });
        assert_eq!(shown(CodecConfig::H264(ParameterSets::default()))["codecProps"], expected);
    }

    #[test]
    fn he_aac_is_shown_with_the_rate_of_its_core() {
        let aac = aac::AudioConfig::parse(&[0x2b, 0x92, 0x08, 0x00]).unwrap();
        assert_eq!((aac.rate().hz(), aac.core_rate().hz()), (44_100, 22_050));
        assert_eq!(shown(CodecConfig::Aac(aac))["codecProps"]["sampleRate"], 22_050);
    }

    #[test]
    fn profiles_and_levels_have_their_names() {
        assert_eq!([profile(100), profile(244), profile(118)], ["High", "High 4:4:4 Predictive", "118"]);
        assert_eq!([level(31), level(40), level(9)], ["3.1", "4", "0.9"]);
    }
}
