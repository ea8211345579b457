//! The patient's screen: plays what the doctor publishes over real RTMP, and measures what arrives.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use container::flv::{self, Event};
use gateway::rtmp::{Client, ClientError};
use hub::{AccessRequest, Action, Credentials, Delivery, Hub, Join, Protocol, SubscribeRequest, Wants};
use media::h264::sps::Sps;
use media::{Codec, CodecConfig, Frame, Pii, StreamPath, TrackInfo};
use parking_lot::Mutex;
use transcode::codec::{Decoder, backend};

use super::window::{Figures, Window};
use super::{BACK_OFF, DOCTOR};

/// How often to look whether the doctor has come. The hub is asked, so that the log is not full of refused sessions.
const LOOK: Duration = Duration::from_millis(250);
/// Frames whose arrival is remembered: more than are ever on their way.
const REMEMBERED: usize = 512;

/// What arrives at the patient's end; shared by who measures and who asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Monitor(Arc<Mutex<Window>>);

impl Monitor {
    /// The figures now.
    pub(super) fn figures(&self) -> Figures {
        self.0.lock().figures(Instant::now())
    }

    /// Plays the doctor's stream from the server at `server` whenever there is one, until it is dropped. `hub` is that
    /// server's.
    pub(super) async fn run(self, server: SocketAddr, hub: Hub) {
        let Ok(path) = StreamPath::new(DOCTOR) else { return };
        loop {
            while !hub.has(&path) {
                tokio::time::sleep(LOOK).await;
            }
            let Err(error) = self.play(server, &hub, &path).await;
            tracing::info!(%error, "demo: the patient lost the doctor");
            *self.0.lock() = Window::default();
            tokio::time::sleep(BACK_OFF).await;
        }
    }

    async fn play(
        &self,
        server: SocketAddr,
        hub: &Hub,
        path: &StreamPath,
    ) -> Result<std::convert::Infallible, ClientError> {
        let mut client = Client::play(server, DOCTOR).await?;
        let mut ingest = Ingest::subscribe(hub, path.clone()).await;
        let mut decoder = None;
        let mut pcm = Vec::new();
        loop {
            match client.next().await? {
                Event::Track(track) => decoder = self.on_track(&track, decoder),
                Event::Frame(frame) if frame.track == flv::VIDEO => {
                    let (now, stamp) = (Instant::now(), flv::timestamp_ms(frame.dts));
                    let arrived = ingest.as_mut().and_then(|ingest| ingest.arrived(stamp));
                    let delay = arrived.map(|arrived| now.saturating_duration_since(arrived));
                    self.0.lock().picture(now, stamp, delay);
                }
                Event::Frame(frame) => {
                    if let Some(decoder) = &mut decoder {
                        self.on_sound(&frame, decoder.as_mut(), &mut pcm);
                    }
                }
                _ => {}
            }
        }
    }

    fn on_track(&self, track: &TrackInfo, decoder: Option<Box<dyn Decoder>>) -> Option<Box<dyn Decoder>> {
        match &track.config {
            CodecConfig::H264(sets) => {
                let sps = sets.sps.first().and_then(|sps| Sps::parse(sps).ok());
                self.0.lock().size = sps.map(|sps| (sps.width, sps.height));
                decoder
            }
            CodecConfig::Aac(config) => backend::aac_decoder(config)
                .inspect_err(|error| tracing::warn!(%error, "demo: no decoder; the level stays unknown"))
                .ok(),
            _ => None,
        }
    }

    fn on_sound(&self, frame: &Frame, decoder: &mut dyn Decoder, pcm: &mut Vec<f32>) {
        pcm.clear();
        if let Err(error) = decoder.decode(&frame.payload, pcm) {
            tracing::debug!(%error, "demo: sound that does not decode");
        }
        self.0.lock().sound(Instant::now(), pcm);
    }
}

/// When the server got the pictures that arrive here.
struct Ingest {
    subscription: hub::Subscription,
    arrivals: Arrivals,
}

impl Ingest {
    /// `None` if the stream has gone in the meantime.
    async fn subscribe(hub: &Hub, path: StreamPath) -> Option<Self> {
        let access = AccessRequest {
            action: Action::Read,
            path,
            remote: Pii(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            credentials: Credentials::default(),
            protocol: Protocol::Internal,
        };
        let wants = Wants { video: vec![Codec::H264], audio: Vec::new() };
        // With the GOP under way: its frames may be on their way here.
        let subscription = hub.subscribe(SubscribeRequest { access, wants, join: Join::Gop }).await;
        let subscription =
            subscription.inspect_err(|error| tracing::warn!(%error, "demo: the delay stays unknown")).ok()?;
        Some(Self { subscription, arrivals: Arrivals::default() })
    }

    /// When the picture with the RTMP timestamp `stamp` came. What has got here by RTMP is in the hub's log already,
    /// so nothing is waited for.
    fn arrived(&mut self, stamp: u32) -> Option<Instant> {
        while let Some(delivery) = self.subscription.try_recv() {
            match delivery {
                Delivery::Frame(frame) => {
                    self.arrivals.note(flv::timestamp_ms(frame.dts()), frame.frame().arrived());
                }
                Delivery::End(_) => break,
                Delivery::Track(_) | Delivery::Gap { .. } => {}
            }
        }
        self.arrivals.take(stamp)
    }
}

/// Arrivals by RTMP timestamp, in their order.
#[derive(Debug, Default)]
struct Arrivals(VecDeque<(u32, Instant)>);

impl Arrivals {
    fn note(&mut self, stamp: u32, arrived: Instant) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((stamp, arrived));
    }

    /// The arrival of `stamp`; it and what came before it are forgotten.
    fn take(&mut self, stamp: u32) -> Option<Instant> {
        let at = self.0.iter().position(|(known, _)| *known == stamp)?;
        self.0.drain(..=at).next_back().map(|(_, arrived)| arrived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_matched_by_their_timestamp_and_skipped_ones_forgotten() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut arrivals = Arrivals::default();
        // The last one after the wrap of 32 bits.
        for (stamp, millis) in [(u32::MAX - 40, 0), (u32::MAX - 7, 33), (26, 66)] {
            arrivals.note(stamp, at(millis));
        }
        assert_eq!(arrivals.take(7), None, "a timestamp of nobody");
        assert_eq!(arrivals.take(u32::MAX - 7), Some(at(33)));
        assert_eq!(arrivals.take(u32::MAX - 40), None, "an earlier one");
        assert_eq!(arrivals.take(26), Some(at(66)));
        assert!(arrivals.0.is_empty());
    }

    #[test]
    fn what_never_arrives_is_not_remembered_for_ever() {
        let mut arrivals = Arrivals::default();
        for stamp in 0..2_000 {
            arrivals.note(stamp, Instant::now());
        }
        assert_eq!(arrivals.0.len(), REMEMBERED);
        assert!(arrivals.take(1_999).is_some());
    }
}
