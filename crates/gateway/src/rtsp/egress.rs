//! Frames to RTP packets.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hub::{Delivery, EndReason, Join, LiveFrame, Subscription};
use media::{Kind, Timestamp, TrackInfo};
use rtp::Payloads;
use rtp::packet::Header;
use rtp::sender::{Outgoing, ReaderClock, Sender, SenderConfig};
use rtsp::interleaved_header;
use rtsp::sdp;
use rtsp::session::{Offered, RtpInfo, Setup};
use rtsp::transport::Transport;

use super::formats::{self, packetize};
use super::udp::{Attachment, Flow};
use crate::outbox::Outbox;
use crate::sessions::{Session, count};

/// A player takes the tracks of a description for all there are: the reader of a stream this young waits so long for
/// the other track.
const WAIT_FOR_TRACKS: Duration = Duration::from_millis(700);
/// A publisher that has come and told of no track yet, such as a WebRTC peer, is waited for so long.
const WAIT_FOR_ANY_TRACK: Duration = Duration::from_secs(3);
/// The distance of squeezed frames: what is written into FLV or MP4 afterwards keeps them apart.
const SPACING: Timestamp = Timestamp::from_millis(1);
/// At the live edge, and at once: a player shows a GOP with its own timestamps as slowly as it was recorded, and stays
/// that late.
pub(super) const JOIN: Join = Join::LiveEdge { spacing: SPACING };
/// Payload bytes of a datagram. With the headers of RTP, UDP and IPv6 it has 1,460 and passes PPPoE whole.
const UDP_PAYLOAD: usize = 1_400;
/// Payload bytes of a packet on TCP. A frame of 4 Mbit/s is one packet; beyond, there is nothing to win: a header of 16
/// bytes for each 16 KiB costs 0.1 %. ffmpeg takes 65,535 (its buffer has 81,920), live555 as well, but hardware
/// decoders are built for what cameras send.
const TCP_PAYLOAD: usize = 16 << 10;
/// Payloads of at most so many bytes are copied behind their headers: one buffer for `send` costs less than two that the
/// outbox has to hold, to share and to put together.
const COPIED: usize = 8 << 10;
/// RFC 3551 §6: dynamic payload types begin here.
const FIRST_PAYLOAD_TYPE: u8 = 96;

/// The payloads of a frame, as every reader with the same transport gets them.
struct TcpForm(Payloads);
struct UdpForm(Payloads);

/// A reader's way out of the hub.
#[derive(Debug)]
pub(super) struct Egress {
    subscription: Subscription,
    tracks: Vec<Track>,
    clock: ReaderClock,
    /// Taken before they were due, to know where the stream begins.
    ready: VecDeque<Delivery>,
}

#[derive(Debug)]
struct Track {
    info: Arc<TrackInfo>,
    /// As `info` says; asked for each frame and reader, for whom `info` is another cache line.
    kind: Kind,
    payload_type: u8,
    sender: Sender,
    /// `None`: the reader does not want it.
    transport: Option<Transport>,
}

/// Which way packets go.
#[derive(Debug)]
pub(super) enum Lane<'a> {
    Tcp(&'a mut Outbox),
    Udp(&'a mut Attachment),
}

/// What the session has to do for the reader, beside writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Written,
    Dropped(u64),
    Ended(EndReason),
    /// A track is another than was described, which a player cannot be told.
    Changed,
}

impl Egress {
    /// Waits until the stream's tracks can be described; `None` if it has none.
    pub(super) async fn describe(mut subscription: Subscription) -> Option<Self> {
        let begun = Instant::now();
        let wait = WAIT_FOR_TRACKS.saturating_sub(subscription.stream_age());
        loop {
            let tracks = subscription.tracks();
            let patience = if tracks.is_empty() { WAIT_FOR_ANY_TRACK } else { wait };
            if tracks.len() >= 2 || begun.elapsed() >= patience {
                break;
            }
            let Ok(delivery) = tokio::time::timeout_at((begun + patience).into(), subscription.recv()).await
            else {
                continue;
            };
            if matches!(delivery, Delivery::End(_)) {
                return None;
            }
        }
        let tracks = subscription.tracks();
        let (seed, now) = (getrandom::u64().unwrap_or_default(), Instant::now());
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let tracks: Vec<_> =
            tracks.into_iter().enumerate().map(|(at, info)| Track::new(at, info, seed)).collect();
        (!tracks.is_empty()).then(|| Self {
            subscription,
            tracks,
            clock: ReaderClock::new(seed, now, unix),
            ready: VecDeque::new(),
        })
    }

    /// The tracks as the description says them.
    pub(super) fn offered(&self) -> Vec<Offered> {
        let offered = |track: &Track| {
            let media = sdp::Media {
                payload_type: track.payload_type,
                format: formats::describe(&track.info.config)?,
                control: String::new(),
            };
            Some(Offered { media, ssrc: track.sender.ssrc() })
        };
        self.tracks.iter().filter_map(offered).collect()
    }

    /// Begins at the live edge with the tracks that were set up; says where each begins, if it is known.
    pub(super) fn play(&mut self, setups: &[Setup]) -> Vec<RtpInfo> {
        for (at, track) in self.tracks.iter_mut().enumerate() {
            track.transport = setups.iter().find(|setup| setup.track == at).map(|setup| setup.transport);
        }
        self.ready.clear();
        self.subscription.rejoin(JOIN);
        let start = loop {
            match self.subscription.try_recv() {
                Some(Delivery::Frame(frame)) => {
                    let start = frame.pts();
                    self.ready.push_back(Delivery::Frame(frame));
                    break start;
                }
                Some(delivery) => self.ready.push_back(delivery),
                None => return Vec::new(),
            }
        };
        let info = |(at, track): (usize, &Track)| {
            track.transport?;
            let (sequence, timestamp) = (track.sender.next_sequence(), track.sender.timestamp(start));
            Some(RtpInfo { track: at, sequence, timestamp })
        };
        self.tracks.iter().enumerate().filter_map(info).collect()
    }

