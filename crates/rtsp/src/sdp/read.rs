//! What publishers (ANNOUNCE) and cameras (DESCRIBE) say.

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use media::aac::AudioConfig;
use media::aac::latm::StreamMuxConfig;
use media::h264::ParameterSets;
use media::h264::nal::{NalType, nal_type};
use media::{Kind, Rate, g711};

use super::{AuHeaderLengths, Format, Media};

/// The longest description that is read, in bytes; a camera's has 1 to 3 KB. SRS spends 5.6 s on one of 5 MB.
pub const MAX_LEN: usize = 64 << 10;
/// The most lines that are read.
const MAX_LINES: usize = 1_024;
/// The most `m=` sections that are looked at: video, audio, metadata, and what a camera has twice.
pub const MAX_MEDIA: usize = 16;
/// The most parameter sets taken from `sprop-parameter-sets`.
const MAX_SETS: usize = 32;

/// Some cameras leave the padding of base64 out, others pad too much.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What can be taken of a description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Presentation {
    /// At most one track of each kind, in the description's order; never empty.
    pub media: Vec<Media>,
    /// What is left out, and why.
    pub ignored: Vec<Ignored>,
    /// The URL of the whole (`a=control` above all tracks); empty if there is none.
    pub control: String,
}

/// An `m=` section that is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ignored {
    /// Its place among all sections, from 0.
    pub index: usize,
    /// Why.
    pub reason: Reason,
    /// Its URL: a publisher sets it up all the same.
    pub control: String,
}

/// Why an `m=` section is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// Neither video nor audio: ONVIF metadata.
    Kind,
    /// Not plain RTP: encrypted, or MPEG-TS over UDP.
    Profile,
    /// A codec that Medley does not carry: H.265, JPEG, AC-3, G.726.
    Codec,
    /// Its parameters are missing or wrong, or not supported.
    Parameters,
    /// There is one of its kind already, or it is the way back to the camera's loudspeaker.
    Surplus,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "neither video nor audio",
            Self::Profile => "not RTP/AVP",
            Self::Codec => "none of H264, AAC, Opus and G.711",
            Self::Parameters => "its parameters are missing or not supported",
            Self::Surplus => "another track of its kind is taken",
        })
    }
}

/// Why a description is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// Longer than [`MAX_LEN`] bytes or 1,024 lines.
    #[error("longer than {MAX_LEN} bytes or {MAX_LINES} lines")]
    TooLong,
    /// It breaks the grammar (RFC 8866 §9).
    #[error("not a session description")]
    Malformed,
    /// Nothing in it can be taken; why not its first section.
    #[error("nothing that can be taken{}", .0.map(|reason| format!("; the first track: {reason}")).unwrap_or_default())]
    Nothing(Option<Reason>),
}

/// Reads a description.
///
/// # Errors
/// [`SdpError`].
pub fn read(text: &[u8]) -> Result<Presentation, SdpError> {
    let lines = text.iter().filter(|&&byte| byte == b'\n').count();
    if text.len() > MAX_LEN || lines > MAX_LINES {
        return Err(SdpError::TooLong);
    }
    let session = sdp_types::Session::parse(text).map_err(|_| SdpError::Malformed)?;
    let (mut found, mut ignored) = (Vec::new(), Vec::new());
    for (index, section) in session.medias.iter().take(MAX_MEDIA).enumerate() {
        match media(section) {
            Ok(media) => found.push((index, is_back_channel(section), media)),
            Err(reason) => ignored.push(Ignored { index, reason, control: control(&section.attributes) }),
        }
    }
    let mut taken = Vec::new();
    for kind in [Kind::Video, Kind::Audio] {
        let of_kind = found.iter().filter(|(_, _, media)| media.format.kind() == kind);
        taken.extend(of_kind.min_by_key(|(index, back, _)| (*back, *index)).map(|(index, ..)| *index));
    }
    let mut media = Vec::new();
    for (index, _, one) in found {
        match taken.contains(&index) {
            true => media.push(one),
            false => ignored.push(Ignored { index, reason: Reason::Surplus, control: one.control }),
        }
    }
    if media.is_empty() {
        return Err(SdpError::Nothing(ignored.first().map(|one| one.reason)));
    }
    Ok(Presentation { media, ignored, control: control(&session.attributes) })
}

/// The way to a camera's loudspeaker (ONVIF Streaming Specification §5.3).
fn is_back_channel(section: &sdp_types::Media) -> bool {
    section.attributes.iter().any(|attribute| attribute.attribute == "sendonly")
}

