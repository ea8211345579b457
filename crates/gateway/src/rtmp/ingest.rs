//! RTMP messages to frames.

use container::flv::{Announced, Demuxer, Event};
use hub::{EndReason, Publisher, TrackWriter};
use media::Kind;
use rtmp::{Media, MediaKind, Metadata};

/// A publisher's way into the hub.
#[derive(Debug)]
pub(super) struct Ingest {
    publisher: Publisher,
    demuxer: Demuxer,
    video: Option<TrackWriter>,
    audio: Option<TrackWriter>,
}

impl Ingest {
    pub(super) fn new(publisher: Publisher) -> Self {
        Self { publisher, demuxer: Demuxer::new(), video: None, audio: None }
    }

    /// Waits until the stream is taken away. Cancel-safe.
    pub(super) async fn evicted(&self) -> EndReason {
        self.publisher.evicted().await
    }

    pub(super) const fn metadata(&mut self, metadata: &Metadata) {
        let announced =
            Announced { video: metadata.video_codec.is_some(), audio: metadata.audio_codec.is_some() };
        self.demuxer.push_metadata(announced);
    }

    pub(super) fn media(&mut self, media: &Media) {
        match media.kind {
            MediaKind::Video => self.demuxer.push_video(media.timestamp, &media.body),
            MediaKind::Audio => self.demuxer.push_audio(media.timestamp, &media.body),
            MediaKind::Data => return,
        }
        while let Some(event) = self.demuxer.poll_event() {
            self.event(event);
        }
    }

    /// Takes what was demuxed elsewhere.
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Track(info) => {
                let writer = match info.kind() {
                    Kind::Video => &mut self.video,
                    Kind::Audio => &mut self.audio,
                };
                *writer = Some(self.publisher.add_track(info.config));
            }
            Event::Frame(frame) => {
                let video = frame.track == container::flv::VIDEO;
                if let Some(writer) = if video { &self.video } else { &self.audio } {
                    writer.write(frame);
                }
            }
            Event::Warning { count, warning } => {
                // Told for the first, second, fourth, eighth ... time: as many again as at the last.
                self.publisher.count_broken(count - count / 2);
                tracing::warn!(path = %self.publisher.path(), count, %warning, "RTMP: tags dropped");
            }
            _ => {}
        }
    }
}
