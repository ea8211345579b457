//! Tracks and frames to RTMP messages.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use container::flv::{self, FlvError, Format, mux};
use hub::{LiveFrame, Wants};
use media::{Codec, Frame, Kind, Timestamp, TrackInfo};
use rtmp::{Capabilities, MediaKind, wire};

use crate::flv::egress::Framing;
use crate::flv::metadata::metadata;

/// The form in which a reader takes each codec: FourCC where it asked for that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Messages {
    h264: Format,
    aac: Format,
}

/// The whole message of a frame in chunks, as every reader with the same format gets it.
struct LegacyMessage(Option<Bytes>);
struct EnhancedMessage(Option<Bytes>);

impl Messages {
    pub(super) fn of(capabilities: &Capabilities) -> Self {
        let format = |codec: flv::FourCc| match capabilities.supports(&codec.0) {
            true => Format::Enhanced,
            false => Format::Legacy,
        };
        Self { h264: format(flv::FourCc::AVC), aac: format(flv::FourCc::AAC) }
    }

    /// The codecs that a client with `capabilities` can play: by default what live-player can (H.264, AAC).
    pub(super) fn wants(capabilities: &Capabilities) -> Wants {
        let mut audio = vec![Codec::Aac];
        if capabilities.supports(&flv::FourCc::OPUS.0) {
            audio.push(Codec::Opus);
        }
        Wants { video: vec![Codec::H264], audio }
    }

    /// Opus has no other form than FourCC, and G.711 none but the legacy one.
    const fn format(self, codec: Codec) -> Format {
        match codec {
            Codec::H264 => self.h264,
            Codec::Aac => self.aac,
            Codec::Opus => Format::Enhanced,
            Codec::G711 => Format::Legacy,
        }
    }
}

impl Framing for Messages {
    fn metadata(&self, tracks: &[Arc<TrackInfo>]) -> Option<Bytes> {
        let metadata = metadata(tracks.iter().map(|track| &**track));
        wire::message(MediaKind::Data, 0, metadata.write()).ok()
    }

    // At time 0, as nginx-rtmp and SRS send sequence headers: they are no moment of the stream.
    fn config(&self, track: &TrackInfo, _at: Timestamp) -> Option<Bytes> {
        match config(track, self.format(track.codec())) {
            Ok((kind, body)) => wire::message(kind, 0, body).ok(),
            Err(error) => {
                tracing::warn!(%error, "RTMP: reader goes without a track");
                None
            }
        }
    }

    fn frame(&self, frame: &LiveFrame) -> Option<Bytes> {
        let shared = frame.frame();
        let format = self.format(shared.track().codec());
        if frame.is_restamped() {
            return chunks(&frame.to_frame(), shared.track(), format);
        }
        match format {
            Format::Legacy => {
                shared.wire_form(|frame, track| LegacyMessage(chunks(frame, track, format))).0.clone()
            }
            Format::Enhanced => {
                shared.wire_form(|frame, track| EnhancedMessage(chunks(frame, track, format))).0.clone()
            }
        }
    }
}

/// One frame as a message; `None` if no message can carry it.
fn chunks(frame: &Frame, track: &TrackInfo, format: Format) -> Option<Bytes> {
    let (kind, prefix) = match track.kind() {
        Kind::Video => (MediaKind::Video, mux::video_prefix(frame, format)),
        Kind::Audio => (MediaKind::Audio, mux::audio_prefix(track.codec(), format).ok()?),
    };
    wire::message(kind, flv::timestamp_ms(frame.dts), (&*prefix).chain(&*frame.payload)).ok()
}

/// The kind of message that carries `track`, and the body of its sequence header.
pub(super) fn config(track: &TrackInfo, format: Format) -> Result<(MediaKind, Bytes), FlvError> {
    Ok(match track.kind() {
        Kind::Video => (MediaKind::Video, mux::video_config_body(track, format)?),
        Kind::Audio => (MediaKind::Audio, mux::audio_config_body(track, format)?),
    })
}