fn control(attributes: &[sdp_types::Attribute]) -> String {
    value(attributes, "control").unwrap_or_default().trim().to_owned()
}

fn value<'a>(attributes: &'a [sdp_types::Attribute], name: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.attribute == name)?.value.as_deref()
}

fn media(section: &sdp_types::Media) -> Result<Media, Reason> {
    if !matches!(section.media.as_str(), "video" | "audio") {
        return Err(Reason::Kind);
    }
    if !matches!(section.proto.as_str(), "RTP/AVP" | "RTP/AVPF") {
        return Err(Reason::Profile);
    }
    let mut reason = Reason::Codec;
    for payload_type in section.fmt.split_ascii_whitespace() {
        let Ok(payload_type @ 0..=127) = payload_type.parse::<u8>() else { continue };
        match format(section, payload_type) {
            Ok(format) => return Ok(Media { payload_type, format, control: control(&section.attributes) }),
            Err(why) => reason = why,
        }
    }
    Err(reason)
}

/// `a=rtpmap` of one payload type (RFC 8866 §6.6).
struct RtpMap<'a> {
    encoding: &'a str,
    rate: Rate,
    channels: u8,
}

fn rtpmap(section: &sdp_types::Media, payload_type: u8) -> Option<RtpMap<'_>> {
    let Some(text) = of_payload_type(section, "rtpmap", payload_type) else {
        // RFC 3551 §6, table 4; cameras with G.711 often leave the rtpmap out.
        let encoding = match payload_type {
            0 => "PCMU",
            8 => "PCMA",
            _ => return None,
        };
        return Some(RtpMap { encoding, rate: Rate::TELEPHONE, channels: 1 });
    };
    let mut parts = text.trim().split('/');
    let encoding = parts.next()?;
    let rate = Rate::new(parts.next()?.trim().parse().ok()?)?;
    let channels = parts.next().and_then(|channels| channels.trim().parse().ok()).unwrap_or(1);
    Some(RtpMap { encoding, rate, channels })
}

/// What follows the payload type in the attribute `name`.
fn of_payload_type<'a>(section: &'a sdp_types::Media, name: &str, payload_type: u8) -> Option<&'a str> {
    let of_name = section.attributes.iter().filter(|attribute| attribute.attribute == name);
    of_name
        .filter_map(|attribute| attribute.value.as_deref()?.trim().split_once(' '))
        .find_map(|(number, rest)| (number.parse() == Ok(payload_type)).then_some(rest))
}

/// A parameter of `a=fmtp`; names are case-insensitive (RFC 3640 §4.4.1 writes them in either case).
fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| key.trim().eq_ignore_ascii_case(name).then_some(value.trim()))
}

fn format(section: &sdp_types::Media, payload_type: u8) -> Result<Format, Reason> {
    let map = rtpmap(section, payload_type).ok_or(Reason::Codec)?;
    let fmtp = of_payload_type(section, "fmtp", payload_type).unwrap_or_default();
    let parameter = |name: &str| parameter(fmtp, name);
    let is_video = section.media == "video";
    match map.encoding.to_ascii_uppercase().as_str() {
        "H264" if is_video => {
            // RFC 6184 §6.4: the interleaved mode needs another depacketizer, which no camera asks for.
            if parameter("packetization-mode").is_some_and(|mode| !matches!(mode, "0" | "1")) {
                return Err(Reason::Parameters);
            }
            Ok(Format::H264 { sets: parameter_sets(parameter("sprop-parameter-sets").unwrap_or_default()) })
        }
        "MPEG4-GENERIC" if !is_video => mpeg4_generic(parameter).ok_or(Reason::Parameters),
        "MP4A-LATM" if !is_video => {
            let config = parameter("config").and_then(from_hex);
            // RFC 6416 §6.3: `cpresent` is 1 unless it says 0, and then `config` is there.
            let out_of_band = parameter("cpresent") == Some("0");
            let readable =
                config.as_ref().map_or(!out_of_band, |config| StreamMuxConfig::parse(config).is_ok());
            if !readable {
                return Err(Reason::Parameters);
            }
            Ok(Format::Mp4aLatm { config, rate: map.rate })
        }
        "OPUS" if !is_video && map.rate == Rate::OPUS => {
            let stereo = parameter("sprop-stereo") == Some("1");
            Ok(Format::Opus { channels: if stereo { 2 } else { 1 } })
        }
        encoding @ ("PCMA" | "PCMU") if !is_video => {
            let law = if encoding == "PCMA" { g711::Law::A } else { g711::Law::Mu };
            let config = g711::AudioConfig::new(law, map.rate, map.channels);
            config.map(Format::G711).map_err(|_| Reason::Parameters)
        }
        _ => Err(Reason::Codec),
    }
}

