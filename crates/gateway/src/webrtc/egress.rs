//! The hub's frames to a WHEP peer.

use std::sync::atomic::Ordering;
use std::time::Instant;

use hub::{Delivery, Join, LiveFrame, Subscription, Wants};
use media::{Codec, CodecConfig, Frame, Rate, Timestamp, TrackInfo};
use rtp::Payloads;
use rtp::h264::Packetizer;
use webrtc::bframes::{self, BFrameError, Verdict};
use webrtc::{Event, Outgoing, Peer};

use super::session::{Ended, Half};
use crate::sessions::SessionEntry;

/// The RTP payloads of a frame, as every reader gets them.
enum RtpForm {
    Payloads(Payloads),
    /// A B-frame that nothing refers to: WebRTC has no means to show pictures out of order.
    LeftOut,
    Unplayable(BFrameError),
}

/// A reader's way out of the hub.
#[derive(Debug)]
pub(super) struct Egress {
    subscription: Subscription,
    connected: bool,
}

impl Egress {
    /// At the live edge and at once. Chromium plays a cached GOP with its own timestamps as slowly as it was recorded and
    /// stays behind for seconds (ZLMediaKit #2828); squeezed to one tick of the video clock, it decodes the GOP at
    /// once.
    pub(super) const JOIN: Join = Join::LiveEdge { spacing: Timestamp::new(1, Rate::VIDEO) };

    /// What every WebRTC reader can play (RFC 7742 §5, RFC 7874 §3).
    pub(super) fn wants() -> Wants {
        Wants { video: vec![Codec::H264], audio: vec![Codec::Opus] }
    }

    pub(super) const fn new(subscription: Subscription) -> Self {
        Self { subscription, connected: false }
    }

    fn send(frame: &LiveFrame, peer: &mut Peer<webrtc::Subscriber>) -> Result<(), Ended> {
        let shared = frame.frame();
        let form = shared.wire_form(packetize);
        let payloads = match &*form {
            RtpForm::Payloads(payloads) => payloads,
            RtpForm::LeftOut => return Ok(()),
            RtpForm::Unplayable(error) => return Err((*error).into()),
        };
        let outgoing = Outgoing {
            kind: shared.track().kind(),
            payloads,
            pts: frame.pts(),
            random_access: shared.frame().random_access,
        };
        peer.send(outgoing, Instant::now());
        Ok(())
    }
}

fn packetize(frame: &Frame, track: &TrackInfo) -> RtpForm {
    let CodecConfig::H264(parameters) = &track.config else {
        return RtpForm::Payloads(rtp::opus::packetize(&frame.payload));
    };
    match bframes::judge(frame) {
        Ok(Verdict::Keep) => {
            let parameters = frame.random_access.then_some(parameters);
            RtpForm::Payloads(Packetizer::default().packetize(&frame.payload, parameters))
        }
        Ok(Verdict::Drop) => RtpForm::LeftOut,
        Err(error) => RtpForm::Unplayable(error),
    }
}

impl Half for Egress {
    type Role = webrtc::Subscriber;
    type Signal = Delivery;

    async fn next(&mut self) -> Delivery {
        if !self.connected {
            return std::future::pending().await;
        }
        self.subscription.recv().await
    }

    fn try_next(&mut self) -> Option<Delivery> {
        self.subscription.try_recv()
    }

    fn apply(
        &mut self,
        delivery: Delivery,
        peer: &mut Peer<Self::Role>,
        entry: &SessionEntry,
    ) -> Result<(), Ended> {
        match delivery {
            Delivery::Frame(frame) => Self::send(&frame, peer),
            // Parameters travel in front of each random access point.
            Delivery::Track(_) => Ok(()),
            Delivery::Gap { frames } => {
                entry.frames_dropped.fetch_add(frames, Ordering::Relaxed);
                Ok(())
            }
            Delivery::End(reason) => Err(Ended::Stream(reason)),
        }
    }

    fn on_event(&mut self, event: Event) -> Result<(), Ended> {
        match event {
            Event::Connected => {
                self.connected = true;
                self.subscription.rejoin(Self::JOIN);
            }
            Event::KeyframeRequest => self.subscription.request_keyframe(),
            _ => {}
        }
        Ok(())
    }
}
