//! The frames of segments in MPEG-TS.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use container::mpegts;
use media::{Frame, Kind, TrackId};

/// Segments that are transport streams: what one says of its tracks holds for the next, too, which need not begin with a
/// random access point.
#[derive(Debug, Default)]
pub(super) struct TransportStream {
    demuxer: mpegts::Demuxer,
    kinds: Vec<(TrackId, Kind)>,
}

impl TransportStream {
    /// The frames of the next segment, whole, in its order.
    pub(super) fn frames(&mut self, segment: &Bytes) -> Result<Vec<(Kind, Frame)>> {
        self.demuxer.push(segment);
        self.demuxer.finish();
        let mut frames = Vec::new();
        while let Some(event) = self.demuxer.poll_event() {
            match event {
                mpegts::Event::Track(track) => self.kinds.push((track.id, track.kind())),
                mpegts::Event::Frame(frame) => {
                    let kind = self.kinds.iter().rev().find(|(id, _)| *id == frame.track);
                    frames.push((kind.context("a frame without its track")?.1, frame));
                }
                other => bail!("{other:?}"),
            }
        }
        Ok(frames)
    }
}