/// RFC 3640 §4.1, for the two AAC modes.
fn mpeg4_generic<'a>(parameter: impl Fn(&str) -> Option<&'a str>) -> Option<Format> {
    let defaults = match parameter("mode")?.to_ascii_lowercase().as_str() {
        "aac-hbr" => AuHeaderLengths::HBR,
        "aac-lbr" => AuHeaderLengths::LBR,
        _ => return None,
    };
    let length = |name, default, accepted: RangeInclusive<u8>| match parameter(name) {
        Some(text) => text.parse().ok().filter(|bits| accepted.contains(bits)),
        None => Some(default),
    };
    let lengths = AuHeaderLengths {
        size: length("sizelength", defaults.size, 1..=16)?,
        index: length("indexlength", defaults.index, 0..=8)?,
        index_delta: length("indexdeltalength", defaults.index_delta, 0..=8)?,
    };
    // Each adds a field to the AU header (RFC 3640 §4.1), which neither mode has.
    let more = [
        "ctsdeltalength",
        "dtsdeltalength",
        "randomaccessindication",
        "streamstateindication",
        "auxiliarydatasizelength",
    ];
    if more.into_iter().filter_map(&parameter).any(|bits| bits != "0") {
        return None;
    }
    let config = AudioConfig::parse(&from_hex(parameter("config")?)?).ok()?;
    Some(Format::Mpeg4Generic { config, lengths })
}

/// `sprop-parameter-sets` (RFC 6184 §8.1). What is no parameter set is left out: cameras put SEI there, or nothing
/// between two commas.
fn parameter_sets(text: &str) -> ParameterSets {
    let mut sets = ParameterSets::default();
    for encoded in text.split(',').take(MAX_SETS) {
        let Ok(nal) = LENIENT.decode(encoded.trim()) else { continue };
        let mut found = ParameterSets::default();
        match nal_type(&nal) {
            Some(NalType::Sps) => found.sps.push(nal.into()),
            Some(NalType::Pps) => found.pps.push(nal.into()),
            _ => continue,
        }
        sets.merge(&found);
    }
    sets
}

