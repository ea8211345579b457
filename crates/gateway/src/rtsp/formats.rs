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
