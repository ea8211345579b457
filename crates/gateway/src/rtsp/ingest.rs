//! RTP packets to frames.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use hub::{EndReason, Publisher, TrackWriter};
use rtp::receiver::{Event, ReceiveError, Receiver};
use rtsp::sdp;

use super::formats::{self, track_id};
use super::udp::Flow;
use crate::sessions::RtpCounters;

/// A publisher's way into the hub.
#[derive(Debug)]
pub(super) struct Ingest {
    publisher: Publisher,
    receiver: Receiver,
    /// By index in the description.
    writers: Vec<Option<TrackWriter>>,
    /// Packets were dropped, and somebody was told.
    told: bool,
}

impl Ingest {
    /// `tracks` are those of `media` whose packets will come; `ordered`: none overtakes another.
    pub(super) fn new(
        publisher: Publisher,
        media: &[sdp::Media],
        tracks: impl Iterator<Item = usize>,
        ordered: bool,
    ) -> Self {
        let seed = getrandom::u64().unwrap_or_default();
        let mut this =
            Self { publisher, receiver: Receiver::new(seed), writers: vec![None; media.len()], told: false };
        for track in tracks {
            let Some(config) = media.get(track).and_then(|media| formats::receive(track, media, ordered))
            else {
                continue;
            };
            this.receiver.add_track(config);
        }
        this.take_events();
        this
    }

    /// Waits until the stream is taken away. Cancel-safe.
    pub(super) async fn evicted(&self) -> EndReason {
        self.publisher.evicted().await
    }

    /// Takes a packet that came at `now`.
    pub(super) fn packet(
        &mut self,
        track: usize,
        flow: Flow,
        packet: &Bytes,
        now: Instant,
        counters: &RtpCounters,
    ) {
        let (id, add) = (track_id(track), |counter: &std::sync::atomic::AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let result = match flow {
            Flow::Rtp => {
                add(&counters.packets_in);
                self.receiver.handle_rtp(id, packet, now).inspect_err(|_| add(&counters.packets_invalid))
            }
            Flow::Rtcp => {
                add(&counters.rtcp_in);
                self.receiver.handle_rtcp(id, packet, now).inspect_err(|_| add(&counters.rtcp_invalid))
            }
        };
        self.tell(result);
        self.take_events();
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.receiver.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let result = self.receiver.handle_timeout(now);
        self.tell(result);
        self.take_events();
    }

    /// A report that is due, for the track's RTCP; then another one, until `None`.
    pub(super) fn poll_report(&mut self, now: Instant, counters: &RtpCounters) -> Option<(usize, Vec<u8>)> {
        let (id, report) = self.receiver.poll_report(now)?;
        counters.rtcp_out.fetch_add(1, Ordering::Relaxed);
        let statistics: Vec<_> =
            (0..self.writers.len()).filter_map(|track| self.receiver.statistics(track_id(track))).collect();
        let lost: i64 = statistics.iter().map(|one| one.lost).sum();
        counters.packets_lost.store(lost.max(0).unsigned_abs(), Ordering::Relaxed);
        let jitter: u64 = statistics.iter().map(|one| u64::from(one.jitter)).sum();
        counters.jitter.store(jitter / statistics.len().max(1) as u64, Ordering::Relaxed);
        Some((usize::try_from(id.0).unwrap_or(usize::MAX), report))
    }

    fn tell(&mut self, result: Result<(), ReceiveError>) {
        if let (Err(error), false) = (result, self.told) {
            self.told = true;
            tracing::warn!(path = %self.publisher.path(), %error, "RTSP: packets dropped; further ones are counted");
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.receiver.poll_event() {
            match event {
                Event::Track(info) => {
                    let writer = self.publisher.add_track(info.config);
                    if let Some(place) = self.writers.get_mut(info.id.0 as usize) {
                        *place = Some(writer);
                    }
                }
                Event::Frame(frame) => {
                    if let Some(Some(writer)) = self.writers.get(frame.track.0 as usize) {
                        writer.write(frame);
                    }
                }
                // Nobody can be asked for a random access point: RTP/AVP has no feedback (RFC 4585 §1).
                Event::Lost(_) => {}
                // TEARDOWN or the end of the connection follows, or the next camera of a switcher.
                Event::Goodbye(_) => {}
            }
        }
    }
}