fn from_hex(text: &str) -> Option<Bytes> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| !digits.is_empty() && digits.len() <= 2 * AudioConfig::MAX_LEN)?;
    // An odd digit at the end is half a byte of padding that Axis leaves out.
    Some(digits.chunks(2).map(|pair| (pair[0] << 4) | pair.get(1).copied().unwrap_or(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(section: &str) -> Result<Format, SdpError> {
        let text = format!("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=x\r\nt=0 0\r\n{section}");
        read(text.as_bytes()).map(|presentation| presentation.media[0].format.clone())
    }

    fn reason(section: &str) -> Reason {
        match only(section) {
            Err(SdpError::Nothing(Some(reason))) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_camera_with_metadata_and_a_loudspeaker() {
        let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=Media Presentation\r\ne=NONE\r\nb=AS:5100\r\nt=0 0\r\n\
            a=control:rtsp://192.0.2.1:554/Streaming/Channels/101/\r\n\
            m=audio 0 RTP/AVP 0\r\na=control:trackID=5\r\na=sendonly\r\n\
            m=video 0 RTP/AVP 96\r\nb=AS:5000\r\na=recvonly\r\na=x-dimensions:1920,1080\r\n\
            a=control:rtsp://192.0.2.1:554/Streaming/Channels/101/trackID=1\r\na=rtpmap:96 H264/90000\r\n\
            a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z00AKZpmA8ARPyzUBAQFAAADA+gAAMNQBA==,aO48gA==\r\n\
            m=audio 0 RTP/AVP 8\r\na=recvonly\r\na=control:trackID=2\r\n\
            m=application 0 RTP/AVP 107\r\na=control:trackID=3\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n\
            a=Media_header:MEDIAINFO=494D4B48010300000400000111710110401F000000FA000000000000000000000000000000000000;\r\n";
        let presentation = read(text.as_bytes()).unwrap();
        assert_eq!(presentation.control, "rtsp://192.0.2.1:554/Streaming/Channels/101/");
        let [video, audio] = presentation.media.as_slice() else { panic!("{presentation:?}") };
        assert_eq!(video.control, "rtsp://192.0.2.1:554/Streaming/Channels/101/trackID=1");
        let Format::H264 { sets } = &video.format else { panic!("{video:?}") };
        assert_eq!((sets.sps.len(), sets.pps.len()), (1, 1));
        assert_eq!((audio.control.as_str(), audio.payload_type), ("trackID=2", 8));
        assert_eq!(audio.format, Format::G711(g711::AudioConfig::telephone(g711::Law::A)));
        let reasons: Vec<_> = presentation.ignored.iter().map(|one| (one.index, one.reason)).collect();
        assert_eq!(reasons, [(3, Reason::Kind), (0, Reason::Surplus)]);
    }

    #[test]
    fn sound_in_each_form() {
        let rate = |hz| Rate::new(hz).unwrap();
        let hbr = only(
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\n\
             a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=1190\r\n",
        );
        let Ok(Format::Mpeg4Generic { config, lengths }) = hbr else { panic!("{hbr:?}") };
        assert_eq!((config.rate(), config.channels(), lengths), (rate(48_000), 2, AuHeaderLengths::HBR));
        let latm = only(
            "m=audio 0 RTP/AVP 96\na=rtpmap:96 MP4A-LATM/44100\na=fmtp:96 cpresent=0;config=400024203fc0\n",
        );
        let config = Some(Bytes::from_static(&[0x40, 0, 0x24, 0x20, 0x3f, 0xc0]));
        assert_eq!(latm, Ok(Format::Mp4aLatm { config, rate: rate(44_100) }));
        let opus = "m=audio 0 RTP/AVP 111\na=rtpmap:111 opus/48000/2\n";
        assert_eq!(only(opus), Ok(Format::Opus { channels: 1 }));
        assert_eq!(only(&format!("{opus}a=fmtp:111 sprop-stereo=1\n")), Ok(Format::Opus { channels: 2 }));
        assert_eq!(
            only("m=audio 0 RTP/AVP 0\n"),
            Ok(Format::G711(g711::AudioConfig::telephone(g711::Law::Mu)))
        );
        assert_eq!(
            only("m=audio 0 RTP/AVP 98\na=rtpmap:98 pcma/16000/2\n"),
            Ok(Format::G711(g711::AudioConfig::new(g711::Law::A, rate(16_000), 2).unwrap()))
        );
    }

    #[test]
    fn parameter_sets_as_cameras_spoil_them() {
        let sets = |text: &str| {
            let sets = parameter_sets(text);
            (sets.sps.len(), sets.pps.len())
        };
        assert_eq!(sets("Z0IAH5WoFAFuQA==,aM48gA=="), (1, 1));
        assert_eq!(sets("Z0IAH5WoFAFuQA,aM48gA,"), (1, 1), "without padding");
        assert_eq!(sets("Z0IAH5WoFAFuQA==,%%%,aM48gA==,BgUB"), (1, 1), "with noise and SEI");
        assert_eq!(sets(""), (0, 0));
        assert_eq!(
            only("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
            Ok(Format::H264 { sets: ParameterSets::default() })
        );
    }

    #[test]
    fn what_is_left_out_has_a_reason() {
        for (section, expected) in [
            ("m=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\n", Reason::Codec),
            ("m=video 0 RTP/AVP 26\n", Reason::Codec),
            ("m=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\n", Reason::Kind),
            ("m=video 0 RTP/SAVP 96\na=rtpmap:96 H264/90000\n", Reason::Profile),
            (
                "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=2\n",
                Reason::Parameters,
            ),
            (
                "m=audio 0 RTP/AVP 96\na=rtpmap:96 MPEG4-GENERIC/48000\na=fmtp:96 mode=AAC-hbr\n",
                Reason::Parameters,
            ),
            ("m=audio 0 RTP/AVP 96\na=rtpmap:96 MP4A-LATM/48000\na=fmtp:96 cpresent=0\n", Reason::Parameters),
            ("m=audio 0 RTP/AVP 96\na=rtpmap:96 PCMA/8000/6\n", Reason::Parameters),
            ("m=audio 0 RTP/AVP 200\na=rtpmap:200 PCMA/8000\n", Reason::Codec),
        ] {
            assert_eq!(reason(section), expected, "{section}");
        }
        assert_eq!(only(""), Err(SdpError::Nothing(None)));
        assert_eq!(read(b"<html>"), Err(SdpError::Malformed));
        assert_eq!(read(&[b'a'; MAX_LEN + 1]), Err(SdpError::TooLong));
        assert_eq!(read("v=0\n".repeat(MAX_LINES + 1).as_bytes()), Err(SdpError::TooLong));
    }
}
