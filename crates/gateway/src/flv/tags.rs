//! Tracks and frames to FLV tags.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use container::flv::{self, Format, TagKind, mux};
use hub::{LiveFrame, Wants};
use media::{Codec, Frame, Kind, Timestamp, TrackInfo};

use super::egress::Framing;
use super::metadata::metadata;

/// Legacy FLV: WeChat's live-player knows no other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags {
    /// Each tag is a chunk of HTTP/1.1 (RFC 9112 §7.1).
    chunked: bool,
}

/// The tag of a frame, as every reader gets it, by itself and as a chunk.
struct Tag(Option<Bytes>);
struct Chunk(Option<Bytes>);

impl Tags {
    /// Nothing but the file.
    pub(super) const PLAIN: Self = Self { chunked: false };
    /// The file as the body of an answer whose length is not known.
    pub(super) const CHUNKED: Self = Self { chunked: true };

    /// What the file begins with. Both tracks are announced whatever is there: audio may come late, and a player that was
    /// told "video only" never plays it.
    pub(super) fn file_header(self) -> Bytes {
        self.encode(Bytes::from_static(const { &flv::file_header() }))
    }

    /// What says that the file is over.
    pub(super) fn last(self) -> Option<Bytes> {
        self.chunked.then_some(Bytes::from_static(b"0\r\n\r\n"))
    }

    fn encode(self, piece: Bytes) -> Bytes {
        match self.chunked {
            true => [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat().into(),
            false => piece,
        }
    }

    /// What legacy FLV carries.
    pub(super) fn wants() -> Wants {
        Wants { video: vec![Codec::H264], audio: vec![Codec::Aac] }
    }
}

impl Framing for Tags {
    fn metadata(&self, tracks: &[Arc<TrackInfo>]) -> Option<Bytes> {
        let metadata = metadata(tracks.iter().map(|track| &**track));
        flv::write_tag(TagKind::Script, 0, metadata.write()).ok().map(|tag| self.encode(tag))
    }

    fn config(&self, track: &TrackInfo, at: Timestamp) -> Option<Bytes> {
        let (kind, body) = match track.kind() {
            Kind::Video => (TagKind::Video, mux::video_config_body(track, Format::Legacy)),
            Kind::Audio => (TagKind::Audio, mux::audio_config_body(track, Format::Legacy)),
        };
        match body.and_then(|body| flv::write_tag(kind, flv::timestamp_ms(at), body)) {
            Ok(tag) => Some(self.encode(tag)),
            Err(error) => {
                tracing::warn!(%error, "FLV: reader goes without a track");
                None
            }
        }
    }

    fn frame(&self, frame: &LiveFrame) -> Option<Bytes> {
        let shared = frame.frame();
        let encoded = |frame: &Frame, track: &TrackInfo| tag(frame, track).map(|tag| self.encode(tag));
        match (frame.is_restamped(), self.chunked) {
            (true, _) => encoded(&frame.to_frame(), shared.track()),
            (false, true) => shared.wire_form(|frame, track| Chunk(encoded(frame, track))).0.clone(),
            (false, false) => shared.wire_form(|frame, track| Tag(encoded(frame, track))).0.clone(),
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
