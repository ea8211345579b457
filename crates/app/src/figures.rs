//! The figures of streams and sessions for `/metrics`, read when scraped. Stream paths stay out of it: a path may be
//! made from a patient's name.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway::Sessions;
use gateway::webrtc::WebRtc;
use hub::{Action, Hub, Protocol, StreamSnapshot};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::http::{counter, gauge};
use crate::paths::HookFigures;

/// Reads the hub and the gateways.
#[derive(Debug)]
pub struct Figures {
    hub: Hub,
    sessions: Sessions,
    webrtc: Arc<WebRtc>,
    hooks: HookFigures,
}

impl Figures {
    /// Of these parts.
    pub const fn new(hub: Hub, sessions: Sessions, webrtc: Arc<WebRtc>, hooks: HookFigures) -> Self {
        Self { hub, sessions, webrtc, hooks }
    }

    fn streams(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let streams = self.hub.snapshot();
        let renditions =
            |stream: &StreamSnapshot| stream.tracks.iter().filter(|track| track.rendition).count();
        let published = streams.iter().filter(|stream| stream.published_since.is_some()).count();
        let subscribers = streams.iter().map(|stream| stream.readers).sum();
        for (name, help, value) in [
            (
                "medley_streams",
                "Streams, also those that wait for their publisher to come back",
                streams.len(),
            ),
            ("medley_streams_published", "Streams that somebody feeds now", published),
            ("medley_subscribers", "Subscriptions now", subscribers),
            ("medley_renditions", "Sound conversions that run now", streams.iter().map(renditions).sum()),
        ] {
            gauge(encoder, name, help, value as f64)?;
        }
        let muxers = self.sessions.muxers();
        gauge(encoder, "medley_hls_muxers", "Streams that are muxed for HLS now", muxers.len() as f64)?;
        let totals = self.hub.totals();
        for (name, help, value) in [
            ("medley_frames_in", "Frames of publishers since the start", totals.frames_in),
            ("medley_frame_bytes_in", "Payload bytes of those frames", totals.bytes_in),
            (
                "medley_frames_broken",
                "Frames of publishers that came broken or not at all",
                totals.frames_broken,
            ),
            ("medley_frame_bytes_out", "Payload bytes that subscribers were given", totals.bytes_out),
            ("medley_frames_dropped", "Frames that slow subscribers were not given", totals.frames_dropped),
        ] {
            counter(encoder, name, help, value)?;
        }
        Ok(())
    }

    fn sessions(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let sessions = self.sessions.snapshot();
        let kind = ConstGauge::new(0_u64).metric_type();
        let mut family = encoder.encode_descriptor("medley_sessions", "Sessions now", None, kind)?;
        let doing: Vec<_> =
            sessions.iter().filter_map(|one| Some((one.kind.protocol(), one.action()?))).collect();
        for protocol in [Protocol::Rtmp, Protocol::WebRtc, Protocol::Rtsp, Protocol::Hls, Protocol::Flv] {
            for action in [Action::Publish, Action::Read] {
                let count = doing.iter().filter(|&&one| one == (protocol, action)).count();
                let labels = [("protocol", protocol.to_string()), ("action", action.to_string())];
                ConstGauge::new(count as u64).encode(family.encode_family(&labels)?)?;
            }
        }
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = self.sessions.counters();
        let (unknown, overflow) = self.webrtc.datagrams_dropped();
        for (name, help, value) in [
            ("medley_connections_refused", "Connections and offers beyond a limit", read(&counters.refused)),
            (
                "medley_handshake_timeouts",
                "Connections that said nothing in time",
                read(&counters.handshake_timeouts),
            ),
            (
                "medley_protocol_errors",
                "Connections ended for breaking their protocol",
                read(&counters.protocol_errors),
            ),
            ("medley_requests_denied", "Requests that were not permitted", read(&counters.denied)),
            ("medley_session_panics", "Sessions that ended by a bug", read(&counters.panics)),
            ("medley_datagrams_unknown", "Datagrams from strangers, dropped", unknown),
            ("medley_datagrams_overflow", "Datagrams for sessions that were too slow", overflow),
        ] {
            counter(encoder, name, help, value)?;
        }
        Ok(())
    }
}

impl Figures {
    fn hooks(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Commands of hooks that run now";
        gauge(encoder, "medley_hook_processes", help, self.hooks.processes() as f64)?;
        let counters = self.hooks.counters();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let help = "Commands of hooks that could not start or ended with another code than 0";
        counter(encoder, "medley_hooks_failed", help, read(&counters.failed))?;
        let help = "Commands of hooks that did not run because of limits.hook_processes";
        counter(encoder, "medley_hooks_refused", help, read(&counters.refused))
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.streams(&mut encoder)?;
        self.sessions(&mut encoder)?;
        self.hooks(&mut encoder)
    }
}
