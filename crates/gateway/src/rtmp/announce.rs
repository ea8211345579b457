//! What is said of tracks before their frames, alike to a reader and to a server.

use bytes::Bytes;
use container::flv::{FlvError, Format, mux};
use media::{Kind, TrackInfo};
use rtmp::{MediaKind, Metadata, metadata};

/// `onMetaData` for `tracks`.
pub(super) fn metadata<'a>(tracks: impl IntoIterator<Item = &'a TrackInfo> + Clone) -> Metadata {
    let numbers = mux::metadata(tracks.clone(), Format::Legacy);
    let has = |kind| tracks.clone().into_iter().any(|track| track.kind() == kind);
    Metadata {
        video_codec: has(Kind::Video).then_some(metadata::VIDEO_AVC),
        audio_codec: has(Kind::Audio).then_some(metadata::AUDIO_AAC),
        width: numbers.width.map(|pixels| pixels as u32),
        height: numbers.height.map(|pixels| pixels as u32),
        frame_rate: numbers.framerate,
        audio_sample_rate: numbers.audiosamplerate.map(|rate| rate as u32),
        stereo: numbers.stereo,
        encoder: None,
    }
}

/// The kind of message that carries `track`, and the body of its sequence header.
pub(super) fn config(track: &TrackInfo, format: Format) -> Result<(MediaKind, Bytes), FlvError> {
    Ok(match track.kind() {
        Kind::Video => (MediaKind::Video, mux::video_config_body(track, format)?),
        Kind::Audio => (MediaKind::Audio, mux::audio_config_body(track, format)?),
    })
}
