//! `onMetaData` of a stream: what RTMP and FLV tell a player before the first frame.

use container::flv::{Format, mux};
use media::{Kind, TrackInfo};
use rtmp::{Metadata, metadata as ids};

/// For `tracks`.
pub(crate) fn metadata<'a>(tracks: impl IntoIterator<Item = &'a TrackInfo> + Clone) -> Metadata {
    let numbers = mux::metadata(tracks.clone(), Format::Legacy);
    let has = |kind| tracks.clone().into_iter().any(|track| track.kind() == kind);
    Metadata {
        video_codec: has(Kind::Video).then_some(ids::VIDEO_AVC),
        audio_codec: has(Kind::Audio).then_some(ids::AUDIO_AAC),
        width: numbers.width.map(|pixels| pixels as u32),
        height: numbers.height.map(|pixels| pixels as u32),
        frame_rate: numbers.framerate,
        audio_sample_rate: numbers.audiosamplerate.map(|rate| rate as u32),
        stereo: numbers.stereo,
        encoder: None,
    }
}
