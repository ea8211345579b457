//! What a session description says of a track, and what its RTP packets carry.

use std::time::Duration;

use media::aac::latm::StreamMuxConfig;
use media::{CodecConfig, Frame, TrackId, TrackInfo};
use rtp::aac::AuHeaders;
use rtp::h264::Packetizer;
use rtp::receiver::{Format, REORDER_WAIT, TrackConfig};
use rtp::{Payloads, aac, g711, opus};
use rtsp::sdp::{self, AuHeaderLengths};

/// How the packets of a track with `config` are described; `None` where none are sent.
pub fn describe(config: &CodecConfig) -> Option<sdp::Format> {
    Some(match config {
        CodecConfig::H264(sets) => sdp::Format::H264 { sets: sets.clone() },
        CodecConfig::Aac(config) => {
            sdp::Format::Mpeg4Generic { config: config.clone(), lengths: AuHeaderLengths::HBR }
        }
        CodecConfig::Opus(head) => sdp::Format::Opus { channels: head.channels },
        CodecConfig::G711(config) => sdp::Format::G711(*config),
        _ => return None,
    })
}

/// The payloads of a frame, of `most` bytes each where its format can be divided.
pub fn packetize(frame: &Frame, track: &TrackInfo, most: usize) -> Payloads {
    match &track.config {
        CodecConfig::H264(sets) => {
            Packetizer::new(most).packetize(&frame.payload, frame.random_access.then_some(sets))
        }
        CodecConfig::Aac(_) => aac::packetize(&frame.payload, most),
        CodecConfig::G711(_) => g711::packetize(&frame.payload),
        _ => opus::packetize(&frame.payload),
    }
}

/// Whether the last packet of a frame has the marker bit: H.264 (RFC 6184 §5.1) and AAC (RFC 3640 §3.1), not Opus and
/// G.711, where it begins a talk spurt (RFC 3551 §4.1).
pub const fn marks_frames(config: &CodecConfig) -> bool {
    matches!(config, CodecConfig::H264(_) | CodecConfig::Aac(_))
}

/// How the packets of the description's track number `track` are taken; `None` for what cannot be read after all.
/// `ordered`: none overtakes another.
pub fn receive(track: usize, media: &sdp::Media, ordered: bool) -> Option<TrackConfig> {
    let format = match &media.format {
        sdp::Format::H264 { sets } => Format::H264 { sets: sets.clone() },
        sdp::Format::Opus { channels } => Format::Opus { channels: *channels },
        sdp::Format::Mpeg4Generic { config, lengths } => {
            let headers = AuHeaders::new(lengths.size, lengths.index, lengths.index_delta)?;
            Format::AacGeneric { config: config.clone(), headers }
        }
        sdp::Format::Mp4aLatm { config, .. } => {
            let config = config.as_ref().map(|config| StreamMuxConfig::parse(config));
            Format::AacLatm { config: config.transpose().ok()? }
        }
        sdp::Format::G711(config) => Format::G711(*config),
        _ => return None,
    };
    let reorder_wait = if ordered { Duration::ZERO } else { REORDER_WAIT };
    let (payload_type, rate) = (media.payload_type, media.format.rate());
    Some(TrackConfig { id: track_id(track), payload_type, rate, format, reorder_wait })
}

/// The name of the description's track number `track`.
pub(super) fn track_id(track: usize) -> TrackId {
    TrackId(u32::try_from(track).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::{Buf, Bytes};
    use media::Codec;
    use rtp::receiver::{Event, Receiver};

    use super::*;

    /// What GStreamer announced and sent (`tests/vectors/gstreamer-1.22/SOURCE.md`), as pictures and sound.
    fn receive_all(description: &str, blocks: &'static [u8]) -> (Vec<TrackInfo>, Vec<Frame>) {
        let presentation = sdp::read(description.as_bytes()).unwrap();
        assert!(presentation.ignored.is_empty(), "{:?}", presentation.ignored);
        let (mut receiver, start) = (Receiver::new(7), Instant::now());
        for (track, media) in presentation.media.iter().enumerate() {
            receiver.add_track(receive(track, media, true).unwrap());
        }
        let (mut tracks, mut frames) = (Vec::new(), Vec::new());
        let mut rest = Bytes::from_static(blocks);
        while !rest.is_empty() {
            let now = start + Duration::from_micros(rest.get_u32().into());
            assert_eq!(rest.get_u8(), b'$');
            let (channel, length) = (rest.get_u8(), usize::from(rest.get_u16()));
            let (track, packet) = (track_id(usize::from(channel / 2)), rest.split_to(length));
            match channel % 2 {
                0 => receiver.handle_rtp(track, &packet, now).unwrap(),
                _ => receiver.handle_rtcp(track, &packet, now).unwrap(),
            }
            while let Some(event) = receiver.poll_event() {
                match event {
                    Event::Track(info) => tracks.push(info),
                    Event::Frame(frame) => frames.push(frame),
                    Event::Lost(_) => panic!("nothing is missing"),
                    Event::Goodbye(_) => {}
                }
            }
        }
        (tracks, frames)
    }

    #[test]
    fn pictures_and_sound_of_gstreamer_whose_latm_configuration_ends_early() {
        let vectors: [(&str, &[u8], u32, u8, usize); 2] = [
            (
                include_str!("../../../../tests/vectors/gstreamer-1.22/rtsp-publish-avenc-aac.sdp"),
                include_bytes!("../../../../tests/vectors/gstreamer-1.22/rtsp-publish-avenc-aac.rtp"),
                48_000,
                2,
                // One that primes the encoder.
                61,
            ),
            (
                include_str!("../../../../tests/vectors/gstreamer-1.22/rtsp-publish-voaacenc.sdp"),
                include_bytes!("../../../../tests/vectors/gstreamer-1.22/rtsp-publish-voaacenc.rtp"),
                44_100,
                1,
                60,
            ),
        ];
        for (description, blocks, hz, channels, count) in vectors {
            let (tracks, frames) = receive_all(description, blocks);
            let track = |codec| tracks.iter().find(|track| track.codec() == codec).expect("announced");
            let (video, audio) = (track(Codec::H264), track(Codec::Aac));
            let CodecConfig::Aac(config) = &audio.config else { panic!("AAC") };
            assert_eq!((config.rate().hz(), config.channels(), config.has_sbr()), (hz, channels, false));
            let (pictures, sound): (Vec<_>, Vec<_>) =
                frames.iter().partition(|frame| frame.track == video.id);
            assert_eq!((pictures.len(), sound.len()), (30, count));
            let random_access = pictures.iter().enumerate().filter(|(_, picture)| picture.random_access);
            let random_access: Vec<_> = random_access.map(|(at, _)| at).collect();
            assert_eq!(random_access, [0, 1, 16], "rtspclientsink asks for one; then a GOP of 15");
            let steps = sound.windows(2).map(|pair| pair[1].pts.minus(pair[0].pts).ticks());
            assert!(steps.into_iter().all(|step| (1_010..=1_040).contains(&step)), "frames of 1,024 samples");
        }
    }
}
