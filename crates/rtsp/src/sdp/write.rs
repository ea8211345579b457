//! What DESCRIBE answers.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use media::Kind;

use super::{AuHeaderLengths, Format, Media};

/// Writes a live presentation. `session` tells one description from another of the same server (RFC 8866 §5.2).
///
/// Addresses are left open: the tracks are reached by SETUP (C.1.7).
pub fn write(media: &[Media], session: u64) -> String {
    let mut text = format!(
        "v=0\r\no=- {session} 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\n"
    );
    for media in media {
        // Writing to a String cannot fail.
        let _ = write_media(&mut text, media);
    }
    text
}

fn write_media(text: &mut String, media: &Media) -> std::fmt::Result {
    let payload_type = media.payload_type;
    let kind = match media.format.kind() {
        Kind::Video => "video",
        Kind::Audio => "audio",
    };
    write!(text, "m={kind} 0 RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} ")?;
    let rate = media.format.rate().hz();
    match &media.format {
        Format::H264 { sets } => {
            write!(text, "H264/{rate}\r\na=fmtp:{payload_type} packetization-mode=1")?;
            // RFC 6184 §8.1: profile, constraints and level, as in the SPS. Readers take the sets from here, and again
            // from the stream in front of each random access point.
            if let Some([_, profile @ .., _]) = sets.sps.first().and_then(|sps| sps.first_chunk::<5>()) {
                write!(text, ";profile-level-id={}", hex(profile))?;
            }
            if !sets.is_empty() {
                let encoded: Vec<_> =
                    sets.sps.iter().chain(&sets.pps).map(|set| STANDARD.encode(set)).collect();
                write!(text, ";sprop-parameter-sets={}", encoded.join(","))?;
            }
        }
        Format::Mpeg4Generic { config, lengths } => {
            let AuHeaderLengths { size, index, index_delta } = lengths;
            let (channels, config) = (config.channels(), hex(config.bytes()));
            write!(
                text,
                "MPEG4-GENERIC/{rate}/{channels}\r\na=fmtp:{payload_type} streamtype=5;profile-level-id=1;mode=AAC-hbr;\
                 sizelength={size};indexlength={index};indexdeltalength={index_delta};config={config}"
            )?;
        }
        Format::Mp4aLatm { config, .. } => {
            write!(text, "MP4A-LATM/{rate}\r\na=fmtp:{payload_type} ")?;
            match config {
                Some(config) => write!(text, "cpresent=0;config={}", hex(config))?,
                None => text.push_str("cpresent=1"),
            }
        }
        // RFC 7587 §7: two channels are written whatever the stream has; `sprop-stereo` says what comes.
        Format::Opus { channels } => {
            let stereo = u8::from(*channels == 2);
            write!(text, "opus/{rate}/2\r\na=fmtp:{payload_type} sprop-stereo={stereo}")?;
        }
        Format::G711(config) => {
            write!(text, "{}/{rate}", config.law())?;
            if config.channels() > 1 {
                write!(text, "/{}", config.channels())?;
            }
        }
    }
    write!(text, "\r\na=control:{}\r\n", media.control)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::aac::AudioConfig;
    use media::h264::ParameterSets;
    use media::{Rate, g711};

    use super::*;
    use crate::sdp::read;

    fn track(payload_type: u8, format: Format) -> Media {
        Media { payload_type, format, control: format!("trackID={payload_type}") }
    }

    fn h264() -> Format {
        let sets = ParameterSets {
            sps: vec![Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f, 0x95, 0xa8, 0x14, 0x01])],
            pps: vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])],
        };
        Format::H264 { sets }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let rate = Rate::new(8_000).unwrap();
        for audio in [
            Format::Mpeg4Generic {
                config: AudioConfig::lc(Rate::OPUS, 2).unwrap(),
                lengths: AuHeaderLengths::HBR,
            },
            Format::Mp4aLatm { config: Some(Bytes::from_static(&[0x40, 0, 0x24, 0x20, 0x3f, 0xc0])), rate },
            Format::Mp4aLatm { config: None, rate },
            Format::Opus { channels: 1 },
            Format::Opus { channels: 2 },
            Format::G711(g711::AudioConfig::telephone(g711::Law::A)),
            Format::G711(g711::AudioConfig::new(g711::Law::Mu, Rate::OPUS, 2).unwrap()),
        ] {
            let media = [track(96, h264()), track(97, audio)];
            assert_eq!(read(write(&media, 1).as_bytes()).unwrap().media, media);
        }
    }

    #[test]
    fn h264_is_described_for_players_that_need_the_parameter_sets_first() {
        let text = write(&[track(96, h264())], 5);
        assert_eq!(
            text,
            "v=0\r\no=- 5 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\n\
             m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1;profile-level-id=42C01F;sprop-parameter-sets=Z0LAH5WoFAE=,aM48gA==\r\n\
             a=control:trackID=96\r\n"
        );
    }
}
