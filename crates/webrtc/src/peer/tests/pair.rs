//! Two peers and a network between them, on virtual time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::h264::{ParameterSets, avcc};
use media::{Frame, Kind, Rate, Timestamp, TrackId};
use rtp::Payloads;
use rtp::h264::Packetizer;

use crate::config::{Address, Certificate, Config, Credentials, IceMode, Proto};
use crate::peer::{Event, Outgoing, Output, Peer, Role, Subscriber, Transmit};

pub(crate) const SERVER: &str = "192.0.2.1:8189";
pub(crate) const CLIENT: &str = "198.51.100.7:40000";

pub(crate) fn config(name: &str, address: &str, ice: IceMode) -> Config {
    let credentials =
        Credentials { ufrag: name.into(), pwd: media::Pii(format!("{name}-0123456789012345678901")) };
    let mut config = Config::new(credentials, Certificate::generate().unwrap(), 7);
    config.ice = ice;
    config.addresses = vec![Address { proto: Proto::Udp, addr: address.parse().unwrap() }];
    config
}

pub(crate) fn server() -> Config {
    config("server", SERVER, IceMode::Lite)
}

pub(crate) fn client() -> Config {
    config("client", CLIENT, IceMode::Full)
}

/// What the network does to datagrams.
#[derive(Clone, Copy)]
pub(crate) struct Network {
    pub(crate) latency: Duration,
    /// Up to so much more for each datagram: they overtake each other.
    pub(crate) jitter: Duration,
    /// Share of datagrams that vanish.
    pub(crate) loss: f64,
}

pub(crate) const CLEAN: Network =
    Network { latency: Duration::from_millis(10), jitter: Duration::ZERO, loss: 0.0 };

pub(crate) struct Pair<A, B> {
    pub(crate) client: Peer<A>,
    pub(crate) server: Peer<B>,
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) network: Network,
    pub(crate) client_events: Vec<(Instant, Event)>,
    pub(crate) server_events: Vec<(Instant, Event)>,
    /// Every datagram that was sent, oldest first, at most 2,000.
    pub(crate) wire: Vec<Transmit>,
    flying: BTreeMap<(Instant, u64), (bool, Transmit)>,
    next: [Instant; 2],
    count: u64,
    seed: u64,
}

impl<A: Role, B: Role> Pair<A, B> {
    pub(crate) fn new(client: Peer<A>, server: Peer<B>, start: Instant, network: Network) -> Self {
        let mut pair = Self {
            client,
            server,
            now: start,
            start,
            network,
            client_events: Vec::new(),
            server_events: Vec::new(),
            wire: Vec::new(),
            flying: BTreeMap::new(),
            next: [start; 2],
            count: 0,
            seed: 3,
        };
        pair.drain();
        pair
    }

    pub(crate) fn random(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Takes everything out of both peers.
    pub(crate) fn drain(&mut self) {
        loop {
            match self.client.poll_output() {
                Output::Transmit(transmit) => self.fly(true, transmit),
                Output::Event(event) => self.client_events.push((self.now, event)),
                Output::Timeout(at) => break self.next[0] = at,
            }
        }
        loop {
            match self.server.poll_output() {
                Output::Transmit(transmit) => self.fly(false, transmit),
                Output::Event(event) => self.server_events.push((self.now, event)),
                Output::Timeout(at) => break self.next[1] = at,
            }
        }
    }

    fn fly(&mut self, to_server: bool, transmit: Transmit) {
        self.count += 1;
        if self.random() < self.network.loss {
            return;
        }
        let extra = self.network.jitter.mul_f64(self.random());
        if self.wire.len() < 2_000 {
            let Transmit { proto, source, destination, ref bytes } = transmit;
            self.wire.push(Transmit { proto, source, destination, bytes: bytes.clone() });
        }
        self.flying.insert((self.now + self.network.latency + extra, self.count), (to_server, transmit));
    }

    /// Runs until `span` from now.
    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        self.run_until(|pair| pair.step_time() > until);
        self.now = until;
    }

