//! Frames to RTP packets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hub::{Attached, Delivery, EndReason, Join, LiveFrame, Sink, Subscription};
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
use crate::line::Line;
use crate::outbox::Outbox;
use crate::sessions::{Session, SessionEntry, count};

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
/// RFC 3551 §6: dynamic payload types begin here.
const FIRST_PAYLOAD_TYPE: u8 = 96;

/// The payloads of a frame, as every reader with the same transport gets them.
struct TcpForm(Payloads);
struct UdpForm(Payloads);

/// A reader's way out of the hub.
#[derive(Debug)]
pub(super) struct Egress {
    subscription: Subscription,
    /// While the hub writes the frames.
    attached: Option<Attached<Edge>>,
    /// Goes along with `attached`.
    packets: Option<Packets>,
    /// Taken before they were due, to know where the stream begins.
    ready: VecDeque<Delivery>,
}

/// What makes a reader's packets.
#[derive(Debug)]
struct Packets {
    tracks: Vec<Track>,
    clock: ReaderClock,
    sent: Sent,
}

/// Not yet counted for the session.
#[derive(Default, Debug)]
struct Sent {
    packets: usize,
    reports: usize,
    bytes: usize,
}

/// A reader at the live edge: each frame goes straight to its connection.
struct Edge {
    packets: Packets,
    session: Arc<Session>,
    line: Line,
}

thread_local! {
    /// Where the packets of a frame are put together: one for all readers of the thread, so that it stays in its cache.
    static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
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
    /// All in one piece.
    Frame(&'a mut Vec<u8>),
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
        let clock = ReaderClock::new(seed, now, unix);
        let packets = Packets { tracks, clock, sent: Sent::default() };
        (!packets.tracks.is_empty()).then(|| Self {
            subscription,
            attached: None,
            packets: Some(packets),
            ready: VecDeque::new(),
        })
    }

    /// The tracks as the description says them.
    pub(super) fn offered(&self) -> Vec<Offered> {
        self.packets.iter().flat_map(|packets| packets.offered()).collect()
    }

    /// Begins at the live edge with the tracks that were set up; says where each begins, if it is known.
    pub(super) fn play(&mut self, setups: &[Setup]) -> Vec<RtpInfo> {
        let Some(packets) = &mut self.packets else { return Vec::new() };
        packets.set_up(setups);
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
        packets.begin_at(start)
    }

    /// Lets the hub write to `line`, if nothing is left to do that takes more than that. Before anything else is asked of
    /// this, [`Self::detach`].
    pub(super) fn attach(&mut self, line: Line, session: &SessionEntry) {
        if !self.ready.is_empty() {
            return;
        }
        let Some(packets) = self.packets.take() else { return };
        match self.subscription.attach(Edge { packets, session: session.share(), line }) {
            Ok(attached) => self.attached = Some(attached),
            Err(edge) => self.packets = Some(edge.packets),
        }
    }

    /// Takes the connection back, if the hub has it; what it has not written yet goes to `outbox`.
    pub(super) fn detach(&mut self, outbox: &mut Outbox) {
        if let Some(attached) = self.attached.take() {
            let mut edge = self.subscription.detach(attached);
            edge.packets.sent.count(&edge.session);
            self.packets = Some(edge.packets);
            edge.line.give_back(outbox);
        }
    }

    /// Waits for what comes next; `None`: for the moment when there is something else to do. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        if let Some(attached) = &self.attached {
            attached.dismissed().await;
            return None;
        }
        match self.ready.pop_front() {
            Some(delivery) => Some(delivery),
            None => Some(self.subscription.recv().await),
        }
    }

    /// What is there without waiting.
    pub(super) fn try_next(&mut self) -> Option<Delivery> {
        self.ready.pop_front().or_else(|| self.subscription.try_recv())
    }

    /// Writes a delivery to the lane.
    pub(super) fn write(&mut self, delivery: Delivery, lane: &mut Lane<'_>, session: &Session) -> Step {
        let Some(packets) = &mut self.packets else { return Step::Written };
        let step = match delivery {
            Delivery::Track(info) => packets.track(info),
            Delivery::Frame(frame) => {
                packets.frame(&frame, Instant::now(), lane);
                Step::Written
            }
            Delivery::Gap { frames } => Step::Dropped(frames),
            Delivery::End(reason) => {
                packets.goodbye(lane);
                Step::Ended(reason)
            }
        };
        packets.sent.count(session);
        step
    }

    /// Tells the reader by RTCP that nothing follows (RFC 3550 §6.6).
    pub(super) fn goodbye(&mut self, lane: &mut Lane<'_>, session: &Session) {
        if let Some(packets) = &mut self.packets {
            packets.goodbye(lane);
            packets.sent.count(session);
        }
    }
}