    /// Waits for what comes next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Delivery {
        match self.ready.pop_front() {
            Some(delivery) => delivery,
            None => self.subscription.recv().await,
        }
    }

    /// What is there without waiting.
    pub(super) fn try_next(&mut self) -> Option<Delivery> {
        self.ready.pop_front().or_else(|| self.subscription.try_recv())
    }

    /// Writes a delivery to the lane.
    pub(super) fn write(&mut self, delivery: Delivery, lane: &mut Lane<'_>, session: &Session) -> Step {
        match delivery {
            Delivery::Track(info) => self.track(info),
            Delivery::Frame(frame) => {
                self.frame(&frame, lane, session);
                Step::Written
            }
            Delivery::Gap { frames } => Step::Dropped(frames),
            Delivery::End(reason) => {
                self.goodbye(lane, session);
                Step::Ended(reason)
            }
        }
    }

    /// Tells the reader by RTCP that nothing follows (RFC 3550 §6.6).
    pub(super) fn goodbye(&self, lane: &mut Lane<'_>, session: &Session) {
        let now = Instant::now();
        for (at, track) in self.tracks.iter().enumerate() {
            if let Some(transport) = track.transport {
                lane.report(at, transport, &track.sender.goodbye(&self.clock, now), session);
            }
        }
    }

    fn track(&mut self, info: Arc<TrackInfo>) -> Step {
        let Some(known) = self.tracks.iter_mut().find(|track| track.info.kind() == info.kind()) else {
            // It came after the description.
            return Step::Written;
        };
        // Parameter sets travel in front of each random access point.
        let same = info.kind() == Kind::Video || info.config == known.info.config;
        known.info = info;
        if same { Step::Written } else { Step::Changed }
    }

    fn frame(&mut self, frame: &LiveFrame, lane: &mut Lane<'_>, session: &Session) {
        let (shared, now) = (frame.frame(), Instant::now());
        let kind = shared.track().kind();
        let found = self.tracks.iter_mut().enumerate().find(|(_, track)| track.kind == kind);
        let Some((at, track)) = found else { return };
        let Some(transport) = track.transport else { return };
        let (tcp, udp);
        let payloads = match lane {
            Lane::Tcp(_) => {
                tcp = shared.wire_form(|frame, track| TcpForm(packetize(frame, track, TCP_PAYLOAD)));
                &tcp.0
            }
            Lane::Udp(_) => {
                udp = shared.wire_form(|frame, track| UdpForm(packetize(frame, track, UDP_PAYLOAD)));
                &udp.0
            }
        };
        if payloads.is_empty() {
            return;
        }
        let packets = track.sender.packets(&mut self.clock, payloads, frame.pts(), now);
        count(&session.rtp.packets_out, packets.len());
        count(&session.bytes_out, packets.len() * Header::LEN + payloads.bytes());
        if let Some(report) = track.sender.report(&self.clock, now) {
            lane.report(at, transport, &report, session);
        }
        for packet in packets {
            lane.packet(at, transport, packet);
        }
    }
}

impl Track {
    fn new(at: usize, info: TrackInfo, seed: u64) -> Self {
        let payload_type = FIRST_PAYLOAD_TYPE.wrapping_add(u8::try_from(at).unwrap_or(0));
        let config = SenderConfig {
            payload_type,
            rate: info.rate(),
            marks_frames: formats::marks_frames(&info.config),
            seed: seed.wrapping_add(at as u64 + 1),
        };
        let kind = info.kind();
        Self { info: Arc::new(info), kind, payload_type, sender: Sender::new(config), transport: None }
    }
}

impl Lane<'_> {
    fn packet(&mut self, track: usize, transport: Transport, packet: Outgoing<'_>) {
        let Outgoing { header, payload } = packet;
        match (self, transport) {
            (Lane::Tcp(out), Transport::Interleaved { rtp, .. }) => {
                // `TCP_PAYLOAD` is far below 2^16; a frame of G.711 that is not goes missing.
                let Ok(length) = u16::try_from(header.len() + payload.len()) else { return };
                let interleaved = interleaved_header(rtp, length);
                if payload.len() <= COPIED {
                    out.push(Bytes::from([&interleaved[..], &header, payload].concat()));
                } else {
                    out.push(Bytes::from([&interleaved[..], &header].concat()));
                    out.push(payload.clone());
                }
            }
            (Lane::Udp(ports), Transport::Udp { .. }) => ports.send(track, Flow::Rtp, &[&header, payload]),
            _ => {}
        }
    }

    /// Sends RTCP of a track.
    pub(super) fn report(&mut self, track: usize, transport: Transport, report: &[u8], session: &Session) {
        count(&session.rtp.rtcp_out, 1);
        count(&session.bytes_out, report.len());
        match (self, transport) {
            (Lane::Tcp(out), Transport::Interleaved { rtcp, .. }) => {
                let Ok(length) = u16::try_from(report.len()) else { return };
                out.push(Bytes::from([&interleaved_header(rtcp, length)[..], report].concat()));
            }
            (Lane::Udp(ports), Transport::Udp { .. }) => ports.send(track, Flow::Rtcp, &[report]),
            _ => {}
        }
    }
}