    /// Runs until `done` or for 30 s.
    pub(crate) fn run_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let limit = self.now + Duration::from_secs(30);
        while !done(self) && self.step_time() <= limit {
            self.step();
        }
    }

    fn step_time(&self) -> Instant {
        let arrives = self.flying.keys().next().map(|(at, _)| *at);
        arrives.into_iter().chain(self.next).min().unwrap_or(self.now).max(self.now)
    }

    fn step(&mut self) {
        self.now = self.step_time();
        while let Some(entry) = self.flying.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to_server, Transmit { proto, source, destination, bytes }) = entry.remove();
            if to_server {
                self.server.handle_datagram(self.now, proto, source, destination, &bytes);
            } else {
                self.client.handle_datagram(self.now, proto, source, destination, &bytes);
            }
            self.drain();
        }
        if self.next[0] <= self.now {
            self.client.handle_timeout(self.now);
        }
        if self.next[1] <= self.now {
            self.server.handle_timeout(self.now);
        }
        self.drain();
    }

    pub(crate) fn connect(&mut self) {
        self.run_until(|pair| pair.client.is_connected() && pair.server.is_connected());
        assert!(self.client.is_connected() && self.server.is_connected(), "did not connect");
    }

    /// Gives a stranger's datagram to the server.
    pub(crate) fn inject(&mut self, source: SocketAddr, bytes: &[u8]) {
        self.server.handle_datagram(self.now, Proto::Udp, source, SERVER.parse().unwrap(), bytes);
        self.drain();
    }
}

/// Frames of a camera with 25 pictures a second and of a microphone with 20 ms packets.
pub(crate) struct Source {
    packetizer: Packetizer,
    pub(crate) sets: ParameterSets,
    /// Canonical payloads in sending order.
    pub(crate) pictures: Vec<Bytes>,
    pub(crate) packets: Vec<Bytes>,
    /// Pictures between two random access points.
    pub(crate) gop: usize,
    pub(crate) picture_bytes: usize,
    /// Milliseconds sent so far.
    pub(crate) at: i64,
    pub(crate) wants_keyframe: bool,
}

pub(crate) fn sets() -> ParameterSets {
    ParameterSets {
        sps: vec![Bytes::from_static(&[0x67, 0x42, 0xe0, 0x1f, 0x95, 0xa0, 0x14, 0x01, 0x6e, 0x40])],
        pps: vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])],
    }
}

impl Source {
    pub(crate) fn new() -> Self {
        Self {
            packetizer: Packetizer::default(),
            sets: sets(),
            pictures: Vec::new(),
            packets: Vec::new(),
            gop: 50,
            picture_bytes: 5_000,
            at: 0,
            wants_keyframe: false,
        }
    }

    fn picture(&mut self) -> (Payloads, bool) {
        let number = self.pictures.len();
        let idr = number.is_multiple_of(self.gop) || std::mem::take(&mut self.wants_keyframe);
        let size = if idr { 4 * self.picture_bytes } else { self.picture_bytes };
        let mut nal = vec![if idr { 0x65 } else { 0x41 }, 0b1011_1000];
        nal.extend((0..size).map(|i| (1 + (i * 7 + number * 31) % 255) as u8));
        let payload = avcc::write([&nal[..]]);
        self.pictures.push(payload.clone());
        (self.packetizer.packetize(&payload, idr.then_some(&self.sets)), idr)
    }

    fn packet(&mut self) -> Payloads {
        let number = self.packets.len();
        let mut packet = vec![0x78]; // SILK-WB 20 ms, mono, one frame
        packet.extend((0..60).map(|i| (i * 5 + number) as u8));
        self.packets.push(Bytes::copy_from_slice(&packet));
        rtp::opus::packetize(&packet.into())
    }

    /// Sends the next 20 ms.
    pub(crate) fn tick(&mut self, peer: &mut Peer<Subscriber>, now: Instant) {
        let pts = Timestamp::from_millis(self.at);
        if self.at % 40 == 0 {
            let (payloads, random_access) = self.picture();
            let pts = pts.to_rate(Rate::VIDEO);
            peer.send(Outgoing { kind: Kind::Video, payloads: &payloads, pts, random_access }, now);
        }
        let payloads = self.packet();
        let pts = pts.to_rate(Rate::OPUS);
        peer.send(Outgoing { kind: Kind::Audio, payloads: &payloads, pts, random_access: true }, now);
        self.at += 20;
    }
}

pub(crate) fn frames(events: &[(Instant, Event)], track: TrackId) -> Vec<&Frame> {
    let frame = |event| match event {
        &(_, Event::Frame(ref frame)) if frame.track == track => Some(frame),
        _ => None,
    };
    events.iter().filter_map(frame).collect()
}
