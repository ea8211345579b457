//! Tracks and frames to FLV tags.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use container::flv::{self, Format, TagKind, mux};
use hub::{LiveFrame, Wants};
use media::{Codec, Frame, Kind, Timestamp, TrackInfo};

use super::egress::Framing;
use crate::rtmp::messages;

/// Legacy FLV: WeChat's live-player knows no other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags;

/// The tag of a frame, as every reader gets it.
struct Tag(Option<Bytes>);

impl Tags {
    /// What legacy FLV carries.
    pub(super) fn wants() -> Wants {
        Wants { video: vec![Codec::H264], audio: vec![Codec::Aac] }
    }
}

impl Framing for Tags {
    fn metadata(&self, tracks: &[Arc<TrackInfo>]) -> Option<Bytes> {
        let metadata = messages::metadata(tracks.iter().map(|track| &**track));
        flv::write_tag(TagKind::Script, 0, metadata.write()).ok()
    }

    fn config(&self, track: &TrackInfo, at: Timestamp) -> Option<Bytes> {
        let (kind, body) = match track.kind() {
            Kind::Video => (TagKind::Video, mux::video_config_body(track, Format::Legacy)),
            Kind::Audio => (TagKind::Audio, mux::audio_config_body(track, Format::Legacy)),
        };
        match body.and_then(|body| flv::write_tag(kind, flv::timestamp_ms(at), body)) {
            Ok(tag) => Some(tag),
            Err(error) => {
                tracing::warn!(%error, "FLV: reader goes without a track");
                None
            }
        }
    }

    fn frame(&self, frame: &LiveFrame) -> Option<Bytes> {
        let shared = frame.frame();
        match frame.is_restamped() {
            true => tag(&frame.to_frame(), shared.track()),
            false => shared.wire_form(|frame, track| Tag(tag(frame, track))).0.clone(),
        }
    }
}

/// One frame as a tag with its trailer; `None` if none can carry it.
fn tag(frame: &Frame, track: &TrackInfo) -> Option<Bytes> {
    let (kind, prefix) = match track.kind() {
        Kind::Video => (TagKind::Video, mux::video_prefix(frame, Format::Legacy)),
        Kind::Audio => (TagKind::Audio, mux::audio_prefix(track.codec(), Format::Legacy).ok()?),
    };
    flv::write_tag(kind, flv::timestamp_ms(frame.dts), (&*prefix).chain(&*frame.payload)).ok()
}
