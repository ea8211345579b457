//! A WHIP peer's frames to the hub.

use std::time::Instant;

use hub::{EndReason, PublishPermit, Publisher, TrackWriter};
use media::Kind;
use webrtc::{Event, Peer, VIDEO_TRACK};

use super::session::{Ended, Half};
use crate::sessions::SessionEntry;

/// A publisher's way into the hub.
#[derive(Debug)]
pub(super) struct Ingest {
    permit: PublishPermit,
    /// Once the peer is connected.
    publisher: Option<Publisher>,
    video: Option<TrackWriter>,
    audio: Option<TrackWriter>,
}

/// What the hub wants of a publisher.
#[derive(Debug)]
pub(super) enum Signal {
    Keyframe,
    Evicted(EndReason),
}

impl Ingest {
    pub(super) const fn new(permit: PublishPermit) -> Self {
        Self { permit, publisher: None, video: None, audio: None }
    }
}

impl Half for Ingest {
    type Role = webrtc::Publisher;
    type Signal = Signal;

    async fn next(&mut self) -> Signal {
        let Some(publisher) = &self.publisher else { return std::future::pending().await };
        tokio::select! {
            reason = publisher.evicted() => Signal::Evicted(reason),
            () = publisher.keyframe_requested() => Signal::Keyframe,
        }
    }

    fn try_next(&mut self) -> Option<Signal> {
        None
    }

    fn apply(&mut self, signal: Signal, peer: &mut Peer<Self::Role>, _: &SessionEntry) -> Result<(), Ended> {
        match signal {
            Signal::Keyframe => peer.request_keyframe(Instant::now()),
            Signal::Evicted(reason) => return Err(Ended::Stream(reason)),
        }
        Ok(())
    }

    fn on_event(&mut self, event: Event) -> Result<(), Ended> {
        match (event, &self.publisher) {
            (Event::Connected, None) => self.publisher = Some(self.permit.admit()?),
            (Event::Track(info), Some(publisher)) => {
                let writer = match info.kind() {
                    Kind::Video => &mut self.video,
                    Kind::Audio => &mut self.audio,
                };
                *writer = Some(publisher.add_track(info.config));
            }
            (Event::Lost(_), Some(publisher)) => publisher.count_broken(1),
            (Event::Frame(frame), _) => {
                let writer = if frame.track == VIDEO_TRACK { &self.video } else { &self.audio };
                if let Some(writer) = writer {
                    writer.write(frame);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