impl Packets {
    fn offered(&self) -> Vec<Offered> {
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

    fn set_up(&mut self, setups: &[Setup]) {
        for (at, track) in self.tracks.iter_mut().enumerate() {
            track.transport = setups.iter().find(|setup| setup.track == at).map(|setup| setup.transport);
        }
    }

    fn begin_at(&self, start: Timestamp) -> Vec<RtpInfo> {
        let info = |(at, track): (usize, &Track)| {
            track.transport?;
            let (sequence, timestamp) = (track.sender.next_sequence(), track.sender.timestamp(start));
            Some(RtpInfo { track: at, sequence, timestamp })
        };
        self.tracks.iter().enumerate().filter_map(info).collect()
    }

    fn goodbye(&mut self, lane: &mut Lane<'_>) {
        let now = Instant::now();
        for (at, track) in self.tracks.iter().enumerate() {
            if let Some(transport) = track.transport {
                let goodbye = track.sender.goodbye(&self.clock, now);
                self.sent.report(&goodbye);
                lane.report(at, transport, &goodbye);
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

    fn frame(&mut self, frame: &LiveFrame, now: Instant, lane: &mut Lane<'_>) {
        let shared = frame.frame();
        let kind = shared.track().kind();
        let found = self.tracks.iter_mut().enumerate().find(|(_, track)| track.kind == kind);
        let Some((at, track)) = found else { return };
        let Some(transport) = track.transport else { return };
        let (tcp, udp);
        let payloads = match lane {
            Lane::Tcp(_) | Lane::Frame(_) => {
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
        self.sent.packets += packets.len();
        self.sent.bytes += packets.len() * Header::LEN + payloads.bytes();
        if let Some(report) = track.sender.report(&self.clock, now) {
            self.sent.report(&report);
            lane.report(at, transport, &report);
        }
        for packet in packets {
            lane.packet(at, transport, packet);
        }
    }
}

impl Sent {
    const fn report(&mut self, report: &[u8]) {
        self.reports += 1;
        self.bytes += report.len();
    }

    fn count(&mut self, session: &Session) {
        let Self { packets, reports, bytes } = std::mem::take(self);
        count(&session.rtp.packets_out, packets);
        count(&session.rtp.rtcp_out, reports);
        count(&session.bytes_out, bytes);
    }
}

impl Sink for Edge {
    fn take(&mut self, frame: &LiveFrame) -> bool {
        FRAME.with_borrow_mut(|bytes| {
            bytes.clear();
            // When it came is the same for all readers, and a moment ago.
            let now = frame.frame().arrived();
            self.packets.frame(frame, now, &mut Lane::Frame(bytes));
            if self.line.is_time_to_count(now) {
                self.line.count(now);
                self.packets.sent.count(&self.session);
            }
            bytes.is_empty() || self.line.write(bytes)
        })
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
        // `TCP_PAYLOAD` is far below 2^16; a frame of G.711 that is not goes missing.
        let interleaved =
            |channel| Some(interleaved_header(channel, u16::try_from(header.len() + payload.len()).ok()?));
        match (self, transport) {
            (Lane::Tcp(out), Transport::Interleaved { rtp, .. }) => {
                let Some(interleaved) = interleaved(rtp) else { return };
                out.push(Bytes::from([&interleaved[..], &header].concat()));
                out.push(payload.clone());
            }
            (Lane::Frame(bytes), Transport::Interleaved { rtp, .. }) => {
                let Some(interleaved) = interleaved(rtp) else { return };
                [&interleaved[..], &header, payload].iter().for_each(|part| bytes.extend_from_slice(part));
            }
            (Lane::Udp(ports), Transport::Udp { .. }) => ports.send(track, Flow::Rtp, &[&header, payload]),
            _ => {}
        }
    }

    /// Sends RTCP of a track.
    pub(super) fn report(&mut self, track: usize, transport: Transport, report: &[u8]) {
        let interleaved = |channel| {
            let length = u16::try_from(report.len()).ok()?;
            Some([&interleaved_header(channel, length)[..], report].concat())
        };
        match (self, transport) {
            (Lane::Tcp(out), Transport::Interleaved { rtcp, .. }) => {
                out.extend(interleaved(rtcp).map(Bytes::from));
            }
            (Lane::Frame(bytes), Transport::Interleaved { rtcp, .. }) => {
                bytes.extend(interleaved(rtcp).into_iter().flatten());
            }
            (Lane::Udp(ports), Transport::Udp { .. }) => ports.send(track, Flow::Rtcp, &[report]),
            _ => {}
        }
    }
}
